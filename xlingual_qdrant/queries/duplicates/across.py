"""Which texts of two languages are duplicates, seen together with the copies that each has.

Copies of one text are one text: what is found for one of them holds for all. And of two texts
that a guard has kept apart in one language ("in May", "in June"), a text of another language can
be the same as one at most: the nearer one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.calibration import Calibration
from xlingual_qdrant.queries.checkpoints import Checkpoint
from xlingual_qdrant.queries.corpus import Corpus
from xlingual_qdrant.queries.duplicates.crossing import Crossing, crossing, cut_of
from xlingual_qdrant.queries.duplicates.deciding import Guarded, Near, OnStep, Pairs
from xlingual_qdrant.queries.near_pairs.linking import components

_COLUMNS = ("left", "right", "cosines", "ratios", "margins", "best", "behind")


@dataclass(frozen=True, slots=True)
class Across:
    """Duplicates across languages: pairs of rows, the nearest of all copies of both texts.

    same: for each row the first row of its language that says the same, or itself. A pair holds
    for all rows that say the same as its two.
    """

    pairs: Pairs
    same: NDArray[np.int64]


def cross_duplicates(
    corpus: Corpus,
    groups: Mapping[str, NDArray[np.int64]],
    first: NDArray[np.int64],
    near: Near,
    guarded: Guarded,
    calibration: Calibration | None = None,
    *,
    margin: float | None = None,
    checkpoint: Checkpoint | None = None,
    on_step: OnStep | None = None,
) -> Across:
    """Return duplicates between all languages.

    groups: the rows of each language. first: for each row the first that is exactly the same. near:
    what was found within the languages. calibration: its cut of the measure `margin` decides for
    a pair of languages that it knows. margin: the least one, cosine less the mean of the
    neighbours; if none is given it is learned without labels, for each pair of languages with
    enough texts, and for all others together.
    """
    left, right, _ = near.pairs.arrays()
    again = np.flatnonzero(first != np.arange(len(first)))
    same = components(
        len(first), np.concatenate([left, first[again]]), np.concatenate([right, again])
    )
    apart = _groups_apart(same, near.apart)
    known = {lang: rows[first[rows] == rows] for lang, rows in groups.items() if lang != "und"}
    couples = list(combinations(known, 2))
    compared: list[Crossing] = []
    for number, (one, other) in enumerate(couples):
        if on_step is not None:
            on_step(f"comparing {one} with {other}", number, len(couples))
        compared.append(
            _kept(corpus, known[one], known[other], near.copies, checkpoint, one, other)
        )
    pairs = Pairs()
    shared = cut_of(compared).threshold if compared and margin is None else 0.0
    for (one, other), found in zip(couples, compared, strict=True):
        cut = None if calibration is None else calibration.cut("margin", one, other)
        if margin is None and cut is not None:
            wanted = found.ratios >= cut.threshold
        else:
            own = cut_of([found]).threshold if margin is None and found.enough else shared
            wanted = found.margins >= (own if margin is None else margin)
        at = np.flatnonzero(wanted)
        passed = guarded.passing(found.left[at], found.right[at], found.cosines[at], pairs)
        at = _best_of_groups(found, at[passed], same, apart)
        pairs.add(found.left[at], found.right[at], found.cosines[at])
    return Across(pairs, same)


def _groups_apart(
    same: NDArray[np.int64], apart: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> dict[int, set[int]]:
    """Return for each group those of its language that a guard keeps apart from it."""
    found: dict[int, set[int]] = defaultdict(set)
    for one, other in zip(same[apart[0]].tolist(), same[apart[1]].tolist(), strict=True):
        if one != other:
            found[one].add(other)
            found[other].add(one)
    return found


def _best_of_groups(
    found: Crossing, at: NDArray[np.int64], same: NDArray[np.int64], apart: dict[int, set[int]]
) -> list[int]:
    """Return the best pair of each two groups that does not contradict a better one."""
    order = at[np.lexsort((found.right[at], found.left[at], -found.margins[at]))]
    lefts, rights = same[found.left[order]].tolist(), same[found.right[order]].tolist()
    taken: dict[int, set[int]] = defaultdict(set)
    kept: list[int] = []
    none: set[int] = set()
    for place, left, right in zip(order.tolist(), lefts, rights, strict=True):
        if right in taken[left]:
            continue
        if apart.get(left, none) & taken[right] or apart.get(right, none) & taken[left]:
            continue
        taken[left].add(right)
        taken[right].add(left)
        kept.append(place)
    return kept


def _kept(
    corpus: Corpus,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    copies: NDArray[np.int64],
    checkpoint: Checkpoint | None,
    one: str,
    other: str,
) -> Crossing:
    """Return what an earlier run has found, or find it."""
    step = f"cross-{one}-{other}"
    done = None if checkpoint is None else checkpoint.load(step)
    if done is not None:
        return Crossing(**{name: done[name] for name in _COLUMNS})
    found = crossing(corpus.vectors, left, right, copies)
    if checkpoint is not None:
        checkpoint.save(step, **{name: getattr(found, name) for name in _COLUMNS})
    return found
