"""A network of its own, with a name server whose answers change, for one run of `mirror`.

Run as a program inside `unshare -rmn`: a public address is on loopback
there, a picture is served at it, and another server listens on 127.0.0.1, which nobody may ask.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Thread
from typing import Any

PUBLIC = "93.184.215.14"
PRIVATE = "127.0.0.1"
_A, _AAAA = 1, 28
_TTL_S = 0

Answer = Sequence[str]
ANSWERS: Mapping[str, Callable[[int], Answer]] = {
    # The addresses that the n-th look-up of a name gives.
    "public.example": lambda n: [PUBLIC],
    "turns.example": lambda n: [PUBLIC] if n == 1 else [PRIVATE],
    "both.example": lambda n: [PRIVATE, PUBLIC],
    "alternates.example": lambda n: [PUBLIC] if n % 2 else [PRIVATE],
    "private.example": lambda n: [PRIVATE],
    "mapped.example": lambda n: ["::ffff:127.0.0.1"],
    "nat64.example": lambda n: ["64:ff9b::7f00:1"],
    "local-nat64.example": lambda n: ["64:ff9b:1::7f00:1"],
    "compatible.example": lambda n: ["::127.0.0.1"],
    "loopback6.example": lambda n: ["::1"],
    "link-local.example": lambda n: ["169.254.169.254"],
}


def serve_names(answers: Mapping[str, Callable[[int], Answer]]) -> None:
    """Answer A and AAAA questions at 127.0.0.1:53, each look-up with what comes next."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((PRIVATE, 53))
    counts: Counter[tuple[str, int]] = Counter()

    def work() -> None:
        while True:
            query, client = server.recvfrom(512)
            server.sendto(_response(query, answers, counts), client)

    Thread(target=work, daemon=True).start()


def _response(
    query: bytes, answers: Mapping[str, Callable[[int], Answer]], counts: Counter[tuple[str, int]]
) -> bytes:
    labels, at = [], 12
    while size := query[at]:
        labels.append(query[at + 1 : at + 1 + size].decode())
        at += 1 + size
    (kind,) = struct.unpack_from("!H", query, at + 1)
    question = query[12 : at + 5]
    name = ".".join(labels).lower()
    counts[name, kind] += 1
    answer = answers[name](counts[name, kind]) if name in answers else []
    found = [ip_address(address) for address in answer]
    packed = [ip.packed for ip in found if (ip.version == 4) == (kind == _A)]
    flags = 0x8180 if name in answers else 0x8183
    head = query[:2] + struct.pack("!5H", flags, 1, len(packed), 0, 0)
    records = [struct.pack("!HHHIH", 0xC00C, kind, 1, _TTL_S, len(data)) + data for data in packed]
    return head + question + b"".join(records)


class _Server(ThreadingHTTPServer):
    """Gives the picture on a connection for each request, and remembers who was asked."""

    def __init__(self, address: str, picture: bytes) -> None:
        self.picture = picture
        self.asked: list[str] = []
        if ":" in address:
            self.address_family = socket.AF_INET6
        super().__init__((address, 80), _Handler)
        Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.headers['Host']}{self.path}")
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to"))
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.picture)))
        self.end_headers()
        self.wfile.write(self.server.picture)

    def log_message(self, *_: object) -> None:
        pass


def set_up() -> None:
    """Give loopback a public address, and have this program's names come from loopback."""
    for command in (["link", "set", "lo", "up"], ["addr", "add", f"{PUBLIC}/32", "dev", "lo"]):
        subprocess.run(["ip", *command], check=True)
    with NamedTemporaryFile("w", delete=False) as file:
        file.write(f"nameserver {PRIVATE}\noptions timeout:5 attempts:1\n")
    subprocess.run(["mount", "--bind", file.name, "/etc/resolv.conf"], check=True)
    Path(file.name).unlink()


def run(picture: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    """Run `mirror` in this network; return its exit code, its output, and what was asked."""
    set_up()
    serve_names(ANSWERS)
    data = picture.read_bytes()
    public, private = _Server(PUBLIC, data), [_Server(PRIVATE, data), _Server("::1", data)]
    try:
        socket.getaddrinfo("public.example", 80)
    except OSError:
        return {"skip": "names are not looked up as /etc/resolv.conf says here"}
    ran = subprocess.run(
        [sys.executable, "-m", "mirror", *arguments],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "code": ran.returncode,
        "out": ran.stdout + ran.stderr,
        "public": public.asked,
        "private": [asked for server in private for asked in server.asked],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]), sys.argv[2:], os.environ)))
