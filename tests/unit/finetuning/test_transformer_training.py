"""A tiny transformer learns, with the prompts that go before its texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.models import tiny_model
from tests.unit.finetuning.invented import write_pairs
from xlingual_qdrant import load_embedder
from xlingual_qdrant.finetuning import TextPair
from xlingual_qdrant.parallel import Learning, finetune

pytest.importorskip("accelerate", reason="fine-tuning needs the extra 'train'")
pytest.importorskip("datasets", reason="fine-tuning needs the extra 'train'")

WORDS = ["train", "parcel", "station", "telephone", "seven", "leaves", "arrive", "nobody"]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    tiny_model(folder / "model", prompts={"query": "query: ", "passage": "passage: "})
    pairs = [
        TextPair(f"{a} {b} {c}", f"{c} {b} {a} short")
        for i, a in enumerate(WORDS)
        for j, b in enumerate(WORDS)
        for c in WORDS[(i + j) % 4 :: 4]
    ]
    file = write_pairs(folder / "pairs.jsonl", pairs)
    return finetune(
        [file],
        folder / "mine",
        model={"kind": "sentence-transformers", "model": str(folder / "model"), "device": "cpu"},
        learning=Learning(epochs=3, batch_size=48, learning_rate=1e-3),
    )


def test_held_out_pairs_are_found_better_than_before(tuned):
    assert tuned.recipe["loss"] == "CachedTaughtPairs"
    assert tuned.after["mrr"] > tuned.before["mrr"]


def test_the_prompts_stay_with_the_model(tuned):
    assert tuned.settings["model"] == str(tuned.output)
    assert tuned.settings["device"] == "cpu"
    embedder = load_embedder(tuned.settings)
    assert embedder.fingerprint.prompts == {"query": "query: ", "document": "passage: "}
    config = tuned.output / "config_sentence_transformers.json"
    assert json.loads(config.read_text(encoding="utf-8"))["prompts"]["query"] == "query: "


def test_only_the_model_is_written(tuned):
    names = {path.name for path in tuned.output.iterdir()}
    assert {"README.md", "modules.json", "model.safetensors", "tokenizer.json"} <= names
    assert not {"training_args.bin", "trainer_state.json", "optimizer.pt"} & names
    assert not Path("runs").exists()
