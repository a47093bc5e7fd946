"""Is the nearest sentence the translation? Each language and English, both directions."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.evaluation.tables import Embed, Figures, grouped, mean, read_table
from xlingual_qdrant.queries.evaluation.thresholds import TIE

_BLOCK = 1024
_WORST = 5


def tatoeba(embed: Embed, folder: Path) -> Figures:
    """Return the accuracy of each language, the mean, and the worst five.

    The pool is the language's own rows; a text that is the same but for case and punctuation
    counts as the right one.
    """
    scores: dict[str, float] = {}
    rows = read_table(folder, "tatoeba", ("text", "english", "lang"))
    for lang, group in grouped(rows, "lang").items():
        texts, english = [row["text"] for row in group], [row["english"] for row in group]
        there, back = embed(texts), embed(english)
        scores[lang] = mean(
            [nearest_is_own(there, back, english), nearest_is_own(back, there, texts)]
        )
    worst = sorted(scores, key=lambda lang: (scores[lang], lang))[:_WORST]
    return {
        "mean": mean(list(scores.values())),
        "worst": {lang: scores[lang] for lang in worst},
        "languages": {**scores},
    }


def nearest_is_own(queries: Vectors, pool: Vectors, texts: Sequence[str]) -> float:
    """Return the share of queries whose nearest row of the pool is their own, or of its text."""
    return float(own_are_nearest(queries, pool, texts).mean())


def own_are_nearest(queries: Vectors, pool: Vectors, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Say of each query whether its nearest row of the pool is its own, or one of the same text.

    queries, pool: unit rows in the same order. texts: of the pool.
    """
    own = np.unique([plain(text) for text in texts], return_inverse=True)[1]
    found = np.empty(len(queries), dtype=np.bool_)
    for start in range(0, len(queries), _BLOCK):
        cosines = queries[start : start + _BLOCK] @ pool.T
        nearest = cosines >= cosines.max(axis=1, keepdims=True) - TIE
        same = own[None, :] == own[start : start + len(cosines), None]
        found[start : start + len(cosines)] = (nearest & same).any(axis=1)
    return found


def plain(text: str) -> str:
    """Return a text without case, punctuation and superfluous spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = (char if unicodedata.category(char)[0] in "LMN" else " " for char in folded)
    return " ".join("".join(kept).split())
