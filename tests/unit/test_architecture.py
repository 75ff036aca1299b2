"""Imports point downwards in the picture of ARCHITECTURE.md; a third party lives in one room."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mirror

PACKAGE = Path(mirror.__file__).parent
TESTS = Path(__file__).parent
PICTURE = TESTS.parents[1] / "ARCHITECTURE.md"
RANKS = [
    ("main", "__main__", "start"),
    ("cli",),
    ("pipeline",),
    ("console", "streams", "demo", "host"),
    ("report", "formats"),
    (
        *("config", "posts", "destinations", "state", "archive", "manifest", "rewrites"),
        *("fetch", "markdown", "pages", "pictures", "repeats", "store"),
        *("generators", "history", "redirects", "site_index", "uploaders"),
    ),
    (
        "urls",
        "model",
        "records",
        "engine",
        "cluster",
        "files",
        "amounts",
        "compact",
        "documents",
        "etags",
        "extras",
        "globs",
        "memory",
        "quotes",
        "runner",
        "waiting",
    ),
]
UPWARDS: set[str] = set()
INSIDE: set[str] = set()
SHARED = {
    # `repeats` compares pixels, which `pictures` decodes; a picture is a Pillow image between them.
    # The demonstration draws its pictures.
    "PIL": {"pictures", "repeats", "demo"},
    "numpy": {"pictures", "repeats"},
}
RANK = {room: number for number, rooms in enumerate(RANKS) for room in rooms}
PARTS = frozenset(RANKS[5])


def modules() -> Iterator[tuple[str, str, ast.AST]]:
    """Yield the room of each module, its path and its syntax tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        room = name.partition("/")[0].removesuffix(".py")
        if room != "__init__":
            yield room, name, ast.parse(path.read_text("utf-8"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted name of each imported module, also inside functions and for types only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_module(dotted: str) -> bool:
    path = PACKAGE.joinpath(*dotted.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").is_file()


def inner_imports() -> Iterator[tuple[str, str, str]]:
    """Yield room, path and imported module of each import of one room by another."""
    for room, name, tree in modules():
        for dotted in sorted(set(imports(tree))):
            first, _, rest = dotted.partition(".")
            other = rest.partition(".")[0]
            if first == "mirror" and rest and is_module(dotted) and other != room:
                yield room, name, rest


def test_every_module_is_in_the_picture() -> None:
    assert {room for room, *_ in modules()} <= RANK.keys()


def test_the_table_of_rooms_names_each_room() -> None:
    table = PICTURE.read_text("utf-8").partition("## The house")[2].partition("## Where is")[0]
    rooms = {name for rooms in RANKS for name in rooms if name != "__main__"}
    named = {room for room in rooms if f"`{room}/`" in table or f"`{room}.py`" in table}
    assert rooms - named == set()


def test_every_file_that_answers_a_question_is_there() -> None:
    table = PICTURE.read_text("utf-8").partition("## Where is")[2].partition("## The flow")[0]
    files = set(re.findall(r"`([a-z_/]+\.py)`", table))
    assert len(files) > 20
    assert {file for file in files if not (PACKAGE / file).is_file()} == set()


def test_the_folders_of_unit_tests_are_rooms() -> None:
    folders = {path.name for path in TESTS.iterdir() if (path / "__init__.py").is_file()}
    assert folders - {"benchmarks"} <= RANK.keys()


def test_imports_point_downwards() -> None:
    upwards = {
        f"{name} imports {other}"
        for room, name, other in inner_imports()
        if RANK[other.partition(".")[0]] < RANK[room]
    }
    assert upwards == UPWARDS


def test_a_part_imports_only_the_page_of_another() -> None:
    inside = {
        f"{name} imports {other}"
        for room, name, other in inner_imports()
        if room in PARTS and "." in other and other.partition(".")[0] in PARTS
    }
    assert inside == INSIDE


def test_a_third_party_is_used_in_one_room() -> None:
    rooms: dict[str, set[str]] = {}
    for room, _, tree in modules():
        for dotted in imports(tree):
            library = dotted.partition(".")[0]
            if library != "mirror" and library not in sys.stdlib_module_names:
                rooms.setdefault(library, set()).add(room)
    assert {library: used for library, used in rooms.items() if len(used) > 1} == SHARED


def test_a_command_loads_a_part_only_when_it_runs() -> None:
    """`--help` and a mistake in an option are answered without what commands work with."""
    code = (
        "import sys, pkgutil, mirror.cli as cli;"
        "[*map(__import__, (f'mirror.cli.{module.name}' for module in "
        "pkgutil.iter_modules(cli.__path__)))];"
        "print(*{m.split('.')[1] for m in sys.modules if 'mirror.' in m})"
    )
    rooms = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = PARTS & {*rooms.stdout.split()}
    assert loaded == {"config"}
    assert "pipeline" not in rooms.stdout


def test_only_what_the_command_line_calls_takes_all_parts_of_a_site() -> None:
    command_line = "\n".join(path.read_text("utf-8") for path in (PACKAGE / "cli").glob("*.py"))
    others = {
        f"{name}: {node.name}"
        for room, name, tree in modules()
        for node in ast.walk(tree)
        if room == "pipeline" and isinstance(node, ast.FunctionDef)
        if any(getattr(argument.annotation, "id", "") == "Parts" for argument in node.args.args)
        if not re.search(rf"\b{node.name}\b", command_line)
    }
    assert others == set()


def test_no_possessive_group_can_stop_within_itself() -> None:
    """Python before 3.11.5 may then match too much (cpython issue 106052).

    Allowed are strings, whose alternatives are one character or two: tried on 3.11.2.
    """
    is_string = re.compile(r"\(\?:(?:\[\^(?:\\.|[^\]\\])+\]\|\\\\\.|\\\\\?\[[^\]]+\])\)[*]\+")
    groups = [
        f"{name}: {line.strip()}"
        for _, name, _ in modules()
        for line in (PACKAGE / name).read_text("utf-8").splitlines()
        if re.search(r"\br[bf]?[\"'].*\)[*+?]\+", is_string.sub("", line))
    ]
    assert groups == []


def test_the_name_of_a_test_file_says_what_it_tests() -> None:
    """A module of mirror or the benchmarks, a whole room, one command, or every command."""
    commands = {path.stem for path in (PACKAGE / "cli").glob("*.py")} - {"common", "ci"}
    unnamed = [
        path.name
        for path in (TESTS.parent / "commands").glob("test_*.py")
        if not _begins_with(path, commands | {"every"})
    ]
    homes = {"": PACKAGE, "benchmarks": TESTS.parents[1] / "benchmarks"}
    for path in TESTS.rglob("test_*.py"):
        room = path.parent.relative_to(TESTS).as_posix().removeprefix(".")
        home = homes.get(room, PACKAGE / room)
        names = {entry.stem for entry in home.iterdir()} | {path.parent.name, "architecture"}
        if not _begins_with(path, names):
            unnamed.append(path.relative_to(TESTS).as_posix())
    assert unnamed == []


def _begins_with(path: Path, names: set[str]) -> bool:
    words = path.stem.removeprefix("test_").split("_")
    return any("_".join(words[: count + 1]) in names for count in range(len(words)))
