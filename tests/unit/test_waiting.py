from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from threading import Event

import pytest

from mirror import waiting
from mirror.waiting import MIN_BYTES_PER_S, SILENCE_S, Waits, is_stalled, silence_remark


@dataclass
class Clock:
    seconds: float = 1000.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waits(clock: Clock) -> Waits:
    return Waits(clock.now)


def fail(waits: Waits) -> None:
    with suppress(TimeoutError), waits.wait_for("a.example", str):
        raise TimeoutError


def test_a_silent_place_is_named_once_with_what_it_is_waited_for(
    waits: Waits, clock: Clock
) -> None:
    with waits.wait_for("a.example", lambda: silence_remark(30, 5)):
        clock.seconds += SILENCE_S - 1
        assert waits.overdue() == []
        clock.seconds += 1
        assert waits.overdue() == [
            "waiting for a.example: no answer for 15 s; a request is given up after 5 times 30 s"
        ]
        clock.seconds += SILENCE_S
        assert waits.overdue() == []


def test_places_are_named_each(waits: Waits, clock: Clock) -> None:
    with waits.wait_for("a.example", str), waits.wait_for("b.example", str):
        clock.seconds += SILENCE_S
        assert waits.overdue() == ["waiting for a.example: ", "waiting for b.example: "]


def test_a_place_that_nobody_waits_for_is_not_named(waits: Waits, clock: Clock) -> None:
    with waits.wait_for("a.example", str):
        pass
    fail(waits)
    clock.seconds += SILENCE_S
    assert waits.overdue() == []


def test_an_answer_to_one_of_several_requests_counts(waits: Waits, clock: Clock) -> None:
    with waits.wait_for("a.example", str):
        clock.seconds += SILENCE_S - 1
        with waits.wait_for("a.example", str):
            pass
        clock.seconds += SILENCE_S - 1
        assert waits.overdue() == []
        waits.heard_from("a.example")
        clock.seconds += SILENCE_S - 1
        assert waits.overdue() == []
        clock.seconds += 1
        assert len(waits.overdue()) == 1


def test_the_retries_of_a_silent_place_are_one_wait(waits: Waits, clock: Clock) -> None:
    fail(waits)
    clock.seconds += SILENCE_S
    with waits.wait_for("a.example", str):
        assert len(waits.overdue()) == 1


def test_a_place_that_answered_is_waited_for_anew(waits: Waits, clock: Clock) -> None:
    with suppress(ValueError), waits.wait_for("a.example", str):
        waits.heard_from("a.example")  # a refusal, which the caller raises
        raise ValueError
    clock.seconds += SILENCE_S
    with waits.wait_for("a.example", str):
        assert waits.overdue() == []


def test_a_person_is_told_while_the_block_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SILENCE_S", 0)
    monkeypatch.setattr(waiting, "_LOOK_S", 0.001)
    waits, lines, is_told = Waits(), list[str](), Event()

    def tell(line: str) -> None:
        lines.append(line)
        is_told.set()

    for _ in range(2):  # each command tells anew
        with waits.told_to(tell), waits.wait_for("a.example", str):
            assert is_told.wait(60)
        is_told.clear()
    assert lines == ["waiting for a.example: "] * 2
    with waits.wait_for("a.example", str):
        assert not is_told.wait(0.01)


@pytest.mark.parametrize(
    ("received_bytes", "took_s", "stalled"),
    [
        pytest.param(0, 30.0, False, id="no longer than the limit"),
        pytest.param(31 * MIN_BYTES_PER_S - 1, 31.0, True, id="one byte too few"),
        pytest.param(31 * MIN_BYTES_PER_S, 31.0, False, id="just as fast"),
        pytest.param(0, 31.0, True, id="nothing came"),
    ],
)
def test_a_body_stalls_only_behind_the_time_limit(
    received_bytes: int, took_s: float, stalled: bool
) -> None:
    assert is_stalled(received_bytes, took_s, timeout_s=30.0) is stalled
