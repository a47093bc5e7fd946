"""Labels of texts: what may be one, and their numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.errors import UsageError

Label: TypeAlias = str | int | bool
"""All labels of a classifier are of one of these types."""

MOST = 10_000
"""More classes than that are no classes, but something like titles or ids."""


def checked_label(value: object, where: str) -> Label:
    """Return a label as a plain Python value; raises UsageError, which names the place."""
    plain = cast(object, value.item()) if isinstance(value, np.generic) else value  # pyright: ignore[reportUnknownMemberType]
    if isinstance(plain, str | int):
        if plain == "":
            raise UsageError(f"{where}: the label is empty; leave out what has none")
        return plain
    raise UsageError(
        f"{where}: a label is a string, a whole number, or true or false, not"
        f" {type(plain).__name__} {str(plain)[:40]!r}"
    )


def classes_of(labels: Iterable[Label], where: str) -> list[Label]:
    """Return the different labels in their order; raises UsageError if they cannot be told apart.

    where: what holds them, for the message.
    """
    found = sorted(set(labels), key=lambda label: (type(label).__name__, label))
    kinds = {type(label).__name__ for label in found}
    if len(kinds) > 1:
        raise UsageError(
            f"{where}: labels are of the types {' and '.join(sorted(kinds))}; give them one type"
        )
    if len(found) < 2:
        there = f"only {found[0]!r} is there" if found else "there is none"
        raise UsageError(f"{where}: a classifier needs two different labels; {there}")
    if len(found) > MOST:
        raise UsageError(
            f"{where}: there are {len(found):,} different labels, at most {MOST:,} are possible;"
            " is it the right field?"
        )
    return found


def rows_of(labels: Sequence[Label], classes: Sequence[Label]) -> NDArray[np.intp]:
    """Return the place of each label among the classes."""
    places = {label: place for place, label in enumerate(classes)}
    return np.array([places[label] for label in labels], dtype=np.intp)
