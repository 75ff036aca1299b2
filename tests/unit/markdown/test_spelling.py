"""Spelling of URLs in each syntax."""

from __future__ import annotations

import pytest

from mirror.markdown import spell
from mirror.model import Quoting


@pytest.mark.parametrize("quoting", Quoting)
@pytest.mark.parametrize("url", ["", "http://h/\n", "http://h/\0", "http://h/\x7f", "h\u2028"])
def test_what_no_post_may_hold_is_not_spelled(url: str, quoting: Quoting) -> None:
    with pytest.raises(ValueError, match="control character"):
        spell(url, quoting)


@pytest.mark.parametrize(
    ("url", "quoting"),
    [
        ("http://h/a b", Quoting.SRCSET),
        ("http://h/a,", Quoting.SRCSET),
        ("http://h/a: b", Quoting.YAML_PLAIN),
        ("true", Quoting.YAML_PLAIN),
        ("1.5", Quoting.YAML_PLAIN),
        ("- a.png", Quoting.YAML_PLAIN),
        ("http://h/a,b", Quoting.YAML_FLOW),
        ('http://h/"', Quoting.LITERAL),
        ("http://h/<", Quoting.TEXT),
    ],
)
def test_what_a_syntax_cannot_say_is_an_error(url: str, quoting: Quoting) -> None:
    with pytest.raises(ValueError, match=quoting.value.replace("[", r"\[")):
        spell(url, quoting)


@pytest.mark.parametrize("quoting", Quoting)
def test_a_plain_address_is_spelled_as_it_is(quoting: Quoting) -> None:
    url = "https://img.test/ab/0~9/a_b-c.png"
    assert spell(url, quoting) == url
