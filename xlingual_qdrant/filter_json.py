"""The filter tree as JSON, for files and services.

    {"and": [{"field": "price", "op": "<", "value": 10}, {"lang": ["de", "fr"]}]}

- `{"and": [...]}`, `{"or": [...]}`, `{"not": {...}}`, `{"lang": [tags]}`, `{"id": [ids]}`
- `{"field": name, "op": op, "value": value}` with the operators `= != < <= > >= contains`, with
  `in` and a list of values, or with `missing` and no value. As everywhere, the fields `lang`
  and `id` are the document's own; with `metadata` in place of `field`, the metadata keys.
- A datetime is written `{"datetime": "2026-01-31T10:00:00Z"}`.

Unknown keys are refused.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, assert_never, cast

from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import InvalidFilter, UnknownLanguage, did_you_mean
from xlingual_qdrant.filter_syntax import OWN, check_depth
from xlingual_qdrant.filters import (
    And,
    Compare,
    Contains,
    F,
    Filter,
    HasId,
    HasLang,
    IsIn,
    IsMissing,
    Not,
    Or,
    Scalar,
    parse_datetime,
    scalar,
)

_BUILD: dict[str, Callable[[F, Any], Filter]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": F.is_in,
    "contains": F.contains,
}
_FORMS = "and, or, not, lang, id, or field with op and value"


def to_json(where: Filter) -> dict[str, JsonValue]:
    """Return the filter as JSON; `from_json` reads back an equal one."""
    return _to_json(where, 0)


def from_json(value: object) -> Filter:
    """Return the filter that JSON describes; raises InvalidFilter, which names the place."""
    return _from_json(value, "filter", 0)


def _to_json(where: Filter, depth: int) -> dict[str, JsonValue]:
    check_depth(depth)
    match where:
        case And(parts):
            return {"and": [_to_json(part, depth + 1) for part in parts]}
        case Or(parts):
            return {"or": [_to_json(part, depth + 1) for part in parts]}
        case Not(part):
            return {"not": _to_json(part, depth + 1)}
        case HasLang(tags):
            return {"lang": list(tags)}
        case HasId(ids):
            return {"id": list(ids)}
        case Compare(field, op, value):
            return {_key(field): field, "op": op, "value": _from_scalar(value)}
        case IsIn(field, values):
            return {_key(field): field, "op": "in", "value": [_from_scalar(v) for v in values]}
        case Contains(field, value):
            return {_key(field): field, "op": "contains", "value": _from_scalar(value)}
        case IsMissing(field):
            return {_key(field): field, "op": "missing"}
        case _:
            assert_never(where)


def _key(field: str) -> str:
    return "metadata" if field in OWN else "field"


def _from_scalar(value: Scalar) -> JsonValue:
    checked = scalar(value)
    return {"datetime": checked.isoformat()} if isinstance(checked, datetime) else checked


def _from_json(value: object, place: str, depth: int) -> Filter:
    check_depth(depth)
    if not isinstance(value, Mapping):
        raise _problem(place, f"expected an object, got {type(value).__name__}")
    given = cast("Mapping[object, object]", value)
    match list(given.items()):
        case [("and", parts)]:
            return And(_parts(parts, f"{place}.and", depth))
        case [("or", parts)]:
            return Or(_parts(parts, f"{place}.or", depth))
        case [("not", part)]:
            return Not(_from_json(part, f"{place}.not", depth + 1))
        case [("lang" | "id" as own, values)]:
            return _build(F(str(own)), "in", values, f"{place}.{own}")
        case _:
            return _condition(given, place)


def _parts(value: object, place: str, depth: int) -> tuple[Filter, ...]:
    parts = enumerate(_array(value, place))
    return tuple(_from_json(part, f"{place}[{number}]", depth + 1) for number, part in parts)


def _condition(given: Mapping[object, object], place: str) -> Filter:
    for word, named in (("field", F), ("metadata", F.metadata)):
        name, op = given.get(word), given.get("op")
        if isinstance(name, str) and isinstance(op, str):
            if op == "missing" and set(given) == {word, "op"}:
                return named(name).is_missing()
            if op != "missing" and set(given) == {word, "op", "value"}:
                return _build(named(name), op, given["value"], place)
    keys = ", ".join(map(str, given)) or "no keys"
    raise _problem(place, f"expected one of {_FORMS}; got an object with {keys}")


def _build(field: F, op: str, value: object, place: str) -> Filter:
    if op not in _BUILD:
        known = [*_BUILD, "missing"]
        raise _problem(
            place, f"no op {op!r}.{did_you_mean(op, known)} There are: {' '.join(known)}"
        )
    wanted = _array(value, place) if op == "in" else [value]
    try:
        scalars = [_to_scalar(each) for each in wanted]
        return _BUILD[op](field, scalars if op == "in" else scalars[0])
    except (InvalidFilter, UnknownLanguage) as exc:
        raise _problem(place, str(exc)) from exc


def _array(value: object, place: str) -> list[object]:
    if not isinstance(value, list | tuple):
        raise _problem(place, f"expected an array, got {type(value).__name__}")
    return list(cast("list[object]", value))


def _to_scalar(value: object) -> Scalar:
    if not isinstance(value, Mapping):
        return scalar(value)
    match list(cast("Mapping[object, object]", value).items()):
        case [("datetime", str(text))]:
            moment = parse_datetime(text)
            if moment is None:
                raise InvalidFilter(f"{text!r} is not an ISO 8601 date or datetime")
            return moment
        case _:
            raise InvalidFilter('an object in place of a value can only be {"datetime": "..."}')


def _problem(place: str, what: str) -> InvalidFilter:
    return InvalidFilter(f"cannot read the {place}: {what[:300]}")
