"""Alerts lead to what to do, and links of the operators' pages lead somewhere."""

import re

import kubernetes_validate
import pytest
import yaml
from tools.requirements import ROOT

from gnomon_rpc.settings import ServerSettings
from gnomon_trainer.adapters.base_models import IN_GGUF, IN_PARTS
from tests.deploy.rendering import CHART, one, render
from tests.deploy.test_compose import COMPOSE

RULES = yaml.safe_load((ROOT / "deploy/prometheus/gnomon.rules.yml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]
RUNBOOK = ROOT / "docs/operations/runbook.md"
PAGES = [ROOT / "SECURITY.md", *sorted((ROOT / "docs/operations").glob("*.md"))]


def anchors(page):
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_leads_to_what_to_do(alert):
    page, _, anchor = alert["annotations"]["runbook"].partition("#")

    assert ROOT / page == RUNBOOK
    assert anchor == alert["alert"].lower()
    assert anchor in anchors(RUNBOOK)


@pytest.mark.skipif("access" not in ServerSettings.model_fields, reason="this build has no access control")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if "://" not in link and not (target.exists() and (not anchor or anchor in anchors(target))):
            broken.append(link)

    assert broken == []


def test_who_runs_containers_is_told_how_to_add_a_base_model():
    """Beside the trainer, in its folder, and with room that is not a container's memory."""
    page = (ROOT / "docs/operations/install.md").read_text()
    told = re.findall(
        r"^(docker compose|kubectl) (.*exec.* gnomon base-models add (\S+))$", page, re.MULTILINE
    )

    assert [tool for tool, _, _ in told] == ["docker compose", "kubectl"]
    for _, words, base_model in told:
        assert base_model in {*IN_PARTS, *IN_GGUF}
        assert "TMPDIR=/var/lib/gnomon " in words
    assert " trainer gnomon " in told[0][1]
    assert "trainer:/var/lib/gnomon" in COMPOSE["services"]["trainer"]["volumes"]
    assert "statefulset/gnomon-trainer " in told[1][1]
    assert one(render({}), "StatefulSet", "gnomon-trainer")
    assert all(name in page for name in (*IN_PARTS, *IN_GGUF))


BACKUP = (ROOT / "docs/operations/backup.md").read_text()
# A command that goes on in the next line is one.
BLOCKS = [block.replace("\\\n", "") for block in re.findall(r"^```\w*\n(.*?)^```", BACKUP, re.M | re.S)]


def test_a_service_is_backed_up_by_its_own_name():
    """Where variables are those of one service, a command that names none is refused."""
    pattern = r"gnomon (?:\$service )?((?:backup|restore) .*)"
    words = [found.split() for block in BLOCKS for found in re.findall(pattern, block)]

    assert len(words) >= 7
    assert [each for each in words if each[1] != "--service" or len(each) != 4] == []


def test_a_restore_on_kubernetes_takes_the_claim_that_the_chart_makes():
    [helper] = [yaml.safe_load(block) for block in BLOCKS if block.startswith("apiVersion")]
    oldest = yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"]
    kubernetes_validate.validate(helper, oldest.strip(">=").removesuffix(".0-0"), strict=True)
    registry = one(render({}), "StatefulSet", "gnomon-registry")["spec"]
    [claim] = [each["metadata"]["name"] for each in registry["volumeClaimTemplates"]]
    [volume], [container] = helper["spec"]["volumes"], helper["spec"]["containers"]
    pod = registry["template"]["spec"]
    used = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == claim]

    assert volume["persistentVolumeClaim"] == {"claimName": f"{claim}-gnomon-registry-0"}
    assert container["volumeMounts"] == used
    assert pod["securityContext"].items() >= helper["spec"]["securityContext"].items()
    assert container["image"].rpartition("/")[2].startswith("gnomon-registry:")


def test_a_backup_with_compose_goes_where_its_containers_may_write_and_is_restored_into_nothing():
    [owner] = re.findall(r"install -d -o (\d+) -g (\d+)", BACKUP)
    [removed] = re.findall(r"docker volume rm ([^`]+)`", BACKUP)
    kept = {
        volume.partition(":")[0]
        for service in ("registry", "trainer", "database")
        for volume in COMPOSE["services"][service]["volumes"]
    }

    assert {COMPOSE["services"][name]["user"] for name in ("registry", "trainer")} == {":".join(owner)}
    assert {*removed.split()} == {f"{COMPOSE['name']}_{volume}" for volume in kept}
