"""A collection moved from FAISS to Qdrant Edge and back, each way killed five times.

    python benchmarks/move.py [--count 20000] [--dimension 384] [--kills 5] [--seed 0]

Every kill is a SIGKILL at a random moment while documents are being written; afterwards the move
is started again. At the end the collection that came back is compared with the first:
ids, texts, languages, metadata, vectors, and the top 10 of 200 queries, exact on both sides.
Report: results/move.txt.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
from reporting import Bar, report
from store import corpus, unit

from xlingual_qdrant import load_store
from xlingual_qdrant.ports import Store
from xlingual_qdrant.schema import CollectionSchema
from xlingual_qdrant.transfer import move, verify

BATCH = 1000
QUERIES = 200
K = 10
TOLERANCE = 1e-5

FIRST, EDGE, LAST = "faiss:first", "qdrant-edge:edge", "faiss:last"


def fill(folder: Path, count: int, dimension: int) -> None:
    """Make the first collection."""
    with closing(store_at(folder, FIRST)) as store:
        schema = CollectionSchema(
            name="documents", dimension=dimension, fields={"year": "integer", "group": "integer"}
        )
        documents, vectors = corpus(count), unit(count, dimension, seed=0)
        with closing(store.create(schema)) as collection:
            for start in range(0, count, BATCH):
                part = slice(start, start + BATCH)
                collection.write(documents[part], vectors[part])
            collection.write_state("calibration", b"kept")


def store_at(folder: Path, address: str) -> Store:
    """Open the store of an address such as faiss:first."""
    kind, _, place = address.partition(":")
    return load_store({"kind": kind, "path": str(folder / place)})


def move_at(folder: Path, source: str, target: str) -> float:
    """Move undisturbed; return the seconds that it took."""
    began = time.perf_counter()
    with closing(store_at(folder, source)) as here, closing(store_at(folder, target)) as there:
        move(here, there, "documents")
    return time.perf_counter() - began


def doomed(folder: Path, source: str, target: str, after: int, delay: float) -> None:
    """Move, and die some time after so many more documents were written."""
    began: list[int] = []

    def watch(what: str, done: int, total: int) -> None:
        began.append(done)
        if what == "moving" and done - began[0] >= after:
            threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()

    with closing(store_at(folder, source)) as here, closing(store_at(folder, target)) as there:
        move(here, there, "documents", batch_size=BATCH // 4, on_progress=watch)


def move_with_kills(
    folder: Path, source: str, target: str, kills: int, count: int, dice: random.Random
) -> list[int]:
    """Kill moves on their way, then let one end; return the counts seen after the kills."""
    processes = multiprocessing.get_context("spawn")
    seen: list[int] = []
    for _ in range(kills):
        after, delay = dice.randrange(count // kills), dice.uniform(0, 0.1)
        process = processes.Process(target=doomed, args=(folder, source, target, after, delay))
        process.start()
        process.join()
        if process.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"the move ended by itself: {process.exitcode}")
        with (
            closing(store_at(folder, target)) as store,
            closing(store.open("documents")) as collection,
        ):
            seen.append(collection.count())
    move_at(folder, source, target)
    return seen


def bars(count: int, dimension: int, kills: int, seed: int) -> Iterator[Bar]:
    """Yield what was seen, and the differences at the end."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        fill(folder, count, dimension)
        there = move_at(folder, FIRST, "qdrant-edge:undisturbed")
        back = move_at(folder, "qdrant-edge:undisturbed", "faiss:undisturbed-back")
        yield Bar("Documents", count)
        yield Bar("FAISS to Edge, with verification, s", there)
        yield Bar("Edge to FAISS, with verification, s", back)
        seen = move_with_kills(folder, FIRST, EDGE, kills, count, dice)
        seen_back = move_with_kills(folder, EDGE, LAST, kills, count, dice)
        yield Bar("Kills", 2 * kills)
        yield Bar("Different states seen after them", len(set(seen)) + len(set(seen_back)))
        with (
            closing(store_at(folder, FIRST)) as first,
            closing(store_at(folder, EDGE)) as edge,
            closing(store_at(folder, LAST)) as last,
        ):
            for name, store in (("Edge", edge), ("FAISS again", last)):
                found = verify(first, store, "documents")
                differences = found.missing + found.changed + found.revectored + found.extra
                yield Bar(f"Documents that differ in {name}", differences, most=0)
                yield Bar(f"States that differ in {name}", len(found.states), most=0)
            queries = unit(QUERIES, dimension, seed=1)
            with (
                closing(first.open("documents")) as one,
                closing(edge.open("documents")) as two,
                closing(last.open("documents")) as three,
            ):
                expected, *others = (
                    side.search(queries, K, exact=True) for side in (one, two, three)
                )
        for name, found in zip(("Edge", "FAISS again"), others, strict=True):
            differing = sum(
                [hit.id for hit in wanted] != [hit.id for hit in hits]
                or any(
                    abs(a.score - b.score) > TOLERANCE for a, b in zip(wanted, hits, strict=True)
                )
                for wanted, hits in zip(expected, found, strict=True)
            )
            yield Bar(f"Queries of {QUERIES} with another top {K} in {name}", differing, most=0)


@click.command(help=__doc__)
@click.option("--count", default=20_000)
@click.option("--dimension", default=384)
@click.option("--kills", default=5)
@click.option("--seed", default=0)
def main(count: int, dimension: int, kills: int, seed: int) -> None:
    """Measure and report."""
    head = f"{count} x {dimension}, killed {kills} times each way, seed {seed}"
    report("move", [head], bars(count, dimension, kills, seed))


if __name__ == "__main__":
    main()
