"""What else a mined pair has to pass, seen from its texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.documents import Document
from xlingual_qdrant.hygiene import composed
from xlingual_qdrant.ports import LanguageDetector
from xlingual_qdrant.queries.mining.lengths import log_lengths

SURE = 0.8
"""The confidence of a detected language from which on it counts."""
ENOUGH = 20
"""Pairs whose lengths tell how long a text is in the other language."""


@dataclass(frozen=True, slots=True)
class Guards:
    """Which pairs of texts are left out, whatever their score.

    max_length_ratio: those where one text is so many times longer than it should be, beside what
    is usual between the two languages. skip_identical: those of one text with itself. detector:
    those whose texts are in one language, as far as can be told.
    """

    max_length_ratio: float | None = None
    skip_identical: bool = False
    detector: LanguageDetector | None = None

    @property
    def by_length(self) -> bool:
        """Whether the usual ratio of lengths has to be known."""
        return self.max_length_ratio is not None

    def passing(
        self, sources: Sequence[Document], targets: Sequence[Document], usual: float
    ) -> NDArray[np.bool_]:
        """Say of each pair whether it passes; usual: the logarithm of the usual ratio."""
        one, other = [each.text for each in sources], [each.text for each in targets]
        passed = np.array([bool(a) and bool(b) for a, b in zip(one, other, strict=True)])
        if self.skip_identical:
            passed &= np.array([_plain(a) != _plain(b) for a, b in zip(one, other, strict=True)])
        if self.max_length_ratio is not None:
            away = np.abs(log_ratios(one, other) - usual)
            passed &= away <= np.log(self.max_length_ratio)
        if self.detector is not None:
            found, back = self.detector.detect(one), self.detector.detect(other)
            passed &= np.array(
                [
                    a.lang != b.lang or min(a.confidence, b.confidence) < SURE
                    for a, b in zip(found, back, strict=True)
                ]
            )
        return passed


def log_ratios(sources: Sequence[str], targets: Sequence[str]) -> NDArray[np.float32]:
    """Return the logarithm of the length of each source divided by that of its target."""
    return log_lengths(sources) - log_lengths(targets)


def usual_log_ratio(sources: Sequence[str], targets: Sequence[str]) -> float:
    """Return the median of `log_ratios`: how long texts are beside their translations.

    With few pairs it is drawn towards no difference.
    """
    if not sources:
        return 0.0
    found = float(np.median(log_ratios(sources, targets)))
    return found * min(1.0, len(sources) / ENOUGH)


def _plain(text: str) -> str:
    [plain] = composed([text])
    return " ".join(plain.split())
