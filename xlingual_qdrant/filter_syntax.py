"""The filter tree as text, as on the command line.

    price < 10 and lang in (de, fr)
    not (brand = "O'Brien" or tags contains used) and note is not missing

- Conditions: `= == != < <= > >=` with a value, `in (...)`, `not in (...)`, `contains`,
  `not contains`, `is missing`, `is not missing` (`null` is another word for `missing`);
  `true` is passed by every document, `false` by none. `not` binds closer than `and`,
  `and` closer than `or`. Keywords may be in upper case.
- A field name is a bare word (letters, digits, `_ - .`) or stands in double quotes.
  `lang` and `id` are the document's own; `metadata.lang` or `"lang"` is the metadata key.
- A value is a number as JSON writes it, `true`, `false`, an ISO 8601 date or datetime
  (2026-01-31, 2026-01-31T10:00:00Z; UTC unless it has an offset), or a string: a bare word,
  or anything in single or double quotes with the escapes of JSON and `\\'`.
  For `lang` and `id` every value is a string: `id = 7`.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, assert_never

from xlingual_qdrant.errors import InvalidFilter, UnknownLanguage
from xlingual_qdrant.filter_tokens import problem, tokens, value_of
from xlingual_qdrant.filters import (
    EVERYTHING,
    NOTHING,
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
    scalar,
)

MAX_DEPTH = 100
"""Levels of nesting; real filters have few, and each level is a call deep."""

OWN = ("lang", "id")
"""Fields of the document itself, not of its metadata."""

_RESERVED = ("and", "or", "not", "in", "is", "contains", "true", "false")
"""Words that cannot be a field name without quotes."""

_COMPARISONS: dict[str, Callable[[F, Any], Filter]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*(?:\.[A-Za-z0-9_\-]+)*")


def parse(text: str) -> Filter:
    """Return the filter that a text describes; raises InvalidFilter, which shows where."""
    return _Parser(text).whole()


class _Parser:
    """Recursive descent, one method for each rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._next = 0
        self._depth = 0

    def whole(self) -> Filter:
        where = self._any()
        if self._tokens[self._next].kind != "end":
            raise self._unexpected("'and', 'or' or the end")
        return where

    def _any(self) -> Filter:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Filter:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Filter:
        check_depth(self._depth)
        self._depth += 1
        if self._take("not"):
            where = Not(self._one())
        elif self._take("("):
            where = self._any()
            self._expect(")")
        else:
            where = self._condition()
        self._depth -= 1
        return where

    def _condition(self) -> Filter:
        if self._take("true"):
            return EVERYTHING
        if self._take("false"):
            return NOTHING
        first = self._tokens[self._next]
        field = self._field()
        build, negated = self._test(own=first.text in OWN)
        try:
            where = build(field)
        except (InvalidFilter, UnknownLanguage) as exc:
            raise problem(self._text, first.start, str(exc)) from exc
        return ~where if negated else where

    def _test(self, *, own: bool) -> tuple[Callable[[F], Filter], bool]:
        """Read what follows the field; return how to build it, and whether it is negated."""
        comparison = _COMPARISONS.get(self._tokens[self._next].text)
        if comparison:
            self._next += 1
            value = self._value(own)
            return lambda field: comparison(field, value), False
        if self._take("is"):
            negated = self._take("not")
            if not (self._take("missing") or self._take("null")):
                raise self._unexpected("'missing'" if negated else "'missing' or 'not missing'")
            return F.is_missing, negated
        negated = self._take("not")
        if self._take("in"):
            values = self._values(own)
            return lambda field: field.is_in(values), negated
        if self._take("contains"):
            value = self._value(own)
            return lambda field: field.contains(value), negated
        if negated:
            raise self._unexpected("'in' or 'contains'")
        raise self._unexpected("one of = != < <= > >= in, not in, contains, is missing")

    def _field(self) -> F:
        token = self._tokens[self._next]
        if token.text.startswith("'"):
            raise self._unexpected("a field name; names are put in double quotes")
        if token.kind == "quoted":
            self._next += 1
            return F.metadata(str(value_of(self._text, token)))
        if token.kind != "word" or token.text.lower() in _RESERVED:
            raise self._unexpected("a field name, 'not' or '('")
        self._next += 1
        key = token.text.removeprefix("metadata.")
        return F.metadata(key) if key and key != token.text else F(token.text)

    def _values(self, own: bool) -> list[Scalar]:
        self._expect("(")
        if self._take(")"):
            return []
        values = [self._value(own)]
        while self._take(","):
            values.append(self._value(own))
        self._expect(")", "',' or ')'")
        return values

    def _value(self, own: bool) -> Scalar:
        token = self._tokens[self._next]
        if token.kind in ("symbol", "end"):
            raise self._unexpected("a value")
        if token.text.lower() == "null" and not own:
            raise self._unexpected("a value; for null write 'is missing'")
        self._next += 1
        return token.text if own and token.kind != "quoted" else value_of(self._text, token)

    def _take(self, wanted: str) -> bool:
        """Pass over a symbol or an unquoted keyword if it comes next."""
        token = self._tokens[self._next]
        there = token.kind in ("word", "symbol") and token.text.lower() == wanted
        self._next += there
        return there

    def _expect(self, wanted: str, named: str = "") -> None:
        if not self._take(wanted):
            raise self._unexpected(named or f"'{wanted}'")

    def _unexpected(self, expected: str) -> InvalidFilter:
        token = self._tokens[self._next]
        shown = token.text if len(token.text) <= 40 else token.text[:40] + "..."
        found = "the end" if token.kind == "end" else repr(shown)
        return problem(self._text, token.start, f"expected {expected}, found {found}")


def check_depth(depth: int) -> None:
    """Raise InvalidFilter for a filter that is nested too deep."""
    if depth > MAX_DEPTH:
        raise InvalidFilter(f"the filter is nested more than {MAX_DEPTH} levels deep")


def unparse(where: Filter) -> str:
    """Return a text that `parse` reads back as an equal filter.

    An `And` or `Or` of one part comes back as that part. Raises InvalidFilter when the
    filter is nested deeper than `parse` reads.
    """
    return _unparse(where, 0)


def _unparse(where: Filter, depth: int) -> str:
    check_depth(depth)
    match where:
        case And(parts) | Or(parts):
            if not parts:
                return "true" if isinstance(where, And) else "false"
            word = " and " if isinstance(where, And) else " or "
            return word.join(_grouped(part, depth + (len(parts) > 1)) for part in parts)
        case Not(IsIn(field, values)):
            return f"{_name(field)} not in {_list(values)}"
        case Not(IsMissing(field)):
            return f"{_name(field)} is not missing"
        case Not(HasLang((tag,))):
            return f"lang != {_tag(tag)}"
        case Not(part):
            return f"not {_grouped(part, depth + 1)}"
        case Compare(field, op, value):
            return f"{_name(field)} {op} {_literal(value)}"
        case IsIn(field, values):
            return f"{_name(field)} in {_list(values)}"
        case Contains(field, value):
            return f"{_name(field)} contains {_literal(value)}"
        case IsMissing(field):
            return f"{_name(field)} is missing"
        case HasLang((tag,)):
            return f"lang = {_tag(tag)}"
        case HasLang(tags):
            return f"lang in ({', '.join(map(_tag, tags))})"
        case HasId((id,)):
            return f"id = {_literal(id)}"
        case HasId(ids):
            return f"id in {_list(ids)}"
        case _:
            assert_never(where)


def _grouped(part: Filter, depth: int) -> str:
    text = _unparse(part, depth)
    return f"({text})" if isinstance(part, And | Or) and len(part.parts) > 1 else text


def _name(field: str) -> str:
    plain = _PLAIN.fullmatch(field) and field not in OWN and not field.startswith("metadata.")
    return field if plain and field.lower() not in _RESERVED else _literal(field)


def _tag(tag: str) -> str:
    return tag if _PLAIN.fullmatch(tag) else _literal(tag)


def _list(values: Sequence[Scalar]) -> str:
    return f"({', '.join(map(_literal, values))})"


def _literal(value: Scalar) -> str:
    checked = scalar(value)
    if isinstance(checked, datetime):
        return checked.isoformat().replace("+00:00", "Z")
    return json.dumps(checked, ensure_ascii=False)
