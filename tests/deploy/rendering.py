"""The chart as Helm renders it, without a cluster."""

from typing import Any

import yaml
from tools.requirements import ROOT

from tests.deploy import helm

CHART = ROOT / "deploy/helm/gnomon"

PLAIN = {"access": {"enabled": False}, "tls": {"enabled": False}}
LARGE = {
    "registry": {
        "replicas": 3,
        "database": {"url": "postgresql://gnomon@db/registry", "existingSecret": "db"},
        "artifacts": {"url": "s3://bucket/gnomon"},
        "envFrom": [{"secretRef": {"name": "s3"}}],
    },
    "trainer": {
        "database": {"url": "postgresql://gnomon@db/trainer", "existingSecret": "db"},
        "masterKeySecret": "master",
        "env": {"GNOMON_TRAINER_ALLOWED_HOSTS": "vllm:8000"},
        "nodeSelector": {"disk": "fast"},
    },
    "scorer": {"autoscaling": {"enabled": True}, "tolerations": [{"operator": "Exists"}]},
    "tls": {"clientCertificates": True},
    "imagePullSecrets": [{"name": "pull"}],
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
}
# Files of the operator's own, and an identity that a cloud knows: of each service, and for its migration.
_POLICY = {
    "env": {"GNOMON_REGISTRY_BUNDLE_POLICY_FILE": "/etc/gnomon/policy/policy.json"},
    "extraVolumes": [{"name": "policy", "configMap": {"name": "policy"}}],
    "extraVolumeMounts": [{"name": "policy", "mountPath": "/etc/gnomon/policy", "readOnly": True}],
}
_RECIPES = {
    "env": {"GNOMON_TRAINER_RECIPES_DIR": "/etc/gnomon/recipes"},
    "envFrom": [{"secretRef": {"name": "proxy"}}],
    "extraVolumes": [
        {"name": "recipes", "configMap": {"name": "recipes"}},
        {"name": "postgres-ca", "secret": {"secretName": "postgres-ca"}},
    ],
    "extraVolumeMounts": [
        {"name": "recipes", "mountPath": "/etc/gnomon/recipes", "readOnly": True},
        {"name": "postgres-ca", "mountPath": "/etc/gnomon/postgres", "readOnly": True},
    ],
}
_IDENTITY = {"serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/gnomon"}}}
_CHECKED = "?sslmode=verify-full&sslrootcert=/etc/gnomon/postgres/ca.crt"
FILES: dict[str, Any] = {
    "registry": {**_POLICY, **_IDENTITY, "database": {"url": "postgresql://gnomon@db/registry"}},
    "trainer": {
        **_RECIPES,
        **_IDENTITY,
        "database": {"url": f"postgresql://gnomon@db/trainer{_CHECKED}", "existingSecret": "db"},
    },
    "scorer": {
        **_POLICY,
        **_IDENTITY,
        "env": {"GNOMON_SCORER_BUNDLE_POLICY_FILE": "/etc/gnomon/policy/policy.json"},
    },
    "networkPolicy": {
        "dns": [{"namespace": "openshift-dns", "port": 5353}],
        "egress": [{"ports": [{"port": 4317, "protocol": "TCP"}]}],
    },
}
BARE = {"networkPolicy": {"enabled": False}, "podDisruptionBudget": {"enabled": False}}
VALUE_SETS: dict[str, dict[str, Any]] = {
    "default": {},
    "plain": PLAIN,
    "large": LARGE,
    "files": FILES,
    "bare": BARE,
}


def render(values: dict[str, Any], name: str = "gnomon") -> list[dict[str, Any]]:
    """Return every object that an installation would make."""
    files = helm.rendered(CHART, values, name)
    texts = [text for path, text in sorted(files.items()) if path.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def one(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    [found] = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the pod that each workload makes, by the workload's name."""
    workloads = [each for each in objects if each["kind"] in {"Deployment", "StatefulSet", "Job"}]
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in workloads}


def variables(pod: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
