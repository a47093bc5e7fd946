"""Arrow arrays to JSON values: faithful, or refused by type before anything is read."""

# pyarrow ships no types
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingParameterType=false
# pyright: reportUnknownLambdaType=false, reportMissingTypeArgument=false

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa
from pyarrow import types

_UNIT_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def is_text(kind: pa.DataType) -> bool:
    """Say whether a column holds strings: plain, large, views, or a dictionary of them."""
    if types.is_dictionary(kind):
        return is_text(kind.value_type)
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def fits_json(kind: pa.DataType) -> bool:
    """Say whether JSON can hold the values of a type."""
    if isinstance(kind, pa.BaseExtensionType):
        return isinstance(kind, pa.UuidType) or fits_json(kind.storage_type)
    if types.is_dictionary(kind):
        return fits_json(kind.value_type)
    if types.is_struct(kind):
        return all(fits_json(kind.field(i).type) for i in range(kind.num_fields))
    if types.is_map(kind):
        return fits_json(kind.key_type) and fits_json(kind.item_type)
    if _is_list(kind):
        return fits_json(kind.value_type)
    return is_text(kind) or any(
        test(kind)
        for test in (
            types.is_null,
            types.is_boolean,
            types.is_integer,
            types.is_floating,
            types.is_decimal,
            types.is_date,
            types.is_time,
            types.is_timestamp,
            types.is_duration,
        )
    )


def to_json(array: pa.Array) -> list[Any]:
    """Return the values as JSON has them; raises UnicodeDecodeError for strings not in UTF-8.

    Dates and times become ISO 8601 text, instants with a time zone in UTC; durations ISO 8601
    text in seconds; decimals and UUIDs text; maps with text keys objects, others lists of pairs.
    """
    kind = array.type
    if isinstance(kind, pa.UuidType):
        return _each(array.to_pylist(), str)
    if isinstance(kind, pa.BaseExtensionType):
        return to_json(array.storage)
    if types.is_dictionary(kind):
        return to_json(array.dictionary_decode())
    if types.is_struct(kind):
        return _structs(array)
    if types.is_map(kind):
        pairs = list(zip(to_json(array.keys), to_json(array.items), strict=True))
        as_object = is_text(kind.key_type)
        return [_map(run, as_object) for run in _runs(array, pairs, 0)]
    if _is_list(kind):
        flat = array.cast(pa.large_list(kind.value_type))
        first = flat.offsets[0].as_py() if len(flat) else 0
        last = flat.offsets[-1].as_py() if len(flat) else 0
        return _runs(flat, to_json(flat.values.slice(first, last - first)), first)
    return _scalars(array)


def _scalars(array: pa.Array) -> list[Any]:
    kind = array.type
    if types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        # A cast would want a data base of time zones; the instant is what is stored.
        plain = array.view(pa.int64()).cast(pa.timestamp(kind.unit)).cast(pa.string())
        return _each(plain.to_pylist(), lambda text: text.replace(" ", "T") + zone)
    if types.is_date(kind) or types.is_time(kind):
        return array.cast(pa.string()).to_pylist()
    if types.is_duration(kind):
        digits = _UNIT_DIGITS[kind.unit]
        return _each(array.view(pa.int64()).to_pylist(), lambda ticks: _duration(ticks, digits))
    if types.is_decimal(kind):
        return _each(array.to_pylist(), lambda number: format(number, "f"))
    return array.to_pylist()


def _is_list(kind: pa.DataType) -> bool:
    return (
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def _structs(array: pa.Array) -> list[Any]:
    names = [array.type.field(i).name for i in range(array.type.num_fields)]
    columns = [to_json(array.field(i)) for i in range(array.type.num_fields)]
    rows = zip(*columns, strict=True) if columns else ((),) * len(array)
    there = array.is_valid().to_pylist()
    return [
        dict(zip(names, row, strict=True)) if valid else None
        for row, valid in zip(rows, there, strict=True)
    ]


def _runs(array: pa.Array, flat: list[Any], first: int) -> list[Any]:
    """Cut the flat values of a list or map array into one list for each of its elements."""
    offsets = array.offsets.to_pylist() or [0]
    there = array.is_valid().to_pylist()
    return [
        flat[start - first : end - first] if valid else None
        for (start, end), valid in zip(pairwise(offsets), there, strict=True)
    ]


def _map(pairs: list[tuple[Any, Any]] | None, as_object: bool) -> Any:
    if pairs is None:
        return None
    made = dict(pairs) if as_object else {}
    # A key that comes twice would be lost in an object.
    return made if as_object and len(made) == len(pairs) else [list(pair) for pair in pairs]


def _duration(ticks: int, digits: int) -> str:
    seconds, rest = divmod(abs(ticks), 10**digits)
    fraction = f".{rest:0{digits}d}".rstrip("0") if rest else ""
    return f"{'-' * (ticks < 0)}PT{seconds}{fraction}S"


def _each(values: list[Any], make: Any) -> list[Any]:
    return [None if value is None else make(value) for value in values]
