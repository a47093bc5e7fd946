"""Points and collections of others, bad places, and states of any size."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore, creation, reserved
from xlingual_adapters.stores.qdrant_points.ids import reserved_point

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import (
    CollectionExists,
    CollectionMissing,
    FormatTooNew,
    SchemaMismatch,
    StoreUnavailable,
)
from xlingual_qdrant.filters import F
from xlingual_qdrant.schema import FORMAT_VERSION, CollectionSchema

AXES = np.eye(4, dtype=np.float32)
SCHEMA = CollectionSchema(name="c", dimension=4, fields={"year": "integer", "when": "datetime"})
COSINE = models.VectorParams(size=4, distance=models.Distance.COSINE)
KEY = "very-secret-key"


@pytest.fixture
def store() -> Iterator[QdrantStore]:
    store = QdrantStore(QdrantSettings(location=":memory:"))
    yield store
    store.close()


def raw(store: QdrantStore) -> QdrantClient:
    """Return the vendor's client, as another program would use it."""
    return store._connection.ask(lambda client: client)


def put_foreign(store: QdrantStore) -> None:
    payloads: list[dict[str, Any]] = [
        {"metadata": {"year": 2000}, "page_content": "of LangChain"},
        {"_xlingual": "taken", "metadata": {"year": 2000}},
        {},
    ]
    points = [
        models.PointStruct(id=number, vector=[1.0, 0, 0, 0], payload=payload)
        for number, payload in enumerate(payloads)
    ]
    raw(store).upsert("c", points)


def test_points_of_others_are_neither_shown_nor_counted_nor_harmed(store: QdrantStore) -> None:
    collection = store.create(SCHEMA)
    documents = [Document(name, id=name, lang="de", metadata={"year": 2000}) for name in "abc"]
    nearness = np.array([[0.6], [0.3], [0.1]], dtype=np.float32)
    vectors = nearness * AXES[:1] + np.sqrt(1 - nearness**2) * AXES[1:4]
    collection.write(documents, vectors)
    put_foreign(store)
    for where in (None, F("year") == 2000, ~(F("year") == 1), F('"').is_missing()):
        assert collection.count(where) == 3
        assert collection.count_by_language(where) == {"de": 3}
        found = [d.id for part in collection.scan(where) for d in part.documents]
        assert sorted(found) == list("abc")
        assert collection.search_by_language(AXES[:1], 5, where=where)[0].keys() == {"de"}
        for k in (1, 2, 10):
            [hits] = collection.search(AXES[:1], k, where=where)
            assert [hit.id for hit in hits] == list("abc")[:k]
    assert collection.delete_where(F("year") == 2000) == 3
    collection.write_state("k", b"v")
    assert collection.count() == 0
    records, _ = raw(store).scroll("c", limit=10, with_vectors=True)
    foreign = [record for record in records if isinstance(record.id, int)]
    assert len(foreign) == 3
    assert all(record.vector == [1, 0, 0, 0] for record in foreign)


def test_collections_of_others_are_not_listed_opened_or_dropped(store: QdrantStore) -> None:
    raw(store).create_collection("theirs", vectors_config=COSINE)
    raw(store).upsert("theirs", [models.PointStruct(id=1, vector=[1.0, 0, 0, 0])])
    assert store.list() == []
    with pytest.raises(SchemaMismatch, match="another program"):
        store.open("theirs")
    with pytest.raises(SchemaMismatch, match="another program"):
        store.drop("theirs")
    with pytest.raises(CollectionExists):
        store.create(SCHEMA.model_copy(update={"name": "theirs"}))
    assert raw(store).count("theirs").count == 1


def test_vectors_on_the_server_have_to_be_those_of_the_schema(store: QdrantStore) -> None:
    dot = models.VectorParams(size=4, distance=models.Distance.DOT)
    for vectors, words in ((dot, "Dot"), (COSINE.model_copy(update={"size": 5}), "5 dimensions")):
        raw(store).create_collection("c", vectors_config=vectors)
        reserved.write_schema(store._connection, "c", SCHEMA)
        with pytest.raises(SchemaMismatch, match=words):
            store.open("c")
        raw(store).delete_collection("c")


def test_a_newer_format_is_refused(store: QdrantStore) -> None:
    store.create(SCHEMA)
    newer = SCHEMA.model_copy(update={"format_version": FORMAT_VERSION + 1})
    reserved.write_schema(store._connection, "c", newer)
    with pytest.raises(FormatTooNew):
        store.open("c")


def test_a_prefix_keeps_programs_apart(tmp_path: Path) -> None:
    def opened(prefix: str) -> QdrantStore:
        return QdrantStore(QdrantSettings(path=tmp_path, collection_prefix=prefix))

    store = opened("one-")
    store.create(SCHEMA)
    assert store.list() == ["c"]
    store.close()
    store = opened("two-")
    assert store.list() == []
    with pytest.raises(CollectionMissing):
        store.open("c")
    store.close()


def test_states_are_listed_without_their_parts(store: QdrantStore) -> None:
    collection = store.create(SCHEMA)
    put_foreign(store)
    for key, size in (("b", 3 << 20), ("", 0), ("a", 1)):
        collection.write_state(key, b"x" * size)
    assert collection.states() == ["", "a", "b"]


def test_a_state_leaves_nothing_behind(store: QdrantStore) -> None:
    collection = store.create(SCHEMA)
    for size in (3 << 20, 10, 0, 2 << 20):
        collection.write_state("k", b"x" * size)
        assert collection.read_state("k") == b"x" * size
    assert raw(store).count("c").count == 1 + 1 + 2
    collection.write_state("k", None)
    assert raw(store).count("c").count == 1


def test_a_state_that_lost_a_part_is_not_taken_for_whole(store: QdrantStore) -> None:
    collection = store.create(SCHEMA)
    collection.write_state("k", b"x" * (2 << 20))
    head = raw(store).retrieve("c", [reserved_point("state", "k")])[0]
    parts = (head.payload or {})["_xlingual"]["parts"]
    raw(store).delete("c", models.PointIdsList(points=parts[:1]))
    with pytest.raises(StoreUnavailable, match="state 'k'"):
        collection.read_state("k")


def test_declared_fields_and_the_language_have_indexes() -> None:
    wanted = creation.indexes(SCHEMA)
    tenant = wanted.pop("_xlingual.lang")
    assert isinstance(tenant, models.KeywordIndexParams)
    assert tenant.is_tenant
    assert {key: str(kind.value) for key, kind in wanted.items() if hasattr(kind, "value")} == {
        "_xlingual.kind": "keyword",
        "_xlingual.langs": "keyword",
        "_xlingual.lists": "keyword",
        "metadata.year": "integer",
        "_xlingual.moments.when": "datetime",
    }


@pytest.mark.parametrize("kind", ["scalar", "binary", "product", "turbo"])
def test_quantisation_is_what_the_server_understands(kind: str) -> None:
    settings = QdrantSettings.model_validate({"location": ":memory:", "quantisation": kind})
    made = creation.quantisation(settings)
    assert made is not None
    assert list(made.model_dump(exclude_none=True)) == [kind]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_folder_in_use_is_said_to_be(tmp_path: Path) -> None:
    store = QdrantStore(QdrantSettings(path=tmp_path))
    with pytest.raises(StoreUnavailable, match="another process"):
        QdrantStore(QdrantSettings(path=tmp_path))
    store.close()


def test_a_closed_store_says_so(store: QdrantStore) -> None:
    collection = store.create(SCHEMA)
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        collection.count()


@pytest.mark.parametrize("prefer_grpc", [False, True])
def test_a_server_that_is_not_there_is_not_waited_for(prefer_grpc: bool) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        settings = {"url": f"http://127.0.0.1:{port}", "grpc_port": port, "api_key": KEY}
        store = QdrantStore(
            QdrantSettings.model_validate({**settings, "prefer_grpc": prefer_grpc, "timeout_s": 5})
        )
        with pytest.raises(StoreUnavailable, match="is the server running") as caught:
            store.list()
        with pytest.raises(StoreUnavailable):
            store.create(SCHEMA)
        store.close()
    assert f"http://127.0.0.1:{port}" in str(caught.value)
    assert KEY not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_server_that_hangs_up_is_asked_again_until_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        calls: list[bytes] = []

        def hang_up() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                calls.append(connection.recv(4096))
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        port = server.getsockname()[1]
        store = QdrantStore(QdrantSettings(url=f"http://127.0.0.1:{port}", retry_for_s=0.5))
        with pytest.raises(StoreUnavailable, match="the connection br"):
            store.list()
        store.close()
        assert len(calls) > 1
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
