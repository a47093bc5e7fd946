"""How well labels learned in one language hold in the others."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.queries.classification.labels import Label

_WIDTH = 1.96


@dataclass(frozen=True, slots=True)
class LanguageScore:
    """What was right in one language; shares from 0 to 1.

    n: texts. accuracy: the share that got their label; to abstain is wrong here. low, high: where
    it lies with 95 % confidence, by Wilson's formula, which holds for few texts too. macro_f1: the
    mean over the classes that occur in these texts. abstained: texts without an answer.
    precision: the share of right ones among the answers; None without any. gap: the accuracy of
    the training language less this one; None if that has no texts.
    """

    lang: str
    n: int
    accuracy: float
    low: float
    high: float
    macro_f1: float
    abstained: int
    precision: float | None
    gap: float | None

    def to_json(self) -> dict[str, JsonValue]:
        """Return the facts, shares with 6 digits."""
        return {
            name: round(value, 6) if isinstance(value, float) else value
            for name in LanguageScore.__slots__
            for value in [getattr(self, name)]
        }


@dataclass(frozen=True, slots=True)
class TransferReport:
    """How a classifier does, by language.

    lang: that it was trained in. languages: the training language first, then the best. mean: over
    the other languages, of their accuracies. confusion: texts by true label and given one; None is
    the label of those without an answer.
    """

    lang: str
    languages: list[LanguageScore]
    total: LanguageScore
    mean: float | None
    confusion: Mapping[tuple[Label, Label | None], int]

    @property
    def gap(self) -> float | None:
        """The accuracy in the training language less the mean of the others; None without one."""
        own = next((score for score in self.languages if score.lang == self.lang), None)
        return None if own is None or self.mean is None else own.accuracy - self.mean

    def to_json(self) -> dict[str, JsonValue]:
        """Return everything as one JSON object."""
        return {
            "lang": self.lang,
            "mean": None if self.mean is None else round(self.mean, 6),
            "gap": None if self.gap is None else round(self.gap, 6),
            "total": self.total.to_json(),
            "languages": [score.to_json() for score in self.languages],
            "confusion": [
                {"label": true, "given": given, "n": n}
                for (true, given), n in self.confusion.items()
            ],
        }


def transfer_report(
    truth: Sequence[Label],
    given: Sequence[Label | None],
    langs: Sequence[str],
    *,
    lang: str = "en",
    abstain: Label | None = None,
) -> TransferReport:
    """Compare the labels given with the true ones.

    langs: canonical tags of the texts. lang: that of training. abstain: the label that stands for
    no answer, unless it is a true one.
    """
    if not len(truth) == len(given) == len(langs):
        raise UsageError(
            f"there are {len(truth):,} true labels, {len(given):,} given ones and {len(langs):,}"
            " languages; give one of each for every text"
        )
    if not truth:
        raise UsageError("there is no labelled text to compare with")
    silent = {None} if abstain in truth else {None, abstain}
    answers = [None if label in silent else label for label in given]
    tags = np.array(langs, dtype=np.str_)
    own = _rows(tags == lang)
    base = _accuracy(truth, answers, own) if len(own) else None
    scores = [
        _score(str(tag), truth, answers, _rows(tags == tag), base)
        for tag in np.unique(tags).tolist()
    ]
    others = [score.accuracy for score in scores if score.lang != lang]
    pairs = Counter(zip(truth, answers, strict=True))
    return TransferReport(
        lang,
        sorted(scores, key=lambda score: (score.lang != lang, -score.accuracy, score.lang)),
        _score("all", truth, answers, list(range(len(truth))), None),
        float(np.mean(others)) if others else None,
        dict(sorted(pairs.items(), key=lambda item: (str(item[0][0]), str(item[0][1])))),
    )


def _rows(which: NDArray[np.bool_]) -> list[int]:
    return np.flatnonzero(which).tolist()


def _accuracy(truth: Sequence[Label], given: Sequence[Label | None], rows: Sequence[int]) -> float:
    return float(np.mean([truth[row] == given[row] for row in rows]))


def _score(
    lang: str,
    truth: Sequence[Label],
    given: Sequence[Label | None],
    rows: Sequence[int],
    base: float | None,
) -> LanguageScore:
    wanted = [truth[row] for row in rows]
    got = [given[row] for row in rows]
    accuracy = _accuracy(truth, given, rows)
    answered = sum(label is not None for label in got)
    hits = sum(a == b for a, b in zip(wanted, got, strict=True))
    low, high = _interval(accuracy, len(rows))
    return LanguageScore(
        lang,
        len(rows),
        accuracy,
        low,
        high,
        _macro_f1(wanted, got),
        len(rows) - answered,
        hits / answered if answered else None,
        None if base is None else base - accuracy,
    )


def _interval(share: float, n: int) -> tuple[float, float]:
    """Return Wilson's interval: unlike a bootstrap one it is never empty, even for 1 of 1."""
    spread = _WIDTH**2 / n
    middle = (share + spread / 2) / (1 + spread)
    half = _WIDTH * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def _macro_f1(wanted: Sequence[Label], got: Sequence[Label | None]) -> float:
    true, made = Counter(wanted), Counter(got)
    hits = Counter(a for a, b in zip(wanted, got, strict=True) if a == b)
    return float(np.mean([2 * hits[label] / (true[label] + made[label]) for label in true]))
