"""Elements of HTML. Text is escaped here and nowhere else, so it cannot become markup."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import TypeAlias

from mirror.urls.redact import printable

_VOID = frozenset({"img", "input", "link", "meta"})
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
_LINKS = ("https://", "http://", "#", "data:image/webp;base64,")


class Html(str):
    """Markup. The text in it was escaped when the element was built."""

    __slots__ = ()


Child: TypeAlias = "Html | str | int | Iterable[Child] | None"


def tag(element: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """Return an element. Text is escaped, also in attributes; `None` and `False` are left out.

    `class_` is `class`, and `aria_label` is `aria-label`. Raise `ValueError` for an attribute that
    runs or styles. Raise it also for a link, unless it leads to a web page, to a place on this
    page or to a picture in this page.
    """
    head = element + "".join(_attribute(key, value) for key, value in attributes.items())
    return Html(f"<{head}>" if element in _VOID else f"<{head}>{join(children)}</{element}>")


def join(children: Iterable[Child]) -> Html:
    return Html("".join(map(_text, children)))


def _text(child: Child) -> str:
    match child:
        case None:
            return ""
        case Html():
            return child
        case str():
            return escape(printable(child), quote=False)
        case int():
            return f"{child:,}"
    return join(child)


def _attribute(key: str, value: str | int | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if not _NAME.fullmatch(name) or name == "style" or name.startswith("on"):
        raise ValueError(f"{name!r} is no attribute of a page that runs nothing it was given")
    if value is True:
        return f" {name}"
    text = str(value)
    if name in ("href", "src") and not text.startswith(_LINKS):
        raise ValueError(f"{name} leads neither to the web nor into the page: {printable(text)!r}")
    return f' {name}="{escape(printable(text))}"'


def lead(*text: str | Html) -> Html:
    """Return the paragraph that opens a section."""
    return tag("p", text, class_="lead")


def table(caption: str, kind: str, head: Iterable[Html], rows: Iterable[Html]) -> Html:
    """Return a table of the class `kind` in a box that scrolls."""
    inner = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", head)),
        tag("tbody", rows),
        class_=kind,
    )
    # The table is wider than a telephone. Its box scrolls, also by keyboard.
    return tag("div", inner, class_="scroll", tabindex=0, role="region", aria_label=caption)
