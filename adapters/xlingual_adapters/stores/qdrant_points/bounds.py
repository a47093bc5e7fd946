"""Conditions of Qdrant and how they combine, with what is certain and what is possible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from qdrant_client import models

Condition: TypeAlias = (
    models.FieldCondition | models.IsEmptyCondition | models.HasIdCondition | models.Filter | bool
)
"""A condition of Qdrant; True for everything, False for nothing."""


class Bounds(NamedTuple):
    """upper: all matches fulfil it; lower: only matches do. The same object: exact."""

    upper: Condition
    lower: Condition

    @property
    def exact(self) -> bool:
        """Whether Qdrant's answer is right."""
        return self.upper is self.lower


UNKNOWN = Bounds(upper=True, lower=False)


def equals(key: str, value: bool | int | str) -> models.FieldCondition:
    """Match a value, or an element of a list."""
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def any_of(key: str, values: Sequence[str]) -> Condition:
    """Match one of the values; none of them if there are none, which Qdrant leaves open."""
    if not values:
        return False
    return models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))


def ranged(key: str, **limits: float) -> models.FieldCondition:
    """Match a number within the limits."""
    return models.FieldCondition(key=key, range=models.Range(**limits))


def certain(condition: Condition) -> Bounds:
    """Return the bounds of a condition that means exactly what is wanted."""
    return Bounds(condition, condition)


def both(parts: Sequence[Bounds]) -> Bounds:
    """Return the conjunction."""
    upper = both_of([part.upper for part in parts])
    exact = all(part.exact for part in parts)
    return Bounds(upper, upper if exact else both_of([part.lower for part in parts]))


def either(parts: Sequence[Bounds]) -> Bounds:
    """Return the disjunction."""
    upper = either_of([part.upper for part in parts])
    exact = all(part.exact for part in parts)
    return Bounds(upper, upper if exact else either_of([part.lower for part in parts]))


def negated(part: Bounds) -> Bounds:
    """Return the negation: what was possible is what is now not certain."""
    upper = none_of(part.lower)
    return Bounds(upper, upper if part.exact else none_of(part.upper))


def both_of(conditions: Sequence[Condition]) -> Condition:
    """Return the conjunction; True of none."""
    kept: list[models.Condition] = []
    for condition in conditions:
        if isinstance(condition, bool):
            if not condition:
                return False
        else:
            kept.append(condition)
    return models.Filter(must=kept) if kept else True


def either_of(conditions: Sequence[Condition]) -> Condition:
    """Return the disjunction; False of none, where Qdrant would take everything."""
    kept: list[models.Condition] = []
    for condition in conditions:
        if isinstance(condition, bool):
            if condition:
                return True
        else:
            kept.append(condition)
    return models.Filter(should=kept) if kept else False


def none_of(condition: Condition) -> Condition:
    """Return the negation."""
    return not condition if isinstance(condition, bool) else models.Filter(must_not=[condition])
