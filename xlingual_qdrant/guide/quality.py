"""How good vectors are: the nearest translation, and degrees of similarity; NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from xlingual_qdrant.guide.texts import Graded, Pair
from xlingual_qdrant.ports import Embedder, Vectors
from xlingual_qdrant.queries.evaluation.correlation import spearman
from xlingual_qdrant.queries.evaluation.tatoeba import own_are_nearest


def translations_found(embedder: Embedder, pairs: Sequence[Pair]) -> dict[str, float]:
    """Return for each language the share of texts whose nearest is their own translation.

    The texts are queries, the translations of all languages together are searched.
    """
    queries = embedder.embed_queries([pair.text for pair in pairs])
    pool = embedder.embed_documents([pair.translation for pair in pairs])
    found = own_are_nearest(queries, pool, [pair.translation for pair in pairs])
    return {
        lang: float(np.mean([found[place] for place in places]))
        for lang, places in _by_language(pairs).items()
    }


def translations_both_ways(
    embedder: Embedder, pairs: Sequence[Pair]
) -> dict[str, tuple[float, float]]:
    """Return for each language how often the translation is the nearest, and the other way round.

    Each language is searched for itself.
    """
    left, right = [pair.text for pair in pairs], [pair.translation for pair in pairs]
    left_queries, right_queries = embedder.embed_queries(left), embedder.embed_queries(right)
    if any(embedder.fingerprint.prompts.values()):
        left_pool, right_pool = embedder.embed_documents(left), embedder.embed_documents(right)
    else:  # a query is embedded like a document: no need to do it twice
        left_pool, right_pool = left_queries, right_queries
    shares: dict[str, tuple[float, float]] = {}
    for lang, places in _by_language(pairs).items():
        there = own_are_nearest(
            left_queries[places], right_pool[places], [right[i] for i in places]
        )
        back = own_are_nearest(right_queries[places], left_pool[places], [left[i] for i in places])
        shares[lang] = float(there.mean()), float(back.mean())
    return shares


def similarity_correlation(embedder: Embedder, graded: Sequence[Graded]) -> dict[str, float]:
    """Return for each group the Spearman correlation of cosines with the scores of people."""
    left = embedder.embed_queries([pair.left for pair in graded])
    right = embedder.embed_queries([pair.right for pair in graded])
    cosines = (left * right).sum(axis=1)
    places: dict[str, list[int]] = {}
    for place, pair in enumerate(graded):
        places.setdefault(pair.group, []).append(place)
    return {
        group: spearman(cosines[rows], np.array([graded[row].score for row in rows]))
        for group, rows in places.items()
    }


def agreement(vectors: Vectors, reference: Vectors) -> tuple[float, float]:
    """Return the least and the mean cosine of the rows of two arrays."""
    cosines = (vectors.astype(np.float64) * reference).sum(axis=1)
    return float(cosines.min()), float(cosines.mean())


def _by_language(pairs: Sequence[Pair]) -> dict[str, list[int]]:
    places = sorted(range(len(pairs)), key=lambda place: pairs[place].lang)
    return {
        lang: list(group) for lang, group in groupby(places, key=lambda place: pairs[place].lang)
    }
