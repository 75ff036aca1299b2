"""`mirror demo`: the real commands, on a small generated blog and a local image host.

Each step runs the installed command in a process of its own. It reads posts from a folder and
images from a socket, as on a real site.

`blog` has the posts and images, `pictures` draws the slides.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

from mirror.demo.blog import BUCKET, lost_url, objects, posts
from mirror.host import ImageHost
from mirror.streams import unwritable_output

Say = Callable[[str], None]


def run_demo(folder: Path | None, say: Say) -> int:
    """Run the whole cycle in `folder`, which must be new or empty, and return the exit code.

    Raise `ConfigError` for a folder that cannot be written, `OutputError` for a full disk.
    """
    started = monotonic()
    with ExitStack() as stack:
        try:
            if folder is None:
                temporary = tempfile.TemporaryDirectory(prefix="mirror-demo-")
                folder = Path(stack.enter_context(temporary))
            elif folder.exists() and any(folder.iterdir()):
                say(f"{folder} is not empty; name a new folder")
                return 4
            _write_blog(folder)
        except OSError as error:
            raise unwritable_output(folder or "a temporary folder", error) from error
        host = stack.enter_context(ImageHost(objects()))
        return _Tour(folder, host, say).run(started)


def _write_blog(folder: Path) -> None:
    for name, text in posts().items():
        path = folder / "content" / "posts" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    (folder / "hugo.toml").write_text('title = "A blog"\n')  # tells `init` what is published


class _MistakeError(Exception):
    """A step did not end as the demonstration says: the message names it."""


class _Tour:
    """The steps of the demonstration. Each has a comment, a command and an expected exit code.

    A step works on what those before it made, so the first that ends otherwise is the last.
    """

    def __init__(self, folder: Path, host: ImageHost, say: Say) -> None:
        self._folder = folder
        self._host = host
        self._say = say

    def run(self, started: float) -> int:
        say = self._say
        say(f"A blog of {len(posts())} posts; its images are at {BUCKET}")
        say(f"(played by a host on this machine: {self._host.base_url})")
        try:
            self._run_steps()
        except _MistakeError as mistake:
            say(f"\nnot as expected: {mistake}")
            return 1
        say(f"The whole cycle took {monotonic() - started:.1f} s.")
        return 0

    def _run_steps(self) -> None:
        self._step(
            "Which images are there? `init` looks, and writes a configuration.",
            ["init", "content/posts", "--fetch", self._host.base_url],
        )
        self._step(
            "The backup. One image is gone for good: it is named, the rest goes on.", ["sync"], 3
        )
        self._ignore_lost_image()
        self._step("Again: nothing to do, and nobody is asked.", ["sync"])
        self._step("Which pictures are repeats, and how we know.", ["dupes"])
        before = self._posts()
        self._step("What would change in the posts?", ["rewrite", "--dry-run"], lines=14)
        self._step("Repoint them.", ["rewrite"])
        self._step(
            "The CI job: manifest, destination and posts agree.", ["verify", "--posts", "--deep"]
        )
        self._damage_object()
        self._step("An object rots on the disk. `verify` sees it:", ["verify", "--deep"], 1)
        self._step("`repair` puts it right from the archive.", ["repair"])
        self._step("All is well again.", ["verify", "--posts", "--deep"])
        self._step("And back: every reference gets its own URL again.", ["rewrite", "--revert"])
        same = self._posts() == before
        self._say(f"\nThe posts are {'byte for byte' if same else 'NOT'} what they were.")
        if not same:
            raise _MistakeError("rewrite --revert")

    def _step(self, comment: str, arguments: list[str], expected: int = 0, lines: int = 24) -> None:
        command = " ".join(["mirror", *arguments])
        self._say(f"\n# {comment}\n$ {command}")
        done = subprocess.run(  # noqa: S603  (our own program, our own arguments)
            [sys.executable, "-m", "mirror", *arguments],
            cwd=self._folder,
            env=_environment(os.environ, self._folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        output = list(map(_text, done.stdout.rstrip(b"\n").split(b"\n")))
        for line in output[:lines]:
            self._say(f"  {line}")
        if len(output) > lines:
            self._say(f"  … {len(output) - lines} more lines")
        if done.returncode != 0:
            self._say(f"  (exit code {done.returncode})")
        if done.returncode != expected:
            raise _MistakeError(f"`{command}` ended with {done.returncode}, not {expected}")

    def _ignore_lost_image(self) -> None:
        lines = f'\n[[ignore]]\nurl = "{lost_url()}"\nreason = "lost with an old account"\n'
        with (self._folder / "mirror.toml").open("a", encoding="utf-8") as file:
            file.write(lines)
        self._say("\n# It will not come back, so it is written down in mirror.toml:")
        for line in lines.strip().split("\n"):
            self._say(f"  {line}")

    def _damage_object(self) -> None:
        path = min((self._folder / "static").rglob("*.png"))
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    def _posts(self) -> dict[str, bytes]:
        paths = (self._folder / "content").rglob("*.md")
        return {path.name: path.read_bytes() for path in paths}


def _environment(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return `environ` without the user's settings of mirror, with another home, uncoloured."""
    inherited = {name: value for name, value in environ.items() if not name.startswith("MIRROR_")}
    return inherited | {"HOME": str(home), "PYTHONUTF8": "1", "NO_COLOR": "1"}


def _text(line: bytes) -> str:
    """Return a line of output. That of a diff is in the encoding of its post, here one of two."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("gb18030", "replace")
