"""Servers and ways to them that fail: what is repeated, what is told, and never the key."""

from __future__ import annotations

import json
import logging
import ssl
import subprocess
from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from shutil import which
from time import monotonic, sleep
from typing import Any

import pytest
from xlingual_adapters.embedders.openai.embedder import OpenAIEmbedder
from xlingual_adapters.embedders.openai.settings import OpenAISettings

from tests.unit.embedders.openai_server import MODEL, EmbeddingServer, Reply, embed, openai_error
from tests.unit.stores.qdrant import faulty
from tests.unit.stores.qdrant.faulty import (
    Act,
    Clock,
    Port,
    closed_port,
    cut,
    hang_up,
    reset,
    say,
    stall,
)
from xlingual_qdrant.errors import EmbedderUnavailable, SettingsError, TextTooLong

KEY = "sk-of-the-test"
ATTEMPTS = 17
"""Requests of one call while nothing helps: pauses of 0.2 s that double up to 10 s, for 120 s."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


def embedder_at(port: int, clock: Clock | None = None, **values: object) -> OpenAIEmbedder:
    url = f"http://127.0.0.1:{port}"
    given = {"model": MODEL, "url": url, "api_key": KEY, **values}
    waiting = clock.waiting if clock else None
    return OpenAIEmbedder(OpenAISettings.model_validate(given), waiting=waiting)


def answer(status: str, body: bytes = b"", *headers: str) -> Act:
    return faulty.answer(status, body, "Connection: close", *headers)


def good(number: int = 1) -> Act:
    items = [{"index": i, "embedding": [1.0, i + 1]} for i in range(number)]
    return answer("200 OK", json.dumps({"data": items}).encode())


# What helps to wait for, and what does not.


@pytest.mark.parametrize(
    ("act", "requests", "words"),
    [
        (reset, ATTEMPTS, "the connection breaks; is it the right port"),
        (hang_up, ATTEMPTS, "the connection breaks"),
        (cut, ATTEMPTS, "the connection breaks"),
        (answer("500 Internal Server Error", b"boom"), ATTEMPTS, "itself fails.*500: boom"),
        (answer("503 Service Unavailable"), ATTEMPTS, "overloaded"),
        (answer("502 Bad Gateway", b"<html>nginx</html>"), ATTEMPTS, "502: <html>nginx</html>"),
        (answer("504 Gateway Timeout"), ATTEMPTS, "no answer in time; call again, raise timeout_s"),
        (answer("408 Request Timeout"), ATTEMPTS, "no answer in time"),
        (answer("409 Conflict"), ATTEMPTS, "overloaded"),
        (answer("429 Too Many Requests", b'{"error": {"message": "Rate limit reached for'
                b' text-embedding-3-small on tokens per min (TPM)", "type": "tokens", "code":'
                b' "rate_limit_exceeded"}}'), ATTEMPTS, r"limits requests.*TPM.*rate_limit_exc"),
        (answer("424 Failed Dependency", b'{"message":"Inference failed","type":"Backend"}'),
         ATTEMPTS, "424: Inference failed"),
        (answer("429 Too Many Requests", b'{"error": {"message": "You exceeded your current quota,'
                b' please check your plan and billing details.", "code": "insufficient_quota"}}'),
         1, "no credit left; see to its billing"),
        (answer("401 Unauthorized", b'{"error": {"message": "Incorrect API key provided: '
                + KEY.encode() + b'. You can find your key at x", "code": "invalid_api_key"}}'),
         1, r"refuses the key.*API_KEY.*provided: \*\*\*.*invalid_api_key"),
        (answer("403 Forbidden", b"batch size"), 1, "refuses the key"),
        (answer("400 Bad Request", b"what?"), 2, r"^http://127.0.0.1:\d+/v1/embeddings: 400: what"),
        (answer("404 Not Found", b"404 page not found"), 2, "no such model, or no embeddings at"),
        (answer("301 Moved", b"", "Location: https://q.example.com/x?key=1"), 1,
         r"301 Moved, which leads to https://q.example.com\)"),
        (answer("200 OK", b"<html>Please log in</html>"), 1, "not how a server.*<html>Please log"),
        (answer("200 OK"), 1, "it is empty"),
        (answer("200 OK", b"\xff\xfe\x00"), 1, "no JSON"),
        (answer("200 OK", b"null"), 1, "no list called data"),
        (answer("200 OK", b'{"embeddings": []}'), 1, "no list called data"),
        (answer("200 OK", b"[" * 100_000), 1, "no JSON"),
        (answer("200 OK", b"{}", "Content-Encoding: gzip"), 1, "its answer cannot be read"),
        (say(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), 1, "does not speak HTTP"),
    ],
    ids=lambda value: "" if callable(value) else str(value)[-30:],
)  # fmt: skip
def test_each_trouble_is_met_in_its_way(clock: Clock, act: Act, requests: int, words: str) -> None:
    with Port(act) as port:
        embedder = embedder_at(port.number, clock)
        with pytest.raises(EmbedderUnavailable, match=words) as caught:
            embedder.embed_documents(["a"])
        embedder.close()
    assert port.met == requests
    assert clock.time <= 120
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value.__context__)
    assert len(str(caught.value)) < 700


def test_a_closed_port_is_told_at_once(clock: Clock) -> None:
    with pytest.raises(EmbedderUnavailable, match="no answer; is the server running, and are"):
        embedder_at(closed_port(), clock).embed_documents(["a"])
    assert clock.pauses == []


def test_a_server_that_has_answered_is_waited_for(clock: Clock) -> None:
    with Port(good()) as port:
        embedder = embedder_at(port.number, clock)
        embedder.embed_documents(["a"])
    with pytest.raises(EmbedderUnavailable, match="no answer; is the server running"):
        embedder.embed_documents(["a"])
    assert len(clock.pauses) == ATTEMPTS - 1


def test_what_recovers_is_not_noticed(clock: Clock) -> None:
    acts = (reset, cut, answer("500 Internal Server Error"), answer("429 Too Many Requests"))
    with Port(*acts, good()) as port:
        assert embedder_at(port.number, clock).embed_documents(["a"]).shape == (1, 2)
    assert clock.pauses == [0.2, 0.4, 0.8, 1.6]


def test_each_of_several_requests_is_repeated_by_itself(clock: Clock) -> None:
    busy = openai_error(429, "Rate limit reached", Retry_After="3")
    with EmbeddingServer(busy, busy, busy) as server:
        vectors = embedder_at(server.port, clock, batch_size=2).embed_documents(["a", "b"] * 5)
    assert vectors.shape == (10, 256)
    assert clock.pauses == [3, 3, 3]


def test_who_waits_for_long_is_told_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with (
        Port(answer("503 Service Unavailable", KEY.encode())) as port,
        pytest.raises(EmbedderUnavailable),
    ):
        embedder_at(port.number, clock).embed_documents(["a"])
    [told] = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "attempt 5 has failed (503: **********); it goes on for up to 120 s" in told.message


def test_a_deadline_of_zero_makes_one_request() -> None:
    with Port(answer("503 Service Unavailable")) as port, pytest.raises(EmbedderUnavailable):
        embedder_at(port.number, retry_for_s=0).embed_documents(["a"])
    assert port.met == 1


def in_40_s() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        (lambda: "Retry-After: 7", 7, 7),
        (lambda: f"Retry-After: {in_40_s()}", 1, 40),
        (lambda: "retry-after-ms: 1500", 1.5, 1.5),
        (lambda: "Retry-After: soon", 0.2, 0.2),
        (lambda: "Retry-After: -5", 0.2, 0.2),
    ],
)
def test_a_retry_after_is_obeyed(
    clock: Clock, header: Callable[[], str], least: float, most: float
) -> None:
    with Port(answer("429 Too Many Requests", b"", header()), good()) as port:
        embedder_at(port.number, clock).embed_documents(["a"])
    [pause] = clock.pauses
    assert least <= pause <= most


def test_a_retry_after_beyond_the_deadline_is_told(clock: Clock) -> None:
    with (
        Port(answer("429 Too Many Requests", b"", "Retry-After: 3600")) as port,
        pytest.raises(EmbedderUnavailable, match="lower parallel; it says in 3600 s"),
    ):
        embedder_at(port.number, clock).embed_documents(["a"])
    assert clock.pauses == []


def test_a_stall_ends_after_the_time_that_is_set_and_is_tried_again(clock: Clock) -> None:
    with Port(stall, stall, good()) as port:
        begun = monotonic()
        embedder_at(port.number, clock, timeout_s=0.3).embed_documents(["a"])
        assert monotonic() - begun < 5
    assert clock.pauses == [0.2, 0.4]


def test_an_answer_that_drips_ends_in_time_too(clock: Clock) -> None:
    def drip(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(200):
            sleep(0.02)
            connection.sendall(b"x")

    begun = monotonic()
    with (
        Port(drip) as port,
        pytest.raises(EmbedderUnavailable, match=r"no answer in time.*not whole after 0.3 s"),
    ):
        embedder_at(port.number, clock, timeout_s=0.3, retry_for_s=0).embed_documents(["a"])
    assert monotonic() - begun < 3


def test_the_first_failure_of_several_requests_ends_all() -> None:
    def act(body: dict[str, Any]) -> Reply:
        if "poison" in body["input"]:
            return openai_error(400, "no poison here")
        sleep(0.01)
        return embed(body)

    with EmbeddingServer(embed=act) as server:
        embedder = embedder_at(server.port, batch_size=1, parallel=2)
        with pytest.raises(EmbedderUnavailable, match="400: no poison here"):
            embedder.embed_documents(["poison", *(f"text {n}" for n in range(500))])
        assert len(server.bodies) < 400


# Models.


def missing(body: dict[str, Any]) -> Reply:
    name = body["model"]
    return openai_error(404, f'model "{name}" not found, try pulling it first')


def test_a_model_that_is_not_there_is_told_with_those_that_are() -> None:
    with EmbeddingServer(embed=missing, models=("bge-m3:latest", "nomic-embed-text")) as server:
        embedder = embedder_at(server.port, model="nomic-embed-txt")
        with pytest.raises(
            EmbedderUnavailable,
            match=r"no model 'nomic-embed-txt' there \(404: model .*\. Did you mean"
            r" 'nomic-embed-text'\? The server has: bge-m3:latest, nomic-embed-text\)",
        ):
            embedder.embed_documents(["a"])
    assert len(server.bodies) == 1


@pytest.mark.parametrize("models", [(), (None,), ({"name": "x"},), (MODEL,)])
def test_a_server_that_lists_no_models_or_this_one_is_quoted(models: tuple[Any, ...]) -> None:
    with EmbeddingServer(embed=missing, models=models) as server:
        embedder = embedder_at(server.port)
        with pytest.raises(EmbedderUnavailable, match=r"check model and url \(404: model"):
            embedder.embed_documents(["a"])


# Secrets.


@pytest.mark.parametrize("status", [400, 401, 404, 422, 500])
def test_secrets_that_the_server_repeats_are_hidden(status: int, clock: Clock) -> None:
    secrets = [KEY, "basic-secret", "2024-10-21-version"]

    def act(body: dict[str, Any]) -> Reply:
        return openai_error(status, f"you sent {' '.join(secrets)} and {json.dumps(secrets)}")

    with EmbeddingServer(embed=act) as server:
        embedder = embedder_at(
            server.port,
            clock,
            url=f"{server.url}/v1?api-version=2024-10-21-version",
            headers={"X-Proxy": "Basic basic-secret"},
        )
        with pytest.raises(EmbedderUnavailable, match="you sent") as caught:
            embedder.embed_documents(["a"])
        assert server.paths[0] == "/v1/embeddings?api-version=2024-10-21-version"
    assert not [secret for secret in secrets if secret in str(caught.value)]


@pytest.mark.parametrize("key", ["sk-1\n", " sk-1", "sk-ü"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key: str) -> None:
    with pytest.raises(SettingsError, match=r"api_key for .* has a line break, a space") as caught:
        embedder_at(1, api_key=key)
    assert key.strip() not in str(caught.value)


def test_errors_survive_the_way_between_processes() -> None:
    for exc in (EmbedderUnavailable("w", "d"), TextTooLong("w", "text 1", 2, "d", None)):
        # What carries an error between processes makes it again as a copy does.
        assert str(copy(exc)) == str(exc)


# TLS and proxies.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A certificate of this computer that nobody trusts, unless told to."""
    if not which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    folder: Path = tmp_path_factory.mktemp("tls")
    made = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
        " -addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(
        ["openssl", *made.split(), "-keyout", "key.pem", "-out", "certificate.pem"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context, folder / "certificate.pem"


def test_a_certificate_is_trusted_if_it_is_named(
    certificate: tuple[ssl.SSLContext, Path], clock: Clock
) -> None:
    context, file = certificate
    with EmbeddingServer(tls=context) as server:
        named = embedder_at(0, url=server.url, ca_file=file)
        assert named.embed_documents(["a"]).shape == (1, 256)
        unnamed = embedder_at(0, clock, url=server.url)
        with pytest.raises(EmbedderUnavailable, match=r"not trusted.*ca_file"):
            unnamed.embed_documents(["a"])
        named.close()
    assert clock.pauses == []


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_without_certificates_is_told(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"ca_file .*ca.pem cannot be used: "):
        embedder_at(1, ca_file=file)


def test_https_to_a_server_of_http_is_told(clock: Clock) -> None:
    with Port(say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")) as port:
        embedder = embedder_at(0, clock, url=f"https://127.0.0.1:{port.number}")
        with pytest.raises(EmbedderUnavailable, match="speaks http:// at this port"):
            embedder.embed_documents(["a"])
    assert clock.pauses == []


def test_no_proxy_is_asked_for_what_stays_on_this_computer(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Port(good()) as port, Port(answer("200 OK", b"proxy")) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.number}")
        assert embedder_at(port.number, clock).embed_documents(["a"]).shape == (1, 2)
        away = embedder_at(0, clock, url="http://embeddings.test", allow_plain_http=True)
        with pytest.raises(EmbedderUnavailable, match="no JSON: proxy"):
            away.embed_documents(["a"])
        away.close()
    assert proxy.met == 1
