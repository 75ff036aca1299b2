"""What follows a failed attempt, and how long it is waited for."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.fetch import FetchError, Kind
from mirror.fetch.retries import (
    HostState,
    Step,
    backoff_s,
    next_step,
    pause_s,
    retry_after_s,
)

BROKEN = FetchError("broken off", Kind.TRANSIENT)
RATE_LIMIT = FetchError("busy", Kind.TRANSIENT, 429)
BUSY = FetchError("busy", Kind.TRANSIENT, 429, wait_s=3)
MISSING = FetchError("not found", Kind.PERMANENT, 404)
WRONG_BYTES = FetchError("cut", Kind.CONTENT, 200, is_temporary=True)
UP, DOWN, PATIENT = HostState(), HostState(is_down=True), HostState(limited_for_s=299)


@pytest.mark.parametrize(
    ("error", "attempt", "host", "expected"),
    [
        pytest.param(BROKEN, 1, UP, Step.RETRY, id="first attempt"),
        pytest.param(BROKEN, 4, UP, Step.RETRY, id="last retry"),
        pytest.param(BROKEN, 5, UP, Step.GIVE_UP, id="all retries are used"),
        pytest.param(BROKEN, 1, DOWN, Step.GIVE_UP, id="the host is down"),
        pytest.param(MISSING, 1, UP, Step.GIVE_UP, id="the same answer would come"),
        pytest.param(WRONG_BYTES, 1, UP, Step.RETRY, id="a kind that may pass here"),
        pytest.param(RATE_LIMIT, 9, PATIENT, Step.WAIT, id="a pause is no attempt"),
        pytest.param(RATE_LIMIT, 1, DOWN, Step.WAIT, id="429 of a host that is down"),
        pytest.param(RATE_LIMIT, 1, HostState(False, 300), Step.RETRY, id="429 for minutes"),
        pytest.param(RATE_LIMIT, 5, HostState(False, 300), Step.GIVE_UP, id="429 to the end"),
        pytest.param(BUSY, 1, UP, Step.RETRY, id="429 that names its wait"),
    ],
)
def test_the_error_and_the_host_decide_what_follows(
    error: FetchError, attempt: int, host: HostState, expected: Step
) -> None:
    assert next_step(error, attempt, retries=4, host=host) is expected


def test_pauses_double_up_to_a_minute() -> None:
    assert [pause_s(pauses) for pauses in range(7)] == [2, 4, 8, 16, 32, 60, 60]
    assert pause_s(10**6) == 60


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(None, None, id="no header"),
        pytest.param("5", 5.0, id="seconds"),
        pytest.param(" 5 ", 5.0, id="blanks"),
        pytest.param("0", 0.0, id="at once"),
        pytest.param("86400", 60.0, id="a day is cut to a minute"),
        pytest.param("9" * 400, 60.0, id="absurd"),
        pytest.param(formatdate(1_800_000_030, usegmt=True), 30.0, id="date"),
        pytest.param(formatdate(1_700_000_000, usegmt=True), 0.0, id="date in the past"),
        pytest.param(formatdate(2_000_000_000, usegmt=True), 60.0, id="date far off"),
        pytest.param("Sun, 99 Foo 2026 99:99:99 GMT", None, id="no date"),
        pytest.param("-3", None, id="negative"),
        pytest.param("soon", None, id="a word"),
        pytest.param("٣", None, id="a digit that is not ASCII"),
    ],
)
def test_retry_after_is_read_and_capped(text: str | None, expected: float | None) -> None:
    assert retry_after_s(text, now=1_800_000_000.0) == expected


@given(st.text(), st.floats(0, 4e9))
def test_any_retry_after_gives_a_bounded_wait(text: str, now: float) -> None:
    wait_s = retry_after_s(text, now)
    assert wait_s is None or 0 <= wait_s <= 60


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_backoff_is_bounded_and_fully_jittered(attempt: int, chance: float) -> None:
    assert 0 <= backoff_s(attempt, lambda: chance) <= min(30, 0.5 * 2.0 ** min(attempt - 1, 99))
    assert backoff_s(attempt, lambda: 0.0) == 0
