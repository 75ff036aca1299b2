"""Which fences may be shown as something else than code."""

from __future__ import annotations

import pytest
from support.growth import assert_linear

from mirror.markdown import drawn_fences

CODE = "- img: https://h.example/a.png\n"


def drawn(text: str) -> list[str]:
    data = text.encode()
    return [data[start:stop].decode() for start, stop in drawn_fences(data)]


@pytest.mark.parametrize(
    "info", ["mermaid", "{.mermaid}", "jsx live", "component VPCard", "Markmap"]
)
def test_code_that_is_drawn_is_told_by_its_language(info: str) -> None:
    assert drawn(f"text\n\n```{info}\n{CODE}```\n\n```js\n{CODE}```\n") == [f"\n{CODE}```"]


@pytest.mark.parametrize("info", ["", "yaml", "js", "text", "dotenv", "delivery"])
def test_code_is_shown_as_code(info: str) -> None:
    assert drawn(f"```{info}\n{CODE}```\n") == []


def test_code_in_a_container_of_a_theme_is_told() -> None:
    text = f"::: cardList\n```yaml\n{CODE}```\n:::\n\n::: tip Title\n```yaml\n{CODE}```\n:::\n"
    assert drawn(text) == [f"\n{CODE}```"]


def test_code_in_a_list_is_code_too() -> None:
    assert drawn(f"- ```mermaid\n  {CODE}  ```\n") == [f"\n  {CODE}  ```"]


def test_a_fence_without_an_end_goes_to_the_end() -> None:
    assert drawn(f"~~~~mermaid\n~~~\n{CODE}") == [f"\n~~~\n{CODE}"]


@pytest.mark.parametrize(
    "piece", ["```\n", "~~~mermaid\n", "::: a\n", ":::\n", "```a\n~~~\n", "> "]
)
def test_time_grows_with_the_text(piece: str) -> None:
    assert_linear(lambda count: list(drawn_fences(piece.encode() * count)), 2_000)
