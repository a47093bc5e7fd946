"""Schemas, and how fingerprints of embedders compare."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from xlingual_qdrant.errors import SettingsError
from xlingual_qdrant.schema import (
    PROBES,
    CollectionSchema,
    EmbedderFingerprint,
    FieldType,
    check_name,
    field_problem,
    round_probes,
)
from xlingual_qdrant.testing.corpus import random_vectors

VECTORS = random_vectors(len(PROBES), 32)


def fingerprint(**changes: Any) -> EmbedderFingerprint:
    facts: dict[str, Any] = {
        "kind": "static",
        "model": "m",
        "dimension": 32,
        "max_tokens": 128,
        "probes": round_probes(VECTORS),
    }
    return EmbedderFingerprint(**(facts | changes))


def test_equal_fingerprints_are_the_same() -> None:
    assert fingerprint().compare(fingerprint()) == ("same", "")


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "onnx"},
        {"model": "m-int8"},
        {"revision": "abc"},
        {"max_tokens": None},
        {"probes": round_probes(VECTORS + np.float32(0.001))},
    ],
    ids=str,
)
def test_another_name_or_precision_of_the_same_model_is_compatible(changes: Any) -> None:
    verdict, differences = fingerprint().compare(fingerprint(**changes))
    assert verdict == "compatible"
    assert "1.000" in differences


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dimension": 64, "probes": [[1.0] * 64] * 6}, "32 and 64 dimensions"),
        ({"prompts": {"query": "query: "}}, "query: "),
        ({"probes": round_probes(random_vectors(len(PROBES), 32, seed=1))}, "cosines"),
        ({"probes": round_probes(np.concatenate([VECTORS[:5], -VECTORS[5:]]))}, "-1.000"),
        ({"probes": round_probes(VECTORS[:5])}, "cosines"),
        ({"probes": []}, "cosines"),
        ({"probes": [[0.0] * 32] * 6}, "0.000"),
    ],
    ids=str,
)
def test_other_vectors_are_different_whatever_the_name(changes: Any, said: str) -> None:
    verdict, differences = fingerprint().compare(fingerprint(**changes))
    assert verdict == "different"
    assert said in differences


def test_a_fingerprint_survives_json_and_refuses_unknown_keys() -> None:
    one = fingerprint(prompts={"query": "q: "}, revision="é")
    assert EmbedderFingerprint.model_validate_json(one.model_dump_json()) == one
    assert str(one) == "static:m@é (32 dimensions)"
    with pytest.raises(ValidationError):
        fingerprint(device="cuda")


@pytest.mark.parametrize("name", ["a", "A-b_c.9", "_", "0", "x" * 128])
def test_a_name_that_is_safe_everywhere_is_taken(name: str) -> None:
    assert CollectionSchema(name=name, dimension=1).name == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "-a", "a/b", "a\\b", "a b", "ä", "x" * 129, "a\0", "a\n", ".hidden"]
)
def test_a_name_that_is_a_path_or_a_riddle_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="cannot name a collection"):
        check_name(name)


def test_a_schema_survives_json() -> None:
    schema = CollectionSchema(
        name="a", dimension=32, embedder=fingerprint(), fields={"é": "datetime", "": "bool"}
    )
    assert CollectionSchema.model_validate_json(schema.model_dump_json()) == schema


@pytest.mark.parametrize("dimension", [0, -1])
def test_a_dimension_is_positive(dimension: int) -> None:
    with pytest.raises(ValidationError):
        CollectionSchema(name="a", dimension=dimension)


@pytest.mark.parametrize(
    ("kind", "fitting", "not_fitting"),
    [
        ("keyword", ["", "a", ["a", "b"], None, [], [None]], [1, True, ["a", 1], {}, [["a"]]]),
        ("integer", [0, -(2**63), [1, 2]], [1.0, True, "1", [1, 1.5]]),
        ("float", [0, 1.5, [1, 2.5]], [True, "1.5"]),
        ("bool", [True, False, [True]], [0, 1, "true"]),
        ("datetime", ["2026-01-31", "2026-01-31T10:00:00+02:00"], ["soon", 20260131, "2026-02-30"]),
    ],
)
def test_a_declared_field_holds_its_type(
    kind: FieldType, fitting: list[Any], not_fitting: list[Any]
) -> None:
    assert field_problem({"x": kind}, {"y": object()}) == ""  # type: ignore[dict-item]
    assert [value for value in fitting if field_problem({"x": kind}, {"x": value})] == []
    for value in not_fitting:
        assert f"field 'x' is declared {kind}" in field_problem({"x": kind}, {"x": value})
