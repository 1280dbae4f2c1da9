"""The trainer's ports in memory. They pass the same contract suites as the real adapters."""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from gnomon.errors import ArtifactCorruptError, GnomonError, NotFoundError
from gnomon.names import (
    DatasetName,
    MetricName,
    MetricVersionName,
    OperationName,
    ProjectName,
    ProviderName,
    RunName,
)
from gnomon_trainer.domain import providers
from gnomon_trainer.domain import runs as rules
from gnomon_trainer.domain.datasets import (
    Dataset,
    DatasetDraft,
    Request,
    check_same_body,
    in_use,
    next_version,
    no_dataset,
)
from gnomon_trainer.domain.findings import Finding
from gnomon_trainer.domain.judge_prompt import JudgeClass, Judged
from gnomon_trainer.domain.leases import LifeSign
from gnomon_trainer.domain.paid_work import PaidWork
from gnomon_trainer.domain.providers import Provider
from gnomon_trainer.domain.run_store import Change, Lease, lost, no_run, taken
from gnomon_trainer.domain.runs import Run
from gnomon_trainer.domain.training import MetricDefinition, Point


class FakeStores:
    """Datasets and runs see each other, as they do in one database."""

    def __init__(self) -> None:
        self.datasets = FakeDatasetStore(self)
        self.runs = FakeRunStore(self)
        self.providers = FakeProviderStore(self)
        self.paid_work: list[PaidWork] = []
        self.requests: dict[str, tuple[str, Any]] = {}

    def find(self, request: Request) -> Any:
        if request.request_id not in self.requests:
            return None
        body, answer = self.requests[request.request_id]
        check_same_body(request, body)
        return answer


class FakeDatasetStore:
    def __init__(self, stores: FakeStores) -> None:
        self._stores = stores
        self._versions: dict[str, list[Dataset]] = {}

    def replayed(self, request: Request) -> tuple[Dataset, ...] | None:
        names = self._stores.find(request)
        return names and tuple(self.get(name, deleted=True) for name in names)

    def add(self, drafts: Sequence[DatasetDraft], request: Request | None, now: float) -> tuple[Dataset, ...]:
        if request and (known := self.replayed(request)) is not None:
            return known
        before = {key: list(versions) for key, versions in self._versions.items()}
        try:
            stored = tuple(self._add(draft, now) for draft in drafts)
        except GnomonError:
            self._versions = before
            raise
        if request:
            names = [dataset.name for dataset in stored]
            self._stores.requests[request.request_id] = request.body, names
        return stored

    def _add(self, draft: DatasetDraft, now: float) -> Dataset:
        versions = self._versions.setdefault(draft.dataset, [])
        newest = versions[-1] if versions else None
        dataset = next_version(newest, draft, now)
        if dataset is not newest:
            versions.append(dataset)
        return dataset

    def get(self, name: DatasetName, *, deleted: bool = False) -> Dataset:
        for dataset in reversed(self._versions.get(name.dataset, [])):
            if name.version in {None, dataset.version} and (deleted or dataset.delete_time is None):
                return dataset
        raise no_dataset(name)

    def page(self, after: str | None, size: int) -> Sequence[Dataset]:
        there = [v[-1] for v in self._versions.values() if v[-1].delete_time is None]
        return sorted((d for d in there if d.dataset > (after or "")), key=lambda d: d.dataset)[:size]

    def delete(self, dataset: str, now: float) -> None:
        self.get(DatasetName(dataset))
        for run in self._stores.runs.rows.values():
            needed = {run.spec.training_set.split("@")[0], run.spec.test_set.split("@")[0]}
            if not run.is_done and f"datasets/{dataset}" in needed:
                raise in_use(dataset, str(run.name))
        for work in self._stores.paid_work:
            if not work.is_done and any(name.startswith(f"datasets/{dataset}@") for name in work.needs):
                raise in_use(dataset, work.name)
        self._versions[dataset] = [
            version if version.delete_time else replace(version, delete_time=now)
            for version in self._versions[dataset]
        ]

    def keep_findings(self, name: DatasetName, findings: tuple[Finding, ...]) -> Dataset:
        dataset = self.get(name)
        versions = self._versions[dataset.dataset]
        versions[versions.index(dataset)] = checked = replace(dataset, findings=findings)
        return checked

    def digests(self) -> frozenset[str]:
        return frozenset(d.digest for versions in self._versions.values() for d in versions)


class FakeRunStore:
    def __init__(self, stores: FakeStores) -> None:
        self._stores = stores
        self.rows: dict[str, Run] = {}
        self._points: dict[str, dict[int, tuple[int, Point]]] = {}
        self._places = 0

    def replayed(self, request: Request) -> Run | None:
        uid = self._stores.find(request)
        return uid and self.rows[uid]

    def create(self, run: Run, request: Request | None) -> Run:
        if request and (known := self.replayed(request)):
            return known
        for name in filter(None, (run.spec.training_set, run.spec.test_set)):
            self._stores.datasets.get(DatasetName.parse(name))
        if any(known.name == run.name for known in self.rows.values()):
            raise taken(run)
        self.rows[run.uid] = replace(run, number=len(self.rows) + 1)
        if request:
            self._stores.requests[request.request_id] = request.body, run.uid
        return self.rows[run.uid]

    def get(self, name: RunName | OperationName) -> Run:
        for run in self.rows.values():
            if name in (run.name, run.operation):
                return run
        raise no_run(name)

    def page(self, projects: frozenset[str] | None, before: int | None, size: int) -> Sequence[Run]:
        found = sorted(self.rows.values(), key=lambda run: -run.number)
        return [
            run
            for run in found
            if (projects is None or run.project in projects) and (before is None or run.number < before)
        ][:size]

    def change(self, name: RunName | OperationName, change: Change) -> Run:
        run = self.get(name)
        changed = change(run)
        if changed is not run:
            self.rows[run.uid] = replace(changed, revision=run.revision + 1)
        return self.rows[run.uid]

    def claim(self, worker: str, now: float) -> Run | None:
        for run in sorted(self.rows.values(), key=lambda run: run.number):
            if run.is_claimable(now):
                self.rows[run.uid] = rules.claimed(run, worker, now)
                return self.rows[run.uid]
        return None

    def write_leased(self, lease: Lease, change: Change, points: Sequence[Point] = ()) -> Run:
        run = self.rows.get(lease.uid)
        if run is None or run.fence != lease.fence:
            raise lost(lease)
        changed = change(replace(run, lease_expired=False))
        if changed.spec is not run.spec:
            self._stores.datasets.get(DatasetName.parse(changed.spec.training_set))
        self.rows[run.uid] = replace(changed, revision=run.revision + 1)
        for point in points:
            self._add_point(run.uid, point)
        return self.rows[run.uid]

    def waiting(self) -> Sequence[Run]:
        return sorted((run for run in self.rows.values() if run.waits), key=lambda run: run.number)

    def _add_point(self, uid: str, point: Point) -> None:
        known = self._points.setdefault(uid, {})
        old = known.get(point.step, (0, Point(point.step)))[1]
        measured = {
            name: value
            for name in Point.__slots__
            if (value := getattr(point, name)) is not None or name == "step"
        }
        for step in [step for step in known if step >= point.step]:
            del known[step]
        self._places += 1
        known[point.step] = self._places, replace(old, **measured)

    def points(self, uid: str, after: int = 0) -> Sequence[tuple[int, Point]]:
        return sorted((e for e in self._points.get(uid, {}).values() if e[0] > after), key=lambda e: e[0])

    def latest_point(self, uid: str) -> Point | None:
        points = self.points(uid)
        return points[-1][1] if points else None

    def expire_leases(self, worker: str) -> int:
        dead = [run for run in self.rows.values() if run.worker == worker and not run.lease_expired]
        for run in dead:
            self.rows[run.uid] = replace(run, lease_expired=True)
        return len(dead)

    def free_leases(self, worker: str) -> int:
        held = [run for run in self.rows.values() if run.worker == worker]
        for run in held:
            self.rows[run.uid] = replace(run, worker="", lease_expired=False)
        return len(held)

    def life_signs(self) -> Sequence[LifeSign]:
        return [LifeSign(row.uid, row.fence, row.revision) for row in self.rows.values() if row.is_leased]

    def expire(self, sign: LifeSign) -> bool:
        if sign not in self.life_signs():
            return False
        self.rows[sign.uid] = replace(self.rows[sign.uid], lease_expired=True)
        return True

    def settle_cancelled(self, now: float) -> int:
        left = [r for r in self.rows.values() if r.cancel_requested and not r.is_leased]
        for run in left:
            self.change(run.name, lambda run: rules.cancelled(run, now))
        return len(left)


class FakeProviderStore:
    def __init__(self, stores: FakeStores) -> None:
        self._stores = stores
        self._providers: dict[str, Provider] = {}

    def create(self, provider: Provider, request: Request | None) -> Provider:
        if request and (name := self._stores.find(request)) is not None:
            return self.get(ProviderName.parse(name))
        if provider.provider in self._providers:
            raise providers.taken(provider.name)
        self._providers[provider.provider] = provider
        if request:
            self._stores.requests[request.request_id] = request.body, str(provider.name)
        return provider

    def get(self, name: ProviderName) -> Provider:
        if name.provider not in self._providers:
            raise providers.no_provider(name)
        return self._providers[name.provider]

    def page(self, after: str, size: int) -> Sequence[Provider]:
        return [self._providers[key] for key in sorted(self._providers) if key > after][:size]

    def change(self, name: ProviderName, change: providers.Change) -> Provider:
        self._providers[name.provider] = change(self.get(name))
        return self._providers[name.provider]

    def delete(self, name: ProviderName) -> None:
        self.get(name)
        del self._providers[name.provider]


class FakeRowStore:
    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def sink(self) -> "FakeRowSink":
        return FakeRowSink(self.contents)

    def read(self, digest: str) -> Iterator[dict[str, Any]]:
        for line in self._content(digest).splitlines():
            yield json.loads(line)

    def pick(self, digest: str, numbers: Set[int]) -> dict[int, dict[str, Any]]:
        found = {number: record for number, record in enumerate(self.read(digest), 1) if number in numbers}
        if len(found) < len(numbers):
            raise ArtifactCorruptError("Rows are missing.", resource=digest, path="")
        return found

    def parts(self, digest: str, part_bytes: int) -> Iterator[bytes]:
        content = self._content(digest)
        for start in range(0, len(content), part_bytes):
            yield content[start : start + part_bytes]

    def _content(self, digest: str) -> bytes:
        if digest not in self.contents:
            raise ArtifactCorruptError("The rows are missing.", resource=digest, path="")
        return self.contents[digest]


class FakeRowSink:
    def __init__(self, contents: dict[str, bytes]) -> None:
        self._contents = contents
        self._lines: list[bytes] = []

    def write(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        self._lines.append(line.encode() + b"\n")

    def keep(self) -> tuple[str, int]:
        content = b"".join(self._lines)
        digest = hashlib.sha256(content).hexdigest()
        self._contents[digest] = content
        return digest, len(content)

    def discard(self) -> None:
        self._lines.clear()


class FakeCatalog:
    def __init__(self, metrics: Mapping[str, MetricDefinition], projects: Sequence[str]) -> None:
        self._metrics = metrics
        self._projects = projects

    async def metric(self, name: MetricName) -> MetricDefinition:
        if str(name) not in self._metrics:
            raise NotFoundError(f"There is no {name}.", resource=str(name))
        return self._metrics[str(name)]

    async def judged(self, name: MetricName) -> Judged:
        metric = await self.metric(name)
        classes = tuple(map(JudgeClass, metric.classes))
        return Judged(metric.name, "Is it so?", classes, metric.step, metric.input_shape)

    async def check_project(self, name: ProjectName) -> None:
        if str(name) not in self._projects:
            raise NotFoundError(f"There is no {name}.", resource=str(name))


class FakeRegistrar:
    def __init__(self) -> None:
        self.registered: dict[uuid.UUID, MetricVersionName] = {}
        self.before: Callable[[], None] = lambda: None

    def register(
        self, metric: MetricName, bundle: Path, description: str, request_id: uuid.UUID
    ) -> MetricVersionName:
        self.before()
        name = MetricVersionName(metric.metric, len(self.registered) + 1)
        return self.registered.setdefault(request_id, name)
