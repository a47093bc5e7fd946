"""10,000 documents of 384 dimensions: the answers are the judge's, after every change too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from xlingual_qdrant.documents import Document
from xlingual_qdrant.filters import F
from xlingual_qdrant.memory import MemoryCollection
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.testing.agreement import assert_agrees, recall

Make = Callable[..., Any]
COUNT, DIMENSION = 10_000, 384
LANGS = ("ar", "bn", "de", "en", "es", "fr", "he", "hi", "ja", "ru", "sw", "zh-Hant")
FILTERS = (
    None,
    F("lang") == "de",
    F("lang").is_in(["ja", "zh", "sw"]),
    F("lang") != "en",
    (F("year") >= 2000) & (F("year") < 2010),
    F("undeclared") == 7,
    (F("lang") != "en") & ~((F("year") < 2010) | (F("undeclared") == 7)),
)


def corpus() -> list[Document]:
    return [
        Document(
            text=f"text {number}",
            id=f"{number * 7919 % COUNT:05}",
            lang=LANGS[number % len(LANGS)],
            metadata={"year": 1990 + number % 40, "undeclared": number % 11},
        )
        for number in range(COUNT)
    ]


def clustered(count: int, seed: int) -> Vectors:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).standard_normal((100, DIMENSION), dtype=np.float32)
    noise = rng.standard_normal((count, DIMENSION), dtype=np.float32)
    vectors = centres[rng.integers(0, 100, count)] + 0.5 * noise
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_exact_search_is_the_judge_s_after_updates_deletes_and_reopening(
    opened: Make, vectors: Make
) -> None:
    documents, rows = corpus(), vectors(COUNT, dimension=DIMENSION)
    collection = opened(dimension=DIMENSION)
    judge = MemoryCollection(collection.schema)
    queries = vectors(3, seed=1, dimension=DIMENSION)

    def agree() -> None:
        for where in FILTERS:
            assert_agrees(collection, judge, queries, 10, where)
            assert_agrees(collection, judge, queries[:1], 10, where)

    for each in (collection, judge):
        each.write(documents, rows)
    agree()
    changed = [
        Document(f"new {d.id}", d.id, LANGS[number % 5], {"year": number})
        for number, d in enumerate(documents[:1000])
    ]
    gone = [document.id for document in documents[5000:6000]]
    for each in (collection, judge):
        each.write(changed, vectors(1000, seed=2, dimension=DIMENSION))
        assert each.delete(gone) == 1000
    agree()
    collection.close()
    collection = opened()
    agree()
    collection.compact()
    assert collection.describe()["dead"] == 0
    agree()


@pytest.mark.parametrize("make", [clustered, None], ids=["clustered", "random"])
@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_an_index_finds_19_of_20(
    opened: Make, vectors: Make, kind: str, make: Callable[[int, int], Vectors] | None
) -> None:
    rows, queries = (
        make(n, seed) if make else vectors(n, seed, DIMENSION) for n, seed in ((COUNT, 0), (100, 1))
    )
    documents = [Document(f"text {n}", str(n), metadata={"rare": n % 1000}) for n in range(COUNT)]
    collection = opened(kind, DIMENSION)
    collection.write(documents, rows)
    collection.flush()
    assert collection.describe()["indexes"] == {"und": kind}
    expected = collection.search(queries, 10, exact=True)
    assert recall(collection.search(queries, 10), expected) >= 0.95
    for hits in collection.search(queries, 10, where=F("rare") == 3):
        assert {hit.id for hit in hits} == {str(n) for n in range(3, COUNT, 1000)}

    # What came after the index was built is found, what died since is not.
    collection.write([Document("late", "late")], queries[:1])
    best = [hits[0].id for hits in expected]
    collection.delete(best)
    found = collection.search(queries, 10)
    assert found[0][0].id == "late"
    assert not {hit.id for hits in found for hit in hits} & set(best)
    assert {len(hits) for hits in found} == {10}
    assert recall(found, collection.search(queries, 10, exact=True)) >= 0.95
