"""A line of limited speed and some delay, between a program and its servers on loopback.

All connections through one `Line` share it, as all programs of a home share theirs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread
from urllib.parse import urlsplit

_CHUNK_BYTES = 16 << 10
_MOST_UNDER_WAY = 64  # chunks of one connection; more are not taken from the sender


@dataclass
class Direction:
    """One direction of a line: chunks follow each other at its rate."""

    megabits_per_s: float
    total_bytes: int = 0
    _free_at: float = field(default=0.0, repr=False)

    def pass_through(self, size: int) -> float:
        """Return when the last of `size` bytes, sent now, is through."""
        self.total_bytes += size
        self._free_at = max(self._free_at, time.monotonic()) + self.seconds(size)
        return self._free_at

    def seconds(self, size: int) -> float:
        return size * 8 / (self.megabits_per_s * 1e6)

    @property
    def busy_s(self) -> float:
        """The seconds that all bytes so far take at the line's rate."""
        return self.seconds(self.total_bytes)


@dataclass(frozen=True)
class Line:
    """Both directions; a chunk arrives `delay_s` after it is through."""

    down: Direction
    up: Direction
    delay_s: float

    async def carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        """Carry all bytes of one side of a connection to the other."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MOST_UNDER_WAY)
        arriving = asyncio.create_task(_arrive(under_way, writer))
        with suppress(ConnectionError):
            while chunk := await reader.read(_CHUNK_BYTES):
                through_at = direction.pass_through(len(chunk))
                await asyncio.sleep(through_at - time.monotonic())
                await under_way.put((through_at + self.delay_s, chunk))
        await under_way.put((0.0, b""))
        await arriving

    async def serve(self, port: int) -> tuple[asyncio.Server, str]:
        """Listen for connections to a server on loopback; return the address to use instead."""

        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await asyncio.gather(
                    self.carry(reader, far_writer, self.up),
                    self.carry(far_reader, writer, self.down),
                )
            finally:
                writer.close()
                far_writer.close()

        server = await asyncio.start_server(connect, "127.0.0.1", 0)
        host, own_port = server.sockets[0].getsockname()
        return server, f"http://{host}:{own_port}"


async def _arrive(
    under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
) -> None:
    """Write each chunk at its time; the empty one ends this side of the connection."""
    with suppress(OSError):  # the other side is gone
        while (item := await under_way.get())[1]:
            arrives_at, chunk = item
            await asyncio.sleep(arrives_at - time.monotonic())
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


@contextmanager
def shaped(line: Line, urls: Sequence[str]) -> Iterator[list[str]]:
    """Put `line` before the servers at `urls`; yield the addresses to use instead of them."""
    ports = [urlsplit(url).port or 80 for url in urls]
    addresses: SimpleQueue[list[str]] = SimpleQueue()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        servers = [await line.serve(port) for port in ports]
        addresses.put([url for _, url in servers])
        await ended.wait()
        for server, _ in servers:
            server.close()

    # Closing the runner cancels the connections that are still open.
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        thread = Thread(target=runner.run, args=(serve(),))
        thread.start()
        try:
            yield addresses.get()
        finally:
            loop.call_soon_threadsafe(ended.set)
            thread.join()
