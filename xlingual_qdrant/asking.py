"""What comes before a search: conditions, the languages of queries, how near is near enough."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlingual_qdrant.calibration import Calibration
from xlingual_qdrant.documents import Hit
from xlingual_qdrant.errors import InvalidFilter, UsageError
from xlingual_qdrant.filter_syntax import parse
from xlingual_qdrant.filters import Filter, combine, language_filter
from xlingual_qdrant.languages import UNDETERMINED, canonical, split_langs
from xlingual_qdrant.ports import LanguageDetector
from xlingual_qdrant.schema import CollectionSchema

Langs: TypeAlias = str | Sequence[str]
"""Language tags wanted, or with a leading "!" unwanted: `["fr", "de"]`, `"!en"`."""
MinScore: TypeAlias = float | Literal["calibrated"]
"""The least score of a hit; "calibrated": what says the same as the query, see `calibration`."""


def as_condition(where: Filter | str | None, langs: Langs | None) -> Filter | None:
    """Return both conditions as one filter; None without any."""
    tags = [langs] if isinstance(langs, str) else langs
    if tags is not None and not tags:
        raise UsageError("langs is empty: leave it out for all languages")
    condition = parse(where) if isinstance(where, str) else where
    if condition is not None and not isinstance(condition, get_args(Filter)):
        raise InvalidFilter(
            "a filter is a comparison such as F('price') < 10, or a text such as 'price < 10',"
            f" not {reprlib.repr(condition)}"
        )
    return combine(language_filter(*split_langs(tags or [])), condition)


def as_queries(query: str | ArrayLike, schema: CollectionSchema) -> list[str] | list[NDArray[Any]]:
    """Return a query as a batch of one; raises UsageError if it is none."""
    if isinstance(query, str):
        return [query]
    if np.ndim(query) != 1:
        raise UsageError(
            f"a query is a text, or a vector of {schema.dimension} numbers,"
            f" not {reprlib.repr(query)}"
        )
    return [np.asarray(query)]


def as_batch(queries: Iterable[str] | Iterable[ArrayLike]) -> list[Any] | NDArray[Any]:
    """Return queries that can be gone over twice; raises UsageError for a single text."""
    if isinstance(queries, str):
        raise UsageError("search_many takes several queries; for one text use search")
    return cast("NDArray[Any]", queries) if isinstance(queries, np.ndarray) else list(queries)


def languages_of(
    queries: Sequence[Any] | NDArray[Any],
    lang: str | Sequence[str] | None,
    detector: Callable[[], LanguageDetector | None],
) -> list[str]:
    """Return the tag of each query: as given, else detected; `und` for vectors.

    lang: of all queries, or one tag for each. Raises UnknownLanguage, and UsageError if the
    tags are not as many as the queries.
    """
    if isinstance(lang, str):
        return [canonical(lang)] * len(queries)
    if lang is not None:
        tags = [canonical(tag) for tag in lang]
        if len(tags) != len(queries):
            raise UsageError(f"lang has {len(tags)} tags for {len(queries)} queries")
        return tags
    texts = [(row, query) for row, query in enumerate(queries) if isinstance(query, str)]
    loaded = detector() if texts else None
    tags = [UNDETERMINED] * len(queries)
    if loaded is not None:
        found = loaded.detect([text for _, text in texts])
        for (row, _), (tag, _) in zip(texts, found, strict=True):
            tags[row] = tag
    return tags


def checked_count(name: str, value: int) -> int:
    """Return a number of things, at least 1; raises UsageError for what is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"{name} must be a whole number of at least 1, got {value!r}")
    return value


def checked_ids(ids: Iterable[str]) -> list[str]:
    """Return ids; raises UsageError for what is none."""
    checked = list(ids)
    for id in checked:
        if not isinstance(id, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(f"an id is a string, not {reprlib.repr(id)}")
    return checked


def checked_score(min_score: MinScore | None) -> MinScore | None:
    """Return a least score; raises UsageError if it is no score."""
    if min_score is None or min_score == "calibrated":
        return min_score
    if not isinstance(min_score, int | float) or min_score != min_score:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"min_score is a number from -1 to 1 or 'calibrated', not {min_score!r}")
    return min_score


def near_enough(hits: list[Hit], min_score: float) -> list[Hit]:
    """Return the hits that have at least this score."""
    return [hit for hit in hits if hit.score >= min_score]


def saying_the_same(hits: list[Hit], tag: str, calibration: Calibration) -> list[Hit]:
    """Return the hits whose cosine reaches the threshold of their and the query's language."""
    kept: list[Hit] = []
    for hit in hits:
        cut = calibration.cut("cosine", tag, hit.lang)
        cosine = hit.score if hit.raw_score is None else hit.raw_score
        if cut is not None and cosine >= cut.threshold:
            kept.append(hit)
    return kept
