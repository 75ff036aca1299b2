"""The bytes of bodies that wait for inspection stay within a budget."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from mirror.engine import Threads
from mirror.pipeline.budget import ByteBudget

MIB = 1 << 20


@pytest.mark.parametrize(("size", "body"), [(256, 62), (256, 300), (8, 3)])
def test_forty_bodies_in_flight_hold_the_budget_and_one_body(size: int, body: int) -> None:
    budget = ByteBudget(size * MIB)
    lock = threading.Lock()
    now = peak = 0

    def fetch(_: int):
        nonlocal now, peak
        reservation = budget.reserve()
        for _ in range(body):
            reservation.grow(MIB)  # after the bytes arrived: sixteen steps more are in hand
            with lock:
                now += MIB
                peak = max(peak, now)
        reservation.arrived(body * MIB)
        return reservation

    def inspect(reservation) -> int:
        nonlocal now
        with lock:
            now -= body * MIB
        reservation.release()
        return 1

    received = Threads().map(fetch, range(40), 16)
    assert sum(Threads().map(inspect, received, 3)) == 40
    assert (now, budget.taken) == (0, 0)
    assert peak <= (size + body) * MIB


def test_a_fetch_that_waits_for_room_goes_on_when_the_budget_is_closed() -> None:
    budget = ByteBudget(MIB)
    held, waiting = budget.reserve(), budget.reserve()
    held.grow(MIB)
    held.arrived(MIB)
    thread = threading.Thread(target=waiting.grow, args=(MIB,))
    thread.start()
    time.sleep(0.05)
    assert thread.is_alive()
    budget.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_failed_fetch_gives_all_back() -> None:
    budget = ByteBudget(MIB)
    reservation = budget.reserve()
    reservation.grow(5)
    reservation.arrived(0)
    reservation.release()
    assert budget.taken == 0


def test_a_download_that_an_error_ends_waits_for_no_room() -> None:
    """An inspection fails while all fetches wait: none of them may hold up the end."""
    budget = ByteBudget(MIB)

    def fetch(_: int):
        reservation = budget.reserve()
        reservation.grow(MIB)
        reservation.arrived(MIB)
        return reservation

    def fail(reservation) -> None:
        reservation.release()
        raise ValueError("damaged")

    def download() -> Iterator[None]:
        received = Threads().map(fetch, range(40), 16)
        try:
            yield from Threads().map(fail, received, 3)
        finally:
            budget.close()

    with pytest.raises(ValueError, match="damaged"):
        list(download())
