"""gRPC is used where it is open and belongs to the address, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from xlingual_adapters.stores.qdrant import QdrantSettings
from xlingual_adapters.stores.qdrant.grpc_port import is_open, is_preferred

from .faulty import Port, answer, closed_port, reset, stall


@pytest.fixture
def grpc_server() -> Iterator[int]:
    """A gRPC server without any service; its port."""
    server = grpc.server(ThreadPoolExecutor(1))
    number = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield number
    server.stop(grace=None).wait()


def test_a_server_that_speaks_grpc_is_found(grpc_server: int) -> None:
    assert is_open("127.0.0.1", grpc_server, tls=False)
    assert not is_open("127.0.0.1", grpc_server, tls=True)


@pytest.mark.parametrize("act", [stall, reset, answer("200 OK", b"hello")])
def test_a_port_that_speaks_something_else_is_not_taken_for_it(act) -> None:
    with Port(act) as port:
        assert not is_open("127.0.0.1", port.number, tls=False)


def test_a_closed_port_is_seen_at_once() -> None:
    assert not is_open("127.0.0.1", closed_port(), tls=False)


def settings(**values: object) -> QdrantSettings:
    return QdrantSettings.model_validate(values)


def test_the_settings_have_the_last_word(grpc_server: int) -> None:
    url = "http://127.0.0.1:6333"
    assert is_preferred(settings(url=url, grpc_port=grpc_server))
    assert not is_preferred(settings(url=url, grpc_port=grpc_server, prefer_grpc=False))
    assert is_preferred(settings(url=url, grpc_port=closed_port(), prefer_grpc=True))


@pytest.mark.parametrize(
    ("url", "is_tried"),
    [
        ("http://127.0.0.1:6333", True),
        ("http://127.0.0.1", True),
        ("http://127.0.0.1:7333", False),
        ("http://127.0.0.1:6333/behind/a/path", False),
    ],
)
def test_a_port_that_may_be_another_server_s_is_not_tried(
    url: str, is_tried: bool, grpc_server: int
) -> None:
    named = settings(url=url, grpc_port=grpc_server)
    by_default = named.model_construct({"url"}, **dict(named))
    assert by_default.grpc_port == grpc_server
    assert is_preferred(by_default) == is_tried


def test_a_port_that_is_named_is_tried_beside_any_other(grpc_server: int) -> None:
    assert is_preferred(settings(url="http://127.0.0.1:7333", grpc_port=grpc_server))
