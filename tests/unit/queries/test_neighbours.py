"""The nearest neighbours, compared with a plain sort of all cosines."""

from __future__ import annotations

import numpy as np
import pytest

from xlingual_qdrant.queries.neighbours import nearest, nearest_both


def coarse(rows: int, seed: int) -> np.ndarray:
    """Vectors of few values, whose products are exact and often equal."""
    random = np.random.default_rng(seed)
    return random.integers(-2, 3, size=(rows, 6)).astype(np.float32) / 4


def sorted_rows(queries: np.ndarray, pool: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-(queries @ pool.T), axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize(
    ("left", "right", "k"),
    [
        (1, 1, 4),
        (0, 5, 3),
        (5, 0, 3),
        (3, 7, 4),
        (100, 70, 4),
        (1025, 2049, 4),
        (1100, 2100, 10),
        (130, 2500, 100),
    ],
)
def test_both_directions_agree_with_a_sort_of_all_cosines(left, right, k):
    one, other = coarse(left, 1), coarse(right, 2)
    forward, backward = nearest_both(one, other, k)
    assert np.array_equal(forward.rows, sorted_rows(one, other, k))
    assert np.array_equal(backward.rows, sorted_rows(other, one, k))
    cosines = one @ other.T
    assert np.array_equal(forward.scores, np.take_along_axis(cosines, forward.rows, axis=1))
    assert np.array_equal(backward.scores, np.take_along_axis(cosines.T, backward.rows, axis=1))


def test_one_direction_alone_finds_the_same():
    one, other = coarse(300, 3), coarse(2200, 4)
    alone, (forward, _) = nearest(one, other, 5), nearest_both(one, other, 5)
    assert np.array_equal(alone.rows, forward.rows)
    assert np.array_equal(alone.scores, forward.scores)


def test_of_equal_vectors_the_first_rows_are_taken():
    same = np.full((2500, 4), 0.5, dtype=np.float32)
    assert (nearest(same[:3], same, 4).rows == np.arange(4)).all()


def test_progress_ends_with_all_rows():
    seen: list[tuple[int, int]] = []
    one = coarse(2100, 5)
    nearest_both(one, one, 2, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (2100, 2100)
