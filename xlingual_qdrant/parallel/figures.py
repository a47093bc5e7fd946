"""How well a model puts the two texts of a pair together: a few figures, higher is better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.finetuning import TextPair

ROWS_AT_ONCE = 1024
"""Texts that are compared with all others together: bounds the memory."""
DEPTH = 10
"""Ranks behind this one count nothing."""


class Encoder(Protocol):
    """What is measured: an embedder, or a model that is still learning."""

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, shape (len(texts), dimension)."""
        ...

    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit rows, shape (len(texts), dimension)."""
        ...


def measure(encoder: Encoder, pairs: Sequence[TextPair], *, roles: bool) -> dict[str, float]:
    """Look for each text's partner among all texts of the other side.

    recall_left, recall_right: share of left (right) texts whose partner comes first. mrr: mean of
    1 / rank in both directions, nothing behind rank 10. margin: mean cosine of partners less that
    of all others. Pairs that share a text, directly or by others, are partners of each other.
    roles: the model embeds queries otherwise than documents; then the text that looks is a query.
    """
    left, right = [pair.left for pair in pairs], [pair.right for pair in pairs]
    groups = groups_of(pairs)
    sides = [encoder.embed_documents(side) for side in (left, right)]
    asking = [encoder.embed_queries(side) for side in (left, right)] if roles else sides
    there, near, far = _ranks(asking[0], sides[1], groups)
    back, near_back, far_back = _ranks(asking[1], sides[0], groups)
    both = np.concatenate([there, back])
    return {
        "recall_left": (there == 1).sum().item() / len(pairs),
        "recall_right": (back == 1).sum().item() / len(pairs),
        "mrr": float(np.mean(np.where(both <= DEPTH, 1 / both, 0.0))),
        "margin": (near + near_back - far - far_back) / 2,
    }


def groups_of(pairs: Sequence[TextPair]) -> NDArray[np.int64]:
    """Number the pairs so that those that share a text, directly or by others, have one number."""
    parents = list(range(len(pairs)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    seen: dict[str, int] = {}
    for number, pair in enumerate(pairs):
        for text in (pair.left, pair.right):
            first = seen.setdefault(same_text(text), number)
            parents[root(number)] = root(first)
    return np.array([root(number) for number in range(len(pairs))], dtype=np.int64)


def same_text(text: str) -> str:
    """Return what two texts have in common that differ in case and white space only."""
    return " ".join(text.casefold().split())


def _ranks(
    queries: NDArray[np.float32], documents: NDArray[np.float32], groups: NDArray[np.int64]
) -> tuple[NDArray[np.int64], float, float]:
    """Return the rank of each query's nearest partner, and mean cosines of partners and others."""
    ranks: list[NDArray[np.int64]] = []
    near = far = 0.0
    others = 0
    for first in range(0, len(queries), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        scores = queries[rows] @ documents.T
        partner = groups[rows, None] == groups[None, :]
        best = np.where(partner, scores, -np.inf).max(axis=1, keepdims=True)
        # Of equals the partner counts as the last: a model that puts all in one place finds none.
        ranks.append(1 + ((scores >= best) & ~partner).sum(axis=1))
        near += float(best.sum())
        far += float(scores[~partner].sum())
        others += int((~partner).sum())
    return np.concatenate(ranks), near / len(queries), far / max(others, 1)
