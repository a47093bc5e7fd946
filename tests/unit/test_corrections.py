"""Corrections are arithmetic: here against figures that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from xlingual_qdrant import corrections
from xlingual_qdrant.statistics import Asked, Statistics

E = np.eye(4, dtype=np.float32)


def of_languages(**samples: list[int]) -> Statistics:
    """Return statistics whose samples are rows of the unit matrix."""
    made = Statistics("e", 4)
    for tag, rows in samples.items():
        made.take([f"{tag}{n}" for n in range(len(rows))], [tag] * len(rows), E[rows])
    return made


def test_a_mean_of_few_vectors_is_not_trusted() -> None:
    mean = np.array([0.5, 0, 0, 0], dtype=np.float32)
    assert corrections.shrinkage(mean, 0, 1.0) == 0
    assert corrections.shrinkage(mean, 2, 1.0) == 0  # 1 / 2 / 0.25 is more than 1
    assert corrections.shrinkage(mean, 16, 1.0) == pytest.approx(0.75)


def test_without_queries_only_what_tells_languages_apart_is_taken_off() -> None:
    made = of_languages(de=[0, 1] * 100, fr=[0, 2] * 100)
    found = corrections.centres(made)
    assert not found.any_query.any()
    overall = np.array([0.5, 0.25, 0.25, 0])
    assert found.documents["de"][0] == pytest.approx(0, abs=1e-6)
    assert found.documents["de"] @ (np.array([0.5, 0.5, 0, 0]) - overall) > 0
    assert found.documents["de"] == pytest.approx(-found.documents["fr"], abs=1e-6)


def test_with_many_queries_all_means_are_taken_off() -> None:
    made = of_languages(de=[0, 1] * 128, fr=[0, 2] * 128)
    made.asked["en"] = Asked(10_000, 10_000 * np.array([0, 0, 0, 0.5], dtype=np.float32))
    found = corrections.centres(made)
    assert found.of_query("en") == pytest.approx([0, 0, 0, 0.5], abs=1e-3)
    assert found.of_query("ja") == pytest.approx([0, 0, 0, 0.5], abs=1e-3)
    assert found.documents["de"] == pytest.approx([0.5, 0.5, 0, 0], abs=0.02)


def test_a_narrower_tag_has_the_centre_of_its_language() -> None:
    made = of_languages(de=[1] * 50, fr=[2] * 50)
    found = corrections.centres(made)
    at, de = (found.moved_documents(E[:1], [tag]) for tag in ("de-AT", "de"))
    assert at.tolist() == de.tolist()
    assert found.moved_documents(E[:1], ["ja"]).tolist() == E[:1].tolist()


def test_the_direction_that_all_documents_share_goes() -> None:
    made = of_languages(de=[1, 1, 1, 0])
    found = corrections.components(made)
    [moved] = found.without((E[:1] + E[1:2]) / np.sqrt(2), ["de"])
    assert abs(moved[1]) < abs(moved[0])


def test_a_vector_of_which_nothing_is_left_stays_as_it_is() -> None:
    made = of_languages(de=[1] * 200)
    assert corrections.components(made).without(E[1:2], ["de"]).tolist() == E[1:2].tolist()


def test_hubs_are_near_to_the_sample() -> None:
    hub = corrections.units(E[:1] + E[1:2] + E[2:3])
    near = corrections.hubness(np.concatenate([hub, E[3:]]), E[:3], k=3)
    assert near == pytest.approx([1 / np.sqrt(3), 0])
    assert corrections.hubness(E[:1], E[:2], k=1) == pytest.approx([0])  # not its own copy
    assert corrections.hubness(E, np.empty((0, 4), np.float32)).tolist() == [0, 0, 0, 0]


def test_csls_by_hand() -> None:
    cosines = np.array([0.9, 0.5], dtype=np.float32)
    of_query, of_documents = np.float32([0.7]), np.float32([0.8, 0.2])
    assert corrections.csls(cosines, of_query, of_documents) == pytest.approx([0.3, 0.1])


def test_offsets_give_each_language_its_share() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0.3, 0.05, (200, 3, 10))
    scores[:, 0] += 0.2  # the queries' own language
    scores = -np.sort(-scores, axis=2)
    shares = np.full(3, 1 / 3)
    offsets = corrections.fair_offsets(scores, shares)
    flat = (scores - offsets[None, :, None]).reshape(200, -1)
    first = np.argsort(-flat, axis=1)[:, :10] // 10
    held = np.bincount(first.ravel(), minlength=3) / first.size
    assert held == pytest.approx(shares, abs=0.01)
    assert offsets[0] - offsets[1] == pytest.approx(0.2, abs=0.03)


def test_languages_without_a_match_do_not_disturb_the_offsets() -> None:
    scores = np.full((20, 2, 10), -np.inf)
    scores[:, 0] = np.linspace(0.9, 0.5, 10)
    offsets = corrections.fair_offsets(scores, np.array([1.0, 0.0]))
    assert np.isfinite(offsets).all()


def test_top_scores_of_a_language_with_one_document_say_nothing() -> None:
    scores = {"de": np.float32([0.9]), "fr": np.float32([0.2])}
    assert corrections.top_means(scores, {"de": 1, "fr": 1}) == {"de": 0, "fr": 0}


def test_a_small_language_is_not_expected_to_reach_far() -> None:
    tops = {"de": np.linspace(0.9, 0.0, 10, dtype=np.float32)} | {
        "fr": np.linspace(0.9, 0.0, 10, dtype=np.float32)
    }
    found = corrections.top_means(tops, {"de": 1000, "fr": 200})
    assert found["fr"] > 0 > found["de"]  # its two best are compared with the other's ten


def test_diversity_passes_over_a_repetition() -> None:
    scores = np.array([0.9, 0.89, 0.5], dtype=np.float32)
    vectors = E[[0, 0, 1]]
    assert corrections.diverse(scores, vectors, 2, 0.0) == [0, 1]
    assert corrections.diverse(scores, vectors, 2, 0.5) == [0, 2]
    assert corrections.diverse(scores, vectors, 9, 0.5) == [0, 2, 1]
