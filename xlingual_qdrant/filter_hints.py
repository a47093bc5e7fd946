"""Why a filter matches nothing: a field that nobody has, or a comparison with another type."""

from __future__ import annotations

from collections.abc import Iterator

from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.filters import (
    And,
    Compare,
    Contains,
    Filter,
    IsIn,
    IsMissing,
    Not,
    Or,
    Scalar,
    same_type,
)
from xlingual_qdrant.ports import StoredCollection


def why_nothing(stored: StoredCollection, where: Filter) -> list[str]:
    """Return, in words, which conditions cannot match as the documents are.

    It looks at one document that has the field, so call it only when nothing was found.
    """
    hints: list[str] = []
    for condition in _conditions(where):
        there = next(stored.scan(Not(IsMissing(condition.field)), batch=1), None)
        if there is None or not there.documents:
            hints.append(f"no document has a field '{condition.field}'")
            continue
        value = there.documents[0].metadata[condition.field]
        if not _comparable(value, condition):
            hints.append(
                f"'{condition.field}' holds values such as {value!r}, which are of another type"
                " than the filter's; CSV and TSV hold text, unless the settings declare the"
                " field before the collection is made: [fields]"
            )
    return hints


def _conditions(where: Filter) -> Iterator[Compare | IsIn | Contains]:
    match where:
        case Compare() | IsIn() | Contains():
            yield where
        case And(parts) | Or(parts):
            for part in parts:
                yield from _conditions(part)
        case Not(part):
            yield from _conditions(part)
        case _:
            return


def _comparable(value: JsonValue, condition: Compare | IsIn | Contains) -> bool:
    wanted: tuple[Scalar, ...] = (
        condition.values if isinstance(condition, IsIn) else (condition.value,)
    )
    elements = value if isinstance(value, list) else [value]
    return not wanted or any(
        same_type(element, scalar) is not None for element in elements for scalar in wanted
    )
