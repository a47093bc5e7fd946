"""One partner for each: greedy against a plain loop, assignment against all permutations."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from xlingual_qdrant.queries.mining.matching import RowPairs, candidates, chosen, next_best
from xlingual_qdrant.queries.neighbours import Nearest, nearest_both


def unit(rows: int, seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).normal(size=(rows, 8))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def all_pairs(scores: np.ndarray) -> RowPairs:
    left, right = np.indices(scores.shape).reshape(2, -1)
    flat = scores.ravel().astype(np.float32)
    return RowPairs(left.astype(np.int64), right.astype(np.int64), flat, flat)


def by_a_loop(scores: np.ndarray) -> list[tuple[int, int]]:
    best = {(row, int(scores[row].argmax())) for row in range(scores.shape[0])}
    best |= {(int(scores[:, column].argmax()), column) for column in range(scores.shape[1])}
    kept: list[tuple[int, int]] = []
    for left, right in sorted(best, key=lambda pair: (-scores[pair], pair)):
        if all(left != a and right != b for a, b in kept):
            kept.append((left, right))
    return kept


def rows_of(pairs: RowPairs) -> list[tuple[int, int]]:
    return list(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


@pytest.mark.parametrize(("left", "right"), [(1, 1), (3, 4), (40, 30), (200, 200)])
@pytest.mark.parametrize("decimals", [1, 6])
def test_max_is_the_greedy_choice(left, right, decimals):
    scores = np.random.default_rng(left).random((left, right)).round(decimals).astype(np.float32)
    assert rows_of(chosen(all_pairs(scores), "max")) == by_a_loop(scores)


@pytest.mark.parametrize("seed", range(20))
def test_assignment_has_the_highest_sum_of_all(seed):
    random = np.random.default_rng(seed)
    scores = random.random((6, 5)).astype(np.float32)
    worth = np.maximum(scores - 0.3, 0)
    best = max(
        sum(worth[row, column] for column, row in enumerate(rows))
        for rows in permutations(range(6), 5)
    )
    found = chosen(all_pairs(scores), "assignment", least=0.3)
    assert float((found.scores - 0.3).sum()) == pytest.approx(best, abs=6e-4)
    assert len(set(found.left.tolist())) == len(set(found.right.tolist())) == len(found)


def test_forward_and_backward_give_each_row_its_best_and_intersect_what_both_give():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], dtype=np.float32)
    pairs = all_pairs(scores)
    assert rows_of(chosen(pairs, "forward")) == [(0, 0), (1, 0), (2, 1)]
    assert rows_of(chosen(pairs, "backward")) == [(0, 0), (2, 1)]
    assert rows_of(chosen(pairs, "intersect")) == [(0, 0), (2, 1)]


@pytest.mark.parametrize("method", ["max", "forward", "backward", "intersect", "assignment"])
def test_nothing_comes_of_nothing(method):
    assert len(chosen(all_pairs(np.empty((0, 0))), method)) == 0


def test_a_pair_found_from_both_sides_is_one_candidate():
    one, other = unit(30, 1), unit(20, 2)
    pairs = candidates(*nearest_both(one, other, 4), "cosine")
    assert len(set(rows_of(pairs))) == len(pairs)
    assert pairs.scores == pytest.approx((one @ other.T)[pairs.left, pairs.right], abs=1e-6)


def test_neighbours_that_are_missing_take_no_part():
    forward = Nearest(
        np.array([[0.5, -np.inf]], dtype=np.float32), np.array([[0, -1]], dtype=np.int64)
    )
    backward = Nearest(np.array([[0.5]], dtype=np.float32), np.array([[0]], dtype=np.int64))
    pairs = candidates(forward, backward, "ratio")
    assert rows_of(pairs) == [(0, 0)]
    assert pairs.scores == pytest.approx([1.0])


def test_the_next_best_are_other_pairs_with_margins_of_their_own():
    one, other = unit(50, 3), unit(60, 4)
    forward, backward = nearest_both(one, other, 5)
    kept = chosen(candidates(forward, backward, "ratio", k=4), "max")
    wrong = next_best(forward, backward, kept, "ratio", k=4)
    assert set(rows_of(wrong)).isdisjoint(rows_of(kept))
    cosines = one @ other.T
    cosines[kept.left, kept.right] = -2
    near_left = -np.sort(-cosines, axis=1)[:, :4].mean(axis=1)
    with_partner = np.isin(wrong.left, kept.left) & np.isin(wrong.right, kept.right)
    near_right = -np.sort(-cosines.T, axis=1)[:, :4].mean(axis=1)
    expected = wrong.cosines / ((near_left[wrong.left] + near_right[wrong.right]) / 2)
    assert wrong.scores[with_partner] == pytest.approx(expected[with_partner], rel=1e-4)
