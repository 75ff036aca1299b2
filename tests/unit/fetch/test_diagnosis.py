"""Errors made of what a host answers."""

from __future__ import annotations

import json

import pytest

from mirror.fetch.addresses import HttpUrl
from mirror.fetch.diagnosis import error_for_status

URL = HttpUrl.parse("https://h.example/a.png")
KEY = "AKIA" + "Q3EGB7XWJ2LK5TNP"


@pytest.mark.parametrize("before", range(60, 220, 9))
def test_a_secret_in_a_long_reason_is_hidden_before_the_reason_is_cut(before: int) -> None:
    body = json.dumps({"message": f"{'no ' * (before // 3)}{KEY} {'may not ' * 30}"}).encode()
    message = str(error_for_status(400, URL, body))
    assert "may not" in message
    assert not any(KEY[:size] in message or KEY[-size:] in message for size in (5, 9, 20))
