"""The local store against the exact judge (answers) and against plain FAISS (speed).

    python benchmarks/store.py [--count 10000] [--dimension 384]

Random unit vectors in twelve languages. Differences are counted over seven filters, after
1,000 updates and 1,000 deletes, and after reopening. Speeds of the store and of
`faiss.IndexFlatIP`, which knows neither texts nor filters, are medians of the same rounds.
Report: results/store.txt.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import click
import faiss
import numpy as np
from numpy.typing import NDArray
from reporting import Bar, report
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore

from xlingual_qdrant.documents import Document
from xlingual_qdrant.filters import F, Filter
from xlingual_qdrant.memory import MemoryStore
from xlingual_qdrant.ports import StoredCollection
from xlingual_qdrant.schema import CollectionSchema

LANGS = ("ar", "bn", "de", "en", "es", "fr", "he", "hi", "ja", "ru", "sw", "zh-Hant")
FILTERS: dict[str, Filter | None] = {
    "all": None,
    "one language": F("lang") == "de",
    "three languages": F("lang").is_in(["ja", "zh", "sw"]),
    "not one language": F("lang") != "en",
    "metadata range": (F("year") >= 2000) & (F("year") < 2010),
    "undeclared field": F("group") == 7,
    "ten matches": F("rare") == True,  # noqa: E712 - a filter, not a truth value
}
K = 10
TOLERANCE = 1e-5
ROUNDS = 9
BATCH = 256

Vectors = NDArray[np.float32]


def unit(count: int, dimension: int, seed: int) -> Vectors:
    """Return random unit rows."""
    rows = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def corpus(count: int, generation: int = 0) -> list[Document]:
    """Return documents; ten of them, spread over the collection, are rare."""
    return [
        Document(
            text=f"The text of document {i}, generation {generation}, is about something.",
            id=f"doc-{i:08}",
            lang=LANGS[(i + generation) % len(LANGS)],
            metadata={"year": 1990 + i % 40, "group": i % 11, "rare": i % (count // 10) == 0},
        )
        for i in range(count)
    ]


def differences(collection: StoredCollection, judge: StoredCollection, queries: Vectors) -> int:
    """Return how many hits differ, by id or score, over all filters."""
    wrong = 0
    for where in FILTERS.values():
        found = collection.search(queries, K, where=where, exact=True)
        wanted = judge.search(queries, K, where=where)
        for hits, judged in zip(found, wanted, strict=True):
            wrong += abs(len(hits) - len(judged))
            for hit, best in zip(hits, judged, strict=False):
                wrong += hit.id != best.id or abs(hit.score - best.score) > TOLERANCE
    return wrong


def answers(count: int, dimension: int, folder: Path) -> Iterator[Bar]:
    """Yield differences from the judge, through a collection's life."""
    schema = CollectionSchema(name="life", dimension=dimension, fields={"year": "integer"})
    settings = FaissSettings(path=folder / "life", index="exact")
    collection, judge = FaissStore(settings).create(schema), MemoryStore().create(schema)
    documents, vectors = corpus(count), unit(count, dimension, 0)
    queries = unit(20, dimension, 1)
    changed, moved = corpus(count, 1)[:1000], unit(1000, dimension, 2)
    gone = [document.id for document in documents[2000:3000]]
    for one in (collection, judge):
        one.write(documents, vectors)
    yield Bar("Differences, new", differences(collection, judge, queries), most=0)
    for one in (collection, judge):
        one.write(changed, moved)
        one.delete(gone)
    yield Bar("Differences, changed", differences(collection, judge, queries), most=0)
    collection.close()
    again = FaissStore(settings).open("life")
    yield Bar("Differences, reopened", differences(again, judge, queries), most=0)
    again.compact()
    yield Bar("Differences, compacted", differences(again, judge, queries), most=0)
    again.close()


def indexes(count: int, dimension: int, folder: Path) -> Iterator[Bar]:
    """Yield the recall of each kind of index, and whether ten matches give ten hits."""
    documents, vectors = corpus(count), unit(count, dimension, 0)
    one_language = [
        Document(document.text, document.id, "de", document.metadata) for document in documents
    ]
    queries = unit(200, dimension, 3)
    for kind in ("exact", "hnsw", "ivf"):
        store = FaissStore(FaissSettings(path=folder / kind, index=kind))
        collection = store.create(CollectionSchema(name=kind, dimension=dimension))
        collection.write(one_language, vectors)
        collection.flush()
        exact = collection.search(queries, K, exact=True)
        found = collection.search(queries, K)
        same = sum(
            len({hit.id for hit in a} & {hit.id for hit in b})
            for a, b in zip(exact, found, strict=True)
        )
        rare = min(map(len, collection.search(queries, K, where=FILTERS["ten matches"])))
        yield Bar(f"{kind}, recall@10", same / (K * len(queries)), least=0.95)
        yield Bar(f"{kind}, hits of ten matches", rare, least=10)
        collection.close()


def seconds(work: Callable[[], object]) -> float:
    """Return the median time of a call."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return median(times)


def speeds(count: int, dimension: int, folder: Path) -> Iterator[Bar]:
    """Yield the rates of ingestion and search."""
    documents, vectors = corpus(count), unit(count, dimension, 0)
    queries = unit(BATCH, dimension, 4)
    flat = faiss.IndexFlatIP(dimension)
    flat.add(vectors)
    store = FaissStore(FaissSettings(path=folder / "speed", index="exact"))
    collection = store.create(CollectionSchema(name="speed", dimension=dimension))
    began = time.perf_counter()
    for start in range(0, count, 10_000):
        collection.write(documents[start : start + 10_000], vectors[start : start + 10_000])
    yield Bar("Durable writes, documents/s", count / (time.perf_counter() - began))
    one = queries[:1]
    yield Bar("Plain FAISS, one query, ms", 1e3 * seconds(lambda: flat.search(one, K)))
    yield Bar("Plain FAISS, batch, queries/s", BATCH / seconds(lambda: flat.search(queries, K)))
    for name in ("all", "one language", "not one language", "metadata range"):
        where = FILTERS[name]
        collection.search(one, K, where=where)
        alone = seconds(lambda where=where: collection.search(one, K, where=where))
        batch = seconds(lambda where=where: collection.search(queries, K, where=where))
        yield Bar(f"{name}, one query, ms", 1e3 * alone)
        yield Bar(f"{name}, batch, queries/s", BATCH / batch)
    collection.close()


@click.command(help=__doc__)
@click.option("--count", default=10_000)
@click.option("--dimension", default=384)
def main(count: int, dimension: int) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        head = f"local store, {count:,} x {dimension}, k={K}, batches of {BATCH}"
        parts = (part(count, dimension, place) for part in (answers, indexes, speeds))
        report("store", [head], (bar for part in parts for bar in part))


if __name__ == "__main__":
    main()
