"""Pairs of texts with a word on whether they say the same, read from tables."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from xlingual_qdrant.errors import UnknownColumn, UsageError
from xlingual_qdrant.finetuning import TextPair
from xlingual_qdrant.ingest.records import Rejection
from xlingual_qdrant.parallel.reading import PairColumns, PairRow, pair_rows

USUAL_LABELS = "label"
"""The column of the labels, if a file has it and none is named."""
_YES = {"1", "true", "yes", "same"}
_NO = {"0", "false", "no", "other", "different"}


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """Two texts, and whether they say the same."""

    left: str
    right: str
    same: bool
    left_lang: str = ""
    right_lang: str = ""

    @property
    def texts(self) -> TextPair:
        """The pair without its label."""
        return TextPair(self.left, self.right, self.left_lang, self.right_lang)


@dataclass(slots=True)
class LabelledRead:
    """What files held. labelled: whether they have labels; without, all pairs are the same.

    rejected: rows by what was wrong with them, a word of `errors.Reason`.
    """

    pairs: list[LabelledPair] = field(default_factory=list[LabelledPair])
    labelled: bool = False
    rejected: Counter[str] = field(default_factory=Counter[str])
    first_rejection: Rejection | None = None


def read_labelled(
    files: Sequence[str | os.PathLike[str]],
    *,
    columns: PairColumns | None = None,
    labels: str | None = None,
    same_from: float | None = None,
) -> LabelledRead:
    """Read pairs and their labels; a bad row is counted, a bad file raises.

    labels: the column that says whether two texts say the same; `label` if there is one. It holds
    1 and 0, yes and no, true and false, same and other; or with same_from numbers, of which
    those of at least same_from mean the same.

    Raises FileUnavailable, UnreadableFile, UnknownColumn, MissingExtra; UsageError for grades
    without same_from.
    """
    found = LabelledRead()
    for file in files:
        for row in pair_rows(file, columns):
            if isinstance(row, PairRow):
                row = _labelled(row, os.fspath(file), labels, same_from, found)
            if isinstance(row, Rejection):
                found.rejected[row.reason] += 1
                found.first_rejection = found.first_rejection or row
            else:
                found.pairs.append(row)
    return found


def _labelled(
    row: PairRow, file: str, labels: str | None, same_from: float | None, found: LabelledRead
) -> LabelledPair | Rejection:
    pair = row.pair
    name = labels or USUAL_LABELS
    if name not in row.fields:
        if labels is not None:
            raise UnknownColumn(file, labels, list(row.fields))
        if same_from is not None:
            raise UsageError(f"{file}: no column '{name}' has grades; name theirs with --label")
        return LabelledPair(pair.left, pair.right, True, pair.left_lang, pair.right_lang)
    found.labelled = True
    same = _same(row.fields[name], same_from)
    if same is None:
        shown = str(row.fields[name])[:40]
        if same_from is None and _number(row.fields[name]) is not None:
            raise UsageError(
                f"{file}, line {row.line}: the column '{name}' holds {shown!r}, a grade; say from"
                " which grade on two texts say the same: --same-from 4"
            )
        detail = f"the column '{name}' holds {shown!r}, which is neither 1 nor 0"
        return Rejection(file, row.line, "type", detail, "")
    return LabelledPair(pair.left, pair.right, same, pair.left_lang, pair.right_lang)


def _same(value: Any, same_from: float | None) -> bool | None:
    if same_from is not None:
        number = _number(value)
        return None if number is None else number >= same_from
    word = str(value).strip().lower()
    number = _number(value)
    if word in _YES or number == 1:
        return True
    return False if word in _NO or number == 0 else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
