"""Decisions by threshold: F1, and the threshold that gives the highest; knows no texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TIE = 1e-6
"""Two scores closer than this count as equal."""


class Candidates(NamedTuple):
    """Pairs that may be right. gold: how many right ones there are, found or not."""

    scores: NDArray[np.float32]
    correct: NDArray[np.bool_]
    gold: int


class Outcome(NamedTuple):
    """What a threshold reaches, each 0 to 1."""

    precision: float
    recall: float
    f1: float


def best_threshold(candidates: Candidates) -> tuple[float, float]:
    """Return the highest F1 of any cut `score >= threshold`, and its threshold.

    Of equal F1 the highest threshold is taken; (0, infinity) without candidates.
    """
    scores, correct, gold = candidates
    if not len(scores):
        return 0.0, float("inf")
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], np.cumsum(correct[order], dtype=np.int64)
    last_of_equals = np.append(scores[1:] < scores[:-1], True)
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + gold)
    best = int(np.argmax(np.where(last_of_equals, f1, -1.0)))
    return float(f1[best]), float(scores[best])


def at_threshold(candidates: Candidates, threshold: float) -> Outcome:
    """Return what the candidates with at least this score reach; equal is up to TIE."""
    scores, correct, gold = candidates
    taken = scores >= threshold - TIE
    hits, size = int(correct[taken].sum()), int(taken.sum())
    return Outcome(hits / max(size, 1), hits / max(gold, 1), 2 * hits / max(size + gold, 1))


def common_threshold(groups: Sequence[Candidates]) -> float:
    """Return the threshold with the highest mean F1 over groups; of several, the highest."""
    grid = np.unique(np.concatenate([group.scores for group in groups]))[::-1]
    total = np.zeros(len(grid))
    for group in groups:
        order = np.argsort(-group.scores, kind="stable")
        hits = np.concatenate([[0], np.cumsum(group.correct[order])])
        size = np.searchsorted(-group.scores[order], -grid, side="right")
        total += 2 * hits[size] / (size + group.gold)
    return float(grid[int(np.argmax(total))])
