"""Duplicates with hard negatives: the library's defaults against one cosine threshold.

python benchmarks/dedup.py --data FOLDER
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from reporting import Bar, report

from xlingual_qdrant import Collection
from xlingual_qdrant.queries.corpus import Corpus, corpus_of_documents
from xlingual_qdrant.queries.duplicates.across import cross_duplicates
from xlingual_qdrant.queries.duplicates.deciding import NEAR, Guarded, near_duplicates, read_texts
from xlingual_qdrant.queries.duplicates.guards import GUARDS


def table(file: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a table of the evaluation data."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)


class Truth:
    """What is a duplicate of what, and how decisions compare with it."""

    def __init__(self, folder: Path) -> None:
        self.rows = list(table(folder / "dedup.tsv.gz"))
        self.clusters = np.unique([row["cluster"] for row in self.rows], return_inverse=True)[1]
        self.langs = np.unique([row["lang"] for row in self.rows], return_inverse=True)[1]
        row_of = {row["id"]: number for number, row in enumerate(self.rows)}
        self.changed = [
            (row_of[row["id"]], row_of[row["of"]], row["kind"])
            for row in table(folder / "dedup_origin.tsv.gz")
            if row["kind"].startswith("changed:")
        ]
        self.noise = [
            (row_of[row["id"]], row_of[row["of"]], row["kind"])
            for row in table(folder / "dedup_origin.tsv.gz")
            if row["kind"].startswith("noise:")
        ]

    def judged(self, taken: NDArray[np.bool_], *, same: bool) -> dict[str, float]:
        """Return the figures of decisions, shape (n, n), within a language or across languages."""
        asked = np.triu(np.ones(taken.shape, dtype=np.bool_), 1)
        asked &= (self.langs[:, None] == self.langs[None, :]) == same
        gold = asked & (self.clusters[:, None] == self.clusters[None, :])
        called = asked & (taken | taken.T)
        right = int((gold & called).sum())
        precision, recall = right / max(1, int(called.sum())), right / int(gold.sum())
        tempting = [
            bool(taken[i, j] | taken[j, i])
            for i, j, _ in self.changed
            if (self.langs[i] == self.langs[j]) == same
        ]
        return {
            "F1": 200 * precision * recall / max(1e-9, precision + recall),
            "precision": 100 * precision,
            "recall": 100 * recall,
            "hard negatives taken": 100 * float(np.mean(tempting)) if tempting else 0.0,
        }

    def oracle(self, cosines: NDArray[np.float32], *, same: bool) -> float:
        """Return the cosine threshold of the best F1: what nobody knows beforehand."""
        asked = np.triu(np.ones(cosines.shape, dtype=np.bool_), 1)
        asked &= (self.langs[:, None] == self.langs[None, :]) == same
        scores = cosines[asked]
        right = (self.clusters[:, None] == self.clusters[None, :])[asked]
        order = np.argsort(-scores, kind="stable")[: 20 * int(right.sum())]
        hits = np.cumsum(right[order])
        f1 = 2 * hits / (np.arange(1, len(order) + 1) + int(right.sum()))
        return float(scores[order[int(np.argmax(f1))]]) - 1e-6


def decisions(corpus: Corpus, *, guards: bool = True) -> dict[str, NDArray[np.bool_]]:
    """Return what the library decides about all pairs, with its defaults."""
    texts = read_texts(corpus)
    guarded = Guarded(corpus, GUARDS if guards else ())
    near = near_duplicates(corpus, texts.groups, guarded)
    across = cross_duplicates(corpus, texts.groups, texts.first, near, guarded)
    made = np.zeros((len(corpus), len(corpus)), dtype=np.bool_)
    left, right, _ = near.pairs.arrays()
    made[left, right] = True
    made |= texts.first[:, None] == texts.first[None, :]
    left, right, _ = across.pairs.arrays()
    linked = np.zeros_like(made)
    linked[across.same[left], across.same[right]] = True
    return {"near": made, "cross": linked[np.ix_(across.same, across.same)]}


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--embedder", default="bundled")
@click.option("--details", is_flag=True, help="Print what each kind of noise and change came to.")
def main(data: Path, embedder: str, details: bool) -> None:
    """Measure duplicates on `dedup.tsv.gz` of a folder."""
    truth = Truth(data)
    settings = {"store": "memory", "embedder": embedder, "stores": {"memory": {"kind": "memory"}}}
    with Collection.open(settings=settings) as collection:
        given = [{"id": r["id"], "text": r["text"], "lang": r["lang"]} for r in truth.rows]
        corpus = corpus_of_documents(collection, given)
    cosines = corpus.vectors @ corpus.vectors.T
    bars: list[Bar] = []
    ours = decisions(corpus)
    unguarded = decisions(corpus, guards=False)
    for name, kind, same in (("same language", "near", True), ("across languages", "cross", False)):
        found = truth.judged(ours[kind], same=same)
        oracle = truth.oracle(cosines, same=same)
        plain = truth.judged(cosines >= oracle, same=same)
        least = 85.0 if same else plain["F1"] + 8
        for figure, value in found.items():
            least_here = least if figure == "F1" else None
            most = 40.0 if same and figure.startswith("hard") else None
            bars.append(Bar(f"{name}: {figure}", value, least_here, most))
        for figure, value in truth.judged(unguarded[kind], same=same).items():
            bars.append(Bar(f"{name}, without guards: {figure}", value))
        for figure, value in plain.items():
            bars.append(Bar(f"{name}, cosine {oracle:.3f} (oracle): {figure}", value))
    if details:
        for kind, wanted, listed in (
            ("noise", True, truth.noise),
            ("changed", False, truth.changed),
        ):
            counts: dict[str, list[bool]] = {}
            for i, j, what in listed:
                if truth.langs[i] == truth.langs[j]:
                    taken = bool(ours["near"][i, j] | ours["near"][j, i])
                    counts.setdefault(what, []).append(taken == wanted)
            for what, right in sorted(counts.items()):
                print(f"{kind:<10}{what:<40}{sum(right):>5} of {len(right)} right")
    head = [f"Duplicates in {data.name}: {len(truth.rows)} texts, near from cosine {NEAR} on"]
    report("dedup", head, bars)


if __name__ == "__main__":
    main()
