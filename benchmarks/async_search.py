"""200 searches at once: AsyncCollection, whose calls run in threads, against native async.

    python benchmarks/async_search.py [--count 10000] [--dimension 384]

Random unit vectors with ready queries, so that no embedding hides the difference. On the server
of XLINGUAL_TEST_QDRANT_URL both sides ask the same collection; without one both work in the local
mode of the vendor's client, on two copies of one folder, which says little about a server: there
is no network, and the asynchronous client computes in the event loop. So the vendor's two clients
are also compared alone, against a process that gives every search the same answer after some
milliseconds: this is what threads cost beside native calls, whatever a server would do. Medians of
the same rounds; a ratio over 1.2 on a live server would be a reason for a native path.
Report: results/async_search.txt.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from qdrant_client import AsyncQdrantClient, QdrantClient, models
from reporting import Bar, report
from xlingual_adapters.stores.faiss import FaissSettings, FaissStore
from xlingual_adapters.stores.qdrant import QdrantSettings, QdrantStore

from xlingual_qdrant import AsyncCollection, Collection
from xlingual_qdrant.async_collection import MAX_CONCURRENCY
from xlingual_qdrant.documents import Document
from xlingual_qdrant.ports import Store
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.threads import Threads

URL = os.environ.get("XLINGUAL_TEST_QDRANT_URL")
KEY = os.environ.get("XLINGUAL_TEST_QDRANT_KEY")
PREFIX = "xlingual-benchmark-async-"
SEARCHES = 200
K = 10
ROUNDS = 5
ANSWER_AFTER_S = (0.0, 0.005, 0.02)
SERVER = """
import asyncio, sys

ANSWER, DELAY = open(sys.argv[1], "rb").read(), float(sys.argv[2])
HEAD = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n"

async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\\r\\n\\r\\n"):
            lines = head.lower().split(b"\\r\\n")
            [size] = [int(line[15:]) for line in lines if line.startswith(b"content-length:")]
            await reader.readexactly(size)
            await asyncio.sleep(DELAY)
            writer.write(HEAD % len(ANSWER) + ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=500)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""

Vectors = NDArray[np.float32]
Search = Callable[[NDArray[np.float32]], Awaitable[object]]


def unit(count: int, dimension: int, seed: int) -> Vectors:
    """Return random unit rows."""
    rows = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def fill(store: Store, count: int, dimension: int) -> None:
    """Put documents into a new collection."""
    collection = store.create(CollectionSchema(name="async", dimension=dimension))
    vectors = unit(count, dimension, 0)
    documents = [Document(f"The text of document {i}.", f"doc-{i}", "en") for i in range(count)]
    for start in range(0, count, 1000):
        collection.write(documents[start : start + 1000], vectors[start : start + 1000])
    collection.flush()


async def seconds(search: Search, queries: Vectors) -> float:
    """Return how long all searches at once take."""
    began = time.perf_counter()
    await asyncio.gather(*(search(query) for query in queries))
    return time.perf_counter() - began


async def measured(searches: dict[str, Search], queries: Vectors) -> dict[str, list[float]]:
    """Return the times of each way to search; in every round each has its turn."""
    times: dict[str, list[float]] = {name: [] for name in searches}
    for turn in range(ROUNDS + 1):
        for name, search in searches.items():
            took = await seconds(search, queries)
            if turn:  # the first round warms up
                times[name].append(took)
    return times


def bars(title: str, times: dict[str, list[float]]) -> Iterator[Bar]:
    """Yield the medians, and the ratio of the first way to the second, round by round."""
    for name, each in times.items():
        yield Bar(f"{title}: {name}, ms", 1e3 * median(each))
    ours, theirs = list(times.values())[:2]
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
    yield Bar(f"{title}: ratio", ratio)


async def in_the_store(
    store: Store, native: AsyncQdrantClient | None, queries: Vectors
) -> dict[str, list[float]]:
    """Return the times of an AsyncCollection, of a native client, and of one batch."""
    plain = Collection.open("async", store=store, create=False)
    async with AsyncCollection(plain) as collection:

        async def through_the_facade(query: NDArray[np.float32]) -> object:
            return await collection.search(query, k=K)

        searches: dict[str, Search] = {"AsyncCollection": through_the_facade}
        if native is not None:
            there = (await native.get_collections()).collections
            [name] = [c.name for c in there if c.name.startswith(PREFIX) or not URL]

            async def directly(query: NDArray[np.float32]) -> object:
                return await native.query_points(
                    name, query=query.tolist(), limit=K, with_payload=True
                )

            searches["AsyncQdrantClient"] = directly
        else:

            async def one_by_one(query: NDArray[np.float32]) -> object:
                return plain.search(query, k=K)

            searches["Collection, one by one"] = one_by_one
        times = await measured(searches, queries)
        together = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            await collection.search_many(queries, k=K)
            together.append(time.perf_counter() - began)
        return {**times, "search_many, one call": together}


def on_qdrant(count: int, dimension: int, queries: Vectors, folder: Path) -> Iterator[Bar]:
    """Yield the figures of a server, or of two copies of a folder in local mode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # local mode advises to take a server
        if URL:
            settings = {"url": URL, "api_key": KEY, "collection_prefix": PREFIX}
            store = QdrantStore(QdrantSettings.model_validate(settings))
            native = AsyncQdrantClient(url=URL, api_key=KEY, check_compatibility=False)
            fill(store, count, dimension)
            try:
                yield from bars("server", asyncio.run(in_the_store(store, native, queries)))
            finally:
                store.drop("async")
                store.close()
        else:
            store = QdrantStore(QdrantSettings(path=folder / "one"))
            fill(store, count, dimension)
            store.close()
            shutil.copytree(folder / "one", folder / "two")
            store = QdrantStore(QdrantSettings(path=folder / "one"))
            native = AsyncQdrantClient(path=str(folder / "two"))
            yield from bars("local mode", asyncio.run(in_the_store(store, native, queries)))
            store.close()


def on_faiss(count: int, dimension: int, queries: Vectors, folder: Path) -> Iterator[Bar]:
    """Yield the figures of the local store."""
    store = FaissStore(FaissSettings(path=folder / "faiss", index="exact"))
    fill(store, count, dimension)
    yield from bars("faiss", asyncio.run(in_the_store(store, None, queries)))
    store.close()


@contextmanager
def answering(after_s: float, folder: Path) -> Iterator[str]:
    """Run a process that gives every search the same answer; yield its address."""
    payload = {"own": {"id": "doc-1", "lang": "en"}, "text": "The text of document 1." * 4}
    points = [{"id": n, "version": 1, "score": 1 / (n + 1), "payload": payload} for n in range(K)]
    body = {"result": [{"points": points}], "status": "ok", "time": 0.001}
    (folder / "answer.json").write_text(json.dumps(body), encoding="utf-8")
    command = [sys.executable, "-c", SERVER, str(folder / "answer.json"), str(after_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        server.kill()


async def clients_alone(url: str, queries: Vectors) -> dict[str, list[float]]:
    """Return the times of the vendor's two clients, the plain one in threads as we use it."""
    plain = QdrantClient(url=url, check_compatibility=False)
    native = AsyncQdrantClient(url=url, check_compatibility=False)
    threads = Threads(MAX_CONCURRENCY, "benchmark")
    many = Threads(4 * MAX_CONCURRENCY, "benchmark")

    def requests(query: NDArray[np.float32]) -> list[models.QueryRequest]:
        return [models.QueryRequest(query=query.tolist(), limit=K, with_payload=True)]

    def asked(query: NDArray[np.float32]) -> Any:
        return plain.query_batch_points("async", requests(query))

    async def in_threads(query: NDArray[np.float32]) -> object:
        return await threads.call(asked, query)

    async def in_many(query: NDArray[np.float32]) -> object:
        return await many.call(asked, query)

    async def natively(query: NDArray[np.float32]) -> object:
        return await native.query_batch_points("async", requests(query))

    try:
        return await measured(
            {
                f"{MAX_CONCURRENCY} threads": in_threads,
                "native": natively,
                f"{4 * MAX_CONCURRENCY} threads": in_many,
            },
            queries,
        )
    finally:
        await threads.end(plain.close)
        await many.end(lambda: None)
        await native.close()


def on_a_stub(queries: Vectors, folder: Path) -> Iterator[Bar]:
    """Yield the figures of the clients alone."""
    for after_s in ANSWER_AFTER_S:
        with answering(after_s, folder) as url:
            times = asyncio.run(clients_alone(url, queries))
        yield from bars(f"clients, answer after {1e3 * after_s:g} ms", times)


@click.command(help=__doc__)
@click.option("--count", default=10_000)
@click.option("--dimension", default=384)
def main(count: int, dimension: int) -> None:
    """Measure and report."""
    queries = unit(SEARCHES, dimension, 1)
    place = "a server" if URL else "local mode (no server was given)"
    head = [
        f"{SEARCHES} searches at once among {count:,} x {dimension}, k={K},"
        f" {MAX_CONCURRENCY} threads, Qdrant: {place}",
        f"medians of {ROUNDS} rounds; ratios: AsyncCollection (or threads) / the other",
    ]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        figures = [
            *on_qdrant(count, dimension, queries, folder),
            *on_faiss(count, dimension, queries, folder),
            *on_a_stub(queries, folder),
        ]
    report("async_search", head, figures)


if __name__ == "__main__":
    main()
