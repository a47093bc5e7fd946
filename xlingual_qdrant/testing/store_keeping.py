"""The store contract, first half: it keeps what it is given."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from xlingual_qdrant.documents import Document, JsonValue, WriteReceipt, content_hash
from xlingual_qdrant.errors import CollectionExists, CollectionMissing, InvalidVectors
from xlingual_qdrant.filters import NOTHING, F
from xlingual_qdrant.ports import Store, StoredCollection
from xlingual_qdrant.schema import CollectionSchema, EmbedderFingerprint
from xlingual_qdrant.testing.agreement import assert_same_documents
from xlingual_qdrant.testing.corpus import (
    ODD_METADATA,
    ODD_STRINGS,
    random_documents,
    random_vectors,
)
from xlingual_qdrant.testing.store_fixtures import DIMENSION, SCHEMA, StoreFixtures, put

MANY = 50_000
"""More than a statement or a request of any store takes at once."""


def _short(value: object) -> str:
    """Return a name for a test: values as such may be long, or hold what a terminal obeys."""
    return ascii(value)[1:-1][:30]


class KeepingContract(StoreFixtures):
    """Collections, documents, vectors and states come back as they went in."""

    # Collections

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

    # Writing

    def test_a_receipt_counts_what_is_new_and_what_is_replaced(
        self, collection: StoredCollection
    ) -> None:
        first, second, third = (Document(name, id=name) for name in "abc")
        assert put(collection, first, second) == WriteReceipt(added=2, updated=0)
        assert put(collection, second, third) == WriteReceipt(added=1, updated=1)
        assert put(collection) == WriteReceipt(added=0, updated=0)
        assert collection.count() == 3

    def test_of_an_id_that_comes_twice_the_last_wins_and_counts_once(
        self, collection: StoredCollection
    ) -> None:
        old, new = Document("old", id="a", lang="de"), Document("new", id="a", lang="fr")
        vectors = random_vectors(3, DIMENSION)
        assert collection.write([old, Document("b", id="b"), new], vectors) == WriteReceipt(2, 0)
        assert collection.write([new, old, new], vectors) == WriteReceipt(0, 1)
        assert_same_documents(collection.fetch(["a"]), [new])
        assert collection.count_by_language() == {"fr": 1, "und": 1}
        np.testing.assert_allclose(collection.fetch_vectors(["a"])[0], vectors[2], atol=1e-6)

    def test_a_replaced_document_changes_its_language_metadata_and_vector(
        self, collection: StoredCollection
    ) -> None:
        old = Document("old", id="a", lang="de", metadata={"x": 1, "gone": True})
        new = Document("new", id="a", lang="pt-BR", metadata={"x": 2})
        put(collection, old)
        put(collection, new, seed=1)
        assert_same_documents(collection.fetch(["a"]), [new])
        assert collection.count_by_language() == {"pt-BR": 1}
        assert collection.count(F("lang") == "de") == 0
        assert collection.count(F("gone").is_missing()) == 1
        expected = random_vectors(1, DIMENSION, seed=1)[0]
        np.testing.assert_allclose(collection.fetch_vectors(["a"])[0], expected, atol=1e-6)

    def test_later_changes_to_the_given_metadata_and_vectors_do_not_reach_the_store(
        self, collection: StoredCollection
    ) -> None:
        metadata: dict[str, JsonValue] = {"list": [1]}
        vectors = random_vectors(1, DIMENSION)
        collection.write([Document("a", id="a", metadata=metadata)], vectors)
        metadata["list"], vectors[0] = "changed", 0
        [found] = collection.fetch(["a"])
        assert found is not None
        assert found.metadata == {"list": [1]}
        np.testing.assert_allclose(
            collection.fetch_vectors(["a"])[0], random_vectors(1, DIMENSION)[0], atol=1e-6
        )

    @pytest.mark.parametrize(
        "shape", [(2, DIMENSION + 1), (1, DIMENSION), (3, DIMENSION), (DIMENSION,), (0, DIMENSION)]
    )
    def test_vectors_of_a_wrong_shape_are_refused_and_nothing_is_written(
        self, collection: StoredCollection, shape: tuple[int, ...]
    ) -> None:
        with pytest.raises(InvalidVectors):
            collection.write(
                [Document("a", id="a"), Document("b", id="b")], np.ones(shape, dtype=np.float32)
            )
        assert collection.count() == 0

    # Reading

    def test_fetch_answers_in_the_order_of_the_ids(self, collection: StoredCollection) -> None:
        a, b = Document("a", id="a"), Document("b", id="b")
        put(collection, a, b)
        assert_same_documents(collection.fetch(["b", "?", "a", "b"]), [b, None, a, b])
        assert collection.fetch([]) == []
        vectors = collection.fetch_vectors(["b", "?", "a"])
        assert vectors[1] is None
        np.testing.assert_allclose(
            [vectors[2], vectors[0]], random_vectors(2, DIMENSION), atol=1e-6
        )

    @pytest.mark.parametrize("text", [*ODD_STRINGS, "x" * 1_000_000, "\0" * 1000], ids=_short)
    def test_a_text_comes_back_as_it_went_in(self, collection: StoredCollection, text: str) -> None:
        put(collection, Document(text, id="a", lang="en"))
        assert_same_documents(collection.fetch(["a"]), [Document(text, id="a", lang="en")])

    @pytest.mark.parametrize("metadata", ODD_METADATA, ids=_short)
    def test_metadata_comes_back_as_it_went_in(
        self, collection: StoredCollection, metadata: Mapping[str, JsonValue]
    ) -> None:
        document = Document("a", id="a", metadata=metadata)
        put(collection, document)
        assert_same_documents(collection.fetch(["a"]), [document])
        [[hit]] = collection.search(random_vectors(1, DIMENSION), 1)
        assert_same_documents([hit.document], [document])

    def test_metadata_may_be_nested_a_hundred_levels_deep(
        self, collection: StoredCollection
    ) -> None:
        value: JsonValue = 1
        for level in range(99):
            value = [value] if level % 2 else {"a": value}
        document = Document("a", id="a", metadata={"deep": value})
        put(collection, document)
        assert_same_documents(collection.fetch(["a"]), [document])

    def test_odd_ids_are_different_documents(self, collection: StoredCollection) -> None:
        long = "x" * 4999
        ids = [*ODD_STRINGS, long + "a", long + "b", "0", "00", "a", "A", "a ", " a", "\u0661"]
        documents = [Document(f"text {number}", id=id) for number, id in enumerate(ids)]
        assert put(collection, *documents) == WriteReceipt(len(ids), 0)
        assert put(collection, *documents) == WriteReceipt(0, len(ids))
        assert_same_documents(collection.fetch(ids), documents)
        assert [collection.count(F("id") == id) for id in ids] == [1] * len(ids)
        assert collection.delete([long + "a", "a\0b", "é"]) == 3
        assert collection.count() == len(ids) - 3
        assert_same_documents(collection.fetch([long + "b"]), [documents[ids.index(long + "b")]])

    @pytest.mark.parametrize("name", ["", "id", "lang", *ODD_STRINGS], ids=_short)
    def test_a_field_name_is_a_key_as_a_whole_whatever_is_in_it(
        self, collection: StoredCollection, name: str
    ) -> None:
        put(
            collection,
            Document("a", id="a", metadata={name: 1}),
            Document("b", id="b", metadata={name + "x": 1, "a": {"b": 1, "a": [1]}}),
        )
        field = F.metadata(name)
        assert collection.count(field == 1) == 1
        assert collection.count(field.is_missing()) == 1
        assert collection.delete_where(field >= 1) == 1
        assert collection.fetch(["a"]) == [None]

    @pytest.mark.parametrize("value", ["", *ODD_STRINGS], ids=_short)
    def test_a_value_is_compared_code_point_by_code_point(
        self, collection: StoredCollection, value: str
    ) -> None:
        others = [other for other in ("", *ODD_STRINGS) if other != value]
        documents = [
            Document("a", id=str(number), metadata={"v": other, "brand": other, "l": [other]})
            for number, other in enumerate([value, *others])
        ]
        put(collection, *documents)
        for where in (F("v") == value, F("brand") == value, F("l").contains(value)):
            assert [doc.id for batch in collection.scan(where) for doc in batch.documents] == ["0"]
            assert collection.count(~where) == len(others)

    def test_a_declared_language_and_a_detected_one_come_back_as_such(
        self, collection: StoredCollection
    ) -> None:
        documents = [
            Document("a", id="a"),
            Document("b", id="b", lang="de"),
            Document(
                "c", id="c", lang="de-AT", lang_source="detected", lang_confidence=0.123456789
            ),
            Document("d", id="d", lang="und", lang_source="detected", lang_confidence=0.0),
            Document("e", id="e", lang="und", lang_source="declared"),
            Document("f", id="f", lang="x-private"),
        ]
        put(collection, *documents)
        assert_same_documents(collection.fetch(list("abcdef")), documents)

    def test_content_hashes_are_those_of_the_documents(self, collection: StoredCollection) -> None:
        documents = random_documents(50)
        put(collection, *documents)
        ids = [document.id for document in documents]
        assert collection.content_hashes([*ids, "?"]) == [*map(content_hash, documents), None]
        changed = Document("changed", id=ids[0])
        put(collection, changed)
        assert collection.content_hashes(ids[:1]) == [content_hash(changed)]

    def test_fifty_thousand_ids_may_be_named_at_once(self, collection: StoredCollection) -> None:
        put(collection, Document("a", id="49999", metadata={"v": "49998"}), Document("b", id="b"))
        ids = [str(number) for number in range(MANY)]
        assert collection.fetch(ids)[-1] is not None
        assert collection.fetch_vectors(ids)[:-1] == [None] * (MANY - 1)
        assert collection.content_hashes(ids)[:-1] == [None] * (MANY - 1)
        assert collection.count(F("id").is_in(ids)) == 1
        assert collection.count(~F("id").is_in(ids)) == 1
        assert collection.count(F("v").is_in(ids)) == 1
        [hits] = collection.search(random_vectors(1, DIMENSION), 9, where=F("id").is_in(ids))
        assert [hit.id for hit in hits] == ["49999"]
        assert collection.delete(ids) == 1

    # Scanning

    def test_a_scan_is_ordered_by_code_point(self, collection: StoredCollection) -> None:
        ids = ["b", "a", "B", "10", "9", "é", "\uffee", "\U0001f600", "aa", "a\0", "\0"]
        langs = ["de", "en"] * 6
        put(
            collection,
            *(Document("a", id=i, lang=lang) for i, lang in zip(ids, langs, strict=False)),
        )
        for batch in (1, 2, 1000):
            batches = list(collection.scan(batch=batch))
            assert [doc.id for each in batches for doc in each.documents] == sorted(ids)
            assert all(0 < len(each.documents) <= batch for each in batches)
            assert {each.vectors is None for each in batches} == {True}

    def test_a_scan_can_be_resumed_behind_any_id(self, collection: StoredCollection) -> None:
        put(collection, *(Document("a", id=f"{number:03}") for number in range(0, 200, 2)))
        for after, first in (("", "000"), ("000", "002"), ("099", "100"), ("1", "100")):
            [batch, *_] = collection.scan(after=after, batch=7)
            assert batch.documents[0].id == first
        assert list(collection.scan(after="198")) == []
        where = F("id") != "100"
        [batch] = collection.scan(where, after="097", batch=50, with_vectors=True)
        assert [doc.id for doc in batch.documents] == [f"{n:03}" for n in (98, *range(102, 200, 2))]

    def test_a_scan_brings_each_document_its_own_vector(self, collection: StoredCollection) -> None:
        documents, vectors = random_documents(100), random_vectors(100, DIMENSION)
        collection.write(documents, vectors)
        row = {document.id: number for number, document in enumerate(documents)}
        for where in (None, F("lang") == "en", F("year") > 2000):
            for batch in collection.scan(where, with_vectors=True, batch=9):
                assert batch.vectors is not None
                assert batch.vectors.dtype == np.float32
                expected = vectors[[row[document.id] for document in batch.documents]]
                np.testing.assert_allclose(batch.vectors, expected, atol=1e-6)

    def test_a_scan_of_nothing_yields_nothing(self, collection: StoredCollection) -> None:
        assert list(collection.scan()) == []
        put(collection, Document("a", id="a"))
        assert list(collection.scan(NOTHING)) == []

    def test_a_scan_goes_on_while_documents_are_written_and_deleted(
        self, collection: StoredCollection
    ) -> None:
        kept = [f"{number:03}" for number in range(0, 100, 2)]
        put(collection, *(Document("a", id=f"{number:03}") for number in range(100)))
        seen: list[str] = []
        for batch in collection.scan(batch=10):
            seen += [document.id for document in batch.documents]
            collection.delete([f"{number:03}" for number in range(1, 100, 2)])
            put(collection, *(Document("b", id=id) for id in kept))
        assert seen == sorted(set(seen))
        assert set(kept) <= set(seen)

    # Deleting

    def test_delete_counts_what_was_there(self, collection: StoredCollection) -> None:
        put(collection, *(Document(name, id=name) for name in "abcd"))
        assert collection.delete([]) == 0
        assert collection.delete(["a", "?", "c", "a"]) == 2
        assert collection.delete(["a"]) == 0
        assert [doc is None for doc in collection.fetch(list("abcd"))] == [True, False, True, False]
        assert collection.fetch_vectors(["a"]) == [None]
        assert collection.content_hashes(["a"]) == [None]

    def test_delete_where_deletes_what_matches(self, collection: StoredCollection) -> None:
        documents = random_documents(200)
        put(collection, *documents)
        where = (F("lang") == "en") & ~(F("year") > 2000)
        matching = collection.count(where)
        assert 0 < matching < 200
        assert collection.delete_where(where) == matching
        assert collection.delete_where(where) == 0
        assert collection.count() == 200 - matching
        assert collection.delete_where(NOTHING) == 0

    def test_a_deleted_document_can_come_back(self, collection: StoredCollection) -> None:
        old, new = Document("old", id="a", lang="de"), Document("new", id="a", lang="fr")
        put(collection, old)
        collection.delete(["a"])
        assert put(collection, new, seed=1) == WriteReceipt(1, 0)
        collection.compact()
        assert_same_documents(collection.fetch(["a"]), [new])
        assert collection.count_by_language() == {"fr": 1}

    # House-keeping

    def test_compaction_keeps_everything(self, collection: StoredCollection) -> None:
        documents, vectors = random_documents(300), random_vectors(300, DIMENSION)
        collection.write(documents, vectors)
        collection.delete([document.id for document in documents[:100]])
        collection.write(documents[100:200], vectors[100:200])
        collection.write_state("k", b"v")
        collection.compact()
        ids = [document.id for document in documents]
        assert_same_documents(collection.fetch(ids), [None] * 100 + documents[100:])
        np.testing.assert_allclose(
            np.stack([v for v in collection.fetch_vectors(ids) if v is not None]),
            vectors[100:],
            atol=1e-6,
        )
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
        collection.write_state("statistics", b"new" * 1_000_000)
        assert collection.read_state("statistics") == b"new" * 1_000_000
        for _ in range(2):
            collection.write_state("statistics", None)
            assert collection.read_state("statistics") is None
        assert collection.read_state("") == b""
        assert collection.count() == 0

    def test_a_description_is_json_and_names_the_place(
        self, store: Store, collection: StoredCollection
    ) -> None:
        facts = Document("a", metadata=collection.describe())
        assert_same_documents([facts], [facts])
        if store.capabilities.persistent:
            assert {"path", "url"} & set(facts.metadata)

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
        np.testing.assert_allclose(
            np.stack([v for v in collection.fetch_vectors(ids) if v is not None]),
            vectors[1:],
            atol=1e-6,
        )
        assert collection.read_state("k") == b"v"
        assert put(collection, documents[0], documents[1]) == WriteReceipt(1, 1)
        assert collection.count() == 100
        collection.close()
        store.drop("contract")
        store.close()
        store = self.open_store(place)
        assert store.list() == []
        store.close()
