"""A web server on loopback for stand-ins of services: whole requests in, whole answers out, and what may go wrong between."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

Answer = tuple[int, Mapping[str, str], bytes]

LOGIN_PAGE = b"<!DOCTYPE html><html><title>Welcome to the hotel</title></html>"


@dataclass
class Request:
    """One request as it came, header names in lower case; and the status of what was answered (0: nothing was)."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    status: int = 0
    sent: int = 0

    def __str__(self) -> str:
        return f"{self.method} {'raw ' if '/raw/' in self.path else ''}{self.status}"


@dataclass
class Fault:
    """What happens to the next *times* requests that match.

    A status in digits is answered in place of the true one. `lost before` and `lost after` close the connection before
    the request is carried out, or after it; `cut` does in the middle of the answer, after *keep* bytes of the body, and
    `cut head` in the middle of its headers. `page` answers with somebody's login page.
    """

    kind: str
    method: str = ""
    path: str = ""
    times: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"message": "out of order", "documentation_url": "https://example.invalid"}'
    keep: int = 10


class Loopback:
    """A server of *answer*, which is given one whole request at a time. *now* is its clock."""

    def __init__(self, answer: Callable[[Request], Answer], now: Callable[[], float]) -> None:
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.crashes: list[str] = []  # of *answer* itself, which has none to have
        self._service = answer
        self._now = now
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop listening, and close what is open: as if the machine had been switched off."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def asked(self) -> list[str]:
        """Return the requests since the last time this was asked, each as "METHOD status"."""
        with self._lock:
            asked, self.requests[:] = [str(request) for request in self.requests], []
        return asked

    def serve(self, request: Request) -> tuple[Answer | None, int | None]:
        """Return the answer, or None to close the connection, and how many bytes of it to send (None: all)."""
        with self._lock:
            self.requests.append(request)
            fault = self._fault(request)
            if fault is None:
                answer = self._answer(request)
                request.status, request.sent = answer[0], len(answer[2])
                return answer, None
            if fault.kind == "lost before":
                return None, None
            if fault.kind == "page":
                request.status = 200
                return (200, {"Content-Type": "text/html"}, LOGIN_PAGE), None
            if fault.kind.isdigit():
                request.status = int(fault.kind)
                return (request.status, {"Content-Type": "application/json", **fault.headers}, fault.body), None
            answer = self._answer(request)
            if fault.kind == "lost after":
                return None, None
            return answer, -1 if fault.kind == "cut head" else fault.keep

    def dated(self) -> str:
        return formatdate(self._now(), usegmt=True)

    def _answer(self, request: Request) -> Answer:
        try:
            return self._service(request)
        except Exception as error:
            self.crashes.append(f"{request}: {error!r}")
            return 500, {"Content-Type": "text/plain"}, b"the stand-in itself is broken"

    def _fault(self, request: Request) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.method in ("", request.method) and request.path.startswith(fault.path):
                fault.times -= 1
                return fault
        return None


class _Server(ThreadingHTTPServer):
    """One that closes its connections with itself."""

    def __init__(self, *args: object) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)  # type: ignore[arg-type]

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is none of ours."""


def _handler_for(loopback: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def handle_request(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            parts = urlsplit(self.path)
            request = Request(
                self.command,
                unquote(parts.path),
                dict(parse_qsl(parts.query)),
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(length),
            )
            answer, keep = loopback.serve(request)
            if answer is None:
                self.close_connection = True
                return
            status, headers, body = answer
            lines = [f"HTTP/1.1 {status} {self.responses.get(status, ('OK',))[0]}", f"Date: {loopback.dated()}"]
            lines += [f"{name}: {value}" for name, value in headers.items()]
            if status not in (204, 304):
                lines.append(f"Content-Length: {len(body)}")
            head = "\r\n".join([*lines, "", ""]).encode()
            if keep is not None:
                self.close_connection = True
                self.wfile.write(head[:-20] if keep < 0 else head + body[:keep])
            else:
                self.wfile.write(head + (b"" if status in (204, 304) else body))
            self.wfile.flush()

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = handle_request

        def log_message(self, *_: object) -> None:
            return None

    return Handler
