"""Thresholds and probabilities without labels, from the scores themselves.

The scores of best partners are a mixture: some partners are right, the others are only the best
of the wrong ones. What the wrong ones look like is seen where the right one cannot be. The
constants were chosen on parallel texts of many kinds, none of them in the evaluation data.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi, sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.calibration import Cut

Numbers: TypeAlias = NDArray[np.float64]

ROUNDS = 100
EULER = 0.5772156649015329
APART = 4.0  # spreads of the wrong ones by which the right ones lie higher, until more is known
WIDER = 1.3  # how much more than the wrong ones they are spread
APART_WEIGHT = 1.0  # candidates that this assumption weighs as much as
OWN = 0.3  # what a wrong candidate weighs, beside one of the background, in telling the wrong ones
SPREAD, SPREAD_WEIGHT = 0.1, 2.0  # of wrong scores, and how many of them the assumption weighs
WORTH = 0.5  # the least expected F1 that speaks for right ones being there
SURE = 0.9  # the probability that is asked for otherwise


@dataclass(frozen=True, slots=True)
class Mixture:
    """Wrong scores, whose highest are drawn out (Gumbel), and right ones (normal).

    wrong, right: mean and spread. share: how many are right, 0 to 1.
    """

    wrong: tuple[float, float]
    right: tuple[float, float]
    share: float

    def probabilities(self, rising: Numbers) -> Numbers:
        """Return how likely scores are right, given in rising order.

        What is below the mean of the wrong ones never is, and a higher score is never less likely
        right, whatever the tails of the two say.
        """
        right = self.share * _normal(rising, *self.right)
        wrong = (1 - self.share) * _gumbel(rising, *self.wrong)
        likely = right / np.maximum(right + wrong, 1e-300)
        return np.maximum.accumulate(np.where(rising < self.wrong[0], 0.0, likely))


def cut_from_candidates(candidates: NDArray[np.float32], background: NDArray[np.float32]) -> Cut:
    """Return the threshold with the highest expected F1, and probabilities.

    candidates: the score of each text with its best partner, shape (n,). background: scores of
    texts whose partner cannot be right, shape (m,); best what they get when their best partners
    are taken away and new ones are looked for, as `matching.next_best` does. The two need not
    belong together. Where hardly any partner seems right, only the surest count. Without any
    background there is nothing to compare with, and none counts.
    """
    scores = np.sort(candidates.astype(np.float64))
    wrong = background.astype(np.float64)
    if not len(scores) or not len(wrong):
        highest = float(max(scores.max(initial=0.0), wrong.max(initial=0.0)))
        return _cut(highest + SPREAD, 4 / SPREAD, highest + SPREAD, len(scores))
    mixture = fitted(scores, wrong)
    likely = mixture.probabilities(scores)
    threshold = _best_threshold(scores, likely)
    slope, middle = _logistic(scores, likely, mixture)
    return _cut(threshold, slope, middle, len(scores))


def fitted(scores: Numbers, background: Numbers) -> Mixture:
    """Return the mixture that explains scores in rising order, by expectation and maximisation.

    As many of the background count as are right: a text with a right partner shows what it would
    have found without.
    """
    mean = float(background.mean())
    squares = float(((background - mean) ** 2).sum()) + SPREAD_WEIGHT * SPREAD**2
    variance = squares / (len(background) + SPREAD_WEIGHT)
    spread = sqrt(variance)
    above, width = mean + APART * spread, WIDER * spread
    mixture = Mixture((mean, spread), (above, width), 0.3)
    for _ in range(ROUNDS):
        likely = mixture.probabilities(scores)
        right = float(likely.sum())
        own = OWN * (1 - likely)
        weight, known = float(own.sum()), right + 2
        centre = (float(own @ scores) + known * mean) / (weight + known)
        around = float(own @ (scores - centre) ** 2) + known * (variance + (mean - centre) ** 2)
        higher = (float(likely @ scores) + APART_WEIGHT * above) / (right + APART_WEIGHT)
        beside = float(likely @ (scores - higher) ** 2) + APART_WEIGHT * width**2
        mixture = Mixture(
            (centre, sqrt(around / (weight + known))),
            (higher, sqrt(beside / (right + APART_WEIGHT))),
            (right + 0.5) / (len(scores) + 2),
        )
    return mixture


def _best_threshold(scores: Numbers, likely: Numbers) -> float:
    """Return the threshold with the highest expected F1; scores and probabilities rise."""
    falling, probable = scores[::-1], likely[::-1]
    expected = 2 * np.cumsum(probable) / (np.arange(1, len(scores) + 1) + probable.sum())
    last_of_tie = np.append(falling[1:] < falling[:-1], True)
    best = int(np.argmax(np.where(last_of_tie, expected, -1.0)))
    if expected[best] < WORTH:
        best = int(np.count_nonzero(probable >= SURE)) - 1
    if best < 0:
        return float(np.nextafter(np.float32(falling[0]), np.float32(np.inf)))
    return float(falling[best])


def _logistic(scores: Numbers, likely: Numbers, mixture: Mixture) -> tuple[float, float]:
    """Return slope and middle of the logistic curve nearest to the probabilities.

    Where all are right, or none, the curve of two normal scores decides.
    """
    (wrong, spread), (right, width) = mixture.wrong, mixture.right
    middle, unit = (wrong + right) / 2, (spread + width) / 2
    known = np.array([(right - wrong) / unit, 0.0])  # slope and offset, in units of the spread
    inputs = np.stack([(scores - middle) / unit, np.ones(len(scores))], axis=1)
    found = known.copy()
    for _ in range(ROUNDS):
        now = 1 / (1 + np.exp(-np.clip(inputs @ found, -60, 60)))
        gradient = inputs.T @ (likely - now) - (found - known)
        curvature = (inputs * (now * (1 - now))[:, None]).T @ inputs + np.eye(2)
        step = np.linalg.solve(curvature, gradient).astype(np.float64)
        found = found + np.clip(step, -2, 2)
        if float(np.abs(step).max()) < 1e-6:
            break
    slope = max(float(found[0]), 0.1)
    return slope / unit, middle - unit * float(found[1]) / slope


def _cut(threshold: float, slope: float, middle: float, count: int) -> Cut:
    return Cut(
        threshold=threshold, slope=slope, offset=-slope * middle, pairs=count, method="unlabelled"
    )


def _gumbel(scores: Numbers, mean: float, spread: float) -> Numbers:
    scale = spread * sqrt(6) / pi
    at = np.clip((scores - mean) / scale + EULER, -6, 700)
    return np.exp(-at - np.exp(-at)) / scale


def _normal(scores: Numbers, mean: float, spread: float) -> Numbers:
    return np.exp(-0.5 * ((scores - mean) / spread) ** 2) / (spread * sqrt(2 * pi))
