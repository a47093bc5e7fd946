"""Which texts say the same? Decisions by one cosine threshold, judged against known clusters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.errors import UnreadableFile
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.evaluation.tables import Embed, Figures, mean, read_table
from xlingual_qdrant.queries.evaluation.thresholds import (
    Candidates,
    at_threshold,
    best_threshold,
)

_BLOCK = 1024


def dedup(embed: Embed, folder: Path) -> Figures:
    """Return precision, recall and F1 of pairs, within a language and across languages.

    Two texts are duplicates if their cluster is the same. hard_negatives_taken: the share of texts
    that were made by changing a fact, and are taken for the text that they were made from.
    """
    rows = read_table(folder, "dedup", ("text", "id", "lang", "cluster"))
    vectors = embed([row["text"] for row in rows])
    clusters = np.unique([row["cluster"] for row in rows], return_inverse=True)[1]
    langs = np.unique([row["lang"] for row in rows], return_inverse=True)[1]
    half = np.array([_number(row["cluster"], folder) % 2 for row in rows])
    row_of = {row["id"]: number for number, row in enumerate(rows)}
    changed = [
        (row_of[row["id"]], row_of[row["of"]])
        for row in read_table(folder, "dedup_origin", ("id", "kind", "of"))
        if row["kind"].startswith("changed:") and row["id"] in row_of and row["of"] in row_of
    ]
    figures: Figures = {}
    for name, same_language in (("same_language", True), ("cross_language", False)):

        def candidates(chosen: NDArray[np.int64], same: bool = same_language) -> Candidates:
            return pairs_of(vectors[chosen], clusters[chosen], langs[chosen], same_language=same)

        parts = candidates(np.arange(len(rows)))
        threshold = best_threshold(parts)[1]
        reached = at_threshold(parts, threshold)
        one, other = (candidates(np.flatnonzero(half == number)) for number in (0, 1))
        tempting = [
            float(vectors[i] @ vectors[j] >= threshold)
            for i, j in changed
            if (langs[i] == langs[j]) == same_language
        ]
        figures[name] = {
            "oracle_F1": reached.f1,
            "precision": reached.precision,
            "recall": reached.recall,
            "threshold": threshold,
            "half_F1": mean(
                [
                    at_threshold(other, best_threshold(one)[1]).f1,
                    at_threshold(one, best_threshold(other)[1]).f1,
                ]
            ),
            "hard_negatives_taken": mean(tempting),
        }
    return figures


def pairs_of(
    vectors: Vectors,
    clusters: NDArray[np.int64],
    langs: NDArray[np.int64],
    *,
    same_language: bool,
) -> Candidates:
    """Return all unordered pairs of rows within a language, or else across languages."""
    scores: list[NDArray[np.float32]] = []
    correct: list[NDArray[np.bool_]] = []
    numbers = np.arange(len(vectors))
    for start in range(0, len(vectors), _BLOCK):
        rows = slice(start, start + _BLOCK)
        wanted = (langs[rows, None] == langs[None, :]) == same_language
        wanted &= numbers[rows, None] < numbers[None, :]
        scores.append((vectors[rows] @ vectors.T)[wanted])
        correct.append((clusters[rows, None] == clusters[None, :])[wanted])
    right = np.concatenate(correct)
    return Candidates(np.concatenate(scores), right, int(right.sum()))


def _number(cluster: str, folder: Path) -> int:
    try:
        return int(cluster[1:])
    except ValueError:
        detail = f"cluster {cluster[:40]!r} is no letter with a number, such as c12"
        raise UnreadableFile(str(folder / "dedup"), "type", detail) from None
