"""The filter tree as a filter of Qdrant: pure, and exact where Qdrant can be.

Qdrant's meaning is not always ours: it knows no type on `!=`, compares numbers as
doubles, reads dates in other notations, and cannot name every key. So each node is
translated twice (`bounds.py`), into a condition that every match fulfils (`upper`) and one
that only matches fulfil (`lower`). Where both are the same, Qdrant's answer is ours. Where they are
not, `upper` narrows and `filters.matches` decides; negation exchanges the two, so that
nothing is lost below a `~`.

What is right by construction: languages and lists are looked up in the library's own
part of the payload, and so are dates, in one notation. What is inexact: `!=` between
strings of a field that is not declared as keyword, numbers of 2**53 and above, keys with
a quote or a backslash, and what is nested very deep.

Declared fields hold values of their type, which is checked before a document gets here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from qdrant_client import models

from xlingual_adapters.stores.qdrant_points.bounds import (
    UNKNOWN,
    Bounds,
    Condition,
    any_of,
    both,
    certain,
    either,
    either_of,
    equals,
    negated,
    ranged,
)
from xlingual_adapters.stores.qdrant_points.ids import document_point
from xlingual_adapters.stores.qdrant_points.payload import KIND, LANGS, LISTS, METADATA, MOMENTS
from xlingual_qdrant.filters import (
    EVERYTHING,
    And,
    Compare,
    Contains,
    Filter,
    HasId,
    HasLang,
    IsIn,
    IsMissing,
    Not,
    Operator,
    Or,
    Scalar,
)
from xlingual_qdrant.schema import FieldType

_EXACT_INTEGERS = 2**53
"""Below it, an integer and its double are the same number."""
_LARGEST_STORED = 2**63
"""Stored integers have 64 bits, with sign."""
_HUGE = 1e300
"""Beyond it numbers are not put into a request."""

_DEEPEST = 32
"""Levels of a filter that are put into a request; JSON readers and gRPC bound the nesting."""

_RANGE_KEY = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")

DOCUMENTS = models.FieldCondition(key=KIND, match=models.MatchValue(value="document"))
"""Matches the points that hold a document of this library."""


@dataclass(frozen=True, slots=True)
class Translation:
    """What Qdrant is asked. exact: its answer is right; else `matches` has to decide."""

    condition: Condition
    exact: bool

    def of_documents(self) -> models.Filter:
        """Return the filter that leaves out what is not a document of this library."""
        if self.condition is True:
            return models.Filter(must=[DOCUMENTS])
        if self.condition is False:
            raise ValueError("a filter that matches nothing needs no request")
        return models.Filter(must=[self.condition, DOCUMENTS])

    def of_points(self) -> models.Filter | None:
        """Return the filter that takes points of others, too."""
        match self.condition:
            case bool():
                return None
            case models.Filter():
                return self.condition
            case condition:
                return models.Filter(must=[condition])


def translate(
    where: Filter | None, fields: Mapping[str, FieldType], *, indexed_only: bool = False
) -> Translation:
    """Return the translation of a filter for a collection with these declared fields.

    indexed_only: ask for nothing but what has an index, as a server in strict mode wants.
    """
    bounds = _Translator(fields, indexed_only).bounds(EVERYTHING if where is None else where)
    return Translation(bounds.upper, bounds.exact)


def field_key(field: str, *, of: str = METADATA) -> str | None:
    """Return the path of a metadata field in the payload; None if Qdrant cannot name it."""
    if _PLAIN_KEY.fullmatch(field):
        return f"{of}.{field}"
    if not field or '"' in field or "\\" in field:
        return None
    return f'{of}."{field}"'


@dataclass(frozen=True, slots=True)
class _Translator:
    fields: Mapping[str, FieldType]
    indexed_only: bool

    def bounds(self, where: Filter, room: int = _DEEPEST) -> Bounds:
        """room: levels that may follow; what lies below them is left to `filters.matches`."""
        if room == 0:
            return UNKNOWN
        match where:
            case And(parts):
                return both([self.bounds(part, room - 1) for part in parts])
            case Or(parts):
                return either([self.bounds(part, room - 1) for part in parts])
            case Not(part):
                return negated(self.bounds(part, room - 1))
            case HasLang(tags):
                return certain(any_of(LANGS, tags))
            case HasId(ids):
                points = [document_point(id) for id in ids]
                return certain(models.HasIdCondition(has_id=[*points]) if points else False)
            case IsMissing(field):
                return self._missing(field)
            case Compare(field, op, value):
                return self._compare(field, op, value)
            case IsIn(field, values):
                return self._is_in(field, values)
            case Contains(field, value):
                is_list = certain(equals(LISTS, field))
                return both([self._compare(field, "=", value), is_list])
            case _:
                assert_never(where)

    def _missing(self, field: str) -> Bounds:
        key = field_key(field)
        if key is None or (self.indexed_only and self.fields.get(field) in (None, "datetime")):
            return UNKNOWN
        return certain(models.IsEmptyCondition(is_empty=models.PayloadField(key=key)))

    def _is_in(self, field: str, values: Sequence[Scalar]) -> Bounds:
        """Put all strings into one condition: there may be thousands."""
        texts = [value for value in values if isinstance(value, str)]
        bounds = [self._compare(field, "=", v) for v in values if not isinstance(v, str)]
        if texts:
            key = self._key(field, texts[0])
            bounds.append(UNKNOWN if key is None else certain(any_of(key, texts)))
        return either(bounds)

    def _compare(self, field: str, op: Operator, value: Scalar) -> Bounds:
        key = self._key(field, value)
        if key is None:
            return UNKNOWN
        match value:
            case bool():
                return certain(equals(key, value if op == "=" else not value))
            case str() if op == "=":
                return certain(equals(key, value))
            case str():
                differs = models.FieldCondition(
                    key=key, match=models.MatchExcept(**{"except": [value]})
                )
                is_exact = self.fields.get(field) == "keyword"
                return Bounds(differs, differs if is_exact else False)
            case datetime():
                return _moment(key, op, value)
            case _:
                return _number(key, op, value, integers=self.fields.get(field) == "integer")

    def _key(self, field: str, value: Scalar) -> str | None:
        """Return the path to compare this value with; None if the server cannot do it."""
        if self.indexed_only and not _has_index_for(self.fields.get(field), value):
            return None
        return field_key(field, of=MOMENTS if isinstance(value, datetime) else METADATA)


def _has_index_for(kind: FieldType | None, value: Scalar) -> bool:
    match value:
        case bool():
            return kind == "bool"
        case str():
            return kind == "keyword"
        case datetime():
            return kind == "datetime"
        case _:
            return kind in ("integer", "float")


def _number(key: str, op: Operator, value: float, *, integers: bool) -> Bounds:
    """integers: the field has an index of integers, which is not to be asked about fractions."""
    if abs(value) > _HUGE:
        return UNKNOWN
    if abs(value) >= _EXACT_INTEGERS:
        return _large_number(key, op, value)
    if op == "!=":
        return either([_number(key, side, value, integers=integers) for side in ("<", ">")])
    if integers and value != int(value):
        if op == "=":
            return certain(False)
        down = op in ("<", "<=")
        op, value = ("<=", math.floor(value)) if down else (">=", math.ceil(value))
    if op == "=":
        if integers:
            return certain(equals(key, int(value)))
        return certain(ranged(key, gte=float(value), lte=float(value)))
    return certain(ranged(key, **{_RANGE_KEY[op]: float(value)}))


def _large_number(key: str, op: Operator, value: float) -> Bounds:
    """Widen a comparison to the neighbouring doubles; what it lets in is checked above."""
    near = float(value)
    below, above = math.nextafter(near, -math.inf), math.nextafter(near, math.inf)
    match op:
        case "=":
            whole = int(value)
            stored = certain(
                equals(key, whole) if -_LARGEST_STORED <= whole < _LARGEST_STORED else False
            )
            return either([stored, Bounds(ranged(key, gte=near, lte=near), False)])
        case "!=":
            return Bounds(either_of([ranged(key, lte=above), ranged(key, gte=below)]), False)
        case "<" | "<=":
            return Bounds(ranged(key, lte=above), False)
        case ">" | ">=":
            return Bounds(ranged(key, gte=below), False)
        case _:
            assert_never(op)


def _moment(key: str, op: Operator, value: datetime) -> Bounds:
    def within(**limits: datetime) -> models.FieldCondition:
        return models.FieldCondition(key=key, range=models.DatetimeRange(**limits))

    match op:
        case "=":
            return certain(within(gte=value, lte=value))
        case "!=":
            return certain(either_of([within(lt=value), within(gt=value)]))
        case _:
            return certain(within(**{_RANGE_KEY[op]: value}))
