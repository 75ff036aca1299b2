"""The line of the benchmark: it carries every byte, no faster than its rate."""

from __future__ import annotations

import socket
import time
from threading import Thread

import pytest

from benchmarks.line import Direction, Line, shaped


@pytest.fixture
def echo_url() -> str:
    """A server that sends back what it was sent, once the sender has ended."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = server.accept()
        with server, connection, connection.makefile("rwb") as stream:
            stream.write(stream.read())

    Thread(target=answer, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_line_carries_every_byte_and_takes_the_time_of_its_rate(echo_url: str) -> None:
    data = bytes(range(256)) * 800
    line = Line(Direction(16), Direction(16), 0.01)
    began = time.monotonic()
    with shaped(line, [echo_url]) as (url,):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            received = connection.makefile("rb").read()
    assert received == data
    assert line.up.total_bytes == line.down.total_bytes == len(data)
    assert time.monotonic() - began >= line.up.busy_s + 2 * line.delay_s
    assert line.up.busy_s == pytest.approx(len(data) * 8 / 16e6)
