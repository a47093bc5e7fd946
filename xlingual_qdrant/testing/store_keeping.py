"""The store contract: collections, their states, compaction and reopening."""

# ruff: noqa: D102 - the name of a test is its promise

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from xlingual_qdrant.documents import Document, WriteReceipt
from xlingual_qdrant.errors import CollectionExists, CollectionMissing
from xlingual_qdrant.ports import Store, StoredCollection
from xlingual_qdrant.schema import CollectionSchema, EmbedderFingerprint
from xlingual_qdrant.testing.agreement import assert_same_documents, assert_same_vectors
from xlingual_qdrant.testing.corpus import (
    ODD_STRINGS,
    random_documents,
    random_vectors,
)
from xlingual_qdrant.testing.store_fixtures import DIMENSION, SCHEMA, StoreFixtures, put


class KeepingContract(StoreFixtures):
    """Collections and what belongs to them as wholes."""

    def test_a_new_store_is_empty(self, store: Store) -> None:
        assert store.list() == []

    def test_a_created_collection_is_listed_and_keeps_its_schema(self, store: Store) -> None:
        schemas = [
            CollectionSchema(name="b", dimension=3),
            CollectionSchema(name="B-2.x_y", dimension=5, fields={"a.b": "keyword", "n": "float"}),
            CollectionSchema(
                name="a",
                dimension=2,
                embedder=EmbedderFingerprint(
                    kind="test",
                    model="modèle",
                    dimension=2,
                    prompts={"query": "query: "},
                    probes=[[0.6, 0.8]],
                ),
            ),
        ]
        for schema in schemas:
            created = store.create(schema)
            assert created.schema == schema
            created.close()
        assert store.list() == ["B-2.x_y", "a", "b"]
        for schema in schemas:
            opened = store.open(schema.name)
            assert opened.schema == schema
            opened.close()

    def test_collections_are_apart(self, store: Store) -> None:
        one, two = (store.create(CollectionSchema(name=n, dimension=DIMENSION)) for n in "ab")
        put(one, Document("one", id="x"))
        put(two, Document("two", id="x"), Document("three", id="y"))
        one.write_state("k", b"one")
        assert (one.count(), two.count()) == (1, 2)
        assert two.read_state("k") is None
        assert [doc.text for doc in one.fetch(["x"]) if doc] == ["one"]
        one.close()
        two.close()

    def test_creating_what_exists_is_an_error_and_changes_nothing(
        self, store: Store, collection: StoredCollection
    ) -> None:
        put(collection, Document("kept", id="a"))
        with pytest.raises(CollectionExists) as caught:
            store.create(CollectionSchema(name="contract", dimension=DIMENSION + 1))
        assert caught.value.name == "contract"
        assert store.location in str(caught.value)
        assert collection.schema == SCHEMA
        assert collection.count() == 1

    def test_opening_what_is_missing_is_an_error_that_suggests_the_nearest(
        self, store: Store, collection: StoredCollection
    ) -> None:
        with pytest.raises(CollectionMissing, match="Did you mean 'contract'") as caught:
            store.open("contracts")
        assert caught.value.known == ("contract",)
        assert str(copy.copy(caught.value)) == str(caught.value)
        assert store.list() == ["contract"]

    def test_a_dropped_collection_is_gone_with_all_it_held(self, store: Store) -> None:
        collection = store.create(SCHEMA)
        put(collection, Document("a", id="a"))
        collection.write_state("k", b"v")
        collection.close()
        store.drop("contract")
        assert store.list() == []
        with pytest.raises(CollectionMissing):
            store.open("contract")
        with pytest.raises(CollectionMissing):
            store.drop("contract")
        again = store.create(SCHEMA)
        assert again.count() == 0
        assert again.read_state("k") is None
        again.close()

    def test_a_second_handle_sees_what_the_first_has_written(
        self, store: Store, collection: StoredCollection
    ) -> None:
        second = store.open("contract")
        put(collection, Document("a", id="a"))
        assert second.count() == 1
        assert_same_documents(second.fetch(["a"]), collection.fetch(["a"]))
        collection.delete(["a"])
        assert second.count() == 0
        second.close()

    def test_closing_twice_is_harmless(self, tmp_path: Path) -> None:
        store = self.open_store(tmp_path / "closed")
        collection = store.create(SCHEMA)
        for _ in range(2):
            collection.close()
        for _ in range(2):
            store.close()

    def test_compaction_keeps_everything(self, collection: StoredCollection) -> None:
        documents, vectors = random_documents(300), random_vectors(300, DIMENSION)
        collection.write(documents, vectors)
        collection.delete([document.id for document in documents[:100]])
        collection.write(documents[100:200], vectors[100:200])
        collection.write_state("k", b"v")
        collection.compact()
        ids = [document.id for document in documents]
        assert_same_documents(collection.fetch(ids), [None] * 100 + documents[100:])
        assert_same_vectors(collection.fetch_vectors(ids), [None] * 100 + list(vectors[100:]))
        assert collection.read_state("k") == b"v"
        collection.delete(ids)
        collection.compact()
        assert collection.count() == 0

    def test_states_are_kept_replaced_and_forgotten(self, collection: StoredCollection) -> None:
        assert collection.read_state("statistics") is None
        values = {"statistics": bytes(range(256)), "": b"", **{k: k.encode() for k in ODD_STRINGS}}
        for key, value in values.items():
            collection.write_state(key, value)
        assert {key: collection.read_state(key) for key in values} == values
        assert collection.states() == sorted(values)
        collection.write_state("statistics", b"new" * 1_000_000)
        assert collection.read_state("statistics") == b"new" * 1_000_000
        for _ in range(2):
            collection.write_state("statistics", None)
            assert collection.read_state("statistics") is None
        assert collection.states() == sorted({*values} - {"statistics"})
        assert collection.read_state("") == b""
        assert collection.count() == 0

    def test_a_sound_collection_describes_itself_in_json(
        self, store: Store, collection: StoredCollection
    ) -> None:
        facts = Document("a", metadata=collection.describe())
        assert_same_documents([facts], [facts])
        if store.capabilities.persistent:
            assert {"path", "url"} & set(facts.metadata)
        assert collection.damaged_ids() == []

    def test_everything_is_there_after_reopening(self, tmp_path: Path) -> None:
        place = tmp_path / "reopened"
        store = self.open_store(place)
        if not store.capabilities.persistent:
            pytest.skip("what is held in memory ends with its store")
        documents, vectors = random_documents(100), random_vectors(100, DIMENSION)
        collection = store.create(SCHEMA)
        collection.write(documents, vectors)
        collection.delete([documents[0].id])
        collection.write_state("k", b"v")
        collection.close()
        store.close()
        store = self.open_store(place)
        assert store.list() == ["contract"]
        collection = store.open("contract")
        assert collection.schema == SCHEMA
        ids = [document.id for document in documents]
        assert_same_documents(collection.fetch(ids), [None, *documents[1:]])
        assert_same_vectors(collection.fetch_vectors(ids), [None, *vectors[1:]])
        assert collection.read_state("k") == b"v"
        assert put(collection, documents[0], documents[1]) == WriteReceipt(1, 1)
        assert collection.count() == 100
        collection.close()
        store.drop("contract")
        store.close()
        store = self.open_store(place)
        assert store.list() == []
        store.close()
