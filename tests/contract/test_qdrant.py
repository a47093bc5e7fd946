"""The Qdrant store keeps the contract of all stores, in local mode and on a server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore
from xlingual_adapters.stores.qdrant.client import Connection

from xlingual_qdrant.documents import Document, Hit
from xlingual_qdrant.ports import Store, StoredCollection
from xlingual_qdrant.testing import StoreContract, store_machine
from xlingual_qdrant.testing.store_fixtures import DIMENSION
from xlingual_qdrant.testing.store_searching import AXES

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
    asked = {"prefer_grpc": False, **settings}
    values = {"url": URL, "api_key": KEY, "collection_prefix": prefix, **asked}
    return QdrantStore(QdrantSettings.model_validate(values))


def sweep(prefixes: set[str]) -> None:
    """Remove what lies under these prefixes on the server; what others have is not touched."""
    connection = Connection(QdrantSettings.model_validate({"url": URL, "api_key": KEY}))
    answer = connection.ask(lambda client: client.get_collections())
    for name in {found.name for found in answer.collections}:
        if name.startswith(tuple(prefixes)):
            connection.ask(lambda client, name=name: client.delete_collection(name))
    connection.close()


def swept() -> Generator[None]:
    """Sweep, at the end, what has been opened since the beginning, and nothing older."""
    before = {*_opened}
    yield
    if opened := _opened - before:
        _opened.difference_update(opened)
        sweep(opened)


# What a class shares is opened before its first test, and must outlive that.
_swept_with_its_class = pytest.fixture(swept, scope="class", autouse=True)
_swept_with_its_test = pytest.fixture(swept, autouse=True)


def test_what_a_class_has_opened_outlives_its_first_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept_away: list[set[str]] = []
    monkeypatch.setattr(sys.modules[__name__], "sweep", swept_away.append)

    def opened(name: str) -> set[str]:
        before = {*_opened}
        open_on_server(tmp_path / name, url="http://127.0.0.1:1").close()
        return _opened - before

    with contextmanager(swept)():
        of_the_class = opened("class")
        for name in ("first", "second"):
            with contextmanager(swept)():
                of_the_test = opened(name)
            assert swept_away.pop() == of_the_test
        assert swept_away == []
    assert swept_away == [of_the_class]


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


class OnAServer(StoreContract):
    """A server ranks the documents first, and reads them afterwards."""

    def test_a_search_while_a_thread_writes_gets_whole_documents(
        self, collection: StoredCollection
    ) -> None:
        """A document may have been replaced between the two: then the score is of the old one."""
        ids = [str(number) for number in range(40)]

        def write(version: int) -> None:
            documents = [
                Document(f"{id} {version}", id=id, metadata={"version": version}) for id in ids
            ]
            collection.write(documents, np.repeat(AXES[version : version + 1], 40, axis=0))

        def versions(axis: int, hits: list[Hit]) -> Iterator[tuple[int, bool]]:
            """Yield the version of each document, and whether the one on the axis was ranked."""
            assert len(hits) == 40
            for hit in hits:
                version = hit.metadata["version"]
                assert isinstance(version, int)
                assert hit.text == f"{hit.id} {version}"
                assert min(abs(hit.score), abs(hit.score - 1)) < 1e-6
                was_on_axis = hit.score > 0.5
                assert version >= axis or not was_on_axis
                yield version, was_on_axis

        write(0)
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(lambda: [write(version) for version in range(1, DIMENSION)])
            while not writing.done():
                for axis, hits in enumerate(collection.search(AXES, 40, exact=True)):
                    assert len(list(versions(axis, hits))) == 40
            writing.result()
        last = DIMENSION - 1
        for axis, hits in enumerate(collection.search(AXES, 40, exact=True)):
            assert set(versions(axis, hits)) == {(last, axis == last)}


# Only where there is a server: a thousand skipped tests would hide the one that matters.
if URL:

    class TestOnAServer(OnAServer):
        def open_store(self, place: Path) -> Store:
            return open_on_server(place)

    TestOnAServerBesideTheJudge = store_machine(open_on_server).TestCase

    if GRPC_PORT:

        class TestOnAServerByGrpc(OnAServer):
            def open_store(self, place: Path) -> Store:
                return open_on_server(place, prefer_grpc=True, grpc_port=GRPC_PORT)
