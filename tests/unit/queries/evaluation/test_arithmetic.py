"""Metrics, computed by hand beside the code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from xlingual_qdrant.queries.evaluation.bitext import margins, one_to_one
from xlingual_qdrant.queries.evaluation.correlation import spearman
from xlingual_qdrant.queries.evaluation.duplicates import pairs_of
from xlingual_qdrant.queries.evaluation.ranking import (
    all_within,
    average_precision,
    ndcg,
    own_share,
    padded,
    places,
    ranked,
    recall,
    reciprocal_rank,
)
from xlingual_qdrant.queries.evaluation.tatoeba import nearest_is_own, plain
from xlingual_qdrant.queries.evaluation.thresholds import (
    Candidates,
    at_threshold,
    best_threshold,
    common_threshold,
)
from xlingual_qdrant.queries.evaluation.topics import by_neighbours, logistic

ORDER = np.array([[2, 0, 1, 3], [3, 1, -1, -1]])
RELEVANT = padded([[0, 3], [2]])
COUNTS = np.array([2, 1])


def test_equal_cosines_keep_the_order_of_the_pool() -> None:
    cosines = np.array([[0.5, 0.9, 0.5, 0.9]], dtype=np.float32)
    assert ranked(cosines).tolist() == [[1, 3, 0, 2]]


def test_places_are_those_of_the_ranking_and_infinite_for_what_is_not_found() -> None:
    assert places(ORDER, RELEVANT).tolist() == [[2.0, 4.0], [math.inf, math.inf]]


def test_figures_of_a_ranking() -> None:
    found = places(ORDER, RELEVANT)
    assert recall(found, COUNTS, 2).tolist() == [0.5, 0.0]
    assert recall(found, COUNTS, 4).tolist() == [1.0, 0.0]
    assert reciprocal_rank(found).tolist() == [0.5, 0.0]
    assert average_precision(found, COUNTS).tolist() == [(1 / 2 + 2 / 4) / 2, 0.0]
    assert all_within(found, COUNTS, 4).tolist() == [True, False]
    assert all_within(found, COUNTS, 3).tolist() == [False, False]


def test_ndcg_discounts_grades_by_place() -> None:
    found = places(ORDER, RELEVANT)
    grades = np.array([[1.0, 3.0], [2.0, 0.0]])
    gained = 1 / math.log2(3) + 3 / math.log2(5)
    possible = 3 / math.log2(2) + 1 / math.log2(3)
    assert ndcg(found, grades, 10) == pytest.approx([gained / possible, 0.0])
    assert ndcg(found, grades, 2) == pytest.approx([1 / math.log2(3) / possible, 0.0])


def test_the_own_language_is_counted_among_the_hits_there_are() -> None:
    langs = np.array(["de", "de", "fr", "fr"])
    shares = own_share(ORDER, langs, np.array(["de", "de"]))
    assert shares.tolist() == [0.5, 0.5]
    assert own_share(ORDER, langs, np.array(["de", "de"]), k=1).tolist() == [0.0, 0.0]


def test_a_question_without_hits_has_no_own_language_among_them() -> None:
    nothing = np.full((1, 3), -1)
    assert own_share(nothing, np.array(["de"]), np.array(["de"])).tolist() == [0.0]


SCORES = Candidates(
    np.array([0.9, 0.8, 0.8, 0.5], dtype=np.float32), np.array([True, True, False, True]), 4
)


def test_the_best_threshold_takes_all_of_equal_scores_or_none() -> None:
    # 0.9 alone: 2/5; with both 0.8: 2*2/7; all: 2*3/8.
    assert best_threshold(SCORES) == (pytest.approx(6 / 8), 0.5)
    fewer = Candidates(SCORES.scores[:3], SCORES.correct[:3], 2)
    assert best_threshold(fewer) == (pytest.approx(4 / 5), pytest.approx(0.8))


def test_nothing_to_choose_from_has_no_f1() -> None:
    nothing = Candidates(np.empty(0, np.float32), np.empty(0, np.bool_), 3)
    assert best_threshold(nothing) == (0.0, math.inf)
    assert at_threshold(nothing, 0.5) == (0.0, 0.0, 0.0)


def test_a_threshold_takes_scores_that_equal_it() -> None:
    found = at_threshold(SCORES, 0.8)
    assert found == (pytest.approx(2 / 3), pytest.approx(1 / 2), pytest.approx(4 / 7))


def test_the_common_threshold_is_the_best_on_average() -> None:
    other = Candidates(np.array([0.7, 0.6], np.float32), np.array([True, False]), 1)
    # At 0.7: 4/7 and 1; at 0.5: 6/8 and 2/3; at 0.8: 4/7 and 0.
    assert common_threshold([SCORES, other]) == pytest.approx(0.7)


def test_spearman_gives_equals_their_mean_rank() -> None:
    one, other = np.array([1, 2, 2, 5, 0]), np.array([0.3, 0.1, 0.9, 0.9, 0.0])
    assert spearman(one, other) == pytest.approx(float(spearmanr(one, other).statistic))
    assert spearman(one, -one) == pytest.approx(-1)
    assert spearman(one, np.ones(5)) == 0.0


def test_margins_compare_with_the_neighbourhoods() -> None:
    cosines = np.array([[0.8, 0.4], [0.2, 0.6]], dtype=np.float32)
    # k is cut to what there is: means of rows 0.6, 0.4, of columns 0.5, 0.5.
    assert margins(cosines) == pytest.approx(
        np.array([[0.8 / 0.55, 0.4 / 0.55], [0.2 / 0.45, 0.6 / 0.45]])
    )


def test_pairs_are_one_to_one_and_the_best_come_first() -> None:
    scores = np.array([[0.9, 0.8, 0.1], [0.85, 0.2, 0.3]], dtype=np.float32)
    lefts, rights = one_to_one(scores)
    # Candidates 0-0, 1-0, 0-1, 1-2; 0-0 takes both 0s, so 1-2 is what is left.
    assert list(zip(lefts.tolist(), rights.tolist(), strict=True)) == [(0, 0), (1, 2)]


def test_pairs_are_within_a_language_or_across() -> None:
    vectors = np.eye(4, dtype=np.float32)
    clusters, langs = np.array([0, 0, 1, 0]), np.array([0, 0, 0, 1])
    within = pairs_of(vectors, clusters, langs, same_language=True)
    across = pairs_of(vectors, clusters, langs, same_language=False)
    assert (len(within.scores), within.gold) == (3, 1)
    assert (len(across.scores), across.gold) == (3, 2)


def test_the_same_text_in_another_dress_counts_as_the_right_translation() -> None:
    vectors = np.eye(2, dtype=np.float32)
    swapped = vectors[::-1].copy()
    assert nearest_is_own(vectors, swapped, ["Good day", "Bye"]) == 0.0
    assert nearest_is_own(vectors, swapped, ["Good day!", "good  day"]) == 1.0
    assert plain("Ｇood-day, ÉTÉ!") == "good day été"


def test_classifiers_learn_from_vectors() -> None:
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]], dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = ["b", "b", "a", "a"]
    questions = np.array([[1, 0], [0, 1]], dtype=np.float32)
    assert logistic(vectors, labels)(questions) == ["b", "a"]
    assert by_neighbours(vectors, labels, 2)(questions) == ["b", "a"]
    assert by_neighbours(vectors, labels, 4)(questions) == ["a", "a"], "of equals the first"
