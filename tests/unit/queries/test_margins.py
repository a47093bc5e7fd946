"""Scores of pairs beside their neighbourhoods."""

from __future__ import annotations

import numpy as np
import pytest

from xlingual_qdrant.queries.margins import (
    PAIR_MEASURES,
    csls,
    distance_margins,
    pair_scores,
    ratio_margins,
)


def floats(*numbers: float) -> np.ndarray:
    return np.array(numbers, dtype=np.float32)


def test_a_ratio_is_the_cosine_over_the_mean_of_both_neighbourhoods():
    assert ratio_margins(floats(0.6), floats(0.4), floats(0.2)) == pytest.approx([2.0])


def test_a_ratio_is_never_divided_by_less_than_a_millionth():
    assert ratio_margins(floats(0.5), floats(-0.5), floats(0.1)) == pytest.approx([5e5])


def test_a_distance_is_what_is_left_above_the_neighbourhoods():
    assert distance_margins(floats(0.6), floats(0.4), floats(0.2)) == pytest.approx([0.3])


def test_csls_is_twice_the_distance():
    a, b, c = np.random.default_rng(0).random((3, 50), dtype=np.float32)
    assert csls(a, b, c) == pytest.approx(2 * distance_margins(a, b, c), abs=1e-6)


@pytest.mark.parametrize("measure", PAIR_MEASURES)
def test_arrays_broadcast_and_stay_float32(measure):
    cosines = np.full((3, 4), 0.5, dtype=np.float32)
    near = np.full((3, 1), 0.25, dtype=np.float32), np.full((1, 4), 0.25, dtype=np.float32)
    found = pair_scores(measure, cosines, *near)
    assert found.shape == (3, 4)
    assert found.dtype == np.float32
    expected = {"ratio": 2.0, "distance": 0.25, "csls": 0.5, "cosine": 0.5}[measure]
    assert found == pytest.approx(np.full((3, 4), expected))
