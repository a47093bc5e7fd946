"""The small model, its pairs, and one training that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.finetuning.invented import invented_pairs, small_model, write_pairs
from xlingual_qdrant.finetuning import Evaluation


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("small") / "model")


@pytest.fixture(scope="session")
def pairs_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("pairs") / "pairs.jsonl", invented_pairs())


@pytest.fixture
def seen() -> list[Evaluation]:
    return []
