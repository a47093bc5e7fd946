"""Which document of several that say the same is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import UnknownName, UsageError
from xlingual_qdrant.languages import split_langs, tag_matches
from xlingual_qdrant.queries.corpus import Corpus

Keep: TypeAlias = str | Callable[[Sequence[Document]], Document]
"""`longest`, `first`, `prefer-lang en,de`, or a function that returns one of the documents."""

RULES = ("longest", "first", "prefer-lang")


def priorities(
    keep: Keep, corpus: Corpus, lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Callable[[Sequence[int]], int]]:
    """Return the rank of each row, the lowest to be kept, and what chooses among rows.

    lengths: characters of each row's text. Equal rows are taken in their order. Raises UnknownName,
    UnknownLanguage, UsageError.
    """
    rows = np.arange(len(corpus), dtype=np.int64)
    if not isinstance(keep, str):
        return rows, lambda among: _chosen(keep, corpus, among)
    rule, _, tags = keep.strip().partition(" ")
    if tags and rule in ("longest", "first"):
        raise UsageError(f"the rule {rule!r} stands alone, without {tags!r}")
    match rule:
        case "first":
            rank = rows
        case "longest":
            rank = _ranked(-lengths)
        case "prefer-lang":
            wanted, unwanted = split_langs([tag.strip() for tag in tags.split(",") if tag.strip()])
            if not wanted or unwanted:
                raise UsageError("prefer-lang names languages, the best first: 'prefer-lang en,de'")
            places = {
                tag: next((at for at, want in enumerate(wanted) if tag_matches(want, tag)), 99)
                for tag in set(corpus.langs.tolist())
            }
            place = np.array([places[tag] for tag in corpus.langs.tolist()], dtype=np.int64)
            rank = _ranked(place, -lengths)
        case _:
            raise UnknownName("rule of what to keep", rule, RULES)
    return rank, lambda among: min(among, key=lambda row: int(rank[row]))


def _ranked(*keys: NDArray[np.int64]) -> NDArray[np.int64]:
    order = np.lexsort(keys[::-1])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def _chosen(
    keep: Callable[[Sequence[Document]], Document], corpus: Corpus, among: Sequence[int]
) -> int:
    documents = corpus.read(list(among))
    chosen = keep(documents)
    for row, document in zip(among, documents, strict=True):
        if document is chosen or document.id == chosen.id:
            return row
    raise UsageError(f"keep returned document {chosen.id!r}, which it was not given")
