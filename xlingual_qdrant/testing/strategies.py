"""Hypothesis strategies for the nouns: documents, metadata, filters, vectors.

They keep to few names and values, so that filters meet documents, and mix in
anything that the types allow, so that nothing is taken for granted.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from xlingual_qdrant.documents import Document, JsonValue
from xlingual_qdrant.filters import (
    And,
    Compare,
    Contains,
    Filter,
    HasId,
    HasLang,
    IsIn,
    IsMissing,
    Not,
    Or,
    Scalar,
)
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.testing.corpus import OPERATORS

TAGS = ("und", "en", "de", "de-AT", "zh", "zh-Hant", "zh-Hant-TW", "pt-BR", "x-own")
NAMES = ("a", "b", "a.b", "lang", "id", "", "with space", "o'clock", 'say "x"', "日本")
MOMENTS = (
    datetime(2026, 1, 31, tzinfo=UTC),
    datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
)

_SOME_SCALARS = ("", "x", "X", "é", "e\u0301", "2026-01-31", 0, 1, -1, 2, 2**53 + 1, 0.5, 1.0, True)

texts: SearchStrategy[str] = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
"""Any string that UTF-8 can hold."""

ids: SearchStrategy[str] = st.sampled_from([str(number) for number in range(12)]) | st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8
)

tags: SearchStrategy[str] = st.sampled_from(TAGS)

names: SearchStrategy[str] = st.sampled_from(NAMES) | texts

integers: SearchStrategy[int] = st.integers(-(2**63), 2**63 - 1)

floats: SearchStrategy[float] = st.floats(allow_nan=False, allow_infinity=False)

_stored_moments = st.sampled_from(
    [*(moment.isoformat() for moment in MOMENTS), "2026-01-31", "2026-01-31T01:00:00+01:00", "soon"]
)

_stored_scalars: SearchStrategy[JsonValue] = (
    st.sampled_from(_SOME_SCALARS) | _stored_moments | texts | integers | floats | st.booleans()
)

json_values: SearchStrategy[JsonValue] = st.recursive(
    st.none() | _stored_scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)

metadata: SearchStrategy[dict[str, JsonValue]] = st.dictionaries(names, json_values, max_size=4)

scalars: SearchStrategy[Scalar] = (
    st.sampled_from(_SOME_SCALARS)
    | st.sampled_from(MOMENTS)
    | texts
    | integers
    | floats
    | st.booleans()
    | st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)).map(
        lambda moment: moment.replace(tzinfo=UTC, fold=0)
    )
)
"""What a field can be compared with, as the filter tree holds it."""

_ordered: SearchStrategy[Scalar] = scalars.filter(
    lambda value: not isinstance(value, bool | str | date) or isinstance(value, datetime)
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Draw a document with one of a few tags, declared or detected."""
    lang = draw(tags)
    detected = draw(st.booleans())
    return Document(
        text=draw(texts),
        id=draw(ids),
        lang=lang,
        metadata=draw(metadata),
        lang_source="detected" if detected else None,
        lang_confidence=draw(st.floats(0, 1)) if detected else None,
    )


corpora: SearchStrategy[list[Document]] = st.lists(documents(), max_size=12)
"""Some documents; ids may come twice."""

conditions: SearchStrategy[Filter] = st.one_of(
    st.builds(Compare, names, st.sampled_from(OPERATORS[:2]), scalars),
    st.builds(Compare, names, st.sampled_from(OPERATORS[2:]), _ordered),
    st.builds(IsIn, names, st.lists(scalars, max_size=3).map(tuple)),
    st.builds(Contains, names, scalars),
    st.builds(IsMissing, names),
    st.builds(HasLang, st.lists(tags, max_size=3).map(tuple)),
    st.builds(HasId, st.lists(ids, max_size=3).map(tuple)),
)
"""Filters of one node."""

filters: SearchStrategy[Filter] = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)
"""Filters of any shape."""


def vectors(count: int, dimension: int) -> SearchStrategy[Vectors]:
    """Draw unit rows, shape (count, dimension), some of them equal or opposite."""
    rows = st.tuples(st.integers(0, 5), st.sampled_from([1.0, -1.0]))

    def stack(drawn: list[tuple[int, float]]) -> Vectors:
        made = [sign * _direction(seed, dimension) for seed, sign in drawn]
        return np.array(made, dtype=np.float32).reshape(count, dimension)

    return st.lists(rows, min_size=count, max_size=count).map(stack)


def _direction(seed: int, dimension: int) -> Vectors:
    row = np.random.default_rng(seed).standard_normal(dimension)
    return (row / np.linalg.norm(row)).astype(np.float32)
