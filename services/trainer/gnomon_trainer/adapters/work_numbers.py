"""Runs and paid work in Prometheus metrics, read from their rows by the thread that writes the page.

Workers are processes of their own, which may run on other machines, and come
and go; what they do stands in the rows that they write anyway. So every trainer
of a database tells the same numbers: take the largest of them, not their sum.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, and_, case, func, not_, select

from gnomon_trainer.adapters.database import Database
from gnomon_trainer.adapters.tables import dataset_versions, paid_work, runs
from gnomon_trainer.domain.chat_budget import Prices, Tokens
from gnomon_trainer.domain.paid_work import WorkKind, WorkState
from gnomon_trainer.domain.runs import RunState
from gnomon_trainer.domain.training import Stage


class WorkNumbers(Collector):
    """A database that cannot be read costs the page no more than these numbers."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._seen: dict[str, tuple[float, float]] = {}  # of each run: time and rows at the last look

    def describe(self) -> list[Metric]:
        return []  # nothing is read before somebody looks

    def collect(self) -> Iterator[Metric]:
        try:
            with self._database.read() as connection:
                found = list(self._read(connection, self._clock()))
        except Exception:
            found = [_gauge("database_up", "Whether the database could be read.", 0)]
        yield from found

    def _read(self, connection: Connection, now: float) -> Iterator[Metric]:
        yield _gauge("database_up", "Whether the database could be read.", 1)
        yield _gauge(
            "datasets", "Versions of datasets that are not deleted.",
            _one(connection, select(func.count()).where(dataset_versions.c.delete_time.is_(None))),
        )  # fmt: skip
        yield from _runs(connection, now)
        yield _gauge(
            "training_rows_per_second", "Rows that all runs learn from.", self._speed(connection, now)
        )
        yield from _paid_work(connection)
        yield _lapsed(connection)

    def _speed(self, connection: Connection, now: float) -> float:
        """Return the rows a second since the last look, of the runs that fine-tuned then and do so now."""
        training = and_(runs.c.state == RunState.TRAINING, not_(runs.c.lease_expired))
        query = select(runs.c.uid, runs.c.progress, runs.c.spec["parameters"]["batch_size"].as_integer())
        before, self._seen, speed = self._seen, {}, 0.0
        for uid, progress, batch_size in connection.execute(query.where(training)):
            if progress["stage"] != Stage.FINE_TUNING:
                continue
            rows = float(progress["step"] * batch_size)
            then, had = before.get(uid, (now, rows))
            self._seen[uid] = now, rows
            if now > then and rows >= had:  # else it went back to a checkpoint
                speed += (rows - had) / (now - then)
        return speed


def _runs(connection: Connection, now: float) -> Iterator[Metric]:
    query = select(
        runs.c.state, func.count(), func.sum(runs.c.attempts), func.count(runs.c.start_time)
    ).group_by(runs.c.state)
    counts = {
        state: (count, attempts or 0, started)
        for state, count, attempts, started in connection.execute(query)
    }
    states = _family("runs", "Runs, by state.", ["state"])
    for state in RunState:
        states.add_metric([state.value], counts.get(state.value, (0,))[0])
    yield states
    yield _counter("run_attempts", "How often a worker took a run.", sum(each[1] for each in counts.values()))
    yield _counter("runs_started", "Runs that a worker ever took.", sum(each[2] for each in counts.values()))
    waits_since = case(
        (runs.c.next_attempt > runs.c.create_time, runs.c.next_attempt), else_=runs.c.create_time
    )
    oldest = _one(connection, select(func.min(waits_since)).where(runs.c.state == RunState.QUEUED))
    age = max(0.0, now - oldest) if oldest else 0.0
    yield _gauge("queue_age_seconds", "How long the oldest queued run has waited for a worker.", age)


def _paid_work(connection: Connection) -> Iterator[Metric]:
    states = _family("work", "Labellings and generations, by state.", ["kind", "state"])
    query = select(paid_work.c.kind, paid_work.c.state, func.count()).group_by(
        paid_work.c.kind, paid_work.c.state
    )
    counts = {(kind, state): count for kind, state, count in connection.execute(query)}
    for kind in WorkKind:
        for state in WorkState:
            states.add_metric([kind.value, state.value], counts.get((kind.value, state.value), 0))
    yield states
    tokens = _counters("work_tokens", "Tokens that they spent.", ["kind", "direction"])
    costs = _counters("work_cost", "What they spent, in the currency of their prices.", ["kind"])
    spent, cost = dict.fromkeys(WorkKind, Tokens()), dict.fromkeys(WorkKind, 0.0)
    columns = paid_work.c.kind, paid_work.c.input_tokens, paid_work.c.output_tokens, paid_work.c.allowance
    for kind, input_tokens, output_tokens, allowance in connection.execute(select(*columns)):
        took = Tokens(input_tokens, output_tokens)
        spent[WorkKind(kind)] += took
        cost[WorkKind(kind)] += Prices(**allowance["prices"]).cost(took)
    for kind in WorkKind:
        tokens.add_metric([kind.value, "input"], spent[kind].input)
        tokens.add_metric([kind.value, "output"], spent[kind].output)
        costs.add_metric([kind.value], cost[kind])
    yield from (tokens, costs)


def _lapsed(connection: Connection) -> Metric:
    """Leases that ran out and that nobody has taken over: work of a process that is gone or hangs."""
    family = _family("lapsed_leases", "Work whose holder was silent for too long, and nobody took.", ["kind"])
    for kind, table, holder in (("runs", runs, runs.c.worker), ("paid_work", paid_work, paid_work.c.holder)):
        lapsed = and_(holder != "", table.c.lease_expired)
        family.add_metric([kind], _one(connection, select(func.count()).select_from(table).where(lapsed)))
    return family


def _one(connection: Connection, query: Any) -> float:
    return float(connection.execute(query).scalar_one() or 0)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"gnomon_trainer_{name}", text, value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"gnomon_trainer_{name}", text, value)


def _family(name: str, text: str, labels: list[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"gnomon_trainer_{name}", text, labels=labels)


def _counters(name: str, text: str, labels: list[str]) -> CounterMetricFamily:
    return CounterMetricFamily(f"gnomon_trainer_{name}", text, labels=labels)
