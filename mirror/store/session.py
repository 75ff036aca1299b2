"""A limit on every answer of a server: the time that it takes, and the length unless an object.

botocore reads an answer that is no object whole, and each byte of any answer starts its time limit
anew. It has no hook for either. So `LimitedSession` stands in the place of its own session, and the
connections of that session read through an `_AnswerReader`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from time import monotonic
from typing import IO, Any, cast

from mirror.store.errors import UnreachableError
from mirror.urls.redact import printable
from mirror.waiting import is_stalled

_MAX_HEADER_BYTES = 2**16  # with those of interim answers; S3's own have about a kilobyte
_MAX_BYTES = 16 * 2**20  # a page with a thousand of the longest keys, all encoded, has 6 MiB
_MAX_S = 600  # for such an answer; a page of a thousand objects has 400 KB, usually less
_MAX_TAGS = 200_000  # a page with a thousand objects and their owners has 30,000
_PIECE_BYTES = 2**16  # read at once; an answer is checked between two pieces


class SlowAnswerError(TimeoutError):
    """An answer comes, and too slowly to be waited for."""


class LimitedSession:
    """The session of a client, with limits on the answers that its `send` returns.

    `timeout_s` is the time after which an answer has to be as fast as that of a host.
    """

    def __init__(self, session: Any, place: str, timeout_s: float) -> None:
        """Take a `URLLib3Session` of botocore, and the name of the bucket for messages."""
        self._session = session
        self._place = place
        # Its managers of connections read this dictionary. A botocore without it would work too,
        # but without the limits on headers and time that the tests ask for.
        pools = getattr(session, "_pool_classes_by_scheme", {})
        pools.update({scheme: _limited(pool, timeout_s) for scheme, pool in pools.items()})

    def send(self, request: Any) -> Any:
        """Return the response; its body is an object that is not read yet, or read.

        Raise `UnreachableError` for an answer without an end, which no second attempt makes better,
        and botocore's errors.
        """
        from botocore.exceptions import HTTPClientError

        is_object = request.stream_output
        request.stream_output = True  # else the session reads it
        try:
            response = self._session.send(request)
        except HTTPClientError as error:
            cause = error.kwargs.get("error")
            if not isinstance(cause, _LongHeadersError):
                raise
            answer = "answer of the proxy" if cause.is_of_proxy else "answer"
            problem = f"the headers of the {answer} have more than {_MAX_HEADER_BYTES >> 10} KiB"
            raise self._error(problem) from error
        body = _PromptBody(response.raw)
        if is_object and response.status_code < 300:
            response.raw = body
            return response
        data = self._read(body)
        encoding = response.headers.get("Content-Encoding", "identity")
        if data and encoding.lower() != "identity":
            problem = f"the answer is encoded ({printable(encoding)[:20]}), which nobody asked for"
            raise self._error(problem)
        response.raw = _ReadBody(data)
        return response

    def close(self) -> None:
        self._session.close()

    def _read(self, body: _PromptBody) -> bytes:
        from botocore.response import StreamingBody

        # It raises botocore's errors for those of the connection.
        stream = StreamingBody(cast(IO[bytes], body), cast(int, None))
        data = bytearray()
        until = monotonic() + _MAX_S
        while piece := stream.read(_PIECE_BYTES):
            data += piece
            if len(data) > _MAX_BYTES:
                body.close()
                raise self._error(f"the answer has more than {_MAX_BYTES >> 20} MiB, and no end")
            if monotonic() > until:
                body.close()
                raise self._error(f"the answer took more than {_MAX_S // 60} minutes, without end")
        if data.count(b"<") > _MAX_TAGS:  # parsed, each takes a hundred bytes
            raise self._error(f"the answer has more than {_MAX_TAGS:,} tags")
        return bytes(data)

    def _error(self, problem: str) -> UnreachableError:
        return UnreachableError(f"{self._place}: {problem}; is endpoint_url an S3 server's?")


class _PromptBody:
    """The body of a response, read as it arrives."""

    def __init__(self, raw: Any) -> None:
        """Take a response of urllib3."""
        self._raw = raw

    def read(self, amt: int | None = None) -> bytes:
        """Return at most `amt` bytes, as many as there are; none at the end."""
        return self._raw.read1(amt) or b""

    def close(self) -> None:
        self._raw.close()


class _ReadBody(io.BytesIO):
    def stream(self) -> Iterator[bytes]:
        """Yield the whole body, as a response of urllib3 does."""
        yield self.getvalue()


# --- Connections ----------------------------------------------------------------------------------


class _LongHeadersError(Exception):
    is_of_proxy = False


def _limited(pool: Any, timeout_s: float) -> Any:
    """Return a class of connection pools like `pool` whose connections read with limits."""

    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        sock: Any

        def connect(self) -> None:
            super().connect()
            self.sock = _LimitedSocket(self.sock, timeout_s)

        def _tunnel(self) -> None:
            """Ask a proxy to connect. What it answers is limited as an answer of the server's."""
            sock, self.sock = self.sock, _LimitedSocket(self.sock, timeout_s)
            try:
                super()._tunnel()
            except _LongHeadersError as error:
                error.is_of_proxy = True
                raise
            self.sock = sock

        def getresponse(self) -> Any:
            sock = self.sock  # gone afterwards if the server closes the connection
            response = super().getresponse()
            sock.reader.is_in_headers = False
            return response

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


class _LimitedSocket:
    """A socket whose answers are read through an `_AnswerReader`: `reader` is that of the last."""

    reader: _AnswerReader

    def __init__(self, sock: Any, timeout_s: float) -> None:
        self._sock = sock
        self._timeout_s = timeout_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, mode: str, buffering: int = io.DEFAULT_BUFFER_SIZE) -> Any:
        """Return the answer as a file; http.client calls this once for each."""
        self.reader = _AnswerReader(self._sock.makefile(mode, 0), self._timeout_s)
        return io.BufferedReader(self.reader, buffering) if buffering else self.reader


class _AnswerReader(io.RawIOBase):
    """An answer, bytes as they arrive.

    Raise `SlowAnswerError` where the time limit is over and the bytes since the first one came
    slower than `is_stalled` allows.
    """

    is_in_headers = True

    def __init__(self, raw: io.RawIOBase, timeout_s: float) -> None:
        self._raw = raw
        self._timeout_s = timeout_s
        self._began: float | None = None
        self._received = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.is_in_headers and self._received > _MAX_HEADER_BYTES:
            raise _LongHeadersError
        count = self._raw.readinto(buffer)
        if not count:
            if self.is_in_headers and self._received:  # botocore would read on, for ever
                raise ConnectionResetError("the server hung up within the headers")
            return count
        now = monotonic()
        self._began = self._began or now
        self._received += count
        took_s = now - self._began
        if is_stalled(self._received, took_s, self._timeout_s):
            raise SlowAnswerError(f"{self._received:,} bytes in {took_s:.0f} s")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
