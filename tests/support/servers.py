"""Real S3 servers on loopback. Each is started once a session, when a test first asks for it.

The abilities of a server are data (`Server`), so that tests need no `if` on its name.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import trustme
from botocore.session import Session
from support import swift_env

from mirror.store import S3Settings
from mirror.store.s3 import S3Store

BUCKET = "mirror-test"
_BIN = Path(sys.executable).parent
_prefixes = count()


@dataclass(frozen=True)
class Server:
    """A running server, and its abilities."""

    name: str
    endpoint_url: str = ""
    access_key: str = "mirrorkey"
    secret_key: str = "mirrorsecret"
    folder: Path | None = None  # where the objects are files that a test can damage
    creates_only: bool = True  # honours `If-None-Match: *`
    checks_credentials: bool = True
    takes_trailers: bool = True
    ca: Path | None = None
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        """Return the environment variables that a program needs to use the server."""
        keys = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        return keys | ({"AWS_CA_BUNDLE": str(self.ca)} if self.ca else {})

    def settings(self, **changes: Any) -> S3Settings:
        return replace(
            S3Settings(bucket=BUCKET, endpoint_url=self.endpoint_url, region="us-east-1"), **changes
        )

    def store(self, **changes: Any) -> S3Store:
        """Return a store with a prefix that no other store has, unless `changes` gives one."""
        changes.setdefault("prefix", f"t{next(_prefixes)}")
        return S3Store(self.name, self.settings(**changes))

    def client(self) -> Any:
        """Return a plain client, to check or change objects without the store."""
        return _session().create_client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            verify=str(self.ca) if self.ca else None,
        )


@cache
def _session() -> Session:
    """The session of all plain clients: to make one reads a megabyte of JSON."""
    return Session()


@dataclass(frozen=True)
class Certificate:
    ca: Path
    pem: Path
    key: Path


def make_certificate(folder: Path) -> Certificate:
    ca = trustme.CA()
    cert = ca.issue_cert("127.0.0.1", "localhost")
    made = Certificate(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
    ca.cert_pem.write_to_path(made.ca)
    cert.private_key_pem.write_to_path(made.key)
    for number, blob in enumerate(cert.cert_chain_pems):
        blob.write_to_path(made.pem, append=number > 0)
    return made


@contextmanager
def running(command: list[str | Path], ready: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `command` until the block ends; yield the match of `ready`'s group in its output."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    )
    assert process.stdout
    try:
        output = ""
        while not (match := re.search(ready, output)):
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{command[0]} did not start:\n{output}")
            output += line
        # The later output is read too, because a full pipe would stop the process.
        reader = Thread(target=process.stdout.read, daemon=True)
        reader.start()
        yield match[1], process
    finally:
        process.kill()
        process.wait()
        if "reader" in locals():
            reader.join()
        process.stdout.close()


@contextmanager
def rclone(
    folder: Path, certificate: Certificate | None = None, address: str = "127.0.0.1:0"
) -> Iterator[Server]:
    """Run `rclone serve s3`: objects are plain files. Over TLS it refuses trailers, as OSS does."""
    server = Server(
        "rclone-tls" if certificate else "rclone",
        folder=folder / BUCKET,
        creates_only=False,
        takes_trailers=certificate is None,
        ca=certificate.ca if certificate else None,
    )
    assert server.folder
    server.folder.mkdir(parents=True, exist_ok=True)
    tls = ["--cert", certificate.pem, "--key", certificate.key] if certificate else []
    keys = f"{server.access_key},{server.secret_key}"
    command = [_BIN / "rclone", "serve", "s3", "--config", folder / "none", "--addr", address]
    # Without this it would not notice for five minutes what a test does to its files.
    command += ["--dir-cache-time", "1ms", "--auth-key", keys, *tls, folder]
    with running(command, r"Starting s3 server on \[(\S+?)/?\]") as (url, process):
        yield replace(server, endpoint_url=url, processes=[process])


@contextmanager
def moto() -> Iterator[Server]:
    """Run moto: it behaves as Amazon's S3, but checks neither signatures nor checksums."""
    server = Server("moto", checks_credentials=False)
    command = [_BIN / "moto_server", "-H", "127.0.0.1", "-p", "0"]
    with running(command, r"Running on (http://\S+)") as (url, process):
        yield _with_bucket(replace(server, endpoint_url=url, processes=[process]))


@contextmanager
def swift(folder: Path) -> Iterator[Server]:
    """Run OpenStack Swift with its S3 API, in one process."""
    if not swift_env.STAMP.exists():
        pytest.skip("Swift is not installed; `python -m tests.support.swift_env` does it")
    server = Server("swift", access_key="test:tester", secret_key="testing")
    command = [swift_env.PYTHON, Path(__file__).with_name("swift_one.py"), folder]
    with running(command, r"ready (http\S+)") as (url, process):
        yield _with_bucket(replace(server, endpoint_url=url, processes=[process]))


def _with_bucket(server: Server) -> Server:
    client = server.client()
    client.create_bucket(Bucket=BUCKET)
    client.close()
    return server


class Servers:
    """Servers by name, started when first asked for."""

    NAMES = ("rclone", "rclone-tls", "moto", "swift")

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        certificate = make_certificate(folder)
        self._stack = stack
        self._running: dict[str, Server] = {}
        self._start: dict[str, Callable[[], Any]] = {
            "rclone": lambda: rclone(folder / "rclone"),
            "rclone-tls": lambda: rclone(folder / "rclone-tls", certificate),
            "moto": moto,
            "swift": lambda: swift(folder / "swift"),
        }

    def __getitem__(self, name: str) -> Server:
        if name not in self._running:
            self._running[name] = self._stack.enter_context(self._start[name]())
        return self._running[name]
