"""What the shipped calibration may learn from: pairs that no training step saw."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.batches import Sampler
from training.calibrate import Source, letters, never_drawn
from training.pairs import Pairs, read_pairs
from training.recipe import DEFAULT_PATH, Recipe, read_recipe


@pytest.fixture
def recipe() -> Recipe:
    known = read_recipe(DEFAULT_PATH)
    return replace(known, schedule=replace(known.schedule, steps=3, batch_pairs=8))


@pytest.fixture
def pairs(tmp_path: Path) -> Pairs:
    english = [f"this is the sentence {number} of all" for number in range(40)]
    for source, tags in (("first", ("de", "fr")), ("second", ("de", "sw"))):
        with gzip.open(tmp_path / f"{source}.tsv.gz", "wt", encoding="utf-8") as out:
            for tag in tags:
                out.writelines(f"{tag}\t{tag} {source} {row}\t{row}\n" for row in english)
            out.write(f"{tags[0]}\tkurz\ttoo short\n")
    return read_pairs(tmp_path)


def test_pairs_that_a_step_saw_are_not_taken(pairs, recipe) -> None:
    undrawn = never_drawn(pairs, recipe)
    drawn = {int(row) for step in range(3) for row in Sampler(pairs, recipe).rows_at(step)}
    assert {int(row) for row in np.flatnonzero(~undrawn)} == drawn
    seen = {pairs.foreign[row] for row in drawn}
    found = Source(pairs, recipe).with_english(pairs.languages.index("de"))
    assert len(found.left) > 20
    assert seen.isdisjoint(found.left)
    assert "kurz" not in found.left
    assert all(text.startswith("de ") for text in found.left)
    assert len(set(found.right)) == len(found.right)


def test_other_languages_meet_in_an_english_text(pairs, recipe) -> None:
    found = Source(pairs, recipe).through_english()
    tags = {tuple(pairs.languages[number] for number in key) for key in found}
    assert tags == {("de", "de"), ("de", "fr"), ("de", "sw"), ("fr", "sw")}
    for two in found.values():
        for left, right in zip(two.left, two.right, strict=True):
            assert left.split("sentence")[1] == right.split("sentence")[1]
            assert left != right


def test_copies_differ_in_case_and_punctuation_only() -> None:
    assert letters("Guten Tag!") == letters("guten  tag")
    assert letters("Guten Tag") != letters("Gute Tage")
