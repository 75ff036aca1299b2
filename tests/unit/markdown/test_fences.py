"""Whether a fence shows its text, by its info string."""

from __future__ import annotations

import pytest

from mirror.markdown.fences import is_drawn

DRAWN = """
mermaid | {.mermaid} | jsx live | component VPCard | Markmap | flowchart TD
html preview | vue demo | tsx playground
timeline | timeline-js | gallery
dataview | leaflet | tikz | kanban | carousel | ad-note | abc | 相册
geojson | mdx-code-block | language-timeline
{r} | {r, echo=FALSE} | {python} | {eval-rst} | {code-cell} ipython3 | {=html} | {.gallery}
"""
SHOWN = """
yaml | js | JavaScript | c++ | C# | text | plain | console | dotenv | delivery.yml | .env | tree
js{1,3} | js {1,3} | python:main.py | rust,ignore | ts [app.ts] | go {linenos=table} | js title="a"
{1,3} | {linenos=true} | {numberLines: true} | title='env' | {#id .python} | {.python .annotate}
{code-block} python | {literalinclude} a.py | language-js | source-c | highlight-source-shell
diff-js | vue-html | jsonl
docker-compose.yml | js title="live demo" | bash title='preview'
"""


def infos(table: str) -> list[str]:
    return [info.strip() for info in table.replace("\n", "|").split("|") if info.strip()]


@pytest.mark.parametrize("info", infos(DRAWN))
def test_a_language_that_is_drawn_run_or_unknown_may_be_drawn(info: str) -> None:
    assert is_drawn(info.encode())


@pytest.mark.parametrize("info", ["", *infos(SHOWN)])
def test_code_in_a_known_language_and_without_one_is_shown(info: str) -> None:
    assert not is_drawn(info.encode())
