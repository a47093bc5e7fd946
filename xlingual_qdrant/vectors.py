"""Vectors from outside: checked, converted, brought to length 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from xlingual_qdrant.errors import InvalidVectors
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.schema import CollectionSchema


def unit_rows(rows: ArrayLike | Sequence[ArrayLike], dimension: int) -> Vectors:
    """Return rows of length 1, float32, C-contiguous, shape (n, dimension).

    rows: shape (n, dimension), any numbers. Raises InvalidVectors for another shape, for
    values that are not finite, and for a row of zeros, which has no direction.
    """
    try:
        vectors = np.array(rows, dtype=np.float32, order="C")  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError) as exc:
        raise InvalidVectors(f"not an array of numbers with rows of one length: {exc}") from exc
    if vectors.ndim and not len(vectors):
        return np.empty((0, dimension), dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise InvalidVectors(
            f"vectors of {dimension} dimensions are wanted, shape (n, {dimension});"
            f" got shape {vectors.shape}"
        )
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)  # 1e30 squared is no float32
    bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
    if len(bad):
        what = "is all zero" if lengths[bad[0]] == 0 else "has values that are not finite"
        raise InvalidVectors(f"vector {bad[0]} {what}")
    # A row that is unit already stays as it is, bit for bit.
    off = np.abs(lengths - 1) >= 1e-6
    vectors[off] = vectors[off] / lengths[off, None]
    return vectors


def check_rows(vectors: Vectors, count: int, schema: CollectionSchema) -> Vectors:
    """Return float32, C-contiguous rows if a store can take them; raises InvalidVectors.

    vectors: shape (count, dimension of the schema).
    """
    shape, wanted = np.shape(vectors), (count, schema.dimension)
    if shape != wanted:
        raise InvalidVectors(
            f"collection '{schema.name}' holds vectors of {schema.dimension} dimensions and takes"
            f" here an array of shape {wanted}, got {shape}; give one row for each text, made by"
            " the collection's embedder"
        )
    return np.ascontiguousarray(vectors, dtype=np.float32)
