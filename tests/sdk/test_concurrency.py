"""What runs side by side in threads, and is left."""

import threading

import pytest

from gnomon._sync import concurrency
from gnomon.errors import CancelledError


class LeftError(BaseException):
    """As KeyboardInterrupt, which pytest would take for its own."""


def test_what_sleeps_beside_a_failure_is_not_waited_for() -> None:
    sleeps, woken = threading.Event(), []

    def act(fails: bool) -> None:
        if fails:
            assert sleeps.wait(10)
            raise LeftError
        sleeps.set()
        try:
            concurrency.sleep(600)
        except CancelledError as error:
            woken.append(error)

    with pytest.raises(LeftError):
        concurrency.side_by_side(act, [True, False], 2)

    assert len(woken) == 1


def test_who_sleeps_alone_or_beside_what_goes_on_wakes_in_time() -> None:
    concurrency.sleep(0.01)
    assert concurrency.side_by_side(lambda _: concurrency.sleep(0.01), range(3), 2) == [None] * 3
