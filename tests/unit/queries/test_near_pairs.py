"""All near pairs: the same as by brute force, whatever the way they are found."""

from __future__ import annotations

import numpy as np
import pytest

from xlingual_qdrant.queries.checkpoints import Checkpoint
from xlingual_qdrant.queries.near_pairs import cells, sieve
from xlingual_qdrant.queries.near_pairs.bounds import bounds_for
from xlingual_qdrant.queries.near_pairs.joining import near_pairs, near_pairs_between


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def planted(count: int, *, dimension: int = 96, seed: int = 0):
    """Rows in topics, with a near copy for one row in ten."""
    generator = np.random.default_rng(seed)
    spectrum = (np.arange(dimension) + 5.0) ** -0.7
    topics = generator.standard_normal((40, dimension)) * spectrum
    noise = generator.standard_normal((count, dimension)) * spectrum
    rows = unit(topics[generator.integers(0, 40, count)] + noise)
    copies = generator.choice(count, count // 10, replace=False)
    aside = generator.standard_normal((len(copies), dimension)) / dimension**0.5
    width = generator.uniform(0, 0.6, (len(copies), 1))
    rows[copies] = unit(rows[generator.integers(0, count, len(copies))] + width * aside)
    return rows


def keys(found, count: int):
    """One sorted number for each pair."""
    parts = [each.left * count + each.right for each in found]
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)


def brute_force(left, right, threshold, *, triangle: bool):
    cosines = left.astype(np.float64) @ right.astype(np.float64).T
    near = np.triu(cosines >= threshold, 1) if triangle else cosines >= threshold
    one, other = np.nonzero(near)
    return one * len(right) + other


def assert_same(found, expected, left, right, threshold):
    """Only where rounding decides may they differ."""
    one, other = np.divmod(np.setxor1d(found, expected), len(right))
    cosines = np.einsum("ij,ij->i", left[one], right[other], dtype=np.float64)
    assert np.abs(cosines - threshold).max(initial=0) < 1e-6
    assert len(np.unique(found)) == len(found)


@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("few", [0, 5000], ids=["with bounds", "without"])
def test_exact_pairs_are_those_of_brute_force(monkeypatch, few, threshold):
    monkeypatch.setattr(sieve, "_SMALL", few)
    vectors = planted(2500)
    found = list(near_pairs(vectors, threshold))
    assert all((each.left < each.right).all() for each in found)
    expected = brute_force(vectors, vectors, threshold, triangle=True)
    assert_same(keys(found, 2500), expected, vectors, vectors, threshold)
    for each in found:
        cosines = np.einsum("ij,ij->i", vectors[each.left], vectors[each.right])
        assert np.allclose(cosines, each.cosines, atol=1e-5)


def test_pairs_between_two_sets_are_those_of_brute_force(monkeypatch):
    monkeypatch.setattr(sieve, "_SMALL", 0)
    vectors = planted(4000)
    left, right = vectors[:1500], vectors[1500:]
    found = list(near_pairs_between(left, right, 0.9))
    expected = brute_force(left, right, 0.9, triangle=False)
    assert len(expected) > 20
    assert_same(keys(found, len(right)), expected, left, right, 0.9)


def test_nothing_with_nothing_is_nothing():
    none = np.empty((0, 8), dtype=np.float32)
    one = planted(1, dimension=8)
    assert list(near_pairs(none, 0.9)) == list(near_pairs(one, 0.9)) == []
    assert list(near_pairs_between(none, one, 0.9)) == []
    assert list(near_pairs_between(one, none, 0.9)) == []


def test_bounds_are_never_below_the_cosine():
    vectors = planted(3000)
    bounds = bounds_for(vectors, vectors, 0.9)
    assert bounds is not None
    made = bounds.of(vectors)
    assert made.shape[1] < vectors.shape[1]
    assert (made @ made.T - vectors @ vectors.T).min() > -1e-5
    passed = (made @ made.T >= 0.9).mean()
    assert passed < 0.01


def test_rows_that_are_all_alike_give_every_pair():
    vectors = np.repeat(planted(1), 2060, axis=0)
    assert len(keys(near_pairs(vectors, 0.9), 2060)) == 2060 * 2059 // 2


def test_an_approximate_join_misses_few_pairs_and_invents_none(monkeypatch):
    monkeypatch.setattr(cells, "_LEAST", 4000)
    vectors = planted(9000)
    exact = keys(near_pairs(vectors, 0.9), len(vectors))
    divided = cells.cells_of(sieve.Sieve(vectors, vectors, 0.9, alike=True))
    assert divided is not None
    found = list(near_pairs(vectors, 0.9, approximate=True))
    assert all((each.left < each.right).all() for each in found)
    approximate = keys(found, len(vectors))
    assert len(np.unique(approximate)) == len(approximate)
    assert np.isin(approximate, exact).all()
    assert np.isin(exact, approximate).mean() > 0.98


def test_few_rows_are_compared_exactly_even_when_less_was_asked_for():
    vectors = planted(3000)
    exact = keys(near_pairs(vectors, 0.8), 3000)
    assert np.array_equal(keys(near_pairs(vectors, 0.8, approximate=True), 3000), exact)


@pytest.mark.parametrize("approximate", [False, True])
def test_an_interrupted_join_goes_on_and_finds_the_same(tmp_path, monkeypatch, approximate):
    monkeypatch.setattr(cells, "_LEAST", 4000)
    vectors = planted(5000)
    order = {"approximate": approximate}
    whole = keys(near_pairs(vectors, 0.8, approximate=approximate), 5000)

    def join():
        kept = Checkpoint(tmp_path / "steps", order)
        return near_pairs(vectors, 0.8, approximate=approximate, checkpoint=kept)

    begun = join()
    next(begun)
    next(begun)
    begun.close()
    kept = sorted(file.name for file in (tmp_path / "steps").glob("pairs-*"))
    assert kept
    assert np.array_equal(keys(join(), 5000), whole)
    assert np.array_equal(keys(join(), 5000), whole)  # all of it from the folder now


def test_what_many_pairs_left_half_saved_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr("xlingual_qdrant.queries.near_pairs.joining._AT_ONCE", 1000)
    vectors = planted(5000)
    whole = keys(near_pairs(vectors, 0.7), 5000)
    first = near_pairs(vectors, 0.7, checkpoint=Checkpoint(tmp_path / "steps", {}))
    for _ in range(3):
        next(first)
    first.close()
    assert not (tmp_path / "steps" / "pairs-0.npz").exists()
    for _ in range(2):
        again = near_pairs(vectors, 0.7, checkpoint=Checkpoint(tmp_path / "steps", {}))
        assert np.array_equal(keys(again, 5000), whole)


@pytest.mark.parametrize("approximate", [False, True])
def test_progress_grows_to_the_end(monkeypatch, approximate):
    monkeypatch.setattr(cells, "_LEAST", 4000)
    told: list[tuple[int, int]] = []
    vectors = planted(5000)
    for _ in near_pairs(
        vectors, 0.9, approximate=approximate, on_progress=lambda *far: told.append(far)
    ):
        pass
    done = [done for done, _ in told]
    assert done == sorted(done)
    assert len(told) > 2
    assert told[-1] == (5000, 5000)
