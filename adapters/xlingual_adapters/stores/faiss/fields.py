"""Declared fields: what is kept of a value to find it by, and the SQL for a condition.

A value stands in `field_values` as SQLite orders it: numbers before strings before blobs.
Blobs are what SQLite has no type for: booleans, instants, and a mark for values that no
condition compares (objects, nested lists), so that the field does not count as missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, assert_never

from xlingual_adapters.stores.faiss.catalog import storable
from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.filters import Compare, Contains, IsIn, IsMissing, Scalar, parse_datetime
from xlingual_qdrant.schema import FieldType

Key: TypeAlias = int | float | str | bytes
_FALSE, _TRUE, _OTHER, _INSTANT = b"\0", b"\1", b"\2", b"t"
_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
_INT64 = range(-(2**63), 2**63)


def keys_of(value: JsonValue, kind: FieldType) -> set[Key]:
    """Return what a stored value is found by; empty if the field counts as missing."""
    if value is None:
        return set()
    keys: set[Key] = set()
    for element in value if isinstance(value, list | tuple) else [value]:
        match element:
            case bool():
                keys.add(_TRUE if element else _FALSE)
            case int() | float():
                keys.add(_number(element))
            case str():
                keys.add(element)
                if kind == "datetime" and (instant := parse_datetime(element)):
                    keys.add(_instant(instant))
            case _:
                keys.add(_OTHER)
    return keys


def _number(value: int | float) -> int | float:
    if isinstance(value, float) or value in _INT64:
        return value
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _instant(value: datetime) -> bytes:
    return _INSTANT + ((value - _EPOCH) // timedelta(microseconds=1)).to_bytes(8)


def key_of(value: Scalar) -> Key:
    """Return what a value of a condition is looked up by."""
    match value:
        case bool():
            return _TRUE if value else _FALSE
        case int() | float():
            return _number(value)
        case str():
            return value
        case datetime():
            return _instant(value)


_WITHIN_TYPE = {
    int: "value < ''",
    float: "value < ''",
    str: "value >= '' AND value < x''",
    bool: "value IN (x'00', x'01')",
    datetime: "value >= x'74' AND value < x'75'",
}


def sql_for(
    where: Compare | IsIn | Contains | IsMissing, kind: FieldType
) -> tuple[str, list[Any]] | None:
    """Return a condition on `field_values` and its values; None if the table cannot tell.

    For IsMissing it selects the documents that do have the field.
    """
    match where:
        case IsMissing():
            return "1", []
        case Compare(_, op, value):
            if not _findable([value], kind):
                return None
            operator = "<>" if op == "!=" else op
            return f"value {operator} ? AND {_WITHIN_TYPE[type(value)]}", [key_of(value)]
        case IsIn(_, values):
            if len(values) > 500 or not _findable(values, kind):
                return None
            return f"value IN ({','.join('?' * len(values))})", [key_of(v) for v in values]
        case Contains(_, value):
            return ("value = ? AND listed", [key_of(value)]) if _findable([value], kind) else None
        case _:
            assert_never(where)


def _findable(values: Iterable[Scalar], kind: FieldType) -> bool:
    """Say whether the table has keys for such values: instants are kept for datetimes only."""
    return all(
        kind == "datetime"
        if isinstance(value, datetime)
        else not isinstance(value, str) or storable(value)
        for value in values
    )
