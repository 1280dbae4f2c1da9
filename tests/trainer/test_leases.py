"""Leases end by silence that somebody observed, whatever any clock says."""

from dataclasses import replace

import pytest

from gnomon_trainer.domain.leases import Confirmed, LeaseWatch, LifeSign

LEASE_S = 20.0


class Rows:
    def __init__(self) -> None:
        self.signs = [LifeSign("r1", 1, 1)]
        self.expired: list[LifeSign] = []

    def life_signs(self) -> list[LifeSign]:
        return [sign for sign in self.signs if sign not in self.expired]

    def expire(self, sign: LifeSign) -> bool:
        self.expired.append(sign)
        return sign in self.signs

    def write(self) -> None:
        self.signs = [replace(sign, revision=sign.revision + 1) for sign in self.signs]


class Watched:
    """A watch, and what it is told of time."""

    def __init__(self) -> None:
        self.rows, self.now = Rows(), 1000.0
        self.watch = LeaseWatch(self.rows, LEASE_S, lambda: self.now)

    def look_for(self, seconds: float, every: float = 1.0) -> int:
        found = self.watch.look()
        end = self.now + seconds
        while self.now < end:
            self.now += every
            found += self.watch.look()
        return found


def test_a_holder_that_is_silent_for_the_lease_loses_it() -> None:
    watched = Watched()

    assert watched.look_for(LEASE_S - 1) == 0
    assert watched.look_for(1) == 1
    assert watched.rows.expired == [LifeSign("r1", 1, 1)]
    assert watched.look_for(100) == 0


def test_a_holder_that_writes_keeps_its_lease_for_ever() -> None:
    watched = Watched()
    for _ in range(20):
        assert watched.look_for(LEASE_S - 1) == 0
        watched.rows.write()


def test_silence_is_counted_from_when_it_was_seen_first() -> None:
    watched = Watched()
    watched.rows.signs = []
    watched.look_for(100)
    watched.rows.signs = [LifeSign("r1", 1, 1)]

    assert watched.look_for(LEASE_S - 1) == 0
    assert watched.look_for(1) == 1


def test_who_was_stopped_itself_does_not_count_what_it_did_not_see() -> None:
    watched = Watched()
    watched.look_for(5)
    watched.now += 3600  # the machine, and the holder with it

    assert watched.look_for(5) == 0
    watched.rows.write()
    assert watched.look_for(LEASE_S - 1) == 0


def test_who_looks_seldom_finds_a_silent_holder_all_the_same() -> None:
    watched = Watched()

    assert watched.look_for(4 * 3600, every=3600) == 1


@pytest.mark.parametrize("lease_s", [0.4, 20.0, 600.0])
def test_it_is_looked_often_enough_to_count_every_second(lease_s: float) -> None:
    watch = LeaseWatch(Rows(), lease_s, lambda: 0.0)

    assert watch.interval_s <= min(1.0, lease_s / 4)


def test_a_holder_counts_on_its_lease_for_less_long_than_others_do() -> None:
    now = [0.0]
    confirmed = Confirmed(LEASE_S, lambda: now[0], 0.0)

    assert not confirmed.is_due
    now[0] = 5.0
    assert confirmed.is_due
    assert not confirmed.is_over
    confirmed.since(3.0)  # a write that began at 3 and that others saw later
    now[0] = 22.9
    assert not confirmed.is_over
    now[0] = 23.0
    assert confirmed.is_over
