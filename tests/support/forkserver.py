"""Runs of `mirror`, forked off a process that has imported it already.

A run is a process of its own, with its arguments, folder, environment and files, and it can be
killed. It only does without the half second of CPU that importing everything takes. What depends
on how the interpreter starts (encodings, limits, another user, memory) needs a real start.
"""

from __future__ import annotations

import atexit
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

_MAX_REQUEST = 1 << 20
_MODULES = (
    "boto3",
    "mirror.cli",
    *(
        f"mirror.pipeline.{name}"
        for name in ("doctor", "leftovers", "prune", "repair", "report", "restore", "rewrite")
    ),
    "mirror.pipeline.sync",
    "mirror.pipeline.verify",
    "mirror.pipeline.verify_posts",
    "mirror.pipeline.public",
)


MAIN = "from mirror.start import main; main()"
"""The code of the command `mirror`."""


def can_fork(environ: Mapping[str, str]) -> bool:
    """Return True unless the environment changes how an interpreter starts."""
    ours = _start().environ
    names = {name for name in {*environ, *ours} if environ.get(name) != ours.get(name)}
    return not any(name.startswith(("LANG", "LC_", "PYTHON", "MALLOC")) for name in names)


class ForkedProcess:
    """A run; what `subprocess.Popen` offers for it."""

    def __init__(self, server: _Server, pid: int, args: Sequence[str]) -> None:
        self.pid = pid
        self.args = args
        self.returncode: int | None = None
        self._server = server

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = self._server.ask({"wait": self.pid})
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    code: str,
    args: Sequence[str],
    cwd: Path,
    environ: Mapping[str, str],
    files: tuple[int, int, int],
) -> ForkedProcess:
    """Run Python code with `args` as `sys.argv`, as `python -c` does.

    `files` become standard input, output and error.
    """
    server = _start()
    request = {"code": code, "args": args, "cwd": str(cwd), "environ": dict(environ)}
    return ForkedProcess(server, server.ask(request, files), args)


class _Server:
    def __init__(self) -> None:
        self.environ = dict(os.environ)
        self._lock = threading.Lock()
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._socket, other):
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                end.setsockopt(socket.SOL_SOCKET, option, _MAX_REQUEST)
        code = f"from support.forkserver import serve; serve({other.fileno()})"
        with other, Path(os.devnull).open("r+b") as null:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                pass_fds=[other.fileno()],
                stdin=null,
                stdout=null,
                env=self.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
            )
        atexit.register(self._end)

    def ask(self, request: dict[str, object], files: Sequence[int] = ()) -> int:
        with self._lock:
            socket.send_fds(self._socket, [json.dumps(request).encode()], files)
            return int(self._socket.recv(100))

    def _end(self) -> None:
        self._socket.close()
        self._process.wait()


@cache
def _start() -> _Server:
    return _Server()


# --- In the server ------------------------------------------------------------------------------


def serve(descriptor: int) -> None:
    """Fork a run for each request, until nobody asks any more."""
    for name in _MODULES:
        __import__(name)
    with socket.socket(fileno=descriptor) as asked:
        while True:
            data, files, *_ = socket.recv_fds(asked, _MAX_REQUEST, 3)
            if not data:
                return
            request = json.loads(data)
            if "wait" in request:
                _, status = os.waitpid(request["wait"], 0)
                asked.send(str(os.waitstatus_to_exitcode(status)).encode())
                continue
            if not (pid := os.fork()):
                asked.close()
                _run(request, files)
            for file in files:
                os.close(file)
            asked.send(str(pid).encode())


def _run(request: dict[str, object], files: Sequence[int]) -> NoReturn:
    """Be the run that was asked for."""
    code = 70
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.chdir(str(request["cwd"]))
        os.environ.clear()
        os.environ.update(request["environ"])  # type: ignore[arg-type]
        sys.argv = request["args"]  # type: ignore[assignment]
        random.seed()
        try:
            exec(str(request["code"]), {"__name__": "__main__"})  # noqa: S102  (a test's own)
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:  # noqa: BLE001  (as the interpreter does)
            traceback.print_exc()
            code = 1
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
