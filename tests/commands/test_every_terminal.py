"""What a person sees: the commands on a terminal of their own."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from support.commands import BUCKET, filled
from support.faults import MIRROR
from support.sites import Blog


def on_terminal(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    """The exit code of `mirror ARGUMENTS`, and what is left on a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 100, 0, 0))
    variables = ("CI", "GITHUB_ACTIONS", "MIRROR_CONFIG", "COLUMNS", "FORCE_COLOR")
    kept = {name: text for name, text in os.environ.items() if name not in variables}
    process = subprocess.Popen(
        [MIRROR, *arguments],
        cwd=folder,
        env=kept | {"TERM": "xterm", "NO_COLOR": "1", "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    text = b""
    while part := _read(ours):
        text += part
    os.close(ours)
    return process.wait(), [_shown(line) for line in text.decode().split("\r\n")]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other side has ended
        return b""


def _shown(line: str) -> str:
    """What is left of a line: behind a carriage return, text goes over what was there."""
    shown = ""
    for part in re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line).split("\r"):
        shown = part + shown[len(part) :]
    return shown.rstrip()


def test_a_carriage_return_is_obeyed() -> None:
    assert _shown("read: 100%\r          \r✗ a") == "✗ a"
    assert _shown("read: 100%✗ a") == "read: 100%✗ a"


@pytest.fixture
def site(blog: Blog) -> Blog:
    """A backup of four images, of which one cannot be had."""
    filled(blog, "a.png", "b.png", "c.png")
    blog.write("gone.md", f"![]({BUCKET}gone.png)\n")
    return blog


@pytest.mark.parametrize("more", [["--deep"], ["--posts"], ["--output", "-"]])
def test_verify_shows_each_finding_once_on_a_line_of_its_own(site: Blog, more: list[str]) -> None:
    for path in (site.root / "static" / "images").rglob("*.png"):
        path.write_bytes(path.read_bytes()[::-1])
    code, lines = on_terminal(site.root, "verify", "--deep", *dict.fromkeys(more))
    shown = [line for line in lines if "[M302]" in line]
    assert code == 1
    assert [line[:2] for line in shown] == ["✗ "] * 3
    assert len(set(shown)) == 3
    assert not any("|" in line for line in lines)
    assert lines[-2].endswith(": they differ")


def test_sync_shows_each_finding_once(site: Blog) -> None:
    code, lines = on_terminal(site.root, "sync")
    (shown,) = [line for line in lines if "[M201]" in line]
    assert code == 3
    assert shown.startswith("✗ posts/gone.md:1:5 ")


def test_what_no_bar_has_shown_is_shown_at_the_end(site: Blog) -> None:
    (site.root / "posts" / "binary.md").write_bytes(bytes(range(256)))  # before any stage
    code, lines = on_terminal(site.root, "sync")
    assert code == 3
    assert sum("posts/binary.md" in line for line in lines) == 1
    assert sum("[M201]" in line for line in lines) == 1


def test_many_failures_of_one_kind_do_not_fill_the_screen(blog: Blog) -> None:
    blog.write("post.md", "".join(f"![]({BUCKET}{number}.png)\n\n" for number in range(12)))
    code, lines = on_terminal(blog.root, "sync")
    assert code == 3
    assert sum("[M201]" in line for line in lines) == 3 + 1  # the first few as they came, the sum
    code, lines = on_terminal(blog.root, "sync", "--verbose")
    assert code == 3
    assert sum("[M201]" in line for line in lines) == 12


def test_a_file_and_a_pipe_get_every_finding(site: Blog) -> None:
    next((site.root / "static" / "images").rglob("*.png")).unlink()
    code, _ = on_terminal(site.root, "verify", "--output", "report.txt")
    assert code == 1
    assert (site.root / "report.txt").read_text().count("[M301]") == 1
    done = subprocess.run([MIRROR, "verify"], cwd=site.root, capture_output=True, text=True)
    assert done.stdout.count("[M301]") == 1


def test_the_list_of_commands_fits_80_columns(tmp_path: Path) -> None:
    environment = os.environ | {"COLUMNS": "80", "TERMINAL_WIDTH": "80"}
    done = subprocess.run(
        [MIRROR, "--help"], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    commands = done.stdout.partition("\nCommands:\n")[2].splitlines()
    assert len(commands) == 17
    for line in commands:
        assert re.fullmatch(r"  [a-z]+ +[A-Z].*[^.]\.", line), line
        assert len(line) <= 80
