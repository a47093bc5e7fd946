"""Lengths of texts beside each other, and what they do to scores."""

from __future__ import annotations

import numpy as np
import pytest

from xlingual_qdrant.documents import Document
from xlingual_qdrant.queries.mining.lengths import (
    ENOUGH,
    LEAST_DEVIATION,
    TextLengths,
    UsualLengths,
    log_lengths,
    text_lengths,
    usual_lengths,
)
from xlingual_qdrant.queries.mining.matching import RowPairs
from xlingual_qdrant.queries.mining.partners import Listing

COUNT = 3 * ENOUGH


def pairs(left: list[int], right: list[int], scores: list[float]) -> RowPairs:
    rows = [np.array(side, dtype=np.int64) for side in (left, right)]
    known = np.array(scores, dtype=np.float32)
    return RowPairs(rows[0], rows[1], known, known)


def diagonal(count: int) -> RowPairs:
    return pairs([*range(count)], [*range(count)], [2 - i / count for i in range(count)])


def side(logs: np.ndarray, langs: np.ndarray | int = 0) -> TextLengths:
    return TextLengths(
        logs.astype(np.float32), np.broadcast_to(np.asarray(langs, dtype=np.int64), len(logs))
    )


def known(left: list[float], right: list[float], deviation: float) -> UsualLengths:
    return UsualLengths(
        side(np.array(left)),
        side(np.array(right)),
        np.zeros((1, 1), dtype=np.float32),
        np.full((1, 1), deviation, dtype=np.float32),
    )


def test_what_is_usual_is_learned_from_the_surest_pairs():
    left = np.log(np.arange(100.0, 100 + COUNT))
    right = left - np.log(2)
    right[ENOUGH:] = 1.0  # what the less sure pairs are like is not asked
    found = usual_lengths(diagonal(COUNT), side(left), side(right))
    assert found.usual[0, 0] == pytest.approx(np.log(2), abs=1e-5)
    assert found.deviation[0, 0] == np.float32(LEAST_DEVIATION)
    spread = left - np.tile(np.log([2.0, 2.5, 3.0]), ENOUGH)
    assert usual_lengths(diagonal(COUNT), side(left), side(spread)).deviation[0, 0] > 0.2


def test_each_pair_of_languages_has_its_own_ratio_and_a_rare_one_that_of_all():
    langs = np.arange(2 * COUNT) % 2
    left = np.log(np.arange(100.0, 100 + 2 * COUNT))
    right = left - np.where(langs == 0, 1.0, 0.0)
    found = usual_lengths(diagonal(2 * COUNT), side(left, langs), side(right, langs))
    assert found.usual[[0, 1], [0, 1]] == pytest.approx([1.0, 0.0], abs=1e-5)
    assert found.deviation[0, 0] == found.deviation[1, 1] == np.float32(LEAST_DEVIATION)
    assert 0 <= found.usual[0, 1] <= 1
    assert found.deviation[0, 1] > 0.5


def test_a_pair_loses_by_its_distance_from_what_is_usual_up_to_a_limit():
    weighed = known([0.0, 0.1, 0.2, -0.2, 9.0], [0.0], 0.1).weighed(
        pairs([*range(5)], [0] * 5, [1.0] * 5)
    )
    assert weighed.scores == pytest.approx([1.0, 0.99, 0.96, 0.96, 0.84], abs=1e-5)
    assert weighed.cosines.tolist() == [1.0] * 5


def test_a_score_below_zero_does_not_rise():
    assert known([2.0], [0.0], 0.1).weighed(pairs([0], [0], [-0.5])).scores[0] < -0.5


@pytest.mark.parametrize("count", [0, 1, ENOUGH - 1])
def test_few_pairs_say_nothing_of_lengths(count):
    left = side(np.arange(float(count)))
    found = usual_lengths(diagonal(count), left, side(np.zeros(count)))
    assert found.weighed(diagonal(count)).scores.tolist() == diagonal(count).scores.tolist()


def test_no_text_is_too_short_to_have_a_length():
    empty, blank, short = log_lengths(["", "  ", "ja"]).tolist()
    assert empty == blank < short
    assert log_lengths([]).shape == (0,)


def test_regions_of_a_language_are_one_language():
    tags = np.array(["fr", "de-AT", "fr-CA", "de", "und"])
    found = text_lengths(Listing([*"abcde"], tags, lambda rows: [Document("a")] * len(rows)))
    assert found.langs.tolist() == [1, 0, 1, 0, 2]
