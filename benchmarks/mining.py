"""Bitext mining: thresholds that carry over, thresholds without labels, and speed.

    python benchmarks/mining.py --data EVAL_DIR [--size N] [--only quality]

EVAL_DIR holds the evaluation files (task 5 of its README). F1 for each pair of languages: the best
threshold (oracle), the one that is best on the other pairs (transferred), and the library's own,
which sees no labels; by plain cosine, by what `mine` does by default ("margin": the ratio margin,
lowered for unusual lengths), and by the ratio margin alone. Speed: N x 384 clustered vectors in two
halves, neighbours and margins both ways with k = 4, against the same with plain faiss code,
alternating, with the same threads; both find the same pairs. The report goes to stdout and to
`benchmarks/results/mining.txt` (or `mining-quality.txt`, `mining-speed.txt`); the exit code is 1 if
a bar is missed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

import click
import faiss
import numpy as np
from numpy.typing import NDArray
from reporting import Bar, report

from xlingual_qdrant import Collection
from xlingual_qdrant.queries.evaluation.tables import read_table
from xlingual_qdrant.queries.evaluation.thresholds import (
    Candidates,
    at_threshold,
    best_threshold,
    common_threshold,
)
from xlingual_qdrant.queries.margins import PairMeasure
from xlingual_qdrant.queries.mining.matching import RowPairs, candidates, chosen
from xlingual_qdrant.queries.mining.mining import mine
from xlingual_qdrant.queries.neighbours import Nearest, nearest_both

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
DIMENSION = 384
K = 4
ROUNDS = 3  # speeds are medians of so many
CLUSTER = 25  # vectors about one centre


class Way(NamedTuple):
    """How pairs are scored."""

    measure: PairMeasure
    compare_lengths: bool


WAYS = {
    "cosine": Way("cosine", False),
    "margin": Way("ratio", True),
    "margin alone": Way("ratio", False),
}


class Task(NamedTuple):
    """One pair of languages: rows of both sides, and which ids belong together."""

    left: list[dict[str, str]]
    right: list[dict[str, str]]
    gold: set[tuple[str, str]]


class Scored(NamedTuple):
    """One-to-one pairs, the library's own threshold, and F1 of its best assignment there."""

    pairs: Candidates
    threshold: float
    assigned_f1: float


def tasks_of(data: Path) -> dict[str, Task]:
    """Read the sentences and the pairs that are right."""
    tasks: defaultdict[str, Task] = defaultdict(lambda: Task([], [], set()))
    for row in read_table(data, "mining", ("pair", "side", "id", "lang", "text")):
        task = tasks[row["pair"]]
        (task.left if row["side"] == "left" else task.right).append(row)
    for row in read_table(data, "mining_gold", ("pair", "left_id", "right_id")):
        tasks[row["pair"]].gold.add((row["left_id"], row["right_id"]))
    return dict(tasks)


def scored(collection: Collection, task: Task, way: Way) -> Scored:
    """Mine a pair of languages with every threshold, and with the library's own."""
    sides = [
        [{"id": row["id"], "text": row["text"], "lang": row["lang"]} for row in rows]
        for rows in (task.left, task.right)
    ]

    def correct(pairs: RowPairs) -> NDArray[np.bool_]:
        ids = zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
        return np.array(
            [(task.left[i]["id"], task.right[j]["id"]) in task.gold for i, j in ids], dtype=np.bool_
        )

    options = way._asdict()
    every = mine(collection, *sides, threshold=float("-inf"), **options).pairs
    own = mine(collection, *sides, **options)
    assert not isinstance(own.cuts, dict)
    best = mine(collection, *sides, method="assignment", **options).pairs
    f1 = 2 * correct(best).sum() / (len(best) + len(task.gold))
    found = Candidates(every.scores, correct(every), len(task.gold))
    return Scored(found, own.cuts.threshold, float(f1))


def quality_bars(data: Path) -> Iterator[Bar]:
    """Yield F1, in percent."""
    tasks = tasks_of(data)
    means: dict[str, tuple[float, float, float]] = {}
    with Collection.open("mining", store="memory") as collection:
        for name, way in WAYS.items():
            found = {pair: scored(collection, task, way) for pair, task in tasks.items()}
            oracle, carried, own = [], [], []
            for pair, (pairs, threshold, assigned) in found.items():
                others = [each.pairs for other, each in found.items() if other != pair]
                at = common_threshold(others)
                oracle.append(100 * best_threshold(pairs)[0])
                carried.append(100 * at_threshold(pairs, at).f1)
                own.append(100 * at_threshold(pairs, threshold).f1)
                yield Bar(f"{pair}, {name}: oracle F1", oracle[-1])
                yield Bar(f"  transferred threshold {at:.3f}", carried[-1])
                yield Bar(f"  without labels, threshold {threshold:.3f}", own[-1])
                yield Bar("  without labels, assignment", 100 * assigned)
            means[name] = mean(oracle), mean(carried), mean(own)
    for name, (oracle_mean, carried_mean, own_mean) in means.items():
        yield Bar(f"Mean, {name}: oracle F1", oracle_mean)
        yield Bar(f"Mean, {name}: transferred threshold", carried_mean)
        yield Bar(f"Mean, {name}: without labels", own_mean)
    (_, cosine, _), (oracle_margin, margin, own_margin) = means["cosine"], means["margin"]
    yield Bar("Margin alone above cosine, transferred, F1", means["margin alone"][1] - cosine)
    yield Bar("Margin above cosine, transferred, F1", margin - cosine, least=4)
    yield Bar("Margin: oracle above the one without labels, F1", oracle_margin - own_margin, most=3)


def clustered(count: int, seed: int) -> NDArray[np.float32]:
    """Return unit vectors about random centres."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(max(1, count // CLUSTER), DIMENSION)).astype(np.float32)
    vectors = centres[random.integers(len(centres), size=count)]
    vectors += 0.7 * random.normal(size=(count, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def by_library(left: NDArray[np.float32], right: NDArray[np.float32]) -> RowPairs:
    """Mine with the library."""
    forward, backward = nearest_both(left, right, K)
    return chosen(candidates(forward, backward, "ratio"), "max")


def by_faiss(left: NDArray[np.float32], right: NDArray[np.float32]) -> RowPairs:
    """Mine with two flat indexes, as scripts for mining do; margins and choice are the same."""
    found = []
    for queries, pool in ((left, right), (right, left)):
        index = faiss.IndexFlatIP(DIMENSION)
        index.add(pool)
        found.append(Nearest(*index.search(queries, K)))
    return chosen(candidates(*found, "ratio"), "max")


def speed_bars(size: int) -> Iterator[Bar]:
    """Yield seconds of both, and how much faster the library is."""
    vectors = clustered(size, seed=11)
    left, right = vectors[: size // 2], vectors[size // 2 :]
    nearest_both(left[:2000], right[:2000], K)
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    ways: dict[str, Callable[[NDArray[np.float32], NDArray[np.float32]], RowPairs]] = {
        "library": by_library,
        "faiss": by_faiss,
    }
    pairs: dict[str, RowPairs] = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.perf_counter()
            pairs[name] = way(left, right)
            seconds[name].append(time.perf_counter() - began)
    one, other = (
        {*zip(each.left.tolist(), each.right.tolist(), strict=True)} for each in pairs.values()
    )
    shared = len(one & other) / max(len(one | other), 1)
    yield Bar("Pairs mined", len(one))
    yield Bar("Share of pairs that both find, percent", 100 * shared, least=99.9)
    yield Bar("Library, s", median(seconds["library"]))
    yield Bar("faiss, flat, both ways, s", median(seconds["faiss"]))
    ratios = [a / b for a, b in zip(seconds["library"], seconds["faiss"], strict=True)]
    yield Bar("Library's time / faiss's", median(ratios), most=1)


@click.command(help=__doc__)
@click.option("--data", type=FOLDER, required=True)
@click.option("--size", type=int, default=100_000, show_default=True)
@click.option("--only", type=click.Choice(["quality", "speed"]))
def main(data: Path, size: int, only: str | None) -> None:
    """Measure, report, and fail if a bar is missed."""
    bars: list[Bar] = []
    if only != "speed":
        bars += quality_bars(data)
    if only != "quality":
        bars += speed_bars(size)
    threads = faiss.omp_get_max_threads()
    head = f"bundled model, tasks in percent; speed: {size:,} x {DIMENSION}, {threads} threads"
    report("mining" if only is None else f"mining-{only}", [head], bars)


if __name__ == "__main__":
    main()
