"""The calibration that ships for the bundled model: what its scores mean between languages.

    python -m training.calibrate --data DATA [--out FILE]

DATA is the folder of parallel text that the model was trained on. Pairs that a model has learned
look better than any others, so that only pairs are taken which training never drew: which ones
these are follows from the recipe (`batches.Sampler`), and 9 in 100 were left. Their texts were
drawn with other partners, perhaps, and all of them helped to make the vocabulary.

Pairs of languages without English share an English text, where at least one of the two rows was
never drawn. Two texts of one language are different translations of the same text; there are too
few of them for more conditions, and training never compared texts of one language. The wrong pairs
are the nearest wrong ones, among 1,000 texts (`queries/partners.py`). Needs no PyTorch.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray
from xlingual_adapters.embedders.static import StaticEmbedder

from training.batches import Sampler
from training.pairs import Pairs, read_pairs
from training.recipe import DEFAULT_PATH, Recipe, read_recipe
from xlingual_qdrant.calibration import MEASURES, SHIPPED, Calibration, Measure, pair_key
from xlingual_qdrant.finetuning import TextPair
from xlingual_qdrant.parallel.figures import groups_of
from xlingual_qdrant.queries.scores.cuts import Scored, learn_cuts
from xlingual_qdrant.queries.scores.partners import Partners, with_nearest_wrong

SEED = 0
LEAST_WORDS = 4
"""Of the English text: a word or two alone mean many things, and have many translations."""
PAIRS = 1_000
"""Of two languages, at most; so many are the texts among which the nearest wrong one is sought."""
LEAST_PAIRS = 200
"""Of two languages; with fewer they get no cut of their own."""
OUT = Path(__file__).parents[1] / "xlingual_qdrant" / SHIPPED


class TextPairs(NamedTuple):
    """Texts that mean the same, side by side, and a number that is the same for equal meanings."""

    left: list[str]
    right: list[str]
    meaning: NDArray[np.int64]


class Source:
    """The pairs that may be learned from."""

    def __init__(self, pairs: Pairs, recipe: Recipe) -> None:
        self._pairs = pairs
        self._rng = np.random.default_rng(SEED)
        self._undrawn = never_drawn(pairs, recipe)
        words = np.array([len(text.split()) for text in pairs.english])
        self._usable = words[pairs.english_of] >= LEAST_WORDS

    def with_english(self, language: int) -> TextPairs:
        """Return pairs of a language and English that were never drawn."""
        pairs = self._pairs
        rows = np.flatnonzero(self._undrawn & self._usable & (pairs.language == language))
        rows = self._rng.permutation(rows)
        _, first = np.unique(pairs.english_of[rows], return_index=True)
        rows = self._of_many_sources(rows[np.sort(first)])[:PAIRS]
        meanings = pairs.english_of[rows]
        foreign = [pairs.foreign[row] for row in rows]
        return TextPairs(foreign, [pairs.english[text] for text in meanings], meanings)

    def _of_many_sources(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows so that each source gives one before any gives its next.

        A collection holds texts of one kind; no kind is to count for more because much of it
        happened to be left over.
        """
        sources = np.searchsorted(self._pairs.bounds, rows, side="right") - 1
        turn = np.empty(len(rows), dtype=np.int64)
        for source in np.unique(sources).tolist():
            of_source = np.flatnonzero(sources == source)
            turn[of_source] = np.arange(len(of_source))
        return rows[np.argsort(turn, kind="stable")]

    def through_english(self) -> dict[tuple[int, int], TextPairs]:
        """Return pairs of other languages, and of one, that share an English text.

        Keys are the numbers of the languages, the lower one first.
        """
        found: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        pairs = self._pairs
        usable = np.flatnonzero(self._usable)
        order = usable[np.argsort(pairs.english_of[usable], kind="stable")]
        groups = np.split(order, np.flatnonzero(np.diff(pairs.english_of[order])) + 1)
        for place in self._rng.permutation(len(groups)).tolist():
            for one, other in self._pairs_within(groups[place]):
                key = int(pairs.language[one]), int(pairs.language[other])
                if len(found[key]) < PAIRS:
                    found[key].append((one, other))
        return {
            key: TextPairs(
                [pairs.foreign[one] for one, _ in rows],
                [pairs.foreign[other] for _, other in rows],
                pairs.english_of[[one for one, _ in rows]],
            )
            for key, rows in sorted(found.items())
        }

    def of_english(self) -> TextPairs:
        """Return different English texts that were translated by the same text."""
        pairs = self._pairs
        seen: dict[tuple[int, str], int] = {}
        found: dict[str, TextPair] = {}
        for row in self._rng.permutation(np.flatnonzero(self._usable)).tolist():
            key = int(pairs.language[row]), letters(pairs.foreign[row])
            known = seen.setdefault(key, row)
            one, other = (pairs.english[pairs.english_of[each]] for each in (known, row))
            if letters(one) != letters(other):
                found.setdefault(letters(one), TextPair(one, other))
            if len(found) == PAIRS:
                break
        listed = list(found.values())
        left, right = [pair.left for pair in listed], [pair.right for pair in listed]
        return TextPairs(left, right, groups_of(listed))

    def _pairs_within(self, group: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
        """Yield two rows of one meaning for each two languages; see above which."""
        languages: dict[int, list[int]] = defaultdict(list)
        for row in group.tolist():
            languages[int(self._pairs.language[row])].append(row)
        for rows in languages.values():
            texts = {letters(self._pairs.foreign[row]): row for row in rows}
            if len(texts) > 1:
                one, other, *_ = texts.values()
                yield one, other
        if not self._undrawn[group].any():
            return
        for one, other in combinations(sorted(languages), 2):
            yield from self._fresh(
                (left, right) for left in languages[one] for right in languages[other]
            )

    def _fresh(self, candidates: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        for left, right in candidates:
            if self._undrawn[left] or self._undrawn[right]:
                yield left, right
                return


def letters(text: str) -> str:
    """Return what is left of a text without case, white space and punctuation."""
    return "".join(char for char in text.casefold() if char.isalnum())


def never_drawn(pairs: Pairs, recipe: Recipe) -> NDArray[np.bool_]:
    """Say of each pair whether no step of the training saw it."""
    sampler = Sampler(pairs, recipe)
    undrawn = np.ones(len(pairs), dtype=np.bool_)
    for step in range(recipe.schedule.steps):
        undrawn[sampler.rows_at(step)] = False
    return undrawn


def scored(embedder: StaticEmbedder, pairs: TextPairs) -> dict[Measure, Scored]:
    """Return the cosines and margins of pairs, and of the nearest wrong ones."""
    left, right = embedder.embed_documents(pairs.left), embedder.embed_documents(pairs.right)
    return with_nearest_wrong(Partners(left, right, pairs.meaning))


def learn(folder: Path, recipe: Recipe) -> Calibration:
    """Learn the calibration of the bundled model from a folder of parallel text."""
    pairs = read_pairs(folder)
    source, embedder = Source(pairs, recipe), StaticEmbedder.open()
    samples: dict[Measure, dict[str, Scored]] = {measure: {} for measure in MEASURES}

    def take(one: str, other: str, found: TextPairs) -> None:
        if len(found.left) >= LEAST_PAIRS:
            for measure, sample in scored(embedder, found).items():
                samples[measure][pair_key(one, other)] = sample

    for number, tag in enumerate(pairs.languages):
        take(tag, "en", source.with_english(number))
    take("en", "en", source.of_english())
    for (one, other), found in source.through_english().items():
        take(pairs.languages[one], pairs.languages[other], found)
    learned = {measure: learn_cuts(samples[measure]) for measure in MEASURES}
    return Calibration(
        embedder=str(embedder.fingerprint),
        cuts={measure: learned[measure].cuts for measure in MEASURES},
        reliability={measure: tuple(learned[measure].bins) for measure in MEASURES},
        source="parallel text that the training of the model never drew",
    )


@click.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=OUT)
def main(data: Path, out: Path) -> None:
    """Learn the calibration of the bundled model, and write it where it ships."""
    begun = time.perf_counter()
    learned = learn(data, read_recipe(DEFAULT_PATH))
    out.parent.mkdir(exist_ok=True)
    out.write_bytes(learned.to_bytes() + b"\n")
    for measure, cuts in learned.cuts.items():
        click.echo(f"{measure}: {len(cuts)} cuts")
    click.echo(f"wrote {out} in {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
