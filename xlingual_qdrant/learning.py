"""What is learned from queries about the shares of languages in their hits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xlingual_qdrant import corrections
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.ranking import Ranker, Ranking
from xlingual_qdrant.statistics import Asked, Statistics
from xlingual_qdrant.whole_documents import WholeDocuments

LEAST_ASKED = 20
"""Queries of a language from which the shares of languages can be learned."""

_AT_ONCE = 128
_GROUPED = Ranking(rescore="centered", prefer="neutral", per_language=corrections.TOP)


def learned_offsets(
    documents: WholeDocuments,
    statistics: Statistics,
    queries: Vectors,
    tags: Sequence[str],
) -> dict[str, Asked]:
    """Return for each language of queries how its hits would have to be shifted.

    queries: shape (n, dimension), unit rows. tags: of them. Languages with fewer than
    `LEAST_ASKED` queries are left out: so few say little about shares.
    """
    known = np.array(tags, dtype=np.str_)
    counts = documents.count_by_language()
    found: dict[str, Asked] = {}
    if not counts:
        return found
    langs = sorted(counts)
    shares = np.array([counts[lang] for lang in langs]) / sum(counts.values())
    ranker = Ranker(documents, lambda: statistics, _GROUPED, where=None, exact=False)
    for tag in dict.fromkeys(tags):
        rows = np.flatnonzero(known == tag)
        if len(rows) < LEAST_ASKED:
            continue
        tops = np.full((len(rows), len(langs), corrections.TOP), -np.inf)
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            scored = ranker.candidates(queries[part], [tag] * len(part), corrections.TOP)
            for number, candidates in enumerate(scored, start):
                for lang, best in candidates.by_tag().items():
                    values = candidates.scores[best[: corrections.TOP]]
                    tops[number, langs.index(lang), : len(values)] = values
        offsets = corrections.fair_offsets(tops, shares)
        found[tag] = Asked(
            0,
            np.zeros(statistics.dimension, dtype=np.float32),
            dict(zip(langs, offsets.tolist(), strict=True)),
            len(rows),
        )
    return found
