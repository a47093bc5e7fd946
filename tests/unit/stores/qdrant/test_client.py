"""The connection: the versions of both sides, and a key that nobody gets to see."""

from __future__ import annotations

import logging
import socket
import traceback
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from importlib.metadata import version
from pathlib import Path

import pytest
from pydantic import SecretStr
from qdrant_client import models
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.faults import Fault
from xlingual_adapters.stores.qdrant.versions import skew

from tests.unit.stores.qdrant.faulty import (
    Act,
    Clock,
    Port,
    answer,
    closed_port,
    cut,
    hang_up,
    read_head,
    reset,
    say,
    stall,
)
from xlingual_qdrant.errors import SettingsError, StoreUnavailable, XlingualError
from xlingual_qdrant.schema import CollectionSchema

KEY = "Vertrauliches/Wort+der=Probe"
NO_COLLECTIONS = answer("200 OK", b'{"result":{"collections":[]},"status":"ok","time":0.0}')
OURS = version("qdrant-client")


def greeting(version: str) -> Act:
    return answer("200 OK", b'{"title":"qdrant","version":"%s"}' % version.encode())


def connect(port: int, **values: object) -> Connection:
    given = {"url": f"http://127.0.0.1:{port}", "api_key": KEY, "retry_for_s": 0, **values}
    return Connection(QdrantSettings.model_validate(given), waiting=Clock().waiting)


def ask(connection: Connection) -> list[models.CollectionDescription]:
    return connection.ask(lambda client: client.get_collections()).collections


# Versions.


@pytest.mark.parametrize(
    ("client", "server", "advice"),
    [
        ("1.20.0", "1.20.3", None),
        ("1.20.0", "1.19.9", None),
        ("1.20.0", "1.21.0", None),
        ("1.20.0", "1.20.0-dev", None),
        ("1.20.0", "v1.21.0", None),
        ("1.20.0", "unknown", None),
        ("1.20.0", "", None),
        ("1.20.0", "1.18.2", "upgrade the server, one minor version at a time, or run: pip install"
         " 'qdrant-client~=1.18.0'"),
        ("1.20.0", "1.22.0", "run: pip install 'qdrant-client~=1.22.0'"),
        ("1.20.0", "2.0.0", "run: pip install 'qdrant-client~=2.0.0'"),
        ("2.0.0", "1.20.0", "upgrade the server, one minor version at a time, or run: pip install"
         " 'qdrant-client~=1.20.0'"),
    ],
)  # fmt: skip
def test_one_minor_version_may_lie_between(client: str, server: str, advice: str | None) -> None:
    assert skew(client, server) == advice


def test_a_server_far_away_is_warned_of_once_and_asked_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Port(NO_COLLECTIONS, greeting("1.2.3"), NO_COLLECTIONS) as port:
        connection = connect(port.number)
        for _ in range(3):
            assert ask(connection) == []
        connection.close()
    assert port.met == 4
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert f"http://127.0.0.1:{port.number} is Qdrant 1.2.3" in warning.getMessage()
    assert f"qdrant-client is {OURS}" in warning.getMessage()
    assert "upgrade the server" in warning.getMessage()


def test_many_threads_that_begin_at_once_ask_once(caplog: pytest.LogCaptureFixture) -> None:
    # Each connection is answered by what it asks for.
    def by_path(connection: socket.socket) -> None:
        asks_version = b"GET / " in read_head(connection)
        body = (
            b'{"title":"q","version":"1.2.3"}' if asks_version else b'{"result":{"collections":[]}}'
        )
        asked.append(asks_version)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    asked: list[bool] = []
    with Port(by_path) as port, ThreadPoolExecutor(8) as pool:
        connection = connect(port.number)
        assert list(pool.map(lambda _: ask(connection), range(16))) == [[]] * 16
        connection.close()
    assert asked.count(True) == 1
    assert sum("1.2.3" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize(
    "act",
    [greeting(OURS), greeting("??"), reset, answer("404 Not Found"), answer("200 OK", b"<html>")],
    ids=["the same", "unreadable", "reset", "404", "html"],
)
def test_a_version_that_fits_or_is_not_told_is_no_matter(
    act: Act, caplog: pytest.LogCaptureFixture
) -> None:
    with Port(NO_COLLECTIONS, act) as port:
        connection = connect(port.number)
        assert ask(connection) == []
        connection.close()
    assert port.met == 2
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_nothing_is_compared_without_a_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = QdrantStore(QdrantSettings(path=tmp_path / "folder"))
    store.create(CollectionSchema(name="texts", dimension=2))
    assert store.list() == ["texts"]
    store.close()
    assert not caplog.records


# The key.


def echo(status: str) -> Act:
    """Answer with the line of the request that holds the key, as a talkative proxy might."""

    def act(connection: socket.socket) -> None:
        lines = read_head(connection).split(b"\r\n")
        [body] = [line for line in lines if line.lower().startswith(b"api-key")]
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        connection.sendall(head + body)

    return act


TROUBLES: list[Act] = [
    reset,
    hang_up,
    cut,
    stall,
    say(b"\x15\x03\x01\x00\x02"),
    answer("200 OK", b"<html>"),
    answer("401 Unauthorized", b"Invalid API key"),
    answer("429 Too Many Requests", b"", "Retry-After: 3"),
    *map(echo, ("200 OK", "400 Bad Request", "401 Unauthorized", "404 Not Found", "500 Oh")),
    *map(echo, ("503 Busy", "413 Too Large", "429 Many", "301 Moved")),
]


def leaks(text: str) -> bool:
    return KEY in text or "Vertrauliches" in text


@pytest.mark.parametrize("act", TROUBLES)
@pytest.mark.parametrize("retry_for_s", [0, 60])
def test_no_error_shows_the_key(
    act: Act,
    retry_for_s: float,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    with Port(act) as port:
        connection = connect(port.number, timeout_s=0.05, retry_for_s=retry_for_s)
        with pytest.raises(StoreUnavailable) as caught:
            ask(connection)
        fault = connection.ask_once(lambda client: client.get_collections())
        connection.close()
    error = caught.value
    # Nothing hangs on it either, for those who look into what an error came from.
    assert error.__cause__ is error.__context__ is None
    assert isinstance(fault, Fault)
    shown = (
        str(error),
        repr(error),
        repr(error.args),
        repr(copy(error)),
        "".join(traceback.format_exception(error)),
        repr(fault),
        repr(connection),
        repr(connection.settings),
        str(vars(connection)),
        caplog.text,
        *(repr(vars(record)) for record in caplog.records),
        *capfd.readouterr(),
    )
    assert not [text for text in shown if leaks(text)]


@pytest.mark.parametrize("act", [None, stall, reset, say(b"HTTP/1.1 400 Bad Request\r\n\r\n")])
def test_no_error_of_grpc_shows_the_key(
    act: Act | None, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with Port(act or stall) as port:
        number = closed_port() if act is None else port.number
        connection = connect(
            closed_port(), prefer_grpc=True, grpc_port=number, timeout_s=1, retry_for_s=0
        )
        with pytest.raises(StoreUnavailable) as caught:
            ask(connection)
        connection.close()
    shown = "".join(traceback.format_exception(caught.value))
    assert not [text for text in (shown, caplog.text, *capfd.readouterr()) if leaks(text)]


def test_what_succeeds_does_not_log_the_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Port(NO_COLLECTIONS, greeting("1.2.3")) as port:
        connection = connect(port.number)
        assert ask(connection) == []
        connection.close()
    # The transport does write its log, so there was something to look through.
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    assert not any(leaks(repr(vars(record))) for record in caplog.records)


@pytest.mark.parametrize("end", ["\n", " ", "\r\n", "\x00", "é", "\u2028"])
@pytest.mark.parametrize("prefer_grpc", [False, True])
def test_a_key_that_no_header_can_carry_is_refused_unseen(end: str, prefer_grpc: bool) -> None:
    settings = QdrantSettings(
        url="http://127.0.0.1:1", api_key=SecretStr(KEY + end), prefer_grpc=prefer_grpc
    )
    with pytest.raises(SettingsError, match=r"api_key for http://127\.0\.0\.1:1 has") as caught:
        QdrantStore(settings)
    assert not leaks("".join(traceback.format_exception(caught.value)))


def test_an_error_at_opening_shows_no_key() -> None:
    settings = QdrantSettings(url="https://a..b:6333", api_key=SecretStr(KEY))
    with pytest.raises(XlingualError, match=r"https://a\.\.b:6333") as caught:
        QdrantStore(settings).list()
    assert not leaks("".join(traceback.format_exception(caught.value)))
