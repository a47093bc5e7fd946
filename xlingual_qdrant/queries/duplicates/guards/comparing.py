"""What differs between two texts: the words of one that the other has not at that place."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TypeVar

from xlingual_qdrant.queries.duplicates.guards.lexicon import Lexicon
from xlingual_qdrant.queries.duplicates.guards.numbers import Amount, Value
from xlingual_qdrant.queries.duplicates.guards.spelling import UNSPACED, characters

_VOWELS = frozenset("aeiouyаеиоуыюяαεηιουω")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_LONGEST = 2000
"""Words that are put side by side in their order; of more it only counts which there are."""
_COMPARED = 2500
"""Pairs of words, or of numbers, of which each is looked at; of more only equal ones are found."""

_T = TypeVar("_T", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Change:
    """Words of the left text where the right one has others, or none."""

    left: tuple[str, ...]
    right: tuple[str, ...]


def changes(left: list[str], right: list[str]) -> list[Change]:
    """Return where two lists of words differ, in order."""
    start, end = 0, 0
    most = min(len(left), len(right))
    while start < most and left[start] == right[start]:
        start += 1
    while end < most - start and left[-1 - end] == right[-1 - end]:
        end += 1
    one, other = left[start : len(left) - end], right[start : len(right) - end]
    if not one or not other or len(one) + len(other) > _LONGEST:
        return [Change(tuple(one), tuple(other))] if one or other else []
    codes = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return [
        Change(tuple(one[i:j]), tuple(other[k:m])) for code, i, j, k, m in codes if code != "equal"
    ]


def only_words(change: Change, known: Lexicon) -> tuple[list[str], list[str]]:
    """Return what one side says at this place and the other does not; typing errors are no words.

    Fillers may be anywhere, and do not count. What scripts without spaces have is one word.
    """
    if "".join(change.left) == "".join(change.right):
        return [], []  # a space more or less
    left, right = _without_slips(_joined(change.left), _joined(change.right), known)
    left, right = _without_fillers(left, known), _without_fillers(right, known)
    left, right = _without_slips(left, right, known)
    one, other = "".join(left), "".join(right)
    if one == other or (left and right and len(left) + len(right) > 2 and _one_step(one, other)):
        return [], []
    return left, right


def _without_slips(
    left: list[str], right: list[str], known: Lexicon
) -> tuple[list[str], list[str]]:
    """Leave out words that stand on both sides, but for a slip of the finger."""
    if len(left) * len(right) > _COMPARED:
        left, right = _without_equal(left, right)
        if len(left) * len(right) > _COMPARED:
            return left, right
    rest = list(right)
    kept: list[str] = []
    for word in left:
        meant = next((each for each in rest if is_slip(word, each, known)), None)
        if meant is None:
            kept.append(word)
        else:
            rest.remove(meant)
    return kept, rest


def _without_equal(left: Sequence[_T], right: Sequence[_T]) -> tuple[list[_T], list[_T]]:
    """Leave out what is on both sides, as often as it is on either."""
    sides: list[list[_T]] = []
    for one, other in ((left, right), (right, left)):
        there = Counter(other)
        kept: list[_T] = []
        for each in one:
            if there[each]:
                there[each] -= 1
            else:
                kept.append(each)
        sides.append(kept)
    return sides[0], sides[1]


def _joined(words: tuple[str, ...]) -> list[str]:
    """Return the words, neighbouring characters of scripts without spaces as one."""
    joined: list[str] = []
    for word in words:
        if joined and UNSPACED.match(word) and UNSPACED.match(joined[-1]):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _without_fillers(words: list[str], known: Lexicon) -> list[str]:
    kept: list[str] = []
    for word in words:
        if UNSPACED.match(word):
            for filler in known.long_fillers:
                word = word.replace(filler, "")
        if word and word not in known.filler:
            kept.append(word)
    return kept


def is_slip(word: str, other: str, known: Lexicon) -> bool:
    """Say whether two words are one, but for a slip of the finger.

    Words that the language has both are no slips of each other.
    """
    if word == other:
        return True
    if UNSPACED.match(word) or UNSPACED.match(other):
        return _is_slip_of_character(word, other, known)
    knows = known.has(word) + known.has(other)
    one, two = word, other
    if _HANGUL.search(word) and len(word) == len(other) and not _swapped(word, other):
        one, two = (unicodedata.normalize("NFD", each) for each in (word, other))
    # A Hangul syllable is two or three letters; one for another is another word.
    if knows == 2 or min(len(one), len(two)) < 2 or not _one_step(one, two):
        return len(word) > 2 and knows < 2 and _swapped(word, other)
    if len(one) != len(two) or _swapped(one, two):
        return True
    # One letter for another makes another word, the more easily the shorter they are.
    ending = one[:-1] == two[:-1] and one[-1] in _VOWELS and two[-1] in _VOWELS
    return len(one) > 4 - knows and not ending


def _is_slip_of_character(word: str, other: str, known: Lexicon) -> bool:
    """Say whether one character may stand for the other: Chinese ones are words of their own."""
    if known.has(word) and known.has(other):
        return False
    if len(characters(word)) > 1 or len(characters(other)) > 1:
        return _swapped(word, other)
    kana = all("ぁ" <= character[0] <= "ゟ" for character in (word, other))
    marked = word[0] == other[0] and max(len(word), len(other)) > 1
    return kana or marked


def _one_step(word: str, other: str) -> bool:
    """Say whether one letter was left out, added or replaced, or two were swapped."""
    if abs(len(word) - len(other)) > 1:
        return False
    start = 0
    most = min(len(word), len(other))
    while start < most and word[start] == other[start]:
        start += 1
    one, two = word[start:], other[start:]
    return one[1:] == two[1:] or one[1:] == two or one == two[1:] or _swapped(one, two)


def _swapped(word: str, other: str) -> bool:
    """Say whether two letters beside each other are the other way round."""
    apart = [at for at, (a, b) in enumerate(zip(word, other, strict=False)) if a != b]
    return (
        len(word) == len(other)
        and len(apart) == 2
        and apart[1] == apart[0] + 1
        and word[apart[0]] == other[apart[1]]
        and word[apart[1]] == other[apart[0]]
    )


def opposites(change: Change, known: Lexicon) -> tuple[str, str] | None:
    """Return a word of the left side and its opposite on the right, if there are such."""
    if len(change.left) * len(change.right) <= _COMPARED:
        pairs = ((word, other) for word in change.left for other in change.right)
        return next((pair for pair in pairs if is_opposite(*pair, known)), None)
    lefts, rights = set(change.left), set(change.right)
    for prefix in known.negation_prefixes:
        for word in change.left:
            if prefix + word in rights:
                return word, prefix + word
        for word in change.right:
            if prefix + word in lefts:
                return prefix + word, word
    return None


def is_opposite(word: str, other: str, known: Lexicon) -> bool:
    """Say whether one word is the other with a negating beginning, or in Turkish an infix."""
    shorter, longer = sorted((word, other), key=len)
    if any(longer == prefix + shorter for prefix in known.negation_prefixes):
        return True
    if known.lang != "tr":
        return False
    start = 0
    while start < len(shorter) and shorter[start] == longer[start]:
        start += 1
    return longer[start:].startswith("m") != shorter[start:].startswith("m") and start > 0


def unmatched_amounts(left: list[Amount], right: list[Amount]) -> tuple[list[str], list[str]]:
    """Return what only one of two texts counts, as it is written."""
    if len(left) * len(right) > _COMPARED:
        left, right = _without_equal(left, right)
        if len(left) * len(right) > _COMPARED:
            return [amount.written for amount in left], [amount.written for amount in right]
    rest = list(right)
    missing: list[Amount] = []
    for amount in left:
        same = next((each for each in rest if amount.agrees(each)), None)
        if same is None:
            missing.append(amount)
        else:
            rest.remove(same)
    if missing and rest:
        missing, rest = _without_spelled_dates(missing, rest)
        rest, missing = _without_spelled_dates(rest, missing)
    return [amount.written for amount in missing], [amount.written for amount in rest]


def contradicting_amounts(left: list[Amount], right: list[Amount]) -> tuple[list[str], list[str]]:
    """Return what only one of two texts in two languages counts, whatever the unit.

    20 million and 2000万 are the same; so zeros at the end do not count.
    """
    one = [each.without_scale() for each in left]
    other = [each.without_scale() for each in right]
    return unmatched_amounts(one, other)


def _without_spelled_dates(
    dates: list[Amount], parts: list[Amount]
) -> tuple[list[Amount], list[Amount]]:
    """Leave out dates in digits whose day, month and year the other text has one by one."""
    left: list[Amount] = []
    for amount in dates:
        found = next(
            (taken for value in amount.values if (taken := _spelled(value, parts)) is not None),
            None,
        )
        if found is None:
            left.append(amount)
        else:
            parts = [each for each in parts if all(each is not part for part in found)]
    return left, parts


def _spelled(date: Value, parts: list[Amount]) -> list[Amount] | None:
    if date[0] != "date":
        return None
    taken: list[Amount] = []
    for wanted in (("n", date[1]), ("month", date[2]), ("n", date[3])):
        part = next(
            (p for p in parts if wanted in p.values and all(p is not each for each in taken)), None
        )
        if part is None:
            return None
        taken.append(part)
    return taken
