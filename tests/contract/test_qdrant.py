"""The Qdrant store keeps the contract of all stores, in local mode and on a server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

import pytest
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore
from xlingual_adapters.stores.qdrant.client import Connection

from xlingual_qdrant.ports import Store
from xlingual_qdrant.testing import StoreContract, store_machine

URL = os.environ.get("XLINGUAL_TEST_QDRANT_URL")
KEY = os.environ.get("XLINGUAL_TEST_QDRANT_KEY")
GRPC_PORT = os.environ.get("XLINGUAL_TEST_QDRANT_GRPC_PORT")
PREFIX = "xlingual-test-"

_RUN = uuid4().bytes
"""Temporary folders have the same names on the next machine, and the server may be the same."""

_opened: set[str] = set()
"""Prefixes that this process has opened and not swept."""


def open_on_server(place: Path, **settings: object) -> QdrantStore:
    """Open a part of the server that belongs to this place alone."""
    name = blake2b(str(place).encode(), digest_size=6, key=_RUN).hexdigest()
    prefix = f"{PREFIX}{name}-"
    _opened.add(prefix)
    values = {"url": URL, "api_key": KEY, "collection_prefix": prefix, **settings}
    return QdrantStore(QdrantSettings.model_validate(values))


def sweep(prefixes: set[str]) -> None:
    """Remove what lies under these prefixes on the server; what others have is not touched."""
    connection = Connection(QdrantSettings.model_validate({"url": URL, "api_key": KEY}))
    answer = connection.ask(lambda client: client.get_collections())
    for name in {found.name for found in answer.collections}:
        if name.startswith(tuple(prefixes)):
            connection.ask(lambda client, name=name: client.delete_collection(name))
    connection.close()


def swept() -> Iterator[None]:
    """Sweep, at the end, what has been opened since the beginning, and nothing older."""
    before = {*_opened}
    yield
    if opened := _opened - before:
        _opened.difference_update(opened)
        sweep(opened)


# What a class shares is opened before its first test, and must outlive that.
_swept_with_its_class = pytest.fixture(swept, scope="class", autouse=True)
_swept_with_its_test = pytest.fixture(swept, autouse=True)


@pytest.mark.parametrize(("url", "code"), [("", 4), ("http://127.0.0.1:1", 1)])
def test_a_server_that_must_be_tested_and_is_not_there_is_no_skip(url: str, code: int) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", "-p", "no:cacheprovider"]
    asked = [__file__, "--stores", "qdrant-server", "-k", "TestOnAServer and new_store_is_empty"]
    done = subprocess.run(
        [*command, *asked],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "XLINGUAL_TEST_QDRANT_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout
    assert "skipped" not in done.stdout
    words = "needs the variable" if not url else "is the server running"
    assert words in done.stdout


class TestInAFolder(StoreContract):
    def open_store(self, place: Path) -> Store:
        return QdrantStore(QdrantSettings(path=place / "qdrant"))


TestInAFolderBesideTheJudge = store_machine(
    lambda place: QdrantStore(QdrantSettings(path=place / "qdrant"))
).TestCase

# Only where there is a server: a thousand skipped tests would hide the one that matters.
if URL:

    class TestOnAServer(StoreContract):
        def open_store(self, place: Path) -> Store:
            return open_on_server(place)

    TestOnAServerBesideTheJudge = store_machine(open_on_server).TestCase

    if GRPC_PORT:

        class TestOnAServerByGrpc(StoreContract):
            def open_store(self, place: Path) -> Store:
                return open_on_server(place, prefer_grpc=True, grpc_port=GRPC_PORT)
