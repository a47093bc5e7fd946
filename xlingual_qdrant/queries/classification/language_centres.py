"""Where the texts of a language lie in the middle, and vectors seen from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.collection import Collection, Langs
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.languages import UNDETERMINED
from xlingual_qdrant.ports import Vectors

Centres: TypeAlias = Mapping[str, NDArray[np.float32]]
"""The mean vector of each language by its tag, shape (dimension,)."""

FEW = 20
"""Texts of a language of which the mean is hardly more than luck."""


def language_centres(
    collection: Collection, *, langs: Langs | None = None, where: Filter | str | None = None
) -> dict[str, NDArray[np.float32]]:
    """Return the mean vector of each language of a collection that has 20 documents or more."""
    sums: dict[str, NDArray[np.float64]] = {}
    counts: dict[str, int] = {}
    for batch in collection.batches(langs=langs, where=where, with_vectors=True):
        if batch.vectors is None:
            continue
        tags = np.array([document.lang for document in batch.documents], dtype=np.str_)
        for tag in np.unique(tags).tolist():
            rows = batch.vectors[tags == tag]
            sums[tag] = sums.get(tag, 0) + rows.sum(axis=0, dtype=np.float64)
            counts[tag] = counts.get(tag, 0) + len(rows)
    return {
        tag: (sums[tag] / count).astype(np.float32)
        for tag, count in counts.items()
        if count >= FEW and tag != UNDETERMINED
    }


def centres_of(
    vectors: Vectors, langs: Sequence[str], *, least: int = 1
) -> dict[str, NDArray[np.float32]]:
    """Return the mean of the vectors of each language that has `least` of them."""
    tags = np.array(langs, dtype=np.str_)
    found = {tag: vectors[tags == tag] for tag in np.unique(tags).tolist()}
    return {tag: rows.mean(axis=0) for tag, rows in found.items() if len(rows) >= least}


def centred(vectors: Vectors, langs: Sequence[str], centres: Centres, otherwise: str) -> Vectors:
    """Return vectors less the centre of their language, brought to length 1.

    A language without a centre takes that of its base language, else of `otherwise`.
    """
    tags = np.array(langs, dtype=np.str_)
    moved = vectors.copy()
    for tag in np.unique(tags).tolist():
        keys = (tag, tag.partition("-")[0], otherwise)
        centre = next((centres[key] for key in keys if key in centres), None)
        if centre is not None:
            moved[tags == tag] -= centre
    lengths: NDArray[np.float32] = np.linalg.norm(moved, axis=1, keepdims=True)
    # A vector that is its language's centre says nothing; it stays where it was.
    return np.where(lengths > 1e-6, moved / np.maximum(lengths, 1e-6), vectors)
