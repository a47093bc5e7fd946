"""The store contract: documents come back as they went in, until they are deleted."""

# ruff: noqa: D102 - the name of a test is its promise

from __future__ import annotations

import numpy as np
import pytest

from xlingual_qdrant.documents import Document, JsonValue, WriteReceipt, content_hash
from xlingual_qdrant.errors import InvalidVectors
from xlingual_qdrant.filters import NOTHING, F, Filter
from xlingual_qdrant.ports import StoredCollection
from xlingual_qdrant.testing.agreement import assert_same_documents, assert_same_vectors
from xlingual_qdrant.testing.corpus import (
    ODD_METADATA,
    ODD_STRINGS,
    random_documents,
    random_vectors,
)
from xlingual_qdrant.testing.store_fixtures import DIMENSION, StoreFixtures, put

MANY = 50_000
"""More than a statement or a request of any store takes at once."""


def _ids(collection: StoredCollection, where: Filter | None = None) -> list[str]:
    return [document.id for batch in collection.scan(where) for document in batch.documents]


class DocumentsContract(StoreFixtures):
    """Writing, reading, scanning and deleting."""

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
        assert_same_vectors(collection.fetch_vectors(["a"]), [vectors[2]])

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
        assert_same_vectors(collection.fetch_vectors(["a"]), [expected])

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
        assert_same_vectors(collection.fetch_vectors(["a"]), random_vectors(1, DIMENSION))

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
        for_a, for_b = random_vectors(2, DIMENSION)
        assert_same_vectors(collection.fetch_vectors(["b", "?", "a"]), [for_b, None, for_a])

    def test_texts_come_back_as_they_went_in(self, collection: StoredCollection) -> None:
        texts = [*ODD_STRINGS, "x" * 1_000_000, "\0" * 1000, "e\u0301" * 1000]
        documents = [Document(text, id=str(n), lang="en") for n, text in enumerate(texts)]
        put(collection, *documents)
        assert_same_documents(collection.fetch([doc.id for doc in documents]), documents)

    def test_metadata_comes_back_as_it_went_in(self, collection: StoredCollection) -> None:
        documents = [Document("a", id=str(n), metadata=m) for n, m in enumerate(ODD_METADATA)]
        put(collection, *documents)
        assert_same_documents(collection.fetch([doc.id for doc in documents]), documents)
        [hits] = collection.search(random_vectors(1, DIMENSION), len(documents))
        found = {hit.id: hit.document for hit in hits}
        assert_same_documents([found[document.id] for document in documents], documents)

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

    def test_a_field_name_is_a_key_as_a_whole_whatever_is_in_it(
        self, collection: StoredCollection
    ) -> None:
        names = ["", "id", "lang", "a", "b", "a.", ".a", "a[0]", *ODD_STRINGS]
        documents = [Document("a", id=str(n), metadata={name: 1}) for n, name in enumerate(names)]
        decoy = Document("b", id="decoy", metadata={"x": {"a": {"b": 1, "a": [1]}, "": 1}})
        put(collection, *documents, decoy)
        for number, name in enumerate(names):
            field = F.metadata(name)
            for where in (field == 1, field >= 1, ~field.is_missing()):
                assert _ids(collection, where) == [str(number)]
        assert collection.delete_where(F.metadata("a.b") == 1) == 1
        assert collection.delete_where(F.metadata("\0") == 1) == 1
        assert collection.count() == len(names) - 1

    def test_a_value_is_compared_code_point_by_code_point(
        self, collection: StoredCollection
    ) -> None:
        values = ["", *ODD_STRINGS]
        documents = [
            Document("a", id=str(number), metadata={"v": value, "brand": value, "l": [value]})
            for number, value in enumerate(values)
        ]
        put(collection, *documents)
        for number, value in enumerate(values):
            for where in (F("v") == value, F("brand") == value, F("l").contains(value)):
                assert _ids(collection, where) == [str(number)]
            assert collection.count(F("v") != value) == len(values) - 1

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

    def test_a_scan_has_one_order_whatever_the_batch(self, collection: StoredCollection) -> None:
        ids = ["b", "a", "B", "10", "9", "é", "\uffee", "\U0001f600", "aa", "a\0", "\0"]
        langs = ["de", "en"] * 6
        documents = [Document("a", id=i, lang=lang) for i, lang in zip(ids, langs, strict=False)]
        put(collection, *documents)
        order = _ids(collection)
        assert sorted(order) == sorted(ids)
        for batch in (1, 2, 1000):
            batches = list(collection.scan(batch=batch))
            assert [doc.id for each in batches for doc in each.documents] == order
            assert all(0 < len(each.documents) <= batch for each in batches)
            assert {each.vectors is None for each in batches} == {True}
        put(collection, *documents[::2])
        assert _ids(collection, F("lang") == "de") == [
            id for id in order if langs[ids.index(id)] == "de"
        ]

    def test_a_scan_can_be_resumed_behind_any_id(self, collection: StoredCollection) -> None:
        put(collection, *(Document("a", id=f"{number:03}") for number in range(200)))
        full = _ids(collection)
        gone = full[1::2]
        collection.delete(gone)
        order = full[::2]
        for position, after in enumerate(full):
            behind = order[position // 2 + 1 :]
            batch = next(iter(collection.scan(after=after, batch=7)), None)
            assert_same_documents(batch.documents if batch else [], collection.fetch(behind[:7]))
        assert list(collection.scan(after=full[-1])) == []
        where = F("id") != order[50]
        [batch] = collection.scan(where, after=gone[47], batch=52, with_vectors=True)
        assert [doc.id for doc in batch.documents] == [*order[48:50], *order[51:]]

    def test_a_scan_brings_each_document_its_own_vector(self, collection: StoredCollection) -> None:
        documents, vectors = random_documents(100), random_vectors(100, DIMENSION)
        collection.write(documents, vectors)
        row = {document.id: number for number, document in enumerate(documents)}
        for where in (None, F("lang") == "en", F("year") > 2000):
            for batch in collection.scan(where, with_vectors=True, batch=9):
                assert batch.vectors is not None
                expected = vectors[[row[document.id] for document in batch.documents]]
                assert_same_vectors(batch.vectors, expected)

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
        assert len(seen) == len(set(seen))
        assert set(kept) <= set(seen)
        order = _ids(collection)
        assert [id for id in seen if id in order] == order

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
