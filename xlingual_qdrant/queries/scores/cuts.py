"""From scores with labels to thresholds and probabilities: the arithmetic of a calibration.

The probability is a logistic curve over the score, fitted as Platt proposes (Probabilistic outputs
for support vector machines, 1999), with his smoothed targets and the Newton steps of Lin, Lin and
Weng (A note on Platt's probabilistic outputs for support vector machines, Machine Learning 68,
2007). The threshold is the one with the highest F1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.calibration import ANY, SAME, Bin, Cut, is_same

Floats: TypeAlias = NDArray[np.float64]

SHRINK = 50.0
"""Weight of the pairs of all languages together beside those of one: as of so many pairs."""
FOLDS = 5
"""Parts that the pairs are held out in, one after the other."""
BINS = 10
_POOLED = 4000  # pairs that stand for those of all languages
_LEAST_HELD_OUT = 10  # pairs, below which an F1 is hardly more than luck
_STEPS = 100
_STEEPEST = 200.0


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of pairs, whether they are the same, and how much each counts; shapes are (n,).

    rows: pairs of one row have a text in common, so they are held out together.
    """

    scores: Floats
    same: NDArray[np.bool_]
    weights: Floats
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def part(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Scored:
        """Return some of the pairs."""
        return Scored(
            self.scores[chosen], self.same[chosen], self.weights[chosen], self.rows[chosen]
        )

    def weighing(self, total: float) -> Scored:
        """Return the same pairs with other weights, of this sum."""
        weights = self.weights * (total / max(float(self.weights.sum()), 1e-12))
        return Scored(self.scores, self.same, weights, self.rows)


def joined(parts: Iterable[Scored]) -> Scored:
    """Return the pairs of all parts; the rows of different parts have nothing in common."""
    listed = list(parts)
    if not listed:
        empty = np.empty(0)
        return Scored(empty, empty.astype(np.bool_), empty, empty.astype(np.int64))
    ends = np.cumsum([0, *(int(part.rows.max(initial=-1)) + 1 for part in listed)])
    return Scored(
        np.concatenate([part.scores for part in listed]),
        np.concatenate([part.same for part in listed]),
        np.concatenate([part.weights for part in listed]),
        np.concatenate([part.rows + end for part, end in zip(listed, ends, strict=False)]),
    )


class Curve(NamedTuple):
    """The probability at a score is 1 / (1 + exp(-(slope * score + offset)))."""

    slope: float
    offset: float

    def probabilities(self, scores: Floats) -> Floats:
        """Return how likely pairs with these scores are the same."""
        return 1 / (1 + np.exp(-np.clip(self.slope * scores + self.offset, -60, 60)))


def platt(pairs: Scored) -> Curve:
    """Fit the curve; it never falls, so that a higher score is never less likely."""
    scores, weights = pairs.scores, pairs.weights
    positive = float(weights[pairs.same].sum())
    negative = float(weights[~pairs.same].sum())
    targets = np.where(pairs.same, (positive + 1) / (positive + 2), 1 / (negative + 2))
    # Around their mean, slope and offset hardly depend on each other, and few steps are enough.
    total = max(positive + negative, 1e-12)
    centre = float(weights @ scores) / total
    x = scores - centre
    slope, offset = 0.0, float(np.log((positive + 1) / (negative + 1)))

    def loss(slope: float, offset: float) -> float:
        z = slope * x + offset
        return float(weights @ (np.logaddexp(0, z) - targets * z))

    current = loss(slope, offset)
    for _ in range(_STEPS):
        p = Curve(slope, offset).probabilities(x)
        off, curvature = weights * (p - targets), weights * p * (1 - p)
        gradient = np.array([off @ x, off.sum()])
        cross = float(curvature @ x)
        hessian = np.array([[curvature @ (x * x), cross], [cross, curvature.sum()]])
        step = np.linalg.solve(hessian + 1e-9 * np.eye(2), gradient)
        length = 1.0
        while length > 1e-8:
            new = slope - length * step[0], offset - length * step[1]
            reached = loss(*new)
            if reached <= current - 1e-4 * length * float(gradient @ step):
                break
            length /= 2
        else:
            break
        slope, offset, current = *new, reached
        if float(np.abs(gradient).max()) < 1e-6 * total:
            break
    slope = float(np.clip(slope, 0, _STEEPEST))
    return Curve(slope, offset - slope * centre)


def best_threshold(pairs: Scored) -> float:
    """Return the score from which on pairs count as the same, so that F1 is highest.

    It lies in the middle between two scores that were met; of several the highest. Where no pair
    is the same, it lies above all scores.
    """
    if not pairs.same.any():
        return float(pairs.scores.max(initial=1.0)) + 1e-3
    order = np.argsort(-pairs.scores, kind="stable")
    scores, weights = pairs.scores[order], pairs.weights[order]
    right = np.cumsum(np.where(pairs.same[order], weights, 0.0))
    f1 = 2 * right / (np.cumsum(weights) + right[-1])
    # Equal scores are taken together or not at all.
    ends = np.flatnonzero(np.append(scores[1:] < scores[:-1], True))
    best = int(ends[int(np.argmax(f1[ends]))])
    below = scores[best + 1] if best + 1 < len(scores) else scores[best] - 1e-3
    return float((scores[best] + below) / 2)


def f1_at(pairs: Scored, threshold: float) -> float:
    """Return the F1 of calling pairs the same from this score on, 0 to 1."""
    taken = pairs.scores >= threshold
    right = float(pairs.weights[taken & pairs.same].sum())
    taken_or_same = float(pairs.weights[taken].sum() + pairs.weights[pairs.same].sum())
    return 2 * right / taken_or_same if taken_or_same else 0.0


def reliability(probabilities: Floats, same: NDArray[np.bool_], weights: Floats) -> list[Bin]:
    """Put pairs of about the same probability together; bins without pairs are left out."""
    places = np.minimum((probabilities * BINS).astype(np.int64), BINS - 1)
    bins: list[Bin] = []
    for place in np.unique(places).tolist():
        chosen = places == place
        weight = float(weights[chosen].sum())
        if weight > 0:
            bins.append(
                Bin(
                    pairs=round(weight, 1),
                    predicted=round(float(weights[chosen] @ probabilities[chosen]) / weight, 4),
                    observed=round(float(weights[chosen] @ same[chosen]) / weight, 4),
                )
            )
    return bins


def calibration_error(bins: Iterable[Bin]) -> float:
    """Return the expected calibration error, 0 to 1: by how much probabilities are off.

    Naeini, Cooper and Hauskrecht 2015: the mean distance of predicted and observed, by pairs.
    """
    listed = list(bins)
    total = sum(each.pairs for each in listed)
    off = sum(each.pairs * abs(each.predicted - each.observed) for each in listed)
    return off / total if total else 0.0


class Learned(NamedTuple):
    """Cuts by pair of languages, with `ANY` and `SAME`, and whether their probabilities hold."""

    cuts: dict[str, Cut]
    bins: list[Bin]


def learn_cuts(
    samples: Mapping[str, Scored], *, on_progress: Callable[[int, int], None] | None = None
) -> Learned:
    """Learn a cut for each pair of languages, and those for pairs that are not among the samples.

    samples: keys are `pair_key`s. A small sample is shrunk towards all pairs of its kind, in one
    language or across languages, together: these take part as `SHRINK` pairs. F1 and reliability
    are measured on pairs that took no part: each fifth is held out once.
    """
    same = {key: sample for key, sample in samples.items() if is_same(key)}
    across = {key: sample for key, sample in samples.items() if not is_same(key)}
    total = FOLDS * len(samples)
    kinds = [
        _learn_kind(
            kind, name, lambda done, before=before: _tell(on_progress, done + before, total)
        )
        for kind, name, before in ((across, ANY, 0), (same, SAME, FOLDS * len(across)))
        if kind
    ]
    cuts = {key: cut for kind in kinds for key, cut in kind.cuts.items()}
    if SAME in cuts:
        cuts.setdefault(ANY, cuts[SAME])  # nothing is known across languages, this is the nearest
    held_out = [kind.held_out for kind in kinds]
    predicted = [part.probabilities for part in held_out]
    if not predicted:
        return Learned({}, [])
    pairs = joined([part.pairs for part in held_out])
    return Learned(cuts, reliability(np.concatenate(predicted), pairs.same, pairs.weights))


class _HeldOut(NamedTuple):
    probabilities: Floats
    pairs: Scored


class _Kind(NamedTuple):
    cuts: dict[str, Cut]
    held_out: _HeldOut


def _learn_kind(
    samples: Mapping[str, Scored], name: str, on_progress: Callable[[int], None]
) -> _Kind:
    everything = joined(samples.values())
    pooled = _subset(everything)
    folds = {key: _folds(sample) for key, sample in samples.items()}
    parts: dict[str, list[tuple[Scored, float]]] = {key: [] for key in (*samples, name)}
    predicted = {key: np.zeros(len(sample)) for key, sample in samples.items()}
    for fold in range(FOLDS):
        rest = {key: sample.part(folds[key] != fold) for key, sample in samples.items()}
        others = _subset(joined(rest.values()))
        common = best_threshold(others)
        for done, (key, sample) in enumerate(rest.items(), 1):
            mixed = joined([sample, others.weighing(SHRINK)])
            out = folds[key] == fold
            held_out = samples[key].part(out)
            parts[key].append((held_out, best_threshold(mixed)))
            parts[name].append((held_out, common))
            predicted[key][out] = platt(mixed).probabilities(held_out.scores)
            on_progress(fold * len(samples) + done)
    cuts = {
        key: _cut(joined([sample, pooled.weighing(SHRINK)]), sample, parts[key])
        for key, sample in samples.items()
    }
    cuts[name] = _cut(pooled, everything, parts[name])
    return _Kind(cuts, _HeldOut(np.concatenate(list(predicted.values())), everything))


def _tell(on_progress: Callable[[int, int], None] | None, done: int, total: int) -> None:
    if on_progress is not None:
        on_progress(done, total)


def _cut(learned: Scored, sample: Scored, held_out: list[tuple[Scored, float]]) -> Cut:
    curve, f1 = platt(learned), _f1_of(held_out)
    return Cut(
        threshold=round(best_threshold(learned), 4),
        slope=round(curve.slope, 3),
        offset=round(curve.offset, 3),
        pairs=len(np.unique(sample.rows)),
        method="labels",
        f1=None if f1 is None else round(f1, 4),
    )


def _f1_of(held_out: Iterable[tuple[Scored, float]]) -> float | None:
    """Return the F1 over all parts, each at its own threshold; None for too few pairs."""
    right = taken_or_same = 0.0
    count = 0
    for part, threshold in held_out:
        taken = part.scores >= threshold
        right += float(part.weights[taken & part.same].sum())
        taken_or_same += float(part.weights[taken].sum() + part.weights[part.same].sum())
        count += int(part.same.sum())
    return 2 * right / taken_or_same if count >= _LEAST_HELD_OUT and taken_or_same else None


def _folds(sample: Scored) -> NDArray[np.int64]:
    """Return for each pair the fold in which it is held out; one row is in one fold."""
    _, place = np.unique(sample.rows, return_inverse=True)
    order = np.random.default_rng(0).permutation(int(place.max(initial=-1)) + 1)
    return (order % FOLDS)[place]


def _subset(pairs: Scored) -> Scored:
    """Return as many of the pairs as are needed to know them all."""
    if len(pairs) <= _POOLED:
        return pairs
    chosen = np.random.default_rng(0).choice(len(pairs), _POOLED, replace=False)
    return pairs.part(np.sort(chosen))
