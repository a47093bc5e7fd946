"""Multinomial logistic regression in NumPy: convex, so that there is one answer.

It solves what scikit-learn's `LogisticRegression` solves, so that nobody needs another library for
it; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.ports import Vectors

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats]]

_MEMORY = 10  # steps that the curvature is estimated from
_TOLERANCE = 1e-5  # of the gradient of the mean loss
_MOST_STEPS = 1000
_HALVINGS = 20
_NOISE = 1e-7  # of a value in single precision


@dataclass(frozen=True, slots=True)
class Logistic:
    """What was learned. weights: shape (dimension, classes). offsets: shape (classes,)."""

    weights: NDArray[np.float32]
    offsets: NDArray[np.float32]

    def probabilities(self, vectors: Vectors) -> NDArray[np.float32]:
        """Return the probability of each class for each row, shape (n, classes)."""
        return softmax(vectors @ self.weights + self.offsets)


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return exp(scores) with each row divided by its sum."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def fit_logistic(
    vectors: Vectors,
    rows: NDArray[np.intp],
    classes: int,
    *,
    strength: float = 1.0,
    balanced: bool = False,
) -> Logistic:
    """Learn to tell classes apart.

    vectors: shape (n, dimension). rows: the class of each, from 0; each of `classes` occurs.
    strength: how much the examples weigh against small weights, scikit-learn's C. balanced: every
    class weighs the same, however many examples it has (`class_weight="balanced"` there). Two
    classes have one vector of weights between them, as there.
    """
    if strength <= 0:
        raise UsageError(f"strength is a number above 0, not {strength!r}")
    examples = np.ascontiguousarray(vectors, dtype=np.float32)
    columns = 1 if classes == 2 else classes
    dimension: int = examples.shape[1]
    # Divided by the weight of all examples, so that the tolerance means the same for any number.
    penalty = 1 / (strength * len(examples))
    each = np.arange(len(examples))
    shares = np.full(len(examples), 1 / len(examples))
    if balanced:
        shares = 1 / (classes * np.bincount(rows, minlength=classes)[rows])
    shares32 = shares.astype(np.float32)[:, None]

    def objective(flat: Floats) -> tuple[float, Floats]:
        # Large products in single precision, as scikit-learn does with such vectors.
        table = flat.reshape(dimension + 1, columns)
        single = table.astype(np.float32)
        scores = examples @ single[:-1] + single[-1]
        if columns == 1:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        scores -= scores.max(axis=1, keepdims=True)
        own = scores[each, rows].astype(np.float64)
        powers = np.exp(scores, out=scores)
        sums = powers.sum(axis=1)
        loss = float(shares @ (np.log(sums.astype(np.float64)) - own))
        powers /= sums[:, None]
        powers[each, rows] -= 1
        errors = powers[:, -columns:] * shares32
        slope = np.empty_like(table)
        slope[:-1] = examples.T @ errors
        slope[:-1] += penalty * table[:-1]
        slope[-1] = errors.sum(axis=0)
        return loss + penalty / 2 * float(np.sum(table[:-1] ** 2)), slope.ravel()

    start: Floats = np.zeros((dimension + 1) * columns)
    found = _lowest(objective, start)
    table = found.reshape(dimension + 1, columns)
    if columns == 1:
        table = np.concatenate([np.zeros_like(table), table], axis=1)
    else:
        # The offsets are known up to a constant; scikit-learn's sum to zero, too.
        table[-1] -= table[-1].mean()
    return Logistic(table[:-1].astype(np.float32), table[-1].astype(np.float32))


def _lowest(objective: Objective, start: Floats) -> Floats:
    """Return where a smooth convex function is lowest (L-BFGS with halved steps)."""
    place = start
    value, slope = objective(place)
    moves: list[tuple[Floats, Floats, float]] = []
    for _ in range(_MOST_STEPS):
        if np.max(np.abs(slope)) < _TOLERANCE:
            break
        direction = -_curved(slope, moves)
        descent = float(slope @ direction)
        # The first step knows nothing of the curvature, so it is one of length 1.
        length = 1.0 if moves else min(1.0, 1 / float(np.linalg.norm(slope)))
        for _ in range(_HALVINGS):
            there = place + length * direction
            new_value, new_slope = objective(there)
            if new_value <= value + 1e-4 * length * descent + _NOISE * abs(value):
                break
            length /= 2
        else:
            break  # no lower within what numbers can tell
        move, change = there - place, new_slope - slope
        curvature = float(move @ change)
        if curvature > 1e-12:
            moves = [*moves[1 - _MEMORY :], (move, change, 1 / curvature)]
        place, value, slope = there, new_value, new_slope
    return place


def _curved(slope: Floats, moves: list[tuple[Floats, Floats, float]]) -> Floats:
    """Return the slope times the inverse curvature that the last moves have shown."""
    result = slope.copy()
    shares: list[float] = []
    for move, change, inverse in reversed(moves):
        share = inverse * float(move @ result)
        shares.append(share)
        result -= share * change
    if moves:
        move, change, _ = moves[-1]
        result *= float(move @ change) / float(change @ change)
    for (move, change, inverse), share in zip(moves, reversed(shares), strict=True):
        result += (share - inverse * float(change @ result)) * move
    return result
