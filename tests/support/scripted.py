"""A server that gives one prepared response after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Thread

from support.quirks import Listener


@dataclass
class Response:
    """`chunks` are sent after the body, without a length, until the client hangs up."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Iterable[bytes] = ()


@dataclass
class ScriptedServer:
    """A server, or the proxy before every server.

    It gives the `responses` one after the other. Once there are none, `respond` makes one of the
    path that was asked for.
    """

    url: str
    responses: list[Response] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    respond: Callable[[str], Response] | None = None

    def next_response(self, path: str) -> Response:
        if self.respond and not self.responses:
            return self.respond(path)
        return self.responses.pop(0)


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append((self.command, self.path, headers))
            response = server.next_response(self.path)
            self.send_response(response.status)
            length = {"Transfer-Encoding": "chunked"} if response.chunks else {}
            length = length or {"Content-Length": str(len(response.body))}
            for name, value in {**length, **response.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.close_connection = "Content-Length" in response.headers
            try:
                self.wfile.write(response.body)
                for chunk in response.chunks:  # an empty one is the end
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            except OSError:  # the client hung up
                self.close_connection = True

        do_GET = do_PUT = do_HEAD = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with Listener(("127.0.0.1", 0), Handler) as listener:
        server = ScriptedServer(f"http://127.0.0.1:{listener.server_address[1]}")
        thread = Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()
