"""The chart's objects are valid, and say what the documentation promises."""

import re

import kubernetes_validate
import pytest
import yaml
from tools.requirements import ROOT

from tests.deploy import helm
from tests.deploy.rendering import CHART, FILES, LARGE, PLAIN, VALUE_SETS, one, pods, render, variables

SERVICES = ("registry", "trainer", "scorer")
_OTHERS_KINDS = {"ServiceMonitor"}  # of the Prometheus operator


@pytest.fixture(scope="module", params=VALUE_SETS)
def objects(request):
    return render(VALUE_SETS[request.param])


def test_every_object_is_what_kubernetes_knows(objects):
    oldest = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"]
    for each in objects:
        if each["kind"] not in _OTHERS_KINDS:
            kubernetes_validate.validate(each, oldest.strip(">=").removesuffix(".0-0"), strict=True)


def test_helm_has_no_error_to_tell():
    said = helm.lint(CHART)

    assert said["errors"] == []
    assert [message for message in said["messages"] if message["severity"] > 1] == []


def test_pods_have_no_rights_that_they_do_not_need(objects):
    for pod in pods(objects).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in container["resources"]["limits"]


def test_secrets_are_files_and_never_values(objects):
    assert [each for each in objects if each["kind"] == "Secret"] == []
    for pod in pods(objects).values():
        mounted = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
        for name, value in variables(pod).items():
            assert "SECRET" not in name
            if value.startswith("/etc/gnomon/"):
                assert {value, value.rpartition("/")[0]} & mounted


def test_every_mount_has_its_volume(objects):
    claims = {
        each["metadata"]["name"]: {
            claim["metadata"]["name"] for claim in each["spec"]["volumeClaimTemplates"]
        }
        for each in objects
        if each["kind"] == "StatefulSet"
    }
    for name, pod in pods(objects).items():
        volumes = {volume["name"] for volume in pod["volumes"]} | claims.get(name, set())
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == volumes


def test_a_pod_is_given_the_time_that_its_service_takes_to_drain(objects):
    for name, pod in pods(objects).items():
        if not name.endswith("migration"):
            service = name.removeprefix("gnomon-")
            grace_s = float(variables(pod)[f"GNOMON_{service.upper()}_GRACE_S"])
            wait_s = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert pod["terminationGracePeriodSeconds"] > grace_s + wait_s


def test_scorers_are_replaced_without_one_missing():
    scorer = one(render({}), "Deployment", "gnomon-scorer")

    assert scorer["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


@pytest.mark.parametrize("service", SERVICES)
def test_probes_ask_for_life_and_for_readiness_apart(service):
    container = pods(render(PLAIN))[f"gnomon-{service}"]["containers"][0]

    assert container["livenessProbe"]["grpc"]["service"] == "live"
    assert container["readinessProbe"]["grpc"]["service"] == f"gnomon.v1.{service.capitalize()}Service"


@pytest.mark.parametrize("service", SERVICES)
def test_behind_tls_a_probe_is_our_own_command(service):
    container = pods(render({}))[f"gnomon-{service}"]["containers"][0]
    words = container["readinessProbe"]["exec"]["command"]

    assert words[:2] == ["gnomon", "health"]
    assert f"--server-name=gnomon-{service}" in words


def test_services_have_no_address_of_their_own():
    for service in SERVICES:
        assert one(render({}), "Service", f"gnomon-{service}")["spec"]["clusterIP"] == "None"


def test_scorers_are_added_by_what_waits():
    scaler = one(render(LARGE), "HorizontalPodAutoscaler", "gnomon-scorer")
    [metric] = scaler["spec"]["metrics"]

    assert metric["pods"]["metric"] == {"name": "gnomon_scorer_predicted_drain_seconds"}
    assert "replicas" not in one(render(LARGE), "Deployment", "gnomon-scorer")["spec"]


def test_connections_to_scorers_are_made_anew_so_that_those_that_are_added_get_calls():
    age = "MAX_CONNECTION_AGE_S"

    def set_ages(values):
        found = pods(render(values)).values()
        return {name: value for pod in found for name, value in variables(pod).items() if age in name}

    assert set_ages(PLAIN) == {f"GNOMON_SCORER_{age}": "300"}
    assert set_ages({"scorer": {"maxConnectionAgeSeconds": 60}}) == {f"GNOMON_SCORER_{age}": "60"}
    assert set_ages({"scorer": {"maxConnectionAgeSeconds": None}}) == {}


def test_a_scorer_reaches_the_registry_and_nothing_else():
    policy = one(render(LARGE), "NetworkPolicy", "gnomon-scorer")
    dns, registry = policy["spec"]["egress"]

    assert {rule["port"] for rule in dns["ports"]} == {53}
    [to] = registry["to"]
    assert to["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "registry"


def egress(service, **policy):
    found = one(render({"networkPolicy": policy}), "NetworkPolicy", f"gnomon-{service}")
    return found["spec"]["egress"] or []  # no rule at all is none in YAML


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_may_go_where_the_values_add(service):
    """To a collector of OpenTelemetry, say: nothing else of the policies lets a scorer reach one."""
    namespace = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "telemetry"}}}
    rules = [{"to": [namespace], "ports": [{"port": 4317, "protocol": "TCP"}]}, {"ports": [{"port": 3128}]}]

    assert egress(service, egress=rules) == [*egress(service), *rules]


@pytest.mark.parametrize("service", SERVICES)
def test_names_are_asked_for_where_the_clusters_dns_is(service):
    told = [{"namespace": "openshift-dns", "port": 5353}, {"namespace": "kube-system", "port": 53}]
    before, found = egress(service), egress(service, dns=told)
    rules = found[: len(told)]

    assert [found[len(told) :], egress(service, dns=[])] == [before[1:], before[1:]]
    for rule, place in zip(rules, told, strict=True):
        [to] = rule["to"]
        assert to == {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place["namespace"]}}
        }
        assert {(port["port"], port["protocol"]) for port in rule["ports"]} == {
            (place["port"], "UDP"),
            (place["port"], "TCP"),
        }
    assert rules[1] == before[0]  # what is usual is the default


def test_databases_of_a_server_are_migrated_before_the_pods_come():
    objects = render(LARGE)
    for service in ("registry", "trainer"):
        job = one(objects, "Job", f"gnomon-{service}-migration")
        assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert (
            variables(pods(objects)[f"gnomon-{service}"])[f"GNOMON_{service.upper()}_MIGRATE_ON_START"]
            == "false"
        )
    assert not any(name.endswith("migration") for name in pods(render({})))


def test_without_protection_it_is_said_by_name():
    for service in SERVICES:
        said = variables(pods(render(PLAIN))[f"gnomon-{service}"])
        assert said[f"GNOMON_{service.upper()}_UNPROTECTED"] == "without-keys,without-tls"
        assert f"GNOMON_{service.upper()}_UNPROTECTED" not in variables(pods(render({}))[f"gnomon-{service}"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"registry": {"replicas": 2}}, "registry.replicas"),
        ({"tls": {"enabled": False}}, "tls.enabled"),
        ({"scorer": {"replica": 3}}, "replica"),
        ({"scorer": {"cores": 0}}, "cores"),
        ({"networkPolicy": {"dns": [{"namespace": "openshift-dns"}]}}, "port"),
        ({"networkPolicy": {"egress": {"ports": []}}}, "egress"),
        ({"scorer": {"extraVolumes": {"name": "policy"}}}, "extraVolumes"),
        ({"trainer": {"extraVolumeMounts": [{"mountPath": "/etc/gnomon/recipes"}]}}, "name"),
        ({"registry": {"serviceAccount": {"annotation": {}}}}, "annotation"),
        ({"scorer": {"maxConnectionAgeSeconds": 0}}, "maxConnectionAgeSeconds"),
        ({"trainer": {"database": {"url": "mysql://x"}}}, "url"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_name(values, said):
    with pytest.raises(helm.HelmRefusedError, match=said):
        render(values)


SIZES = [
    ("8Gi", 8 * 1024**3),
    ("1.5Gi", 1.5 * 1024**3),
    ("500M", 500e6),
    ("2T", 2e12),
    (8_589_934_592, 8 * 1024**3),
]


@pytest.mark.parametrize(("size", "size_bytes"), SIZES)
def test_versions_leave_a_scorer_memory_for_what_it_does_with_them(size, size_bytes):
    pod = pods(render({"scorer": {"memory": size}}))["gnomon-scorer"]
    resources = pod["containers"][0]["resources"]

    assert resources["limits"]["memory"] == resources["requests"]["memory"] == size
    assert int(variables(pod)["GNOMON_SCORER_MEMORY_BUDGET_BYTES"]) == int(0.6 * size_bytes)


@pytest.mark.parametrize(("size", "size_bytes"), SIZES)
def test_a_scorer_makes_room_before_its_volume_is_full(size, size_bytes):
    pod = pods(render({"scorer": {"cacheSize": size}}))["gnomon-scorer"]
    [volume] = [volume for volume in pod["volumes"] if volume["name"] == "cache"]

    assert volume["emptyDir"]["sizeLimit"] == size
    assert int(variables(pod)["GNOMON_SCORER_CACHE_DIR_BYTES"]) == int(0.75 * size_bytes)


@pytest.mark.parametrize("name", ["GNOMON_SCORER_CACHE_DIR_BYTES", "GNOMON_SCORER_MEMORY_BUDGET_BYTES"])
def test_the_room_of_a_scorer_may_be_told_and_is_told_once(name):
    env = pods(render({"scorer": {"env": {name: "1000"}}}))["gnomon-scorer"]["containers"][0]["env"]

    assert [each["value"] for each in env if each["name"] == name] == ["1000"]


@pytest.mark.parametrize("service", ["registry", "trainer"])
def test_a_master_key_is_mounted_where_the_service_looks_for_it(service):
    objects = render({service: {"masterKeySecret": "sealing"}})
    pod = pods(objects)[f"gnomon-{service}"]
    [volume] = [volume for volume in pod["volumes"] if volume["name"] == "master"]

    assert volume["secret"]["secretName"] == "sealing"
    file = variables(pod)[f"GNOMON_{service.upper()}_MASTER_KEY_FILE"]
    assert file == "/etc/gnomon/master/master-key"
    assert not any("MASTER_KEY" in name for name in variables(pods(render({}))[f"gnomon-{service}"]))


@pytest.mark.parametrize("service", SERVICES)
def test_files_of_the_operator_are_mounted_where_the_values_say(service):
    pod = pods(render(FILES))[f"gnomon-{service}"]

    for volume in FILES[service]["extraVolumes"]:
        assert volume in pod["volumes"]
    for mount in FILES[service]["extraVolumeMounts"]:
        assert mount in pod["containers"][0]["volumeMounts"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_pods_account_is_known_to_the_cloud_where_it_is_annotated(service):
    def account(values):
        objects = render(values)
        name = pods(objects)[f"gnomon-{service}"]["serviceAccountName"]
        return one(objects, "ServiceAccount", name)["metadata"]

    assert account(FILES)["annotations"] == FILES[service]["serviceAccount"]["annotations"]
    assert "annotations" not in account({})


def test_webhooks_leave_the_registry_only_where_it_is_said():
    rule = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443, "protocol": "TCP"}]}

    assert egress("registry", webhooks=[rule]) == [*egress("registry"), rule]
    assert egress("scorer", webhooks=[rule]) == egress("scorer")


@pytest.mark.parametrize("name", ["gnomon", "blue"])
def test_the_jobs_that_prometheus_sees_are_those_of_the_rules(name):
    """A ServiceMonitor's relabelling, done as Prometheus does it, on the labels of the Services."""
    values = {"serviceMonitor": {"enabled": True}}
    objects = render(values, name=name)
    [monitor] = [each for each in objects if each["kind"] == "ServiceMonitor"]
    [[relabelling]] = [endpoint["relabelings"] for endpoint in monitor["spec"]["endpoints"]]
    [source] = relabelling["sourceLabels"]
    rules = (ROOT / "deploy/prometheus/gnomon.rules.yml").read_text()
    [wanted] = re.findall(r'up\{job=~"([^"]+)"\}', rules)

    jobs = set()
    for service in (each for each in objects if each["kind"] == "Service"):
        labels = {re.sub(r"\W", "_", key): value for key, value in service["metadata"]["labels"].items()}
        value = labels[source.removeprefix("__meta_kubernetes_service_label_")]
        jobs.add(relabelling["replacement"].replace("$1", value))

    assert relabelling["targetLabel"] == "job"
    assert jobs == {"gnomon-registry", "gnomon-trainer", "gnomon-scorer"}
    assert all(re.fullmatch(wanted, job) for job in jobs)


def test_another_release_has_other_names():
    assert one(render({}, name="blue"), "Service", "blue-gnomon-scorer")


@pytest.mark.parametrize("release", ["gnomon", "other"])
def test_certificates_are_asked_for_with_every_name_that_pods_and_callers_check(release):
    """A client checks the host of the address it was given: pods the Service's name, callers the notes'."""
    files = helm.rendered(CHART, {}, release)
    notes = next(text for path, text in files.items() if path.endswith("NOTES.txt"))
    asked = next(line for line in notes.splitlines() if "valid for" in line)
    names = asked.partition("such as ")[2].removesuffix(".").split(" and ")
    trainer = next(pod for name, pod in pods(render({}, release)).items() if name.endswith("-trainer"))
    by_pods = variables(trainer)["GNOMON_TRAINER_REGISTRY_ADDRESS"]
    [by_callers] = re.findall(r"GNOMON_REGISTRY_ADDRESS=(\S+)", notes)

    assert [by_pods.partition(":")[0], by_callers.partition(":")[0]] == names


def test_the_pages_ask_for_certificates_with_the_names_that_the_notes_do():
    for page in (CHART / "values.yaml", ROOT / "docs/operations/install.md"):
        assert "gnomon-registry.NAMESPACE" in page.read_text()
