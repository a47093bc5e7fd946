"""An open collection is written only while the name leads to it, whoever has changed that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import pytest
from qdrant_client import QdrantClient, models
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore, generations, reserved
from xlingual_adapters.stores.qdrant import collection as opened_collection
from xlingual_adapters.stores.qdrant.client import Connection
from xlingual_adapters.stores.qdrant.collection import QdrantCollection
from xlingual_adapters.stores.qdrant.faults import Fault
from xlingual_adapters.stores.qdrant_points.payload import OWN

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import StoreUnavailable
from xlingual_qdrant.filters import F
from xlingual_qdrant.schema import CollectionSchema

T = TypeVar("T")

AXES = np.eye(4, dtype=np.float32)
SCHEMA = CollectionSchema(name="c", dimension=4)


@pytest.fixture
def store() -> Iterator[QdrantStore]:
    store = QdrantStore(QdrantSettings(location=":memory:"))
    yield store
    store.close()


def elsewhere(store: QdrantStore) -> QdrantStore:
    """Return a store over the same server that shares nothing else, as another process has it."""
    other = QdrantStore(QdrantSettings(location=":memory:"))
    other._connection._client = store._connection._client
    return other


def write(collection: Any, id: str = "a") -> None:
    collection.write([Document(id, id=id)], AXES[:1])


def changes(collection: QdrantCollection) -> list[Callable[[], object]]:
    return [
        lambda: write(collection, "lost"),
        lambda: collection.delete(["a"]),
        lambda: collection.delete_where(F("id") == "a"),
        lambda: collection.write_state("k", b"lost"),
    ]


def assert_refused(collection: QdrantCollection, fate: str) -> None:
    for change in changes(collection):
        with pytest.raises(StoreUnavailable, match=f"'c' was {fate} .*; open it again"):
            change()


def test_what_another_process_has_replaced_is_read_and_not_written(store: QdrantStore) -> None:
    old = store.create(SCHEMA)
    write(old)
    other = elsewhere(store)
    new = other.begin_replacement(SCHEMA)
    for each in (old, new):
        write(each)
    other.finish_replacement("c")
    assert_refused(old, "replaced")
    assert ([doc.id for doc in old.fetch(["a"]) if doc], old.states()) == (["a"], [])
    for each in (new, store.open("c")):
        write(each, "b")
    assert new.count() == 2


def test_what_another_process_has_made_anew_is_not_written(store: QdrantStore) -> None:
    old = store.create(SCHEMA)
    write(old)
    other = elsewhere(store)
    other.drop("c")
    new = other.create(SCHEMA)
    write(new)
    assert new.describe()["collection"] == old.describe()["collection"]
    assert_refused(old, "removed")
    assert (new.count(), new.states()) == (1, [])


def test_a_search_says_so_if_what_was_made_anew_has_another_dimension(store: QdrantStore) -> None:
    old = store.create(SCHEMA)
    other = elsewhere(store)
    other.drop("c")
    made = other.create(SCHEMA.model_copy(update={"dimension": 5}))
    made.write([Document("a", id="a")], np.eye(5, dtype=np.float32)[:1])
    with pytest.raises(StoreUnavailable, match="removed after it was opened; open it again"):
        old.search(AXES[:1], 3)


def test_what_this_store_has_dropped_is_not_read_under_its_name(store: QdrantStore) -> None:
    old = store.create(SCHEMA)
    store.drop("c")
    write(store.create(SCHEMA))
    for ask in (old.count, lambda: old.search(AXES[:1], 3), lambda: old.fetch(["a"])):
        with pytest.raises(StoreUnavailable, match="removed after it was opened; open it again"):
            ask()


def test_a_discarded_replacement_is_not_another_that_gets_its_number(store: QdrantStore) -> None:
    store.create(SCHEMA)
    first = store.begin_replacement(SCHEMA)
    other = elsewhere(store)
    other.discard_replacement("c")
    second = other.begin_replacement(SCHEMA)
    assert second.describe()["collection"] == first.describe()["collection"] == "c@2"
    assert_refused(first, "removed")
    assert second.count() == 0


def test_a_write_that_a_replacement_overtakes_is_not_acknowledged(
    store: QdrantStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = store.create(SCHEMA)
    other = elsewhere(store)
    other.begin_replacement(SCHEMA)
    really = opened_collection.writing.write

    def late(*args: Any) -> int:
        other.finish_replacement("c")
        return really(*args)

    monkeypatch.setattr(opened_collection.writing, "write", late)
    with pytest.raises(StoreUnavailable, match="replaced after it was opened; open it again"):
        write(old)


class Restricted(Connection):
    """A key that may see no alias, and nothing by way of one."""

    def ask_once(self, request: Callable[[QdrantClient], T]) -> T | Fault:
        answer = super().ask_once(request)
        if isinstance(answer, models.CollectionsAliasesResponse | list):
            return Fault("refused", "403: Forbidden")
        return answer


def test_who_may_not_see_aliases_writes_what_is_open(store: QdrantStore) -> None:
    old = store.create(SCHEMA)
    new = store.begin_replacement(SCHEMA)
    restricted = Restricted(QdrantSettings(location=":memory:"))
    restricted._client = store._connection._client
    for each in (old, new):
        each._held._connection = restricted
        write(each)
        assert (each.delete(["a"]), each.count()) == (1, 0)


def test_a_collection_that_was_made_before_creations_were_told_apart_is_held_by_its_alias(
    store: QdrantStore,
) -> None:
    store.create(SCHEMA)
    client: QdrantClient = store._connection.ask(lambda client: client)
    [schema] = client.retrieve("c@1", [reserved.SCHEMA_POINT])
    own = {key: value for key, value in (schema.payload or {})[OWN].items() if key != "made"}
    client.overwrite_payload("c@1", {OWN: own}, [reserved.SCHEMA_POINT])
    old = store.open("c")
    write(old)
    new = store.begin_replacement(SCHEMA)
    for each in (old, new):
        write(each)
    store.finish_replacement("c")
    assert_refused(old, "replaced")
    write(new, "b")
    assert new.count() == 2


def test_a_creation_that_is_completed_stays_the_one_that_is_open(store: QdrantStore) -> None:
    collection = store.create(SCHEMA)
    assert generations.build(store._connection, "c@1", SCHEMA)
    write(collection)
    assert collection.count() == 1
