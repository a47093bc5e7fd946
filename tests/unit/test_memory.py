"""The judge itself, judged by plain Python."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlingual_qdrant.documents import Document
from xlingual_qdrant.filters import F, Filter, matches
from xlingual_qdrant.memory import MemoryCollection, MemorySettings, plugin
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.testing.corpus import random_vectors
from xlingual_qdrant.testing.strategies import corpora, filters, vectors


def make_collection(dimension: int = 4) -> MemoryCollection:
    return MemoryCollection(CollectionSchema(name="test", dimension=dimension))


@given(corpora, st.none() | filters, st.integers(1, 15), st.data())
def test_a_search_is_a_sort_of_the_cosines(
    corpus: list[Document], where: Filter | None, k: int, data: st.DataObject
) -> None:
    collection = make_collection()
    rows = data.draw(vectors(len(corpus), 4))
    collection.write(corpus, rows)
    [query] = data.draw(vectors(1, 4))
    last = {document.id: (document, row) for document, row in zip(corpus, rows, strict=True)}
    expected = sorted(
        (
            (sum(float(a) * float(b) for a, b in zip(query, row, strict=True)), document.id)
            for document, row in last.values()
            if where is None or matches(where, document)
        ),
        key=lambda pair: (-round(pair[0], 5), pair[1]),
    )
    [hits] = collection.search(query[None], k, where=where)
    assert [hit.score for hit in hits] == pytest.approx([s for s, _ in expected[:k]], abs=1e-6)
    scores = {id: score for score, id in expected}
    assert [scores[hit.id] for hit in hits] == pytest.approx([hit.score for hit in hits], abs=1e-6)
    assert all(hit.document == last[hit.id][0] for hit in hits)


def test_equals_at_the_cut_are_the_first_by_id() -> None:
    collection = make_collection()
    axes = np.eye(4, dtype=np.float32)
    collection.write([Document("a", id=id) for id in "dbeac"], np.repeat(axes[:1], 5, axis=0))
    [hits] = collection.search(axes[:1], 3)
    assert [hit.id for hit in hits] == ["a", "b", "c"]


def test_rounding_never_lifts_a_cosine_above_one() -> None:
    rows = random_vectors(500, 384)
    collection = make_collection(384)
    collection.write([Document("a", id=str(number)) for number in range(500)], rows)
    assert max(hits[0].score for hits in collection.search(rows, 1)) == 1.0


def test_many_queries_over_many_rows_are_multiplied_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = random_vectors(300, 8)
    collection = make_collection(8)
    collection.write([Document("a", id=str(number)) for number in range(300)], rows)
    whole = collection.search(rows, 3)
    monkeypatch.setattr("xlingual_qdrant.memory._SCORES_AT_ONCE", 1000)
    parts = collection.search(rows, 3)
    assert [[h.id for h in hits] for hits in parts] == [[h.id for h in hits] for hits in whole]


def test_a_search_sees_a_whole_write_or_nothing_of_it() -> None:
    collection = make_collection()
    rows = random_vectors(50, 4)

    def write(version: int) -> None:
        documents = [
            Document("a", id=str(number), metadata={"version": version}) for number in range(50)
        ]
        collection.write(documents, rows)

    write(0)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [write(version) for version in range(1, 50)])
        while not writing.done():
            [hits] = collection.search(rows[:1], 50)
            assert len({hit.metadata["version"] for hit in hits}) == 1
        writing.result()


def test_what_a_caller_does_to_an_answer_does_not_reach_the_collection() -> None:
    collection = make_collection()
    rows = random_vectors(1, 4)
    collection.write([Document("a", id="a", metadata={"deep": {"list": [1]}})], rows)
    [[hit]] = collection.search(rows, 1)
    [fetched] = collection.fetch(["a"])
    assert fetched is not None
    for document in (hit.document, fetched):
        document.metadata["deep"]["list"].append(2)  # type: ignore[index, call-overload, union-attr]
    assert collection.count(F("deep").is_missing()) == 0
    assert collection.fetch(["a"])[0] == Document("a", id="a", metadata={"deep": {"list": [1]}})


def test_compaction_gives_rows_back() -> None:
    collection = make_collection()
    collection.write([Document("a", id=str(n)) for n in range(100)], random_vectors(100, 4))
    collection.delete([str(n) for n in range(99)])
    collection.compact()
    assert collection.describe()["bytes"] == 16


def test_the_plugin_opens_a_store_of_its_own_each_time() -> None:
    one, other = plugin.open(MemorySettings()), plugin.open(MemorySettings())
    one.create(CollectionSchema(name="test", dimension=4))
    assert (one.list(), other.list()) == (["test"], [])
