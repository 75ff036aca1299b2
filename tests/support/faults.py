"""A blog in a temporary folder, real runs of the installed command, and what can go wrong.

Kills strike at the n-th step that a run takes towards the outside (a file opened for writing,
renamed, removed, locked, a connection made), so each is repeatable; or after some time. `Proxy`
stands before an S3 server and spoils its answers.
"""

from __future__ import annotations

import json
import os
import random
import re
import select
import shutil
import socket
import struct
import subprocess
import sys
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from support import forkserver
from support.invariants import Truth

from mirror.host import ImageHost, Request

MIRROR = Path(sys.executable).with_name("mirror")
PICTURES = "https://pics.example/"
PUBLIC = "https://img.example/blog"
IN_FLIGHT = 2 * 2 + 2 * ((os.cpu_count() or 1) + 1)
"""Pictures a run may have in hand with `concurrency = 2`: asked for, and being looked at."""

_PATIENCE_S = 120.0  # a run that takes longer hangs

# Runs inside the command, before anything else of it. Audit events come before what they announce.
_HOOK = """
import os, signal, sys

_steps = 0
_at = int(os.environ["CHAOS_AT"])
_then = os.environ.get("CHAOS_THEN", "kill")
_log = os.environ.get("CHAOS_COUNT")
_NAMES = {"os.rename", "os.link", "os.remove", "os.mkdir", "fcntl.flock", "socket.connect",
          "os.truncate"}
_only = os.environ.get("CHAOS_ONLY")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def _strike(event, args):
    global _steps
    if event == "open":
        if not isinstance(args[2], int) or not args[2] & _WRITES or args[0] == _log:
            return
    elif event not in _NAMES or _only == "open":
        return
    _steps += 1
    if _steps == _at:
        if _then == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            file = os.open(_then, os.O_WRONLY | os.O_APPEND)
            os.write(file, b"edited meanwhile\\n")
            os.close(file)

sys.addaudithook(_strike)
if _log:
    import atexit

    def _count():
        with open("/proc/self/status") as file:
            peak = next(line.split()[1] for line in file if line.startswith("VmHWM:"))
        with open(_log, "w") as file:
            file.write(f"{_steps} {peak}")

    atexit.register(_count)
"""


def png(width: int, height: int, pixels: bytes, *chunks: bytes) -> bytes:
    """A truecolour PNG of raw RGB rows; `chunks` stand before the pixels."""
    rows = b"".join(
        b"\0" + pixels[at : at + 3 * width] for at in range(0, 3 * width * height, 3 * width)
    )
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(rows, 1))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def picture(seed: int, side: int = 24) -> bytes:
    """A PNG of noise, the same for one seed; noise of two seeds never passes for one picture."""
    return png(side, side, random.Random(seed).randbytes(3 * side * side))


@dataclass(frozen=True)
class ProcessResult:
    """How a run ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def events(self) -> list[dict[str, Any]]:
        """What `--json` printed: JSON Lines, and nothing else."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        last = self.events()[-1]
        assert last["type"] == "summary"
        return last


Process = subprocess.Popen[bytes] | forkserver.ForkedProcess


class Run:
    """A running command."""

    def __init__(self, process: Process, out: Path, err: Path) -> None:
        self.process = process
        self._out, self._err = out, err
        self._handle = os.pidfd_open(process.pid)  # readable once it has ended

    def end(self) -> ProcessResult:
        """Wait for its end; one that never ends is killed, and an error."""
        if not select.select([self._handle], [], [], _PATIENCE_S)[0]:
            self.process.kill()
            self.process.wait()
            raise TimeoutError(f"{self.process.args!r} hangs: {self._err.read_text()}")
        os.close(self._handle)
        code = self.process.wait()
        out, err = (path.read_text("utf-8", "replace") for path in (self._out, self._err))
        return ProcessResult(code, out, err)

    def kill_after(self, seconds: float) -> ProcessResult:
        """Kill it at that moment, unless it has ended before."""
        select.select([self._handle], [], [], seconds)
        self.process.kill()
        return self.end()


@dataclass
class Blog:
    """A site: posts, a host for their pictures, and a `mirror.toml`."""

    root: Path
    host: ImageHost
    posts: dict[str, bytes]
    pictures: dict[str, bytes]
    user: int | None = None
    environ: dict[str, str] = field(default_factory=dict)
    _runs: int = 0

    def configure(self, text: str = "", *, destination: str | None = None, fetch: str = "") -> None:
        """Write `mirror.toml`; `text` goes behind the usual tables."""
        if destination is None:
            destination = f'url = "file:bucket"\npublic_url = "{PUBLIC}"'
        (self.root / "mirror.toml").write_text(
            f'[posts]\npaths = ["posts"]\n\n[[source]]\nname = "pics"\nmatch = ["{PICTURES}"]\n'
            f'fetch = "{self.host.base_url}"\n\n[[destination]]\nname = "bucket"\n{destination}\n\n'
            f"[fetch]\nconcurrency = 2\ntimeout_s = 5\nretries = 1\n{fetch}\n{text}\n"
        )

    def truth(self, *places: Path, others: frozenset[str] = frozenset()) -> Truth:
        folders = places or (self.root / "bucket",)
        return Truth(
            self.root, self.posts, self.pictures, dict.fromkeys(folders, PUBLIC), others=others
        )

    def start(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        limits: Callable[[], None] | None = None,
        hook: str = "",
        forks: bool = True,
    ) -> Run:
        """Start `mirror` with these arguments in the site's folder.

        `hook` is Python code that runs before anything else of it. Without `forks` the interpreter
        starts anew.
        """
        self._runs += 1
        scratch = self.root.parent / f"{self.root.name}-runs"
        scratch.mkdir(exist_ok=True)
        out, err = scratch / f"{self._runs}.out", scratch / f"{self._runs}.err"
        environ = {**os.environ, "COLUMNS": "200", **self.environ, **(env or {})}
        forks = forks and limits is None and self.user is None and forkserver.can_fork(environ)
        with (
            out.open("wb") as stdout,
            err.open("wb") as stderr,
            Path(os.devnull).open("rb") as null,
        ):
            if forks:
                files = null.fileno(), stdout.fileno(), stderr.fileno()
                code = f"{hook}\n{forkserver.MAIN}"
                command = ["mirror", *args]
                return Run(forkserver.start(code, command, self.root, environ, files), out, err)
            if hook:
                folder = self.root.parent / "hook"
                folder.mkdir(exist_ok=True)
                (folder / "sitecustomize.py").write_text(hook)
                environ |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
            process = subprocess.Popen(
                [MIRROR, *args],
                cwd=self.root,
                env=environ,
                stdin=null,
                stdout=stdout,
                stderr=stderr,
                user=self.user,
                preexec_fn=limits,
            )
        return Run(process, out, err)

    def run(self, *args: str, env: Mapping[str, str] | None = None) -> ProcessResult:
        return self.start(*args, env=env).end()

    def struck(self, step: int, *args: str) -> ProcessResult:
        """Kill a run just before its `step`-th step."""
        return self.start(*args, env={"CHAOS_AT": str(step)}, hook=_HOOK).end()

    def edited(self, step: int, post: str, *args: str) -> ProcessResult:
        """Somebody adds a line to `post` when a run opens its `step`-th file for writing."""
        edit = {"CHAOS_THEN": str(self.root / post), "CHAOS_ONLY": "open"}
        return self.start(*args, env={"CHAOS_AT": str(step), **edit}, hook=_HOOK).end()

    def steps(self, *args: str, only: str = "") -> int:
        """Run undisturbed, and return how many steps it took."""
        return self._measured(args, {"CHAOS_ONLY": only}, forks=True)[0]

    def peak(self, *args: str) -> int:
        """Run undisturbed, and return the most memory it had at a time, in bytes.

        Pictures may fail: it is about memory.
        """
        return self._measured(args, {}, forks=False, codes=(0, 3))[1] * 1024

    def _measured(
        self,
        args: Sequence[str],
        env: Mapping[str, str],
        *,
        forks: bool,
        codes: Collection[int] = (0,),
    ) -> list[int]:
        count = self.root.parent / f"{self.root.name}-measured"
        # A busy server answers 500 now and then.
        environ = {"CHAOS_AT": "0", "CHAOS_COUNT": str(count), "AWS_MAX_ATTEMPTS": "4", **env}
        ended = self.start(*args, env=environ, hook=_HOOK, forks=forks).end()
        assert ended.code in codes, ended.text
        return [int(number) for number in count.read_text().split()]

    def forget(self) -> None:
        """As before the first run."""
        for name in ("manifests", "bucket", "archive", ".mirror"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        self.restore_posts()
        self.host.requests.clear()

    def restore_posts(self) -> None:
        for name, data in self.posts.items():
            (self.root / name).write_bytes(data)


@contextmanager
def blog(
    folder: Path,
    *,
    pictures: int = 24,
    posts: int = 6,
    side: int = 24,
    host: Callable[[dict[str, bytes]], ImageHost] = ImageHost,
) -> Iterator[Blog]:
    """A blog whose pictures each stand in one or two posts; every sixth is a repeat."""
    names = [f"p/{number:03}.png" for number in range(pictures)]
    objects = {
        name: picture(number - 5 if number % 6 == 5 else number, side)
        for number, name in enumerate(names)
    }
    texts: dict[str, list[str]] = {f"posts/{number:02}.md": [] for number in range(posts)}
    for number, name in enumerate(names):
        for post in {number % posts, number // posts % posts}:
            line = f'Text 图 before ![alt {number}]({PICTURES}{name} "title") and after.\r\n'
            texts[f"posts/{post:02}.md"].append(line)
    written = {name: "".join(lines).encode() for name, lines in texts.items()}
    root = folder / "site"
    (root / "posts").mkdir(parents=True)
    with host(objects) as server:
        urls = {PICTURES + name: data for name, data in objects.items()}
        site = Blog(root, server, written, urls)
        site.restore_posts()
        site.configure()
        yield site


class HoldingHost(ImageHost):
    """Answers so many requests and holds every further one; `holds` is set when it holds one."""

    def __init__(self, objects: Mapping[str, bytes], *, requests: int) -> None:
        self.holds = threading.Event()
        self._left = threading.Semaphore(requests)
        self._closing = threading.Event()
        super().__init__(objects)

    def close(self) -> None:
        self._closing.set()
        super().close()

    def respond(self, client: socket.socket, request: Request) -> bool:
        if not self._left.acquire(blocking=False):
            self.holds.set()
            self._closing.wait()
            return False
        return super().respond(client, request)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Callable[[str], None]]:
    """A file system of its own on `folder`; yields a way to change it: `ro`, `size=1m`.

    Raise `PermissionError` where nobody may mount.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        raise PermissionError("mounting is not allowed here")
    try:
        yield lambda option: subprocess.run(
            ["mount", "-o", f"remount,{option}", str(folder)], check=True
        ).check_returncode()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """A file system of its own on `folder`, with what is in there, and without room for a byte.

    Raise `PermissionError` where nobody may mount.
    """
    folder.mkdir(exist_ok=True)
    files = [path for path in folder.rglob("*") if path.is_file()]
    contents = {path: path.read_bytes() for path in files}
    with small_disk(folder, 1024):
        for path, data in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        with suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        yield


def crashed(ended: ProcessResult) -> bool:
    """Whether it ended as a bug does, not as a run that was told to."""
    return ended.code in (70, -6, -11) or "Traceback (most recent call last)" in ended.text


# --- A bucket behind a bad line -------------------------------------------------------------------

Spoil = Callable[["Exchange"], bytes | None]
"""What goes back instead of an answer; `None` when the fault has seen to it itself."""

_SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)
_DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
_EXPIRED = b"<Error><Code>ExpiredToken</Code><Message>The token has expired.</Message></Error>"
_LOGIN = b"<html><body>Please log in to the network</body></html>"


@dataclass(frozen=True)
class Exchange:
    """One request to the server behind the proxy; `forward` asks it."""

    client: socket.socket
    method: str
    target: str
    request: bytes
    upstream: tuple[str, int]

    def forward(self) -> bytes:
        """The whole answer, with headers."""
        with socket.create_connection(self.upstream) as server:
            server.sendall(self.request)
            return b"".join(iter(lambda: server.recv(65536), b""))

    def reset(self) -> None:
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _answer(status: str, body: bytes, media_type: str = "application/xml") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}"
    return f"{head}\r\nConnection: close\r\n\r\n".encode() + body


def _reset_before(x: Exchange) -> None:
    x.reset()


def _reset_after(x: Exchange) -> None:
    """The worst case for who sends: it was done, and nobody knows."""
    x.forward()
    x.reset()


def _cut(x: Exchange) -> bytes:
    answer = x.forward()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n" + body[: len(body) // 2] if body else head[: len(head) // 2]


def _drip(x: Exchange) -> None:
    answer = x.forward()
    for at in range(0, len(answer), 97):
        x.client.sendall(answer[at : at + 97])


FAULTS: Mapping[str, Spoil] = {
    "500": lambda x: _answer("500 Internal Server Error", b""),
    "403": lambda x: _answer("403 Forbidden", _DENIED),
    "expired": lambda x: _answer("400 Bad Request", _EXPIRED),
    "502": lambda x: _answer("502 Bad Gateway", _LOGIN, "text/html"),
    "503": lambda x: _answer("503 Slow Down", _SLOW_DOWN),
    "reset before": _reset_before,
    "reset after": _reset_after,
    "closed": lambda x: b"",
    "cut": _cut,
    "slow": _drip,
    "200 with an error": lambda x: _answer("200 OK", _SLOW_DOWN),
    "200 with a page": lambda x: _answer("200 OK", _LOGIN, "text/html"),
    "200 with nothing": lambda x: _answer("200 OK", b""),
}


class Proxy:
    """Stands before `endpoint_url`; spoils the requests that `plan` names a fault for.

    `plan` is asked with the method and how many requests of it came before; what it says counts in
    `faults`.
    """

    def __init__(self, endpoint_url: str) -> None:
        match = re.fullmatch(r"http://([^:/]+):(\d+)/?", endpoint_url)
        assert match
        self._upstream = (match[1], int(match[2]))
        self.plan: Callable[[str, int], str | None] = lambda method, before: None
        self.asked: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.endpoint_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()

    def spoil(self, plan: Callable[[str, int], str | None]) -> None:
        """Use another plan from now on, with all counts at nothing."""
        with self._lock:
            self.plan = plan
            self.asked.clear()
            self.faults.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, ValueError):
            request = _read_request(client)
            if request is None:
                return
            method, target, raw = request
            kind = "LIST" if method == "GET" and "list-type=2" in target else method
            with self._lock:
                fault = self.plan(kind, self.asked[kind])
                self.asked[kind] += 1
                if fault:
                    self.faults[fault] += 1
            exchange = Exchange(client, method, target, raw, self._upstream)
            answer = FAULTS[fault](exchange) if fault else exchange.forward()
            if answer:
                client.sendall(answer)


def _read_request(client: socket.socket) -> tuple[str, str, bytes] | None:
    """One whole request, as it is to be sent on: the connection ends with the answer."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := client.recv(65536)):
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {
        name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)
    }
    if "expect" in headers:
        client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    while len(body) < int(headers.get("content-length", "0")):
        body += client.recv(65536)
    kept = [line for line in lines if not re.match(r"(?i)(?:expect|connection):", line)]
    raw = "\r\n".join((first, *kept, "Connection: close", "", "")).encode("latin-1") + body
    return method, target, raw


def first_of(kind: str, fault: str) -> Callable[[str, int], str | None]:
    """Spoil the first request of a method."""
    return lambda method, before: fault if (method, before) == (kind, 0) else None


def every(number: int, names: Sequence[str]) -> Callable[[str, int], str | None]:
    """Spoil every so many requests of a method, with one fault after the other."""
    return lambda method, before: (
        names[before // number % len(names)] if before % number == number - 1 else None
    )
