"""What the trainer does about keys beyond the gate: operations, feedback, and what its workers are told."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gnomon.api_keys import new_key
from gnomon.errors import ProjectDeniedError, ScopeMissingError
from gnomon.names import OperationName, ProjectName
from gnomon.v1 import trainer_service_pb2 as pb
from gnomon_rpc import caller
from gnomon_rpc.caller import LOCAL, Caller
from gnomon_trainer.api import operations
from gnomon_trainer.api.feedback_calls import _project
from gnomon_trainer.api.operations import RunOperations
from gnomon_trainer.settings import TrainerSettings
from gnomon_trainer.work_wiring import environment_of

NAME = OperationName("r1")
BOUND = Caller("apiKeys/k", "k", frozenset({"train"}), frozenset({"a"}), "a")


class FakeRuns:
    """Runs 1 to 7; the odd ones are of project a."""

    def __init__(self) -> None:
        self.cancelled: list[OperationName] = []
        self.pages = 0

    async def get(self, name: OperationName) -> Any:
        number = int(name.operation[1:])
        return SimpleNamespace(number=number, project="a" if number % 2 else "b")

    async def page(self, projects: frozenset[str] | None, before: int | None, size: int) -> list[Any]:
        self.pages += 1
        numbers = [n for n in range(7, 0, -1) if before is None or n < before]
        found = [await self.get(OperationName(f"r{n}")) for n in numbers]
        return [run for run in found if projects is None or run.project in projects][:size]

    async def cancel(self, name: OperationName) -> None:
        self.cancelled.append(name)

    async def wait(self, name: OperationName, timeout_s: float | None) -> Any:
        return await self.get(name)

    async def latest_point(self, run: Any) -> None:
        return None


@pytest.fixture
def act_as() -> Iterator[Callable[[Caller], None]]:
    yield caller.set_current
    caller.set_current(LOCAL)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> FakeRuns:
    monkeypatch.setattr(operations, "operation_message", lambda run, point=None: run)
    return FakeRuns()


async def test_a_bound_key_reaches_no_operation_of_another_project(runs: FakeRuns, act_as: Any) -> None:
    of_runs = RunOperations(runs)  # type: ignore[arg-type]
    act_as(BOUND)
    mine, other = NAME, OperationName("r2")

    assert (await of_runs.get(mine)).project == "a"
    await of_runs.cancel(mine)
    for reach in (of_runs.get(other), of_runs.cancel(other), of_runs.wait(other, 1.0)):
        with pytest.raises(ProjectDeniedError) as refused:
            await reach
        # Others' projects are not told: not that one is there, and not which.
        assert "projects/a, and operations/r2 is of another" in refused.value.message
        assert refused.value.metadata == {"resource": BOUND.name}
    assert runs.cancelled == [mine]


async def test_a_bound_key_lists_the_operations_of_its_projects_page_by_page(
    runs: FakeRuns, act_as: Any
) -> None:
    of_runs = RunOperations(runs)  # type: ignore[arg-type]
    act_as(BOUND)
    assert [number for number, _ in await of_runs.page(None, 3)] == [7, 5, 3]
    assert [number for number, _ in await of_runs.page(3, 3)] == [1]
    act_as(LOCAL)
    assert [number for number, _ in await of_runs.page(None, 10)] == [7, 6, 5, 4, 3, 2, 1]


async def test_a_page_of_operations_is_one_query_however_many_runs_others_have(
    runs: FakeRuns, act_as: Any
) -> None:
    act_as(replace(BOUND, projects=frozenset({"nobodys"}), project="nobodys"))
    assert await RunOperations(runs).page(None, 2) == []  # type: ignore[arg-type]
    act_as(BOUND)
    assert [number for number, _ in await RunOperations(runs).page(None, 2)] == [7, 5]  # type: ignore[arg-type]
    assert runs.pages == 2


async def test_who_only_labels_cancels_no_run(runs: FakeRuns, act_as: Any) -> None:
    act_as(Caller("apiKeys/k", "k", frozenset({"label"})))
    with pytest.raises(ScopeMissingError):
        await RunOperations(runs).cancel(NAME)  # type: ignore[arg-type]
    assert runs.cancelled == []


def test_a_bound_key_trains_from_feedback_in_its_own_project(act_as: Any) -> None:
    silent, naming = pb.TrainFromFeedbackRequest(), pb.TrainFromFeedbackRequest(project="projects/b")
    assert _project(silent) is None
    act_as(BOUND)
    assert _project(silent) == ProjectName("a")
    act_as(replace(LOCAL, project="c"))
    assert _project(silent) is None
    assert _project(naming) == ProjectName("b")


@pytest.mark.parametrize("by_file", [False, True])
def test_workers_get_the_key_with_which_they_register(by_file: bool, tmp_path: Path) -> None:
    text = new_key().text
    (tmp_path / "key").write_text(text)
    given: dict[str, Any] = (
        {"registry_api_key_file": tmp_path / "key"} if by_file else {"registry_api_key": text}
    )
    made = environment_of(TrainerSettings(access="keys", **given))
    if by_file:
        assert made["GNOMON_TRAINER_REGISTRY_API_KEY_FILE"] == str(tmp_path / "key")
    else:
        assert made["GNOMON_TRAINER_REGISTRY_API_KEY"] == text
