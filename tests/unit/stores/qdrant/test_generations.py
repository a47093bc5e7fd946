"""A name leads to a collection with a number: made, replaced and removed without a gap."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore, generations, reserved

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import (
    CollectionExists,
    CollectionMissing,
    NotSupported,
    ReplacementMissing,
    StoreUnavailable,
)
from xlingual_qdrant.schema import CollectionSchema

AXES = np.eye(4, dtype=np.float32)
SCHEMA = CollectionSchema(name="c", dimension=4, fields={"year": "integer"})
COSINE = models.VectorParams(size=4, distance=models.Distance.COSINE)


@pytest.fixture
def store() -> Iterator[QdrantStore]:
    store = QdrantStore(QdrantSettings(location=":memory:"))
    yield store
    store.close()


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody else whose creation could make progress."""
    monkeypatch.setattr(generations, "_LOOK_AGAIN_S", 0.0)


def raw(store: QdrantStore) -> QdrantClient:
    """Return the vendor's client, as another program would use it."""
    return store._connection.ask(lambda client: client)


def names(store: QdrantStore) -> list[str]:
    """Return what is on the server."""
    return sorted(found.name for found in raw(store).get_collections().collections)


def aliases(store: QdrantStore) -> dict[str, str]:
    return {a.alias_name: a.collection_name for a in raw(store).get_aliases().aliases}


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("far", [1, 2])
def test_a_creation_that_did_not_end_is_completed(store: QdrantStore, far: int) -> None:
    raw(store).create_collection("c@1", vectors_config=COSINE)
    if far > 1:
        reserved.write_schema(store._connection, "c@1", SCHEMA)
    with pytest.raises(CollectionMissing):
        store.open("c")
    assert store.list() == []
    store.create(SCHEMA)
    assert store.open("c").schema == SCHEMA
    assert names(store) == ["c@1"]
    with pytest.raises(CollectionExists):
        store.create(SCHEMA)


@pytest.mark.usefixtures("_impatient")
def test_a_creation_that_did_not_end_gives_way_to_one_with_another_schema(
    store: QdrantStore,
) -> None:
    raw(store).create_collection("c@1", vectors_config=COSINE)
    reserved.write_schema(store._connection, "c@1", SCHEMA)
    other = SCHEMA.model_copy(update={"fields": {}})
    collection = store.create(other)
    assert collection.schema == store.open("c").schema == other
    assert names(store) == ["c@1", "c@2"]
    collection.compact()
    assert names(store) == ["c@2"]


@pytest.mark.usefixtures("_impatient")
def test_documents_without_an_alias_are_not_built_over(store: QdrantStore) -> None:
    store.create(SCHEMA).write([Document("a", id="a")], AXES[:1])
    raw(store).update_collection_aliases(
        [models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name="c"))]
    )
    with pytest.raises(StoreUnavailable, match="its alias 'c' is missing"):
        store.create(SCHEMA)
    generations.switch(store._connection, "c", "c@1")
    assert store.open("c").count() == 1


def beside(store: QdrantStore) -> QdrantStore:
    """Return another store over the same server, as another process has it."""
    other = QdrantStore(QdrantSettings(location=":memory:"))
    other._connection = store._connection
    return other


def test_of_many_who_create_a_collection_at_once_one_does(store: QdrantStore) -> None:
    def create(each: QdrantStore) -> bool:
        try:
            each.create(SCHEMA)
        except CollectionExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(create, [beside(store) for _ in range(8)]))
    assert done.count(True) == 1
    assert names(store) == ["c@1"]
    assert store.open("c").schema == SCHEMA


def test_a_collection_is_an_alias_of_its_first_generation(store: QdrantStore) -> None:
    store.create(SCHEMA)
    assert (names(store), aliases(store)) == (["c@1"], {"c": "c@1"})
    assert store.open("c").describe()["collection"] == "c@1"
    store.begin_replacement(SCHEMA)
    assert (names(store), aliases(store)) == (["c@1", "c@2"], {"c": "c@1"})
    store.finish_replacement("c")
    assert (names(store), aliases(store)) == (["c@1", "c@2"], {"c": "c@2"})
    store.open("c").compact()
    assert names(store) == ["c@2"]
    store.drop("c")
    assert (names(store), aliases(store)) == ([], {})


def test_a_discarded_replacement_is_not_met_again_under_its_name(store: QdrantStore) -> None:
    store.create(SCHEMA)
    first = store.begin_replacement(SCHEMA)
    second = store.begin_replacement(SCHEMA.model_copy(update={"fields": {}}))
    assert names(store) == ["c@1", "c@3"]
    with pytest.raises(StoreUnavailable, match="removed"):
        first.write([Document("a", id="a")], AXES[:1])
    assert second.count() == 0


def test_only_the_current_collection_removes_what_came_before_it(store: QdrantStore) -> None:
    old = store.create(SCHEMA)
    begun = store.begin_replacement(SCHEMA)
    begun.compact()
    assert names(store) == ["c@1", "c@2"]
    store.finish_replacement("c")
    old.compact()
    assert names(store) == ["c@1", "c@2"]
    begun.compact()
    assert names(store) == ["c@2"]
    with pytest.raises(StoreUnavailable, match="replaced after it was opened; open it again"):
        old.count()
    with pytest.raises(StoreUnavailable, match="open it again"):
        list(old.scan())


def test_a_replacement_that_was_killed_at_its_beginning_goes_on(store: QdrantStore) -> None:
    store.create(SCHEMA)
    raw(store).create_collection("c@2", vectors_config=COSINE)
    with pytest.raises(ReplacementMissing):
        store.finish_replacement("c")
    assert store.begin_replacement(SCHEMA).describe()["collection"] == "c@2"
    store.finish_replacement("c")
    assert aliases(store) == {"c": "c@2"}


def test_what_others_have_named_like_a_generation_is_left_alone(store: QdrantStore) -> None:
    store.create(SCHEMA)
    raw(store).create_collection("c@2", vectors_config=COSINE)
    raw(store).upsert("c@2", [models.PointStruct(id=1, vector=[1.0, 0, 0, 0])])
    with pytest.raises(ReplacementMissing):
        store.finish_replacement("c")
    assert store.begin_replacement(SCHEMA).describe()["collection"] == "c@3"
    store.finish_replacement("c")
    store.open("c").compact()
    assert names(store) == ["c@2", "c@3"]
    store.drop("c")
    assert names(store) == ["c@2"]


def test_a_copy_under_a_plain_name_is_opened_and_dropped_but_not_replaced(
    store: QdrantStore,
) -> None:
    raw(store).create_collection("copy", vectors_config=COSINE)
    reserved.write_schema(store._connection, "copy", SCHEMA)
    collection = store.open("copy")
    collection.write([Document("a", id="a")], AXES[:1])
    assert (collection.schema.name, store.open("copy").count()) == ("copy", 1)
    for ask in (
        lambda: store.begin_replacement(collection.schema),
        lambda: store.finish_replacement("copy"),
    ):
        with pytest.raises(NotSupported, match="replace collection 'copy'"):
            ask()
    with pytest.raises(CollectionExists):
        store.create(collection.schema)
    collection.compact()
    store.drop("copy")
    assert names(store) == []


def test_what_an_operator_calls_a_collection_opens_it_but_does_not_drop_it(
    store: QdrantStore,
) -> None:
    store.create(SCHEMA).write([Document("a", id="a")], AXES[:1])
    generations.switch(store._connection, "live", "c@1")
    assert store.open("live").count() == 1
    assert store.list() == ["c"]
    with pytest.raises(NotSupported, match="alias of 'c@1'"):
        store.drop("live")
    with pytest.raises(NotSupported):
        store.begin_replacement(SCHEMA.model_copy(update={"name": "live"}))
    assert store.open("c").count() == 1


def test_collections_of_others_are_not_listed_whatever_their_aliases(store: QdrantStore) -> None:
    store.create(SCHEMA)
    for name in ("theirs", "theirs@x", "c@0", "c@1@1", "d@01", "@1"):
        raw(store).create_collection(name, vectors_config=COSINE)
    for alias, target in (("mine", "theirs"), ("theirs@", "theirs@x"), ("", "@1"), ("d", "d@01")):
        generations.switch(store._connection, alias, target)
    assert store.list() == ["c"]
    assert store.begin_replacement(SCHEMA).describe()["collection"] == "c@2"
