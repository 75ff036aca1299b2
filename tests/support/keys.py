"""Keys that some server or file system cannot hold."""

REFUSED_KEYS = [
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/./b",
    "a/../b",
    "../a",
    "a\\b",
    "a\nb",
    "a\x00",
    "a\x7f",
    "a\u0085b",
    "\ud800",
    "e\u0301.png",
    "x" * 256,
    "图" * 86,
    "/".join(["x" * 200] * 6),
]
