"""Run a command in this process; make pictures, a backup, and settings of a bucket."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, StringIO
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image
from support.servers import BUCKET as SERVER_BUCKET
from support.servers import Server
from support.sites import BUCKET, Blog

from mirror.cli import run as run_cli

__all__ = [
    "BUCKET",
    "CommandResult",
    "filled",
    "make_unreadable",
    "mirror",
    "picture",
    "run",
    "s3_destination",
]
_prefixes = count()


@dataclass(frozen=True)
class CommandResult:
    """The exit code of a command and what it printed."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        (last,) = [event for event in self.events if event["type"] == "summary"]
        assert last == self.events[-1]
        return last

    @property
    def rules(self) -> list[str]:
        return [event["rule"] for event in self.events if event["type"] == "finding"]


def run(blog: Blog, *arguments: str | Path) -> CommandResult:
    """`mirror ARGUMENTS` in the folder of the blog."""
    before, out, err = sys.argv, StringIO(), StringIO()
    sys.argv = ["mirror", *map(str, arguments)]
    try:
        with chdir(blog.root), redirect_stdout(out), redirect_stderr(err):
            code = run_cli()
    finally:
        sys.argv = before
    return CommandResult(code, out.getvalue(), err.getvalue())


def mirror(*arguments: str | Path, cwd: Path) -> tuple[int, str, str]:
    """`mirror ARGUMENTS` as a process of its own, with `cwd` as its folder and its home.

    Return its exit code and what it printed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "mirror", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"HOME": str(cwd)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def picture(seed: int, kind: str = "PNG") -> bytes:
    """Return a picture of noise; those of two seeds do not look alike."""
    file = BytesIO()
    Image.frombytes("RGB", (24, 24), Random(seed).randbytes(24 * 24 * 3)).save(file, kind)
    return file.getvalue()


def filled(blog: Blog, *names: str) -> None:
    """Write a post that shows one new image under each name, and back it up."""
    for seed, name in enumerate(names):
        blog.host.put(name, picture(seed))
    blog.write("post.md", "".join(f"![](<{BUCKET}{name}>)\n\n" for name in names))
    assert not blog.sync().findings


def make_unreadable(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let reading `folder` fail. A file mode would not: tests may run as root."""
    scandir = os.scandir

    def refusing(path: Any = ".") -> Any:
        if path == str(folder):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)


def s3_destination(server: Server, name: str = "bucket", **changes: str) -> str:
    """Return the settings of a destination in the server's bucket, under a new prefix."""
    values = {
        "name": name,
        "url": f"s3://{SERVER_BUCKET}/care{next(_prefixes)}",
        "endpoint_url": server.endpoint_url,
        "region": "us-east-1",
    } | changes
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(["[[destination]]", *lines, ""])
