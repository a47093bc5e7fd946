"""The proxy that does harm does just that: tried on a server that says back what it hears."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Lock
from time import monotonic

import pytest

from tests.unit.stores.qdrant.faulty import Port
from tests.unit.stores.qdrant.proxy import FaultyProxy, Plan

heard: list[bytes] = []
_lock = Lock()


def say_back(connection: socket.socket) -> None:
    """Take all that is sent, and send it back."""
    received = b""
    while part := connection.recv(65536):
        received += part
    with _lock:
        heard.append(received)
    connection.sendall(received)


@pytest.fixture
def server() -> Iterator[Port]:
    heard.clear()
    with Port(say_back) as port:
        yield port


def exchange(port: int, sent: bytes) -> bytes | None:
    """Send bytes, and return what comes back; None if the connection is broken off."""
    received = b""
    try:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
    except ConnectionError:
        return None
    return received


def through(
    server: Port, plan: Plan, times: int, sent: bytes = b"0123456789"
) -> list[bytes | None]:
    with FaultyProxy("127.0.0.1", server.number, plan) as proxy:
        answers = [exchange(proxy.number, sent) for _ in range(times)]
    proxy.settle()
    server.settle()
    assert proxy.harmed == sum(answer != sent for answer in answers)
    return answers


def test_without_harm_every_byte_goes_both_ways(server: Port) -> None:
    large = bytes(range(256)) * 20_000
    assert through(server, Plan(), 2, large) == [large, large]
    assert heard == [large, large]


def test_every_nth_connection_is_reset_before_the_server_hears_of_it(server: Port) -> None:
    sent = b"0123456789"
    assert through(server, Plan(reset_every=3), 6) == [sent, sent, None] * 2
    assert len(heard) == 4


def test_a_request_is_cut_so_that_the_server_gets_a_part(server: Port) -> None:
    answers = through(server, Plan(cut_request_every=2), 2)
    assert answers == [b"0123456789", None]
    assert sorted(heard, key=len) == [b"01234", b"0123456789"]


def test_an_answer_is_cut_after_the_server_has_heard_it_all(server: Port) -> None:
    answers = through(server, Plan(cut_answer_every=2), 2)
    assert answers == [b"0123456789", None]
    assert heard == [b"0123456789", b"0123456789"]


def test_an_answer_is_held_back(server: Port) -> None:
    begun = monotonic()
    assert through(server, Plan(delay_s=0.1), 1) == [b"0123456789"]
    assert monotonic() - begun >= 0.1
