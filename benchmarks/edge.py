"""The Edge store against plain calls of qdrant-edge-py: rates of writing, times of searching.

    python benchmarks/edge.py [FILE] [--count 20000] [--dimension 384]

Random unit vectors and short texts, in batches of 1,000. Both sides have the same engine
settings, the engine's log, the same payload indexes, and payloads of the same keys and lengths.
They take turns with every batch and every query; ratios are medians over the turns.

A plain write makes a `qdrant_edge.Point` of a ready UUID, the vector as a list of floats, and a
dict of ready values (of the content hash, too), then calls `update` and `flush`: a receipt of
the store means that a batch is on disk, so the plain loop waits for the disk as well. It makes no
ids and no hashes and does not look which points are new: that is the store's surplus.

A plain search is one `query` with the vector as a list and the payloads of the hits, and reads
the payload and the score of each. k is 10.

Answers are compared with an exact search by NumPy. Random directions have no neighbourhoods
that a graph could follow, so there the recall of an index only informs. With FILE, a table with the
columns `text` and `english`, it is measured on sentences, embedded by the bundled model.
Report: results/edge.txt.
"""

from __future__ import annotations

import csv
import gzip
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from uuid import uuid4

import click
import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray
from reporting import Bar, report
from xlingual_adapters.stores.qdrant_edge import QdrantEdgeSettings, QdrantEdgeStore
from xlingual_adapters.stores.qdrant_edge.shape import configuration, create_indexes

from xlingual_qdrant import load_embedder
from xlingual_qdrant.documents import Document
from xlingual_qdrant.ports import StoredCollection
from xlingual_qdrant.schema import CollectionSchema

LANGS = ("ar", "bn", "de", "en", "es", "fr", "he", "hi", "ja", "ru", "sw", "zh")
K = 10
BATCH = 1000
TURNS = 3
QUERIES = 200

Vectors = NDArray[np.float32]


def unit(count: int, dimension: int, seed: int) -> Vectors:
    """Return random unit rows."""
    rows = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def corpus(texts: list[str]) -> list[Document]:
    """Return a document for each text."""
    return [
        Document(
            text=text,
            id=f"doc-{i:08}",
            lang=LANGS[i % len(LANGS)],
            metadata={"year": 1990 + i % 40, "group": i % 11},
        )
        for i, text in enumerate(texts)
    ]


def plain_payload(document: Document) -> dict[str, object]:
    """Return a payload as the store keeps it, of values that are ready."""
    return {
        "_xlingual": {
            "kind": "document",
            "id": document.id,
            "text": document.text,
            "lang": document.lang,
            "langs": [document.lang],
            "hash": "9f86d081884c7d659a2feaa0c55ad015",
            "lang_source": "declared",
        },
        "metadata": {"year": document.metadata["year"], "group": document.metadata["group"]},
    }


def plain_shard(folder: Path, schema: CollectionSchema) -> edge.EdgeShard:
    """Return an empty shard, set up like that of a collection."""
    shard = edge.EdgeShard.create(str(folder), configuration(schema, QdrantEdgeSettings()))
    create_indexes(shard, schema)
    shard.flush()
    return shard


def seconds(work: Callable[[], object]) -> float:
    """Return the time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def writes(
    shard: edge.EdgeShard, collection: StoredCollection, documents: list[Document], vectors: Vectors
) -> tuple[list[float], list[float]]:
    """Write everything on both sides; return the seconds of each batch, plain and stored."""
    points = [str(uuid4()) for _ in documents]
    plain, stored = [], []
    for start in range(0, len(documents), BATCH):
        part = slice(start, start + BATCH)

        def write_plainly(part: slice = part) -> None:
            rows = zip(points[part], vectors[part].tolist(), documents[part], strict=True)
            made = [edge.Point(point, row, plain_payload(doc)) for point, row, doc in rows]
            shard.update(edge.UpdateOperation.upsert_points(made))
            shard.flush()

        def write(part: slice = part) -> None:
            collection.write(documents[part], vectors[part])

        plain.append(seconds(write_plainly))
        stored.append(seconds(write))
    return plain, stored


def searches(
    shard: edge.EdgeShard, collection: StoredCollection, queries: Vectors
) -> tuple[list[float], list[float]]:
    """Search on both sides; return the seconds of each query, plain and stored."""
    plain, stored = [], []
    for query in queries:

        def search_plainly(query: NDArray[np.float32] = query) -> object:
            nearest = edge.Query.Nearest(query.tolist())
            request = edge.QueryRequest(limit=K, query=nearest, with_payload=True)
            return [(point.payload, point.score) for point in shard.query(request)]

        def search(query: NDArray[np.float32] = query) -> object:
            return collection.search(query[None], K)

        plain.append(seconds(search_plainly))
        stored.append(seconds(search))
    return plain, stored


def speeds(count: int, dimension: int, place: Path) -> Iterator[Bar]:
    """Yield rates and times beside each other."""
    schema = CollectionSchema(name="speed", dimension=dimension, fields={"year": "integer"})
    documents = corpus([f"The text of document {i} is about something." for i in range(count)])
    vectors, queries = unit(count, dimension, 0), unit(QUERIES, dimension, 1)
    plain_writes, stored_writes, plain_searches, stored_searches = [], [], [], []
    for turn in range(TURNS):
        shard = plain_shard(place / f"plain-{turn}", schema)
        store = QdrantEdgeStore(QdrantEdgeSettings(path=place / f"stored-{turn}"))
        collection = store.create(schema)
        for kept, new in zip(
            (plain_writes, stored_writes, plain_searches, stored_searches),
            (
                *writes(shard, collection, documents, vectors),
                *searches(shard, collection, queries),
            ),
            strict=True,
        ):
            kept += new
        shard.close()
        store.close()
    yield Bar("Plain writes, documents/s", BATCH / median(plain_writes))
    yield Bar("Writes of the store, documents/s", BATCH / median(stored_writes))
    pairs = zip(plain_writes, stored_writes, strict=True)
    yield Bar("Rate of writing, to plain", median(p / s for p, s in pairs), least=0.8)
    yield Bar("Plain search, p50, ms", 1e3 * median(plain_searches))
    yield Bar("Search of the store, p50, ms", 1e3 * median(stored_searches))
    times = median(stored_searches) / median(plain_searches)
    yield Bar("Time of searching, p50, to plain", times, most=1.15)


def recall(
    place: Path, texts: list[str], vectors: Vectors, queries: Vectors, **settings: int
) -> tuple[float, float]:
    """Return the recall@10 of approximate searches, and that of exact ones."""
    store = QdrantEdgeStore(QdrantEdgeSettings.model_validate({"path": place, **settings}))
    collection = store.create(CollectionSchema(name="recall", dimension=vectors.shape[1]))
    documents = corpus(texts)
    for start in range(0, len(documents), BATCH):
        collection.write(documents[start : start + BATCH], vectors[start : start + BATCH])
    collection.flush()
    wanted = np.argsort(-(queries @ vectors.T), axis=1)[:, :K]
    shares = []
    for exact in (False, True):
        found = collection.search(queries, K, exact=exact)
        same = sum(
            len({hit.id for hit in hits} & {documents[row].id for row in rows})
            for hits, rows in zip(found, wanted.tolist(), strict=True)
        )
        shares.append(same / wanted.size)
    store.close()
    return shares[0], shares[1]


def answers(count: int, dimension: int, place: Path) -> Iterator[Bar]:
    """Yield recalls on random vectors: by default, and with an index at this size."""
    texts = [f"text {i}" for i in range(count)]
    vectors, queries = unit(count, dimension, 0), unit(QUERIES, dimension, 1)
    found, exact = recall(place / "default", texts, vectors, queries)
    yield Bar("Recall@10, default", found, least=0.95)
    yield Bar("Recall@10, exact", exact, least=1.0)
    found, exact = recall(place / "index", texts, vectors, queries, index_from=1000)
    yield Bar("Recall@10, random vectors, index", found)
    yield Bar("Recall@10, random vectors, index, exact", exact, least=1.0)


def sentences(file: Path, place: Path) -> Iterator[Bar]:
    """Yield the recall of an index on sentences, asked in English."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    embedder = load_embedder()
    texts = list(dict.fromkeys(row["text"] for row in rows))
    vectors = embedder.embed_documents(texts)
    queries = embedder.embed_queries([row["english"] for row in rows[:: len(rows) // QUERIES]])
    found, _ = recall(place / "sentences", texts, vectors, queries, index_from=1000)
    yield Bar(f"Recall@10, {len(texts):,} sentences, index", found, least=0.95)


@click.command(help=__doc__)
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--count", default=20_000)
@click.option("--dimension", default=384)
def main(file: Path | None, count: int, dimension: int) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        head = f"Edge store, {count:,} x {dimension}, k={K}, batches of {BATCH:,}, {TURNS} turns"
        parts = [speeds(count, dimension, place), answers(count, dimension, place)]
        if file is not None:
            parts.append(sentences(file, place))
        report("edge", [head], (bar for part in parts for bar in part))


if __name__ == "__main__":
    main()
