"""Posts on which a parser may take long: constructs left open, nested, or repeated."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

# fmt: off
_OPENINGS = (
    '[', '![', '](', '![](', '![](<', '<', '<a ', "<a b='", '<a b="', '<!--', '<![CDATA[',
    '<svg>', '<svg><title>', '<math><mi>', '</PRE>', '<PRE></PRE>\n',
    '<?', '<!a', '</', '<code>', '<title>', '<script>', '<pre>', '`', '`a``b', '*', '**_',
    '~~', '\\', '&', '&amp', '(', ')', '|', '> ', '- ', '#', '{{', '{{<', '{{< a', '{% ',
    '{% a ', '{% raw %}', "{%a='", '{', '}', '{`', "{'", 'https://', '//', 'https://a.png',
    '![](//', 'src=', '[k]:', '[k]: a\n', '\n', '\r', '\n\n', ' \n', '\t', '![a](b) ',
    '[![](a)](b)', '<img src=a>', "<img srcset='", 'a,', "<a style='url(", "url('",
    'url(&quot;', '<p style="url(\'', '---\n', '图', 'a b: ', '<b>\n', '\n<b>\n',
    "\n> <b\n> c='", 'import a\n', 'x\n\n', '<A b={', "<A b={'", '&#', '``` ', '\n```\n',
    '{/*', '{a/*}', '{\\"}', '<A b={/*} />',
    '| a |\n| - |\n', '[^a]', '[^a]: ', 'http://a(', "<img alt='![]('",
    'http://a ![[', '":http://a :a{a=', '":http://a :::image ',
    '"http://a\n::a\n---\n',
    'b:: http://a ', '```{note}\n', 'a\n: b\n\n    ', '{% a a,', '{% flink %}\n',
    ' http://a\n:::{figure} a\n:a: b\n',
)
# fmt: on


def posts(size: int) -> Iterator[tuple[str, str]]:
    """Names and texts of about `size` characters."""
    for opening in _OPENINGS:
        yield f"{opening!r} repeated", opening * (size // len(opening))
    for opening in (
        "[",
        "![",
        '<a b="',
        "`",
        "{% a ",
        "{{< a ",
        "<!--",
        "![](",
        "<A b={",
        "<script>",
        "[k]: ",
    ):
        yield f"{opening!r} and a long rest", opening + "a" * size
        yield f"{opening!r} and many lines", opening + "a b\n" * (size // 4)
    n = size // 20
    yield "a url( and blanks", f'<i style="url({" " * size}"></i>'
    yield (
        "notes in notes",
        "".join(f"{' ' * 4 * i}!!! a\n\n" for i in range(int((size / 2) ** 0.5))),
    )
    yield "notes", "!!! a\n\n    ![](a)\n\n" * n
    yield "elements with markdown", "<div markdown>\n![](a)\n" * n
    yield "texts in front matter", "---\n" + "a: x https://h/a.png y\n" * n + "---\n"
    yield "one line of images", "![a](https://h/a.png) " * n
    yield "definitions and uses", "".join(f"[k{i}]: h/{i}\n" for i in range(n)) + "![][k1] " * n
    yield "uses of one definition", "[k]: h/a.png\n\n" + "![][k] " * (size // 7)
    yield "brackets around an image", "[" * 10_000 + "![](a)" + "]" * 10_000
    yield "images in alt texts", "![" * 10_000 + "](a)" * 10_000
    yield "quotes in quotes", "> " * 5_000 + "![](a)\n" * 100
    yield "lists in lists", "".join("  " * i + "- ![](a)\n" for i in range(min(1_000, n)))
    yield "a wide table", "|" + "a|" * n + "\n|" + "-|" * n + "\n" + "| ![](a) " * n
    yield "elements in elements", "<div>" * n + "<img src=a>"
    yield "code tags in pairs", "<code>https://h/a.png</code> ![](a) " * (n // 2)
    yield "ticks of growing length", " ".join("`" * i for i in range(1, int((2 * size) ** 0.5)))
    for name, opening in (
        ("[", "["),
        ("{a: ", "{a: "),
        ("- ", "- "),
        ("a.", "a."),
        ("? ", "? "),
        ("&a ", "&a "),
    ):
        yield f"{name!r} in YAML", f"---\nk: //\na: {opening * (100_000 // len(opening))}\n---\n"
        yield (
            f"{name!r} in TOML",
            f"+++\nk = '//'\na = {opening * (100_000 // len(opening))}\n+++\n",
        )
        yield f"{name!r} in JSON", f'{{"k": "//", "a": {opening * (100_000 // len(opening))}'
    yield "escaped quotes in a shortcode", '{{< x "' + '\\"' * size + " >}}"
    yield "escaped quotes in a tag", "{% x " + '\\"' * size + " %}"
    yield "escaped quotes in an expression", '{"' + '\\"' * size
    yield "options of a directive", "```{figure} a\n" + ":a: b\n" * n
    yield "tables in TOML", "+++\n" + "[[a]]\nb = '//'\n" * n + "+++\n"
    yield "dots in TOML", "+++\n" + "a." * 100_000 + "a = '//'\n+++\n"
    yield "lines of front matter", "---\n" + "a: //\n" * n
    yield "aliases in YAML", "---\na: &a [//, //]\n" + "".join(
        f"b{i}: &b{i} [*a, *a]\n" for i in range(n // 4)
    ) + "---\n"  # fmt: skip
    yield (
        "closed YAML",
        "---\n" + "".join(f"k{i}: https://h/{i}.png\n" for i in range(8_000)) + "---\n",
    )
    yield "deep JSON", '{"a": "//", "b": ' + "[" * 100_000 + "]" * 100_000 + "}\n"


if __name__ == "__main__":  # the slowest posts, for a person
    from mirror.markdown import find_references

    timed = []
    for name, text in posts(int(sys.argv[1])):
        for post in ("a.md", "a.mdx"):
            start = time.perf_counter()
            find_references(text.encode(), post)
            timed.append((time.perf_counter() - start, len(text), name, post))
    for row in sorted(timed, reverse=True)[:25]:
        sys.stdout.write(f"{row}\n")
    sys.stdout.write(f"{sum(row[0] for row in timed):.1f} s for {len(timed)} posts\n")
