"""Logistic regression in NumPy gives what scikit-learn's gives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.queries.classification.logistic import fit_logistic, softmax


def examples(classes: int, n: int = 90, dimension: int = 12) -> tuple[NDArray, NDArray]:
    generator = np.random.default_rng(7)
    rows = np.concatenate([np.arange(classes), generator.integers(0, classes, n - classes)])
    middles = generator.normal(size=(classes, dimension))
    vectors = middles[rows] + generator.normal(size=(n, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), rows


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("strength", [1.0, 50.0])
@pytest.mark.parametrize("balanced", [False, True])
def test_probabilities_are_those_of_scikit_learn(
    classes: int, strength: float, balanced: bool
) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    vectors, rows = examples(classes)
    theirs = linear_model.LogisticRegression(
        C=strength, max_iter=10_000, tol=1e-8, class_weight="balanced" if balanced else None
    ).fit(vectors.astype(np.float64), rows)
    ours = fit_logistic(vectors, rows, classes, strength=strength, balanced=balanced)
    found = ours.probabilities(vectors)
    np.testing.assert_allclose(found, theirs.predict_proba(vectors), atol=2e-3)
    assert (found.argmax(axis=1) == theirs.predict(vectors)).all()


def test_the_same_examples_give_the_same_weights_bit_for_bit() -> None:
    vectors, rows = examples(4)
    one, other = fit_logistic(vectors, rows, 4), fit_logistic(vectors, rows, 4)
    np.testing.assert_array_equal(one.weights, other.weights)


def test_examples_that_can_be_told_apart_are_told_apart() -> None:
    vectors = np.eye(5, dtype=np.float32)
    found = fit_logistic(vectors, np.arange(5), 5, strength=1000).probabilities(vectors)
    assert (found.argmax(axis=1) == np.arange(5)).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_equal_examples_of_two_classes_leave_it_open() -> None:
    vectors = np.ones((4, 3), dtype=np.float32)
    found = fit_logistic(vectors, np.array([0, 1, 0, 1]), 2).probabilities(vectors)
    np.testing.assert_allclose(found, 0.5, atol=1e-4)


def test_large_scores_do_not_overflow() -> None:
    found = softmax(np.array([[1e4, 0.0], [0.0, -1e4]], dtype=np.float32))
    np.testing.assert_allclose(found, [[1, 0], [1, 0]])


def test_a_strength_of_nothing_is_refused() -> None:
    vectors, rows = examples(2)
    with pytest.raises(UsageError, match="strength is a number above 0"):
        fit_logistic(vectors, rows, 2, strength=0)
