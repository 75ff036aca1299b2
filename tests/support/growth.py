"""How the time of a function grows with its input."""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import process_time

_GRAIN_S = 0.01  # hides the clock's grain


def assert_linear(run: Callable[[int], object], size: int) -> None:
    """Assert that eight times the input takes `run` about eight times the processor's time.

    A square takes 64 times; 30 separates the two. Calls cannot show it: a search by one regular
    expression is one call. The least of three measurements counts, without the garbage collector,
    whose time grows with everything else in the process.
    """
    small, large = _cpu_s(run, size), _cpu_s(run, 8 * size)
    assert large < 30 * max(small, _GRAIN_S), f"{size:,}: {small:.3f} s, eight times: {large:.3f} s"


def _cpu_s(run: Callable[[int], object], size: int) -> float:
    times = []
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(3):
            started = process_time()
            run(size)
            times.append(process_time() - started)
    finally:
        if was_enabled:
            gc.enable()
    return min(times)
