"""The filter tree: what it is, what it means, and the Python operators that build it.

    F("price") < 10
    F("brand").is_in(["a", "b"]) & ~F("tags").contains("used")
    F("note").is_missing() | (F("lang") == "de")

Meaning, the same on every store (`matches` below is its definition):

- A name is a key of the metadata, as a whole (no nesting). `lang` and `id` are the
  document's own; metadata of that name is reached by `F.metadata("lang")`.
- A comparison matches values of its own type only: numbers (integers and floats
  together), strings, booleans, datetimes (metadata strings in ISO 8601).
- A missing field, or null, never matches a comparison, only `is_missing()`.
- `~` is plain negation: `~(F("a") == 1)` keeps documents without `a`, `F("a") != 1` does not.
- A list matches if one of its elements does.
- `F("lang") == "de"` and `is_in` match as language ranges do: `de` takes `de-AT`.
"""

from __future__ import annotations

import math
import operator
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, TypeAlias, assert_never, cast

import numpy as np

from xlingual_qdrant.documents import Document, JsonValue
from xlingual_qdrant.errors import InvalidFilter
from xlingual_qdrant.languages import canonical, tag_matches

Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]
Scalar: TypeAlias = str | int | float | bool | datetime
"""What a field can be compared with. Datetimes are aware, in UTC."""

_ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class _Combinable:
    """The operators `&`, `|` and `~`, for every node of the tree."""

    __slots__ = ()

    def __and__(self: Filter, other: Filter) -> Filter:  # type: ignore[misc]
        return And((*_parts(self, And), *_parts(other, And)))

    def __or__(self: Filter, other: Filter) -> Filter:  # type: ignore[misc]
        return Or((*_parts(self, Or), *_parts(other, Or)))

    def __invert__(self: Filter) -> Filter:  # type: ignore[misc]
        return Not(self)

    def __bool__(self) -> bool:
        raise InvalidFilter("a filter has no truth value: combine filters with & | ~, not and/or")


@dataclass(frozen=True, slots=True)
class Compare(_Combinable):
    """A metadata field has a value, of the type of `value`, for which the comparison holds."""

    field: str
    op: Operator
    value: Scalar


@dataclass(frozen=True, slots=True)
class IsIn(_Combinable):
    """A metadata field equals one of the values; with no values nothing matches."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Contains(_Combinable):
    """A metadata field is a list that has an element equal to `value`."""

    field: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class IsMissing(_Combinable):
    """A metadata field is absent, null or an empty list."""

    field: str


@dataclass(frozen=True, slots=True)
class HasLang(_Combinable):
    """The document's language matches one of the canonical tags: `de` takes `de-AT`."""

    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HasId(_Combinable):
    """The document's id is one of these."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class And(_Combinable):
    """All parts match; without parts everything matches."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or(_Combinable):
    """At least one part matches; without parts nothing matches."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not(_Combinable):
    """The part does not match."""

    part: Filter


Filter: TypeAlias = Compare | IsIn | Contains | IsMissing | HasLang | HasId | And | Or | Not

EVERYTHING = And(())
NOTHING = Or(())


def _parts(node: Filter, kind: type[And] | type[Or]) -> tuple[Filter, ...]:
    return node.parts if isinstance(node, kind) else (node,)


class F:
    """A field, to be compared: `F("price") < 10`. See the module for what each means."""

    __slots__ = ("_name", "_own")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        self._name = name
        self._own = name if name in ("lang", "id") else None

    @classmethod
    def metadata(cls, name: str) -> F:
        """Return the metadata field of this name, also when it is called `lang` or `id`."""
        made = cls(name)
        made._own = None
        return made

    def __eq__(self, value: Scalar | date) -> Filter:  # type: ignore[override]
        return self.is_in([value]) if self._own else Compare(self._name, "=", scalar(value))

    def __ne__(self, value: Scalar | date) -> Filter:  # type: ignore[override]
        if self._own:
            return Not(self.is_in([value]))
        return Compare(self._name, "!=", scalar(value))

    def __lt__(self, value: float | date) -> Filter:
        return self._ordered("<", value)

    def __le__(self, value: float | date) -> Filter:
        return self._ordered("<=", value)

    def __gt__(self, value: float | date) -> Filter:
        return self._ordered(">", value)

    def __ge__(self, value: float | date) -> Filter:
        return self._ordered(">=", value)

    def is_in(self, values: Iterable[Scalar | date]) -> Filter:
        """Match one of the values; an empty collection matches nothing."""
        if isinstance(values, str):
            raise InvalidFilter(f"is_in takes several values, got the one string {values!r}")
        checked = tuple(scalar(value) for value in values)
        if self._own is None:
            return IsIn(self._name, checked)
        texts = tuple(value for value in checked if isinstance(value, str))
        if len(texts) < len(checked):
            raise InvalidFilter(f"'{self._own}' is a string, compare it with strings")
        if self._own == "lang":
            return HasLang(tuple(canonical(tag) for tag in texts))
        return HasId(texts)

    def contains(self, value: Scalar | date) -> Filter:
        """Match a list that has this element."""
        if self._own:
            raise InvalidFilter(f"'{self._own}' is not a list; use == or is_in")
        return Contains(self._name, scalar(value))

    def is_missing(self) -> Filter:
        """Match documents in which the field is absent, null or an empty list."""
        return NOTHING if self._own else IsMissing(self._name)

    def _ordered(self, op: Operator, value: Scalar | date) -> Filter:
        if self._own:
            raise InvalidFilter(
                f"'{self._own}' has no order; it can be equal to a value, or be one of several"
            )
        return compare(self._name, op, value)


def compare(field: str, op: Operator, value: Scalar | date) -> Compare:
    """Return a comparison; raises InvalidFilter where the value has no order."""
    checked = scalar(value)
    if op in _ORDER and isinstance(checked, bool | str):
        raise InvalidFilter(
            f"{field} {op} {value!r}: only numbers and datetimes are ordered;"
            " use = or in, or a datetime such as 2026-01-31"
        )
    return Compare(field, op, checked)


def scalar(value: object) -> Scalar:
    """Return a value that a field can be compared with; datetimes become aware, in UTC.

    Raises InvalidFilter for None, lists, NaN and infinity.
    """
    if isinstance(value, np.bool_ | np.integer | np.floating):
        value = cast("object", value.item())
    match value:
        case bool():
            return value
        # Of a subclass, an enum for example, the plain value: stores look at the exact type.
        case int():
            return int(value)
        case str():
            return str.__str__(value)
        case float() if math.isfinite(value):
            return float(value)
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return datetime.fromisoformat(aware.isoformat()).astimezone(UTC)
        case date():
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        case _:
            raise InvalidFilter(
                f"a field can be compared with a string, number, bool or datetime, not"
                f" {reprlib.repr(value)};"
                " for null use is_missing()"
            )


def matches(where: Filter, document: Document) -> bool:
    """Say whether the document passes: the definition that every store is held to."""
    match where:
        case HasLang(tags):
            return any(tag_matches(tag, document.lang) for tag in tags)
        case HasId(ids):
            return document.id in ids
        case And(parts):
            return all(matches(part, document) for part in parts)
        case Or(parts):
            return any(matches(part, document) for part in parts)
        case Not(part):
            return not matches(part, document)
        case _:
            return matches_metadata(where, document.metadata)


def matches_metadata(
    where: Compare | IsIn | Contains | IsMissing, metadata: Mapping[str, JsonValue]
) -> bool:
    """Say whether a condition on one field holds for this metadata."""
    value = metadata.get(where.field)
    elements = value if isinstance(value, list) else [value]
    match where:
        case IsMissing():
            return value is None or value == []
        case Compare(_, op, wanted):
            return any(_compares(element, op, wanted) for element in elements)
        case IsIn(_, values):
            return any(_compares(element, "=", wanted) for element in elements for wanted in values)
        case Contains(_, wanted):
            return isinstance(value, list) and any(_compares(e, "=", wanted) for e in elements)
        case _:
            assert_never(where)


def _compares(value: JsonValue, op: Operator, wanted: Scalar) -> bool:
    own = same_type(value, wanted)
    if own is None:
        return False
    match op:
        case "=":
            return own == wanted
        case "!=":
            return own != wanted
        case _:
            return bool(_ORDER[op](own, wanted))


def same_type(value: JsonValue, wanted: Scalar) -> Scalar | None:
    """Return the stored value as the type of the wanted one, or None if it is another."""
    match wanted:
        case bool():
            return value if isinstance(value, bool) else None
        case int() | float():
            return value if isinstance(value, int | float) and not isinstance(value, bool) else None
        case str():
            return value if isinstance(value, str) else None
        case datetime():
            return parse_datetime(value) if isinstance(value, str) else None


def parse_datetime(text: str) -> datetime | None:
    """Return an ISO 8601 date or datetime as UTC (without an offset it is UTC), or None."""
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def for_language(where: Filter, lang: str) -> Filter:
    """Return the filter as it stands for documents of one language.

    Conditions on the language are settled; `EVERYTHING` and `NOTHING` stay only as
    the whole. A store that keeps languages apart thus learns which parts to look
    into, and what is left to check there.
    """
    match where:
        case HasLang(tags):
            return EVERYTHING if any(tag_matches(tag, lang) for tag in tags) else NOTHING
        case Not(part):
            inner = for_language(part, lang)
            if inner in (EVERYTHING, NOTHING):
                return NOTHING if inner == EVERYTHING else EVERYTHING
            return Not(inner)
        case And(parts):
            left = [p for p in (for_language(part, lang) for part in parts) if p != EVERYTHING]
            if NOTHING in left:
                return NOTHING
            return left[0] if len(left) == 1 else And(tuple(left))
        case Or(parts):
            left = [p for p in (for_language(part, lang) for part in parts) if p != NOTHING]
            if EVERYTHING in left:
                return EVERYTHING
            return left[0] if len(left) == 1 else Or(tuple(left))
        case _:
            return where


def combine(*filters: Filter | None) -> Filter | None:
    """Return the conjunction of the filters that are there; None if none is."""
    there = [where for where in filters if where is not None]
    return And(tuple(there)) if len(there) > 1 else (there[0] if there else None)


def language_filter(wanted: tuple[str, ...], unwanted: tuple[str, ...]) -> Filter | None:
    """Return the filter for canonical tags wanted and unwanted; None if there are none."""
    return combine(
        HasLang(wanted) if wanted else None, Not(HasLang(unwanted)) if unwanted else None
    )
