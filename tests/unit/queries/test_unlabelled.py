"""Thresholds without labels, on scores whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from xlingual_qdrant.queries.scores.unlabelled import cut_from_candidates


def scores(count: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores of candidates, whether each is right, and scores of wrong ones."""
    random = np.random.default_rng(seed)
    right = random.random(count) < share
    wrong = random.gumbel(1.05, 0.09, size=(2, count))
    candidates = np.where(right, random.normal(1.55, 0.16, count), wrong[0])
    return candidates.astype(np.float32), right, wrong[1].astype(np.float32)


def f1(candidates: np.ndarray, right: np.ndarray, threshold: float) -> float:
    taken = candidates >= threshold
    return float(2 * right[taken].sum() / (taken.sum() + right.sum()))


@pytest.mark.parametrize("share", [0.1, 0.4, 0.9])
@pytest.mark.parametrize("count", [200, 5000])
def test_the_threshold_is_nearly_the_best(count, share):
    candidates, right, wrong = scores(count, share, seed=count)
    best = max(f1(candidates, right, threshold) for threshold in candidates)
    cut = cut_from_candidates(candidates, wrong)
    assert f1(candidates, right, cut.threshold) > best - 0.06
    assert cut.pairs == count
    assert cut.method == "unlabelled"


def test_probabilities_tell_how_many_are_right():
    candidates, right, wrong = scores(5000, 0.4, seed=1)
    likely = cut_from_candidates(candidates, wrong).probability(candidates)
    assert float(likely.mean()) == pytest.approx(float(right.mean()), abs=0.05)
    for low, high in ((0.0, 0.2), (0.2, 0.8), (0.8, 1.01)):
        among = (likely >= low) & (likely < high)
        assert float(right[among].mean()) == pytest.approx(float(likely[among].mean()), abs=0.15)


@pytest.mark.parametrize("seed", range(5))
def test_where_no_partner_is_right_hardly_any_counts(seed):
    candidates, _, wrong = scores(1000, 0.0, seed)
    cut = cut_from_candidates(candidates, wrong)
    assert (candidates >= cut.threshold).mean() < 0.05


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_another_level_of_scores_moves_the_threshold_along(shift):
    candidates, _, wrong = scores(1000, 0.4, seed=2)
    moved = cut_from_candidates(candidates + np.float32(shift), wrong + np.float32(shift))
    assert moved.threshold == pytest.approx(
        cut_from_candidates(candidates, wrong).threshold + shift, abs=1e-3
    )


@pytest.mark.parametrize(
    ("candidates", "background"), [([], []), ([0.9], []), ([], [0.3]), ([0.2, 0.9], [])]
)
def test_without_anything_to_compare_with_none_counts(candidates, background):
    given = np.array(candidates, dtype=np.float32)
    cut = cut_from_candidates(given, np.array(background, dtype=np.float32))
    assert np.isfinite(cut.threshold)
    assert not (given >= cut.threshold).any()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_clear_pairs_are_taken(count):
    given = np.linspace(0.7, 0.9, count).astype(np.float32)
    cut = cut_from_candidates(given, np.array([0.1, 0.15, 0.05], dtype=np.float32))
    assert (given >= cut.threshold).all()


def test_equal_scores_are_no_trouble():
    same = np.full(50, 0.5, dtype=np.float32)
    cut = cut_from_candidates(same, same)
    assert np.isfinite([cut.threshold, cut.slope, cut.offset]).all()
