"""Figures of pairs, where they can be told by hand."""

from __future__ import annotations

import numpy as np
import pytest

from xlingual_qdrant.finetuning import Evaluation, TextPair
from xlingual_qdrant.parallel import measure
from xlingual_qdrant.parallel.figures import groups_of


class Given:
    """An encoder of known vectors."""

    def __init__(self, vectors, queries=None):
        self.vectors, self.queries = vectors, queries or vectors

    def embed_documents(self, texts):
        return np.array([self.vectors[text] for text in texts], dtype=np.float32)

    def embed_queries(self, texts):
        return np.array([self.queries[text] for text in texts], dtype=np.float32)


AXES = np.eye(4).tolist()
PAIRS = [TextPair("a", "A"), TextPair("b", "B"), TextPair("c", "C"), TextPair("d", "D")]


def test_a_perfect_model_has_all_figures_at_one():
    encoder = Given({side: AXES[i] for i, p in enumerate(PAIRS) for side in (p.left, p.right)})
    perfect = {"recall_left": 1, "recall_right": 1, "mrr": 1, "margin": 1}
    assert measure(encoder, PAIRS, roles=False) == pytest.approx(perfect)


def test_a_model_that_puts_all_texts_in_one_place_finds_none():
    encoder = Given({side: AXES[0] for p in PAIRS for side in (p.left, p.right)})
    figures = measure(encoder, PAIRS, roles=False)
    assert figures == {"recall_left": 0, "recall_right": 0, "mrr": 0.25, "margin": 0}


def test_a_partner_that_comes_second_counts_half():
    left = {p.left: AXES[i] for i, p in enumerate(PAIRS)}
    right = {"A": AXES[1], "B": AXES[0], "C": AXES[2], "D": AXES[3]}
    right["A"] = [0.6, 0.8, 0, 0]
    right["B"] = [0.8, 0.6, 0, 0]
    figures = measure(Given({**left, **right}), PAIRS, roles=False)
    assert figures["recall_left"] == figures["recall_right"] == 0.5
    assert figures["mrr"] == pytest.approx(0.75)


def test_queries_are_embedded_as_queries():
    documents = {side: AXES[i] for i, p in enumerate(PAIRS) for side in (p.left, p.right)}
    confused = dict.fromkeys(documents, AXES[0])
    figures = measure(Given(documents, confused), PAIRS, roles=True)
    assert figures["recall_left"] == figures["recall_right"] == 0.25


def test_pairs_that_share_a_text_are_partners_of_each_other():
    pairs = [TextPair("x", "1"), TextPair("y", "2"), TextPair("X ", "2"), TextPair("z", "3")]
    groups = groups_of(pairs)
    assert groups[0] == groups[1] == groups[2] != groups[3]


def test_what_the_guard_loses_counts_against_what_is_gained():
    first = Evaluation(0, 9, {"mrr": 0.5}, {"mrr": 0.9})
    assert Evaluation(1, 9, {"mrr": 0.7}, {"mrr": 0.8}).score(first) == pytest.approx(0.6)
    assert Evaluation(1, 9, {"mrr": 0.7}, {"mrr": 0.95}).score(first) == pytest.approx(0.7)
    assert Evaluation(1, 9, {"mrr": 0.7}, {}).score(Evaluation(0, 9, {"mrr": 0.5}, {})) == 0.7
