"""The best k out of blocks are the best k of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from xlingual_adapters.stores.faiss.nearest import Best, at_least_k_best, paired_scores


@pytest.mark.parametrize("k", [1, 10, 500])
@pytest.mark.parametrize("total", [1, 9, 400, 5000])
@pytest.mark.parametrize("excluded", [0.0, 0.9, 1.0])
def test_the_best_of_blocks_are_the_best_of_all(k: int, total: int, excluded: float) -> None:
    rng = np.random.default_rng(total + k)
    scores = rng.standard_normal((3, total), dtype=np.float32)
    scores[:, rng.random(total) < excluded] = -np.inf
    best = Best(3, k)
    for start in range(0, total, 700):
        block = scores[:, start : start + 700]
        best.take(block, np.arange(start, start + block.shape[1]))
    numbers, rows = best.result()
    for number in range(3):
        living = np.flatnonzero(scores[number] > -np.inf)
        expected = set(living[np.argsort(-scores[number, living])][:k].tolist())
        assert set(rows[numbers == number].tolist()) == expected
        assert expected <= set(at_least_k_best(scores[number], k).tolist()) <= set(living.tolist())


def test_equal_vectors_have_equal_scores_wherever_they_stand() -> None:
    rng = np.random.default_rng(0)
    vector, query = (rng.standard_normal((1, 383), dtype=np.float32) / 20 for _ in range(2))
    for count in range(1, 40):
        scores = paired_scores(query, np.repeat(vector, count, axis=0))
        assert len(set(scores.tolist())) == 1
        assert (
            scores[0] == paired_scores(np.repeat(query, count, axis=0), vector.repeat(count, 0))[0]
        )
