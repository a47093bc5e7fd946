"""Which pairs a training step sees: a pure function of recipe, data and step number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.pairs import Pairs
from training.recipe import Recipe


class Sampler:
    """Draws pairs, with replacement, by language and source.

    A pair's weight is that of its source, scaled so that the pairs of a language
    together weigh (their number) ** `language_exponent`.
    """

    def __init__(self, pairs: Pairs, recipe: Recipe) -> None:
        self._seed = recipe.seed
        self._schedule = recipe.schedule
        of_source = [recipe.weight_of(source) for source in pairs.sources]
        weights = np.repeat(of_source, np.diff(pairs.bounds))
        sums = np.bincount(pairs.language, weights)
        counts = np.bincount(pairs.language)
        weights *= (counts**self._schedule.language_exponent / sums)[pairs.language]
        self._bounds = pairs.bounds
        self._cumulative = np.concatenate([[0.0], np.cumsum(weights)])
        # A source smaller than a batch would only repeat itself; it is drawn in mixtures.
        large = np.diff(pairs.bounds) >= self._schedule.batch_pairs
        masses = np.diff(self._cumulative[pairs.bounds]) * large
        self._source_odds = masses / masses.sum() if large.any() else None

    def rows_at(self, step: int) -> NDArray[np.int64]:
        """Return the rows of a step's batch, shape (batch_pairs,)."""
        rng = np.random.default_rng([self._seed, step])
        first, last = 0, len(self._cumulative) - 1
        if self._source_odds is not None and rng.random() < self._schedule.single_source_share:
            source = rng.choice(len(self._source_odds), p=self._source_odds)
            first, last = self._bounds[source], self._bounds[source + 1]
        low, high = self._cumulative[first], self._cumulative[last]
        points = rng.uniform(low, high, self._schedule.batch_pairs)
        rows = np.searchsorted(self._cumulative, points, side="right") - 1
        return np.clip(rows, first, last - 1)
