"""What happens on the way to a server, on the client's own transport, over real sockets."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from time import monotonic

import pytest
from qdrant_client import QdrantClient, models
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore, client
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.faults import RequestTimedOut, RequestTooLarge

from tests.unit.stores.qdrant.faulty import (
    Act,
    Clock,
    Port,
    answer,
    answer_early,
    closed_port,
    cut,
    cut_in_peace,
    hang_up,
    reset,
    say,
    stall,
)
from xlingual_qdrant.errors import StoreUnavailable
from xlingual_qdrant.schema import CollectionSchema

NO_COLLECTIONS = answer("200 OK", b'{"result":{"collections":[]},"status":"ok","time":0.0}')
GREETING = answer("200 OK", b'{"title":"qdrant","version":"1.20.0"}')
ATTEMPTS = 11
"""Requests of one call while nothing helps: pauses of 0.2 s that double up to 10 s, for 60 s."""


def settings_for(port: int, **values: object) -> QdrantSettings:
    given = {"url": f"http://127.0.0.1:{port}", "api_key": "key-of-the-test", **values}
    return QdrantSettings.model_validate(given)


def ask(connection: Connection) -> list[models.CollectionDescription]:
    return connection.ask(lambda client: client.get_collections()).collections


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A certificate that nobody trusts."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    folder: Path = tmp_path_factory.mktemp("tls")
    made = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    )
    subprocess.run(
        ["openssl", *made.split(), "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


# What helps to wait for, and what does not.


@pytest.mark.parametrize(
    ("act", "requests", "words"),
    [
        (reset, 4, "the connection breaks; is it the right port"),
        (hang_up, 4, "the connection breaks"),
        (cut, 4, "the connection breaks"),
        (cut_in_peace, 4, "the connection breaks"),
        (answer("503 Service Unavailable"), ATTEMPTS, "overloaded"),
        (answer("502 Bad Gateway", b"<html>nginx</html>"), 4, "502: <html>nginx</html>"),
        (answer("429 Too Many Requests"), ATTEMPTS, "limits requests; call again later"),
        (answer("500 Internal Server Error", b'{"status":{"error":"Service internal error: The'
                b' replica set for shard 3 on peer 6 does not have enough active replicas"}}'),
         ATTEMPTS, "nodes of the cluster are away"),
        (answer("500 Internal Server Error", b'{"status":{"error":"Service internal error: No'
                b' space left on device"}}'), 1, "the disk or the memory there is full"),
        (answer("507 Insufficient Storage", b'{"status":{"error":"Disk usage is at 95% of total'
                b' capacity, exceeding the configured limit of 90%."}}'), 1, "is full"),
        (answer("401 Unauthorized", b"Must provide an API key"), 1, "refuses the API key"),
        (answer("403 Forbidden", b'{"status":{"error":"Storage locked: maintenance"}}'), 1,
         "locked against writing"),
        (answer("200 OK", b"<html>Please log in</html>"), 1, "not how Qdrant answers"),
        (answer("200 OK"), 1, "not how Qdrant answers"),
        (answer("200 OK", b"\xff\xfe\x00"), 1, "not how Qdrant answers"),
        (answer("200 OK", b"null"), 1, "not how Qdrant answers"),
        (answer("200 OK", b'{"result":null,"status":"ok","time":0.0}'), 1, "returned None"),
        (answer("200 OK", b'{"result":{"collections":[{}]}}'), 1, "collections.0.name: Field"),
        (answer("200 OK", b"{}", "Content-Encoding: gzip"), 1, "not how Qdrant answers"),
        (answer("301 Moved Permanently", b"", "Location: https://q.example.com/x?key=1"), 1,
         "301 Moved Permanently, which leads to https://q.example.com)"),
        (answer("404 Not Found", b"<html>nothing here</html>"), 1, "check address and port"),
        (answer("404 Not Found"), 1, "(404 Not Found)"),
        (say(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), 1, "does not speak HTTP"),
    ],
    ids=lambda value: "" if callable(value) else str(value)[-30:],
)  # fmt: skip
def test_each_trouble_is_met_in_its_way(clock: Clock, act: Act, requests: int, words: str) -> None:
    with Port(act) as port:
        connection = Connection(settings_for(port.number), waiting=clock.waiting)
        with pytest.raises(StoreUnavailable) as caught:
            ask(connection)
        connection.close()
    assert port.met == requests
    assert clock.time <= 60
    assert str(caught.value).startswith(f"http://127.0.0.1:{port.number}: ")
    assert words in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_closed_port_is_told_at_once(clock: Clock) -> None:
    connection = Connection(settings_for(closed_port()), waiting=clock.waiting)
    with pytest.raises(StoreUnavailable, match="no answer; is the server running, and are address"):
        ask(connection)
    assert clock.pauses == []


def test_a_server_that_has_answered_is_waited_for(clock: Clock) -> None:
    with Port(NO_COLLECTIONS, GREETING) as port:
        connection = Connection(settings_for(port.number), waiting=clock.waiting)
        assert ask(connection) == []
    with pytest.raises(StoreUnavailable, match="no answer"):
        ask(connection)
    assert len(clock.pauses) == ATTEMPTS - 1
    connection.close()


def test_a_server_that_has_refused_is_waited_for_too(clock: Clock) -> None:
    with Port(answer("503 Service Unavailable"), reset) as port:
        connection = Connection(settings_for(port.number), waiting=clock.waiting)
        with pytest.raises(StoreUnavailable, match="breaks"):
            ask(connection)
    assert port.met == ATTEMPTS


def test_what_recovers_is_not_noticed(clock: Clock) -> None:
    acts = (reset, cut, answer("503 Service Unavailable"), NO_COLLECTIONS, GREETING)
    with Port(*acts) as port:
        connection = Connection(settings_for(port.number), waiting=clock.waiting)
        assert ask(connection) == []
    assert clock.pauses == [0.2, 0.4, 0.8]


def test_who_waits_for_long_is_told_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with Port(answer("503 Service Unavailable")) as port:
        connection = Connection(settings_for(port.number), waiting=clock.waiting)
        with pytest.raises(StoreUnavailable):
            ask(connection)
    [told] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert (
        "attempt 5 has failed (503 Service Unavailable); it goes on for up to 60 s" in told.message
    )


def test_a_deadline_of_zero_makes_one_request() -> None:
    with Port(answer("503 Service Unavailable")) as port:
        connection = Connection(settings_for(port.number, retry_for_s=0))
        with pytest.raises(StoreUnavailable):
            ask(connection)
    assert port.met == 1


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_retry_after_is_obeyed_in_seconds(clock: Clock, status: str) -> None:
    with Port(answer(status, b"", "Retry-After: 7"), NO_COLLECTIONS, GREETING) as port:
        connection = Connection(settings_for(port.number), waiting=clock.waiting)
        assert ask(connection) == []
    assert clock.pauses == [7]


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_retry_after_is_obeyed_as_a_date(clock: Clock, status: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)
    with Port(answer(status, b"", f"Retry-After: {date}"), NO_COLLECTIONS, GREETING) as port:
        connection = Connection(settings_for(port.number), waiting=clock.waiting)
        assert ask(connection) == []
    [pause] = clock.pauses
    assert 1 < pause <= 40


@pytest.mark.parametrize("value", ["soon", "-5", "0", "Sun, 06 Nov 1994 08:49:37 GMT", "Mon, 99"])
def test_a_retry_after_that_means_nothing_is_passed_over(clock: Clock, value: str) -> None:
    busy = answer("429 Too Many Requests", b"", f"Retry-After: {value}")
    with Port(busy, NO_COLLECTIONS, GREETING) as port:
        connection = Connection(settings_for(port.number), waiting=clock.waiting)
        assert ask(connection) == []
    assert clock.pauses == [0.2]


def test_a_retry_after_beyond_the_deadline_is_told(clock: Clock) -> None:
    with Port(answer("429 Too Many Requests", b"", "Retry-After: 3600")) as port:
        connection = Connection(settings_for(port.number), waiting=clock.waiting)
        with pytest.raises(StoreUnavailable, match="call again later, it says in 3600 s"):
            ask(connection)
    assert clock.pauses == []


# Time.


def test_a_stall_ends_after_the_time_that_is_set_and_is_tried_again(clock: Clock) -> None:
    with Port(stall, stall, NO_COLLECTIONS, GREETING) as port:
        settings = settings_for(port.number, timeout_s=0.1)
        connection = Connection(settings, waiting=clock.waiting)
        begun = monotonic()
        assert ask(connection) == []
        # The client knows whole seconds only; ours are kept.
        assert monotonic() - begun < 2
    assert clock.pauses == [0.2, 0.4]


def test_a_stall_is_an_error_of_its_own_for_who_knows_better(clock: Clock) -> None:
    with Port(stall) as port:
        settings = settings_for(port.number, timeout_s=0.1)
        connection = Connection(settings, waiting=clock.waiting)
        with pytest.raises(RequestTimedOut, match="raise timeout_s"):
            connection.ask(lambda client: client.get_collections(), patient=False)
    assert clock.pauses == []


def test_an_address_that_takes_no_connection_is_not_waited_for(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_CONNECT_S", 0.3)
    # The second place in the queue of a listener that accepts nobody is the last.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        number: int = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for queued in waiting:
            queued.setblocking(False)
            queued.connect_ex(("127.0.0.1", number))
        connection = Connection(settings_for(number), waiting=clock.waiting)
        begun = monotonic()
        with pytest.raises(StoreUnavailable, match="no answer; is the server running"):
            ask(connection)
        # A fraction of the time that an answer may take.
        assert monotonic() - begun < connection.settings.timeout_s / 3
        for queued in waiting:
            queued.close()
    assert clock.pauses == []


# Size.


def test_a_request_that_is_refused_for_its_size_is_told_while_it_is_being_sent(
    clock: Clock,
) -> None:
    words = (b'{"status":{"error":"Payload error: JSON payload (40000000 bytes) is larger than'
             b' allowed (limit: 33554432 bytes)."},"time":0.0}')  # fmt: skip
    text = "x" * (16 << 20)
    large = [models.PointStruct(id=1, vector=[1.0], payload={"text": text})]

    def write(client: QdrantClient) -> models.UpdateResult:
        return client.upsert("c", large)

    for status in ("413 Payload Too Large", "400 Bad Request"):
        with Port(answer_early(status, words)) as port:
            connection = Connection(settings_for(port.number), waiting=clock.waiting)
            with pytest.raises(RequestTooLarge, match="max_request_size_mb"):
                connection.ask(write)
        assert port.met == 1


# TLS.


def test_a_certificate_that_is_not_trusted_is_told(
    clock: Clock, certificate: ssl.SSLContext
) -> None:
    with Port(NO_COLLECTIONS, tls=certificate) as port:
        settings = settings_for(0, url=f"https://127.0.0.1:{port.number}")
        connection = Connection(settings, waiting=clock.waiting)
        with pytest.raises(StoreUnavailable, match=r"not trusted.*SSL_CERT_FILE"):
            ask(connection)
    assert clock.pauses == []


def test_https_to_a_server_of_http_is_told(clock: Clock) -> None:
    with Port(say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")) as port:
        settings = settings_for(0, url=f"https://127.0.0.1:{port.number}")
        connection = Connection(settings, waiting=clock.waiting)
        with pytest.raises(StoreUnavailable, match="speaks http:// at this port"):
            ask(connection)
    assert clock.pauses == []


def test_http_to_a_server_of_https_is_told_soon(clock: Clock, certificate: ssl.SSLContext) -> None:
    with Port(NO_COLLECTIONS, tls=certificate) as port:
        connection = Connection(settings_for(port.number), waiting=clock.waiting)
        with pytest.raises(StoreUnavailable, match="http:// or https:// as the server speaks"):
            ask(connection)
    assert len(clock.pauses) <= 3


# The store's verbs, and gRPC.


@pytest.mark.parametrize("act", [reset, cut, answer("503 Busy"), answer("200 OK", b"<html>")])
def test_every_verb_of_the_store_ends_in_the_same_error(act: Act) -> None:
    schema = CollectionSchema(name="texts", dimension=4)
    with Port(act) as port:
        store = QdrantStore(settings_for(port.number, retry_for_s=0))
        for verb in (
            store.list,
            lambda: store.open("texts"),
            lambda: store.drop("texts"),
            lambda: store.create(schema),
        ):
            with pytest.raises(StoreUnavailable, match=f"http://127.0.0.1:{port.number}: "):
                verb()
        store.close()
        store.close()
        with pytest.raises(StoreUnavailable, match="the store is closed; open it again"):
            store.list()


def test_grpc_to_a_closed_port_is_told_at_once(clock: Clock) -> None:
    settings = settings_for(closed_port(), prefer_grpc=True, grpc_port=closed_port())
    connection = Connection(settings, waiting=clock.waiting)
    with pytest.raises(StoreUnavailable, match="no answer; is the server running"):
        ask(connection)
    assert clock.pauses == []
    connection.close()


def test_grpc_that_stalls_ends_in_time(clock: Clock) -> None:
    with Port(stall) as port:
        settings = settings_for(
            closed_port(), prefer_grpc=True, grpc_port=port.number, timeout_s=0.5
        )
        connection = Connection(settings, waiting=clock.waiting)
        with pytest.raises(RequestTimedOut, match="no answer in time"):
            connection.ask(lambda client: client.get_collections(), patient=False)
        connection.close()


@pytest.mark.parametrize("act", [reset, say(b"HTTP/1.1 400 Bad Request\r\n\r\n")])
def test_grpc_to_what_does_not_speak_it_ends_soon(clock: Clock, act: Act) -> None:
    with Port(act) as port:
        settings = settings_for(closed_port(), prefer_grpc=True, grpc_port=port.number, timeout_s=1)
        connection = Connection(settings, waiting=clock.waiting)
        with pytest.raises(StoreUnavailable, match=r"http://127\.0\.0\.1:"):
            ask(connection)
        connection.close()
    assert len(clock.pauses) <= 3


def test_no_proxy_is_asked_for_what_stays_on_this_computer(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Port(NO_COLLECTIONS, GREETING) as port, Port(answer("200 OK", b"proxy")) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.number}")
        connection = Connection(settings_for(port.number), waiting=clock.waiting)
        assert ask(connection) == []
        connection.close()
    assert proxy.met == 0
