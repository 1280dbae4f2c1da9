"""Alerts lead to what to do, and links of the operators' pages lead somewhere."""

import re

import pytest
import yaml
from tools.requirements import ROOT

from gnomon_rpc.settings import ServerSettings

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
