"""The store contract: it finds the nearest, under any filter."""

# ruff: noqa: D102 - the name of a test is its promise

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import InvalidVectors
from xlingual_qdrant.filters import F, Filter
from xlingual_qdrant.memory import MemoryCollection
from xlingual_qdrant.ports import Store, StoredCollection, Vectors
from xlingual_qdrant.testing.agreement import (
    assert_agrees,
    assert_same_documents,
    assert_well_formed,
    recall,
)
from xlingual_qdrant.testing.corpus import FILTERS, random_documents, random_vectors
from xlingual_qdrant.testing.store_fixtures import (
    DIMENSION,
    SCHEMA,
    StoreFixtures,
    put,
    write_all,
)

AXES: Vectors = np.eye(DIMENSION, dtype=np.float32)
QUERIES = random_vectors(8, DIMENSION, seed=1)


class SideBySide(NamedTuple):
    """The same documents in the store under test and in the judge."""

    collection: StoredCollection
    judge: MemoryCollection


def side_by_side(
    collection: StoredCollection, documents: list[Document], vectors: Vectors
) -> SideBySide:
    """Fill the collection, most of it before and some after `compact`, and a judge."""
    judge = MemoryCollection(collection.schema)
    write_all(judge, documents, vectors)
    early = len(documents) * 9 // 10
    write_all(collection, documents[:early], vectors[:early])
    collection.compact()
    write_all(collection, documents[early:], vectors[early:])
    return SideBySide(collection, judge)


class SearchingContract(StoreFixtures):
    """Answers are the judge's: exactly with `exact=True`, and nearly all of them without."""

    @pytest.fixture(scope="class")
    @classmethod
    def mixed(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide]:
        """Return 700 documents of all kinds; for reading only."""
        store = cls().open_store(tmp_path_factory.mktemp("mixed"))
        collection = store.create(SCHEMA)
        yield side_by_side(
            collection, random_documents(700, seed=2), random_vectors(700, DIMENSION, seed=2)
        )
        collection.close()
        store.close()

    @pytest.fixture(scope="class")
    @classmethod
    def large(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide]:
        """Return 10,000 documents, ten of them rare, a hundred Icelandic; for reading only."""
        store = cls().open_store(tmp_path_factory.mktemp("large"))
        collection = store.create(SCHEMA)
        documents = [
            Document(
                text=f"text {number}",
                id=f"{number:05}",
                lang="is" if number % 100 == 7 else ("de", "en", "fr")[number % 3],
                metadata={"rare": number % 1000 == 3, "year": 1990 + number % 40},
            )
            for number in range(10_000)
        ]
        yield side_by_side(collection, documents, random_vectors(10_000, DIMENSION, seed=3))
        collection.close()
        store.close()

    @pytest.mark.parametrize("name", FILTERS)
    def test_finds_what_the_judge_finds(self, mixed: SideBySide, name: str) -> None:
        for k in (1, 10):
            assert_agrees(mixed.collection, mixed.judge, QUERIES, k, FILTERS[name])

    @pytest.mark.parametrize("name", FILTERS)
    def test_counts_and_scans_what_the_judge_does(self, mixed: SideBySide, name: str) -> None:
        collection, judge = mixed
        where = FILTERS[name]
        assert collection.count(where) == judge.count(where)
        assert collection.count_by_language(where) == judge.count_by_language(where)
        found, expected = (
            {doc.id: doc for batch in each.scan(where, batch=64) for doc in batch.documents}
            for each in (collection, judge)
        )
        assert len(found) == len(expected)
        assert_same_documents([found.get(id) for id in expected], expected.values())

    @pytest.mark.parametrize("name", FILTERS)
    def test_every_filter_leaves_k_hits_or_all_that_match(
        self, mixed: SideBySide, name: str
    ) -> None:
        collection, judge = mixed
        matching = judge.count(FILTERS[name])
        # Every document for every query is slow, and the eighth answer would be like the second.
        for k, queries in ((10, QUERIES), (10_000, QUERIES[:2])):
            for hits in collection.search(queries, k, where=FILTERS[name]):
                assert_well_formed(hits)
                assert len(hits) == min(k, matching)

    @pytest.mark.parametrize(
        "where",
        [
            None,
            F("lang") == "de",
            F("lang").is_in(["de", "fr"]),
            F("lang") != "en",
            F("lang") == "is",
            (F("year") >= 2000) & (F("year") < 2010),
            F("year") == 2001,
        ],
        ids=str,
    )
    def test_an_index_finds_nearly_all_of_the_nearest(
        self, store: Store, large: SideBySide, where: Filter | None
    ) -> None:
        # Without an index there is nothing to miss, and plain Python may take a second a query.
        count = 50 if store.capabilities.approximate else 5
        queries = random_vectors(count, DIMENSION, seed=4)
        assert_agrees(large.collection, large.judge, queries[:10], 10, where)
        found = large.collection.search(queries, 10, where=where)
        expected = large.judge.search(queries, 10, where=where)
        assert recall(found, expected) >= 0.95

    @pytest.mark.parametrize("exact", [True, False])
    def test_a_filter_is_applied_before_the_nearest_are_chosen(
        self, large: SideBySide, exact: bool
    ) -> None:
        rare = F("rare") == True  # noqa: E712
        for hits in large.collection.search(QUERIES, 10, where=rare, exact=exact):
            assert {hit.id for hit in hits} == {f"{number:05}" for number in range(3, 10_000, 1000)}

    @pytest.mark.parametrize("exact", [True, False])
    def test_a_batch_of_queries_is_answered_like_each_alone(
        self, large: SideBySide, exact: bool
    ) -> None:
        queries = random_vectors(8, DIMENSION, seed=5)
        for where in (None, F("lang") == "de"):
            together = large.collection.search(queries, 5, where=where, exact=exact)
            for row, hits in enumerate(together):
                [alone] = large.collection.search(
                    queries[row : row + 1], 5, where=where, exact=exact
                )
                assert [hit.id for hit in hits] == [hit.id for hit in alone]
                assert [hit.score for hit in hits] == pytest.approx(
                    [hit.score for hit in alone], abs=1e-5
                )

    @pytest.mark.parametrize("exact", [True, False])
    def test_no_queries_get_no_answers(self, mixed: SideBySide, exact: bool) -> None:
        assert mixed.collection.search(QUERIES[:0], 10, exact=exact) == []

    @pytest.mark.parametrize("exact", [True, False])
    def test_an_empty_collection_has_no_hits(
        self, collection: StoredCollection, exact: bool
    ) -> None:
        for where in (None, F("lang") == "de", F("year") > 2000):
            assert collection.search(QUERIES, 10, where=where, exact=exact) == [[]] * len(QUERIES)

    @pytest.mark.parametrize("exact", [True, False])
    def test_k_may_be_larger_than_the_collection(
        self, collection: StoredCollection, exact: bool
    ) -> None:
        put(collection, *(Document("a", id=str(number)) for number in range(3)))
        [hits] = collection.search(QUERIES[:1], 1000, exact=exact)
        assert {hit.id for hit in hits} == {"0", "1", "2"}

    @pytest.mark.parametrize("exact", [True, False])
    def test_a_score_is_the_cosine(self, collection: StoredCollection, exact: bool) -> None:
        half = (AXES[0] + AXES[1]) / np.float32(np.sqrt(2))
        documents = [Document("a", id=name) for name in ("same", "across", "against", "between")]
        collection.write(documents, np.stack([AXES[0], AXES[1], -AXES[0], half]))
        [hits] = collection.search(AXES[:1], 10, exact=exact)
        assert [hit.id for hit in hits] == ["same", "between", "across", "against"]
        assert [hit.score for hit in hits] == pytest.approx([1, 0.5**0.5, 0, -1], abs=1e-6)
        assert {(hit.raw_score, hit.correction) for hit in hits} == {(None, None)}

    @pytest.mark.parametrize("exact", [True, False])
    def test_equal_scores_are_ordered_by_id(
        self, collection: StoredCollection, exact: bool
    ) -> None:
        ids = ["b", "10", "9", "a", "B", "é", "aa", "\U0001f600", "\uffee"]
        langs = ["de", "en", "fr"] * 3
        documents = [Document("a", id=id, lang=lang) for id, lang in zip(ids, langs, strict=True)]
        collection.write(documents, np.repeat(AXES[:1], len(ids), axis=0))
        for where in (None, F("lang").is_in(["de", "en", "fr"])):
            [hits] = collection.search(AXES[:1], len(ids), where=where, exact=exact)
            assert [hit.id for hit in hits] == sorted(ids)

    @pytest.mark.parametrize("exact", [True, False])
    def test_a_replaced_document_is_found_at_its_new_place_only(
        self, collection: StoredCollection, exact: bool
    ) -> None:
        old, new = Document("old", id="a", lang="de"), Document("new", id="a", lang="fr")
        collection.write([old, Document("other", id="b")], AXES[:2])
        collection.write([new], AXES[2:3])
        [hits] = collection.search(AXES[2:3], 10, exact=exact)
        assert [(hit.text, hit.score) for hit in hits] == [("new", 1.0), ("other", 0.0)]
        assert collection.search(AXES[:1], 10, where=F("lang") == "de", exact=exact) == [[]]
        [hits] = collection.search(AXES[2:3], 10, where=F("lang") == "fr", exact=exact)
        assert [hit.text for hit in hits] == ["new"]

    @pytest.mark.parametrize("exact", [True, False])
    def test_a_deleted_document_is_not_found(
        self, collection: StoredCollection, exact: bool
    ) -> None:
        collection.write([Document(name, id=name) for name in "abc"], AXES[:3])
        collection.delete(["a"])
        collection.delete_where(F("id") == "b")
        [hits] = collection.search(AXES[:1], 10, exact=exact)
        assert [hit.id for hit in hits] == ["c"]

    def test_agrees_after_updates_deletes_and_compaction(
        self, collection: StoredCollection
    ) -> None:
        documents = random_documents(600, seed=6)
        collection, judge = side_by_side(
            collection, documents, random_vectors(600, DIMENSION, seed=6)
        )
        moved = [
            Document(doc.text + "!", id=doc.id, lang=new.lang, metadata=new.metadata)
            for doc, new in zip(documents[::3], random_documents(200, seed=7), strict=True)
        ]
        for each in (collection, judge):
            put(each, *moved, seed=7)
            assert each.delete([document.id for document in documents[1::6]]) == 100
            each.delete_where((F("lang") == "fr") & (F("year") > 2010))
        for step in (lambda: None, collection.compact, collection.compact):
            step()
            for name in ("no filter", "one language", "not one language", "a range", "contains"):
                assert_agrees(collection, judge, QUERIES, 10, FILTERS[name])
                assert collection.count(FILTERS[name]) == judge.count(FILTERS[name])

    @pytest.mark.parametrize("exact", [True, False])
    def test_hits_are_whole_documents(self, collection: StoredCollection, exact: bool) -> None:
        documents = random_documents(20, seed=8)
        put(collection, *documents)
        [hits] = collection.search(QUERIES[:1], 20, exact=exact)
        by_id = {document.id: document for document in documents}
        assert_same_documents([hit.document for hit in hits], [by_id[hit.id] for hit in hits])

    def test_queries_of_another_dimension_are_refused(self, mixed: SideBySide) -> None:
        with pytest.raises(InvalidVectors, match=str(DIMENSION)):
            mixed.collection.search(QUERIES[:, :-1], 10)

    def test_threads_get_the_same_answers(self, mixed: SideBySide) -> None:
        names = list(FILTERS)[:20]

        def ask(name: str) -> list[list[str]]:
            found = mixed.collection.search(QUERIES, 5, where=FILTERS[name], exact=True)
            return [[hit.id for hit in hits] for hits in found]

        expected = [ask(name) for name in names]
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(ask, names * 3)) == expected * 3

    def test_a_search_while_a_thread_writes_gets_whole_documents(
        self, collection: StoredCollection
    ) -> None:
        ids = [str(number) for number in range(40)]

        def write(version: int) -> None:
            documents = [
                Document(f"{id} {version}", id=id, metadata={"version": version}) for id in ids
            ]
            collection.write(documents, np.repeat(AXES[version : version + 1], 40, axis=0))

        write(0)
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(lambda: [write(version) for version in range(1, DIMENSION)])
            while not writing.done():
                for axis, hits in enumerate(collection.search(AXES, 40, exact=True)):
                    for hit in hits:
                        version = hit.metadata["version"]
                        assert hit.text == f"{hit.id} {version}"
                        assert hit.score == pytest.approx(float(version == axis), abs=1e-6)
                    assert len(hits) == 40
            writing.result()
