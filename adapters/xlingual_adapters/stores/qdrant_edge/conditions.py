"""Filters of qdrant-client as those of Qdrant Edge, which have the same meaning.

Edge takes a Python bool in a condition for the integer that it also is. A NumPy bool is
nothing but a bool, and stays one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import qdrant_edge as edge
from qdrant_client import models

EdgeCondition: TypeAlias = (
    edge.FieldCondition | edge.IsEmptyCondition | edge.HasIdCondition | edge.Filter
)


def to_edge(where: models.Filter) -> edge.Filter:
    """Return the filter for Edge; raises TypeError for a kind that the translator never makes."""
    return edge.Filter(
        must=_conditions(where.must),
        should=_conditions(where.should),
        must_not=_conditions(where.must_not),
    )


def _conditions(
    given: Sequence[models.Condition] | models.Condition | None,
) -> list[edge.ConditionType] | None:
    if given is None:
        return None
    return [_condition(each) for each in (given if isinstance(given, list) else [given])]


def _condition(given: object) -> EdgeCondition:
    match given:
        case models.Filter():
            return to_edge(given)
        case models.IsEmptyCondition():
            return edge.IsEmptyCondition(given.is_empty.key)
        case models.HasIdCondition():
            return edge.HasIdCondition({str(point) for point in given.has_id})
        case models.FieldCondition(key=key, match=None, range=limits) if limits is not None:
            return edge.FieldCondition(key, range=_range(limits))
        case models.FieldCondition(key=key, match=match) if match is not None:
            return edge.FieldCondition(key, match=_match(match))
        case _:
            raise TypeError(f"no condition of Qdrant Edge for {type(given).__name__}")


def _match(given: object) -> edge.MatchType:
    match given:
        case models.MatchValue(value=bool() as truth):
            return edge.MatchValue(np.bool_(truth))  # pyright: ignore[reportArgumentType]
        case models.MatchValue(value=value):
            return edge.MatchValue(value)
        case models.MatchAny():
            return edge.MatchAny(given.any)
        case models.MatchExcept():
            return edge.MatchExcept(given.except_)
        case _:
            raise TypeError(f"no match of Qdrant Edge for {type(given).__name__}")


def _range(given: models.Range | models.DatetimeRange) -> edge.RangeType:
    if isinstance(given, models.Range):
        return edge.RangeFloat(gte=given.gte, gt=given.gt, lte=given.lte, lt=given.lt)
    limits = {
        name: None if moment is None else moment.isoformat()
        for name in ("gte", "gt", "lte", "lt")
        for moment in [getattr(given, name)]
    }
    return edge.RangeDateTime(**limits)
