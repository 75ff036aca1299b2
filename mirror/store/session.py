"""A limit on every answer of a server: the time that it takes, and the length unless an object.

botocore reads an answer that is no object whole, and each byte of any answer starts its time limit
anew. It has no hook for the body, so `LimitedSession` stands in the place of its own session.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from time import monotonic
from typing import IO, Any, cast

from mirror.store.errors import UnreachableError
from mirror.waiting import is_stalled

_MAX_BYTES = 16 * 2**20  # a page with a thousand of the longest keys, all encoded, has 6 MiB
_MAX_TAGS = 200_000  # a page with a thousand objects and their owners has 30,000
_PIECE_BYTES = 2**16  # read at once; an answer is checked between two pieces


class LimitedSession:
    """The session of a client, with limits on the bodies that its `send` returns.

    `timeout_s` is the time after which a body must be faster than `is_stalled` says.
    """

    def __init__(self, session: Any, place: str, timeout_s: float) -> None:
        """Take a `URLLib3Session` of botocore, and the name of the bucket for messages."""
        self._session = session
        self._place = place
        self._timeout_s = timeout_s

    def send(self, request: Any) -> Any:
        """Return the response; its body is an object that is not read yet, or read.

        Raise `UnreachableError` for an answer without an end, which no second attempt makes better,
        and botocore's errors.
        """
        is_object = request.stream_output
        request.stream_output = True  # else the session reads it
        response = self._session.send(request)
        body = PacedBody(response.raw, self._timeout_s)
        if is_object and response.status_code < 300:
            response.raw = body
        else:
            response.raw = _ReadBody(self._read(body))
        return response

    def close(self) -> None:
        self._session.close()

    def _read(self, body: PacedBody) -> bytes:
        from botocore.response import StreamingBody

        # It raises botocore's errors for those of the connection.
        stream = StreamingBody(cast(IO[bytes], body), cast(int, None))
        data = bytearray()
        while piece := stream.read(_PIECE_BYTES):
            data += piece
            if len(data) > _MAX_BYTES:
                body.close()
                raise UnreachableError(
                    f"{self._place}: the answer has more than {_MAX_BYTES >> 20} MiB, and no end; "
                    "is endpoint_url an S3 server's?"
                )
        if data.count(b"<") > _MAX_TAGS:  # parsed, each takes a hundred bytes
            raise UnreachableError(
                f"{self._place}: the answer has more than {_MAX_TAGS:,} tags; is endpoint_url an "
                "S3 server's?"
            )
        return bytes(data)


class PacedBody:
    """The body of a response, read as it arrives."""

    def __init__(self, raw: Any, timeout_s: float) -> None:
        """Take a response of urllib3."""
        self._raw = raw
        self._timeout_s = timeout_s
        self._began: float | None = None  # the first read
        self._received = 0

    def read(self, amt: int | None = None) -> bytes:
        """Return at most `amt` bytes, as many as there are; none at the end.

        Raise botocore's `ReadTimeoutError` for a body that is too slow.
        """
        self._began = self._began or monotonic()
        data: bytes = self._raw.read1(amt) or b""
        self._received += len(data)
        took_s = monotonic() - self._began
        if is_stalled(self._received, took_s, self._timeout_s):
            from botocore.exceptions import ReadTimeoutError

            self.close()
            raise ReadTimeoutError(endpoint_url="", error=f"{self._received} B in {took_s:.0f} s")
        return data

    def close(self) -> None:
        self._raw.close()


class _ReadBody(BytesIO):
    def stream(self) -> Iterator[bytes]:
        """Yield the whole body, as a response of urllib3 does."""
        yield self.getvalue()
