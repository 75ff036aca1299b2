from importlib import import_module

import pytest

from benchmarks.__main__ import NAMES, ON_REQUEST


@pytest.mark.parametrize("name", sorted({*NAMES, *ON_REQUEST} - {"fuzz"}))
def test_a_benchmark_that_is_named_can_be_run(name: str) -> None:
    assert callable(import_module(f"benchmarks.{name}").main)
