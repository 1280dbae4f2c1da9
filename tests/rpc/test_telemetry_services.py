"""Metrics of each service, as a process of its own, and what is made of them in deploy/."""

import json
import math
import operator
import re
import time
from pathlib import Path

import promql_parser as promql
import pytest
import yaml

from gnomon.local import HEALTH_SERVICES, deployment
from tests.rpc.telemetry_pages import look

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = "prometheus/gnomon.rules.yml"
BOARDS = ["grafana/gnomon.json", "grafana/gnomon-registry.json", "grafana/gnomon-trainer.json"]


def page_address(log):
    """Return where a service says it serves metrics."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return next(line["address"] for line in lines if line["event"] == "serving metrics")


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTH_SERVICES)
async def test_every_service_serves_its_metrics(tmp_path, name):
    service = deployment(tmp_path)[name]
    prefix = f"GNOMON_{name.upper()}"
    extra = {f"{prefix}_METRICS_LISTEN": "127.0.0.1:0", "GNOMON_TRAINER_WORKERS": "0"}
    service.environment = dict(service.environment) | extra
    try:
        service.start()
        page = await look(page_address(service.log_path.read_text()))
    finally:
        service.stop()

    assert abs(page.value("process_start_time_seconds") - time.time()) < 120
    assert "gnomon_rpc_calls_in_flight" in page.text
    asked = {name for path in [RULES, *BOARDS] for _, _, used in expressions(path) for name in used}
    assert {one for one in asked if one.startswith(f"gnomon_{name}_")} <= declared(page.text)
    assert {one for one in asked if one.startswith(("gnomon_rpc_", "process_"))} <= declared(page.text)


def test_a_service_whose_metrics_have_no_place_does_not_start(tmp_path):
    service = deployment(tmp_path)["registry"]
    service.environment = dict(service.environment) | {"GNOMON_REGISTRY_METRICS_LISTEN": "256.0.0.1:9410"}
    service.spawn()
    assert service.process is not None

    assert service.process.wait(60) == 2
    assert "Cannot serve metrics at 256.0.0.1:9410" in service.log_tail()
    assert "Traceback" not in service.log_tail(50)


def declared(text):
    """Return the names of all samples that a page may have, also of labels that did not come yet."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    return names


def expressions(path):
    """Return (what it is, the expression, the names that it uses) of all that a file asks Prometheus for."""
    text = (DEPLOY / path).read_text()
    if path == RULES:
        rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
        asked = [(rule.get("record", rule.get("alert")), rule["expr"]) for rule in rules]
    else:
        panels = json.loads(text)["panels"]
        asked = [(panel["title"], target["expr"]) for panel in panels for target in panel["targets"]]
    found = []
    for what, expression in asked:
        plain = expression.replace("$__rate_interval", "5m").replace("$job", ".*")
        found.append((what, plain, set(names_in(promql.parse(plain)))))
    return found


def names_in(node):
    """Yield the metrics of an expression, which is a tree."""
    if isinstance(node, promql.VectorSelector):
        yield node.name
    for attribute in ("vector_selector", "expr", "lhs", "rhs", "param"):
        if (child := getattr(node, attribute, None)) is not None:
            yield from names_in(child)
    for child in getattr(node, "args", ()):
        yield from names_in(child)


@pytest.mark.parametrize("path", [RULES, *BOARDS])
def test_whatever_prometheus_is_asked_is_a_metric_of_a_service_or_a_recorded_one(path):
    recorded = {what for what, _, _ in expressions(RULES) if what.startswith("gnomon:")}
    found = expressions(path)

    assert found
    assert all(used for _, _, used in found)
    known = ("gnomon_registry_", "gnomon_trainer_", "gnomon_scorer_", "gnomon_rpc_", "process_")
    for what, _, used in found:
        assert {name for name in used if not name.startswith(known)} <= recorded | {"up"}, what


def test_no_two_panels_or_dashboards_are_called_the_same():
    boards = [json.loads((DEPLOY / path).read_text()) for path in BOARDS]

    assert len({board["uid"] for board in boards}) == len({board["title"] for board in boards}) == 3
    for board in boards:
        places = [tuple(sorted(panel["gridPos"].items())) for panel in board["panels"]]
        assert len(set(places)) == len(places) == len({panel["id"] for panel in board["panels"]})


def test_an_alert_says_what_is_wrong_and_what_to_do():
    groups = yaml.safe_load((DEPLOY / RULES).read_text())["groups"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]

    assert len({alert["alert"] for alert in alerts}) == len(alerts) >= 12
    for alert in alerts:
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"].keys() == {"summary", "description", "runbook"}


def value_of(node, rates):
    """Return what Prometheus would make of an expression for one job; `rates` are by name and code.

    Knows what a ratio needs: rates, their sums, quotients, `+`, `*` and `or`. None is no sample.
    """
    match node:
        case promql.NumberLiteral():
            return node.val
        case promql.ParenExpr() | promql.AggregateExpr():
            return value_of(node.expr, rates)
        case promql.Call():
            selector = node.args[0].vector_selector
            taken = [rate for series, rate in rates.items() if is_selected(selector, *series)]
            return sum(taken) if taken else None
    left, right = value_of(node.lhs, rates), value_of(node.rhs, rates)
    if str(node.op) == "or":
        return right if left is None else left
    if left is None or right is None:
        return None
    if str(node.op) == "/":
        return left / right if right else math.nan
    return {"+": operator.add, "*": operator.mul}[str(node.op)](left, right)


def is_selected(selector, name, code):
    by_code = [each for each in selector.matchers.matchers if each.name == "code"]
    assert all(each.op in (promql.MatchOp.Equal, promql.MatchOp.NotEqual) for each in by_code)
    return selector.name == name and all(
        (code == each.value) == (each.op == promql.MatchOp.Equal) for each in by_code
    )


@pytest.mark.parametrize(
    ("served", "overloaded", "beyond_quotas", "ratio"),
    [
        (100, 0, 0, 0.0),
        (10, 0, 90, 0.0),  # one key floods: nothing that more scorers would mend
        (90, 10, 0, 0.1),
        (90, 10, 9900, 0.1),  # nor does such a flood hide that others are turned away
        (None, 50, 0, 1.0),  # since the start no call was answered
        (None, 0, 50, math.nan),
    ],
)
def test_a_scorer_is_overloaded_by_what_its_queue_refuses_and_not_by_quotas(
    served, overloaded, beyond_quotas, ratio
):
    [expression] = [plain for what, plain, _ in expressions(RULES) if what == "gnomon:refused:ratio"]
    calls, refused = "gnomon_rpc_calls_total", "gnomon_scorer_refused_total"
    rates = {(refused, None): overloaded, (calls, "RESOURCE_EXHAUSTED"): overloaded + beyond_quotas}
    if served is not None:
        rates[calls, "OK"] = served

    assert value_of(promql.parse(expression), rates) == pytest.approx(ratio, nan_ok=True)
