"""Guards: what differs between two near texts, and whether they may still be duplicates.

A model gives nearly the same vector to "Invoice of 3 May" and "Invoice of 4 May". The guards look
at the difference itself. Each can be left out by its name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.errors import UnknownName
from xlingual_qdrant.queries.duplicates.guards.comparing import (
    Change,
    changes,
    contradicting_amounts,
    only_words,
    opposites,
    unmatched_amounts,
)
from xlingual_qdrant.queries.duplicates.guards.profile import Profile, profile_of

__all__ = [
    "GUARDS",
    "Guard",
    "Profile",
    "Refusal",
    "checked_guards",
    "other_numbers",
    "profile_of",
    "refusal",
]

Guard: TypeAlias = Literal["numbers", "negation", "places", "words"]
GUARDS: tuple[Guard, ...] = get_args(Guard)
"""All guards, in the order in which they are asked.

numbers: numbers, dates, times and months by their value. negation: what one text negates and
the other does not. places: countries, by the names that they have in each language. words:
words that one text has and the other has not, unless they are slips of the finger, fillers, or
function words that were left out.
"""


LIGHT_SHARE = 4
"""At most one word in so many may be a function word that the other text has not; two always."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why two texts are no duplicates.

    left, right: what the one says and the other does not; "" for nothing.
    """

    guard: Guard
    left: str
    right: str

    def __str__(self) -> str:
        if self.left and self.right:
            return f"{self.guard}: {self.left!r} against {self.right!r}"
        return f"{self.guard}: {self.left or self.right!r} only in one of them"

    def turned(self) -> Refusal:
        """Return the same for the texts the other way round."""
        return Refusal(self.guard, self.right, self.left)


def checked_guards(names: Iterable[str]) -> tuple[Guard, ...]:
    """Return guards by name, in the order of GUARDS; raises UnknownName."""
    wanted = set(names)
    if unknown := wanted - set(GUARDS):
        raise UnknownName("guard", sorted(unknown)[0], GUARDS)
    return tuple(guard for guard in GUARDS if guard in wanted)


def refusal(left: Profile, right: Profile, guards: Sequence[Guard] = GUARDS) -> Refusal | None:
    """Return why two texts are no duplicates; None if no guard objects.

    Between texts of two languages the guards `numbers` and `places` are asked alone, and refuse
    only what contradicts: where one text is silent, the other may say it in words.
    """
    if left.lexicon.lang != right.lexicon.lang:
        return _across(left, right, guards)
    if _order(left) > _order(right):  # what is aligned must not depend on which comes first
        found = _within(right, left, guards)
        return None if found is None else found.turned()
    return _within(left, right, guards)


def other_numbers(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say of pairs of one language, by their `numbers_key`s, which the guard `numbers` refuses.

    True is sure; False means that `refusal` is to be asked. Texts made from one template are all
    near each other, and come in so many pairs that they cannot be looked at one by one.
    """
    return (left != 0) & (right != 0) & (left != right)


def _order(profile: Profile) -> tuple[list[str], list[str]]:
    return profile.words, [amount.written for amount in profile.amounts]


def _within(left: Profile, right: Profile, guards: Sequence[Guard]) -> Refusal | None:
    if "numbers" in guards:
        one, other = unmatched_amounts(left.amounts, right.amounts)
        if one or other:
            return Refusal("numbers", ", ".join(one), ", ".join(other))
    if left.words == right.words:
        return None
    differing = changes(left.words, right.words)
    checks: dict[Guard, Callable[[], Refusal | None]] = {
        "negation": lambda: _negation(left, right, differing),
        "places": lambda: _places(left, right),
        "words": lambda: _words(left, right, differing),
    }
    return next(
        (found for name, ask in checks.items() if name in guards and (found := ask())), None
    )


def _across(left: Profile, right: Profile, guards: Sequence[Guard]) -> Refusal | None:
    if "numbers" in guards:
        found = _contradiction(left, right)
        if found is not None:
            return found
    return _places(left, right) if "places" in guards else None


def _contradiction(left: Profile, right: Profile) -> Refusal | None:
    """Return what both count, and neither finds in the other, across languages."""
    one, other = contradicting_amounts(left.amounts, right.amounts)
    return Refusal("numbers", ", ".join(one), ", ".join(other)) if one and other else None


def _negation(left: Profile, right: Profile, differing: Sequence[Change]) -> Refusal | None:
    for change in differing:
        found = opposites(change, left.lexicon)
        if found is not None:
            return Refusal("negation", *found)
    if len(left.negations) == len(right.negations):
        return None
    one, other = Counter(left.negations), Counter(right.negations)
    return Refusal("negation", " ".join(one - other), " ".join(other - one))


def _places(left: Profile, right: Profile) -> Refusal | None:
    one, other = left.places - right.places, right.places - left.places
    if not one or not other:
        return None
    return Refusal("places", ", ".join(sorted(one)), ", ".join(sorted(other)))


def _words(left: Profile, right: Profile, differing: Sequence[Change]) -> Refusal | None:
    known = left.lexicon
    light = 0
    for change in differing:
        one, other = only_words(change, known)
        if one and other:
            return Refusal("words", " ".join(one), " ".join(other))
        for word in (*one, *other):
            if not known.may_come_or_go(word):
                return Refusal("words", " ".join(one), " ".join(other))
        light += len(one) + len(other)
    if light > max(2, min(len(left.words), len(right.words)) // LIGHT_SHARE):
        first, last = differing[0], differing[-1]
        one, other = (
            (first.left, first.right)
            if len(differing) == 1
            else ((*first.left, *last.left), (*first.right, *last.right))
        )
        return Refusal("words", " ".join(one), " ".join(other))
    return None
