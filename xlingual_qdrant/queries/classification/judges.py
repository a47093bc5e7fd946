"""The ways to tell which class a vector belongs to: each gives a probability for every class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.documents import Hit
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.ports import StoredCollection, Vectors
from xlingual_qdrant.queries.classification.labelled_documents import label_of
from xlingual_qdrant.queries.classification.labels import Label, classes_of
from xlingual_qdrant.queries.classification.logistic import Logistic, softmax
from xlingual_qdrant.queries.neighbours import nearest

Probabilities = NDArray[np.float32]
"""Shape (n, classes), rows that sum to 1."""

SHARPNESS = 10.0
"""A neighbour's vote is exp(SHARPNESS * cosine)."""


class Judge(Protocol):
    """Gives probabilities for the classes of a classifier, in their order."""

    def probabilities(self, vectors: Vectors, ids: Sequence[str] | None = None) -> Probabilities:
        """Return probabilities for unit rows, shape (n, classes).

        ids: of the documents that the vectors are of; a document has no say in its own case.
        """
        ...


@dataclass(frozen=True, slots=True)
class ByWeights:
    """Logistic regression."""

    learned: Logistic

    def probabilities(self, vectors: Vectors, ids: Sequence[str] | None = None) -> Probabilities:
        """Return the probabilities that the weights give."""
        return self.learned.probabilities(vectors)


@dataclass(frozen=True, slots=True)
class ByNeighbours:
    """The nearest examples vote. rows: the class of each example. k: how many vote."""

    examples: Vectors
    rows: NDArray[np.intp]
    classes: int
    k: int

    def probabilities(self, vectors: Vectors, ids: Sequence[str] | None = None) -> Probabilities:
        """Return the shares of the votes."""
        found = nearest(vectors, self.examples, self.k)
        counts = np.bincount(self.rows, minlength=self.classes)
        return votes(found.scores, self.rows[found.rows], counts)


@dataclass(frozen=True, slots=True)
class ByBoth:
    """The mean of what weights and neighbours say: near the better of the two, or above it."""

    weights: ByWeights
    neighbours: ByNeighbours

    def probabilities(self, vectors: Vectors, ids: Sequence[str] | None = None) -> Probabilities:
        """Return the mean of both probabilities."""
        one, other = self.weights.probabilities(vectors), self.neighbours.probabilities(vectors)
        return np.float32(0.5) * (one + other)


@dataclass(frozen=True, slots=True)
class ByDescriptions:
    """The nearest description decides. rows: the class of each. sharpness: of the probabilities."""

    descriptions: Vectors
    rows: NDArray[np.intp]
    classes: int
    sharpness: float

    def probabilities(self, vectors: Vectors, ids: Sequence[str] | None = None) -> Probabilities:
        """Return a softmax of the cosines with the middle of each class's descriptions."""
        middles = np.zeros((self.classes, self.descriptions.shape[1]), dtype=np.float32)
        np.add.at(middles, self.rows, self.descriptions)
        middles /= np.maximum(np.linalg.norm(middles, axis=1, keepdims=True), 1e-12)
        return softmax(np.float32(self.sharpness) * (vectors @ middles.T))


@dataclass(slots=True)
class ByCollection:
    """The nearest labelled documents of a collection vote, as they are when it is asked.

    label: the metadata field. where: which documents have a say. classes: grows if a label turns
    up that was not there before. counts: documents of each class.
    """

    stored: StoredCollection
    label: str
    where: Filter
    classes: list[Label]
    counts: list[int]
    k: int
    exact: bool = False
    _places: dict[Label, int] = field(default_factory=dict[Label, int])

    def __post_init__(self) -> None:
        self._places = {label: place for place, label in enumerate(self.classes)}

    def probabilities(self, vectors: Vectors, ids: Sequence[str] | None = None) -> Probabilities:
        """Return the shares of the votes of what is near now."""
        wanted = self.k if ids is None else self.k + 1
        answers = self.stored.search(vectors, wanted, where=self.where, exact=self.exact)
        if ids is not None:
            answers = [
                [hit for hit in hits if hit.id != id][: self.k]
                for hits, id in zip(answers, ids, strict=True)
            ]
        scores = np.full((len(vectors), self.k), -np.inf, dtype=np.float32)
        rows = np.zeros((len(vectors), self.k), dtype=np.intp)
        for place, hits in enumerate(answers):
            scores[place, : len(hits)] = [hit.score for hit in hits]
            rows[place, : len(hits)] = [self._place(hit) for hit in hits]
        return votes(scores, rows, np.array(self.counts))

    def _place(self, hit: Hit) -> int:
        label = label_of(hit.document, self.label)
        if label not in self._places:
            # Also refuses a label of another type, which could not be told from the others.
            classes_of([*self.classes, label], f"field '{self.label}'")
            self._places[label] = len(self.classes)
            self.classes.append(label)
            self.counts.append(1)
        return self._places[label]


def votes(
    scores: NDArray[np.float32], rows: NDArray[np.intp], counts: NDArray[np.int64]
) -> Probabilities:
    """Return each class's share of the votes of neighbours.

    scores: cosines, shape (n, k), -inf where there is no neighbour. rows: their classes. counts:
    examples of each class. A near neighbour's vote weighs more, and one of a class with many
    examples less: by the root of their number. Without any neighbour all classes are as likely.
    """
    weights = np.exp(SHARPNESS * scores.astype(np.float64)) / np.sqrt(np.maximum(counts, 1))[rows]
    table = np.zeros((len(scores), len(counts)))
    np.add.at(table, (np.arange(len(scores))[:, None], rows), weights)
    sums = table.sum(axis=1, keepdims=True)
    even = 1 / max(1, len(counts))
    shares = np.divide(table, sums, out=np.full_like(table, even), where=sums > 0)
    return shares.astype(np.float32)


def counted_labels(labels: Sequence[Label], classes: Sequence[Label]) -> list[int]:
    """Return how often each class occurs."""
    found = Counter(labels)
    return [found[label] for label in classes]
