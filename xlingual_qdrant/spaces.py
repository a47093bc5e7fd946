"""Where a correction moves vectors to, and how it scores them there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant import corrections
from xlingual_qdrant.corrections import Centres, Components
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.statistics import Statistics

Rescore: TypeAlias = Literal["centered", "csls", "lir", "bridge"]
"""How scores are corrected."""

Scores: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors as a correction moves them, and their scores there.

    spread: the standard deviation of the scores of documents that have nothing to do with each
    other.
    """

    centres: Centres | None
    components: Components | None
    sample: Vectors | None
    spread: float

    def queries(self, vectors: Vectors, tags: Sequence[str]) -> Vectors:
        """Return moved queries, unit rows."""
        if self.components is not None:
            return self.components.without(vectors, tags)
        if self.centres is not None:
            return self.centres.moved_queries(vectors, tags)
        return vectors

    def documents(self, vectors: Vectors, tags: Sequence[str]) -> Vectors:
        """Return moved documents, unit rows."""
        if self.components is not None:
            return self.components.without(vectors, tags)
        if self.centres is not None:
            return self.centres.moved_documents(vectors, tags)
        return vectors

    def scores(
        self,
        placed: Vectors,
        vectors: Vectors,
        moved: NDArray[np.float32],
        query: NDArray[np.float32],
    ) -> Scores:
        """Return the scores of documents. placed, moved: in this space; vectors, query: before."""
        if self.sample is None:
            return (placed @ moved).astype(np.float32)
        cosines = vectors @ query
        k = min(corrections.TOP, len(cosines))
        of_query = np.partition(cosines, -k)[-k:].mean(keepdims=True)
        return corrections.csls(cosines, of_query, corrections.hubness(vectors, self.sample))


def space_of(statistics: Statistics, rescore: Rescore | None) -> Space:
    """Return the space of a correction; None is centring."""
    samples = [sample.vectors for sample in statistics.samples.values()]
    sample = np.concatenate([np.empty((0, statistics.dimension), dtype=np.float32), *samples])
    spread = float(np.std(sample[:256] @ sample.T)) if len(sample) else 0.0
    match rescore:
        case "csls":
            return Space(None, None, sample, spread)
        case "lir":
            return Space(None, corrections.components(statistics), None, spread)
        case _:
            return Space(corrections.centres(statistics), None, None, spread)
