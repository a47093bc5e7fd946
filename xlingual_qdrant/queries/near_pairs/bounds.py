"""Cheap upper bounds of cosines: few numbers show of most pairs that they are not near."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors

_SAMPLE = 8192  # rows that the directions are learned from
_TRIED = 1536  # rows of each side that the directions are tried on
_DIRECTIONS = (16, 24, 32, 48, 64, 96, 128, 192, 256)
_SCAN = 16  # reading a bound costs as much as multiplying so many numbers
_CHECK = 24  # of a pair by itself, each number costs so much more than in a whole block
_ALIKE = 20  # times as many pairs pass a bound among rows that lie near each other
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Bounds:
    """The directions in which vectors differ most.

    directions: shape (dimension, count), orthonormal columns.

    A cosine is the product within the directions plus the product of what lies outside them,
    and the latter is at most the product of the two lengths outside (Cauchy and Schwarz).
    """

    directions: NDArray[np.float32]

    def of(self, vectors: Vectors) -> NDArray[np.float32]:
        """Return rows whose products are upper bounds of the vectors' products.

        Shape (n, count + 1): the coordinates in the directions, and the length outside them.
        """
        made = np.empty((len(vectors), self.directions.shape[1] + 1), dtype=np.float32)
        np.matmul(vectors, self.directions, out=made[:, :-1])
        made[:, -1] = _length_outside(vectors, made[:, :-1])
        return made


def bounds_for(
    left: Vectors, right: Vectors, threshold: float, *, alike: bool = False
) -> Bounds | None:
    """Return the bounds that find the pairs above a threshold soonest; None if none would help.

    left, right: shapes (n, dimension), (m, dimension), unit rows; they may be the same.
    alike: the rows that will be compared are not any, but those that lie near each other.
    """
    dimension = left.shape[1]
    tried = [count for count in _DIRECTIONS if count < dimension * 3 // 4]
    if not tried:
        return None
    generator = np.random.default_rng(0)
    one, other = _some(left, generator, _SAMPLE // 2), _some(right, generator, _SAMPLE // 2)
    moments = one.T @ one + other.T @ other
    directions = np.linalg.eigh(moments)[1][:, ::-1].astype(np.float32)
    one, other = one[:_TRIED] @ directions, other[-_TRIED:] @ directions
    best, least = None, float(dimension + _SCAN)
    products = np.zeros((len(one), len(other)), dtype=np.float32)
    outside = np.ones(len(one), np.float32), np.ones(len(other), np.float32)
    often = _ALIKE if alike else 1
    done = 0
    for count in tried:
        products += one[:, done:count] @ other[:, done:count].T
        outside = _length_outside(one, one[:, :count]), _length_outside(other, other[:, :count])
        passed = np.mean(products + np.outer(*outside) >= threshold)
        cost = count + _SCAN + float(passed) * often * dimension * _CHECK
        if cost < least:
            best, least = count, cost
        done = count
    return None if best is None else Bounds(np.ascontiguousarray(directions[:, :best]))


def _length_outside(vectors: Vectors, inside: Vectors) -> NDArray[np.float32]:
    squares = _squares(vectors) - _squares(inside)
    # Rounding may not make a bound too small.
    return np.sqrt(np.maximum(squares, 0) + np.float32(_ROUNDING))


def _squares(rows: Vectors) -> NDArray[np.float32]:
    summed: NDArray[Any] = np.einsum("ij,ij->i", rows, rows)
    return summed


def _some(vectors: Vectors, generator: np.random.Generator, count: int) -> Vectors:
    if len(vectors) <= count:
        return vectors
    return vectors[np.sort(generator.choice(len(vectors), count, replace=False))]
