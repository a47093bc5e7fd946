"""What cannot be had otherwise: ports of this computer that misbehave, and time that flies.

Nothing here speaks Qdrant's language; an answer is bytes that a test gives.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
from collections.abc import Callable
from threading import Lock, Thread
from types import TracebackType
from typing import Self

from xlingual_qdrant.servers import Waiting

Act = Callable[[socket.socket], object]
"""What a connection meets. It is closed afterwards."""


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, chance: float = 0.0) -> None:
        self.time = 0.0
        self.pauses: list[float] = []
        self.waiting = Waiting(now=lambda: self.time, sleep=self.sleep, chance=lambda: chance)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds


class Port:
    """A port on which the n-th connection meets the n-th act, and later ones the last."""

    def __init__(self, *acts: Act, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"):
        self._acts, self._tls = acts, tls
        self._listener = socket.create_server((host, 0))
        self._lock = Lock()
        self._meetings: list[Thread] = []
        self.number: int = self._listener.getsockname()[1]
        self.met = 0

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        # A shutdown wakes the thread that waits for connections, a close alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def settle(self) -> None:
        """Wait until all that has been met is over."""
        with self._lock:
            meetings = list(self._meetings)
        for meeting in meetings:
            meeting.join(timeout=10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                act = self._acts[min(self.met, len(self._acts) - 1)]
                self.met += 1
                meeting = Thread(target=self._meet, args=(connection, act), daemon=True)
                meeting.start()
                self._meetings.append(meeting)

    def _meet(self, connection: socket.socket, act: Act) -> None:
        with contextlib.suppress(OSError), connection:
            if self._tls is None:
                act(connection)
            else:
                with self._tls.wrap_socket(connection, server_side=True) as secured:
                    act(secured)


def closed_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def read_head(connection: socket.socket) -> bytes:
    """Read the head of a request, and no more than a packet of what follows it."""
    head = b""
    while b"\r\n\r\n" not in head and (part := connection.recv(65536)):
        head += part
    return head


def read_request(connection: socket.socket) -> bytes:
    """Read one request with its body."""
    received = read_head(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    while length and len(body) < int(length[1]) and (part := connection.recv(1 << 20)):
        body += part
    return head + b"\r\n\r\n" + body


def reset(connection: socket.socket) -> None:
    """Break the connection off, unread data and all."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hang_up(connection: socket.socket) -> None:
    """Read the request, and close without a word."""
    read_request(connection)


def stall(connection: socket.socket) -> None:
    """Take everything, and never answer."""
    while connection.recv(1 << 20):
        pass


def answer(status: str, body: bytes = b"", *headers: str) -> Act:
    """Answer a request: `answer("200 OK", b"{}", "Retry-After: 3")`."""
    raw = _response(status, body, headers)

    def act(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(raw)

    return act


def answer_early(status: str, body: bytes = b"") -> Act:
    """Answer when the head has been read, and close on the rest of the request."""
    raw = _response(status, body, ())

    def act(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(raw)

    return act


def say(raw: bytes) -> Act:
    """Send bytes that are no answer."""

    def act(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(raw)

    return act


def cut(connection: socket.socket) -> None:
    """Promise an answer, send a part of it, and break off."""
    read_request(connection)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"result"')
    reset(connection)


def cut_in_peace(connection: socket.socket) -> None:
    """Promise an answer, send a part of it, and close."""
    read_request(connection)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"result"')


def _response(status: str, body: bytes, headers: tuple[str, ...]) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body
