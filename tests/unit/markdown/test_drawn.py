"""Which parts of a post a plugin may show as something else than their text."""

from __future__ import annotations

import pytest
from support.growth import assert_linear

from mirror.markdown import find_drawn

CODE = "- img: https://h.example/a.png\n"
U = "https://h.example/a.png"


def drawn_code(text: str) -> list[str]:
    data = text.encode()
    return [data[start:stop].decode() for start, stop in find_drawn(data).code]


def is_text_drawn(text: str) -> bool:
    at = text.encode().index(U.encode())
    return any(start <= at < stop for start, stop in find_drawn(text.encode()).text)


@pytest.mark.parametrize("info", ["mermaid", "timeline", "{r}"])
def test_code_that_is_drawn_is_told_by_its_language(info: str) -> None:
    assert drawn_code(f"text\n\n```{info}\n{CODE}```\n\n```js\n{CODE}```\n") == [f"\n{CODE}```"]


def test_code_in_a_container_of_a_theme_is_told() -> None:
    text = f"::: cardList\n```yaml\n{CODE}```\n:::\n\n::: tip Title\n```yaml\n{CODE}```\n:::\n"
    assert drawn_code(text) == [f"\n{CODE}```"]


def test_code_behind_a_container_that_ended_is_code() -> None:
    assert drawn_code(f':::image source="a.png":::\n\n```yaml\n{CODE}```\n') == []
    assert drawn_code(f"::: zone a\n::: zone-end\n\n```yaml\n{CODE}```\n") == []


def test_code_in_a_list_is_code_too() -> None:
    assert drawn_code(f"- ```mermaid\n  {CODE}  ```\n") == [f"\n  {CODE}  ```"]


def test_a_fence_without_an_end_goes_to_the_end() -> None:
    assert drawn_code(f"~~~~mermaid\n~~~\n{CODE}") == [f"\n~~~\n{CODE}"]


def test_a_comment_that_sets_a_picture_of_a_slide_is_told() -> None:
    assert drawn_code(f'<!-- .slide: data-background="{U}" -->\n\n<!-- {U} -->\n') == [
        f'<!-- .slide: data-background="{U}" '
    ]
    assert drawn_code(f"<!--\nclass: lead\nbackgroundImage: url({U})\n-->\n") != []


@pytest.mark.parametrize(
    "text",
    [
        "::: gallery\nU\n:::",
        ":::: gallery\n::: tip\nU\n:::\n::::",
        ":::{gallery}\nU\n:::",
        "::gallery\nU\n::",
        "{{< gallery >}}\nU\n{{< /gallery >}}",
        "{{% carousel 3 %}}U{{% /carousel %}}",
        "{% gallery %}\nU\n{% endgallery %}",
        "@startuml\nnode '<img:U>'\n@enduml",
        "#+BEGIN_GALLERY\nU\n#+END_GALLERY",
        '<div class="mermaid">\nU\n</div>',
        '<div class="big mermaid"><div>x</div>U</div>',
        "<mind-map>\n- U\n</mind-map>",
        "<Carousel>\nU\n</Carousel>",
        "<gallery>U</gallery>",
    ],
)
def test_text_in_a_block_of_a_plugin_may_be_drawn(text: str) -> None:
    assert is_text_drawn(text.replace("U", U))


@pytest.mark.parametrize(
    "text",
    [
        "::: tip\nU\n:::",
        "::: gallery\n:::\nU",
        ":::{note}\nU\n:::",
        "::card\nU",
        "{% note info %}\nU\n{% endnote %}",
        "{{< notice >}}\nU\n{{< /notice >}}",
        "{{< gallery >}}\nU",
        "`{{< gallery >}}` U `{{< /gallery >}}`",
        "```\n<mind-map>\n```\nU\n```\n</mind-map>\n```",
        "<!-- <mind-map> -->U<!-- </mind-map> -->",
        "<p class='lead'>U</p>",
        "<Tabs>\n<TabItem>U</TabItem>\n</Tabs>",
        "<mind-map />U",
    ],
)
def test_text_elsewhere_is_text(text: str) -> None:
    assert not is_text_drawn(text.replace("U", U))


@pytest.mark.parametrize(
    "piece",
    [
        "```\n",
        "~~~mermaid\n",
        "::: a\n",
        "::a\n",
        ":::\n",
        "::: a\n```\n```\n",
        "```a\n~~~\n",
        "> ",
        "<a",
        "<my-a>",
        '<a class="',
        "<!--",
        "<!--a-->",
        "<!--a\n",
        "{% a",
        "{% a %}",
        "{{< a",
        "@startuml\n",
        "class=",
        "`",
    ],
)
def test_time_grows_with_the_text(piece: str) -> None:
    assert_linear(lambda count: find_drawn(piece.encode() * count), 2_000)


@pytest.mark.parametrize(
    ("text", "is_drawn"),
    [
        pytest.param("```html\nU\n```", False, id="a plain fence"),
        pytest.param("~~~ {.html}\nU\n~~~", False, id="a plain fence with attributes"),
        pytest.param('```html hl_lines="1 2"\nU\n```', False, id="with marked lines"),
        pytest.param("- a\n\n    ~~~\n    U\n    ~~~", True, id="tildes in a list"),
        pytest.param("- a\n\n    ```\n    U\n    ```", False, id="backticks in a list are code"),
        pytest.param('```html title="x"\nU\n```', False, id="an option of others"),
        pytest.param("<details>\n```html\nU\n```\n</details>", False, id="in HTML"),
        pytest.param("<details>\n\n  ```\n  U\n  ```\n</details>", True, id="indented in HTML"),
        pytest.param(
            '<div>\n\n```html title="x"\nU\n```\n</div>', True, id="an option of others in HTML"
        ),
        pytest.param("<div>a</div>\n\n  ```\n  U\n  ```", False, id="behind HTML"),
    ],
)
def test_a_fence_may_be_none_to_python_markdown(text: str, is_drawn: bool) -> None:
    data = text.replace("U", f'<img src="{U}">').encode()
    assert bool(find_drawn(data, plain_fences=True).code) == is_drawn
    assert not find_drawn(data).code
