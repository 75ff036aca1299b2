"""The keys that every store can hold."""

from __future__ import annotations

import pytest
from support.keys import REFUSED_KEYS

from mirror.store import (
    StoreError,
    check_key,
)


@pytest.mark.parametrize("key", REFUSED_KEYS)
def test_check_key_refuses_what_does_not_hold_everywhere(key: str) -> None:
    with pytest.raises(StoreError, match="key"):
        check_key(key)


def test_check_key_returns_the_key() -> None:
    assert check_key("ab/图片 1.png") == "ab/图片 1.png"
