"""A small static model learns an invented language; nothing but that is invented."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from xlingual_adapters.embedders.static.format import read_config, read_table, read_vocabulary

from tests.unit.finetuning.invented import invented_pairs, write_pairs
from xlingual_qdrant import load_embedder
from xlingual_qdrant.errors import InvalidInput, MissingExtra, NotSupported, UsageError
from xlingual_qdrant.parallel import Learning, finetune

pytest.importorskip("accelerate", reason="fine-tuning needs the extra 'train'")
pytest.importorskip("datasets", reason="fine-tuning needs the extra 'train'")

QUICK = Learning(epochs=4, batch_size=32)


@pytest.fixture(scope="module")
def tuned(small, pairs_file, tmp_path_factory):
    """One training that several tests look at."""
    output = tmp_path_factory.mktemp("tuned") / "mine"
    seen = []
    result = finetune(
        [pairs_file],
        output,
        model={"kind": "static", "path": str(small)},
        learning=QUICK,
        licence="CC0",
        on_evaluation=seen.append,
    )
    return result, seen


def test_held_out_pairs_are_found_better_than_before(tuned):
    result, _ = tuned
    assert result.best > 0
    assert result.after["mrr"] > result.before["mrr"] + 0.2
    assert result.after["recall_left"] > result.before["recall_left"]
    assert result.pairs.held_out + result.pairs.learned + result.pairs.shared == 240


def test_the_first_evaluation_is_the_model_before(tuned):
    result, seen = tuned
    assert seen[0].step == 0
    assert seen[0].figures == pytest.approx(result.before, abs=1e-3)
    assert [one.step for one in seen] == sorted({one.step for one in seen})


def test_the_output_is_a_model_folder_that_needs_no_torch(tuned, small):
    result, _ = tuned
    config = read_config(result.output)
    table, scales = read_table(result.output, config)
    read_vocabulary(result.output, config)
    assert table.shape == read_table(small, read_config(small))[0].shape
    assert np.isfinite(scales).all()
    embedder = load_embedder(result.settings)
    assert embedder.fingerprint.model == "small-finetuned"


def test_it_is_said_when_a_fingerprint_cannot_tell_the_two_models_apart(tuned, small):
    result, _ = tuned
    before = load_embedder({"kind": "static", "path": str(small)}).fingerprint
    after = load_embedder(result.settings).fingerprint
    assert result.told_apart == (before.compare(after).verdict == "different")


def test_the_card_says_what_the_model_was_made_from(tuned, pairs_file):
    result, _ = tuned
    card = (result.output / "README.md").read_text(encoding="utf-8")
    assert card.startswith('---\nbase_model: "small"\nlicense: "CC0"\n---\n')
    for part in (pairs_file.name, "held out", "learning_rate", "seed: 0", "texts of the demo"):
        assert part in card


def test_nothing_is_left_beside_the_output(tuned):
    result, _ = tuned
    assert [path.name for path in result.output.parent.iterdir()] == [result.output.name]


def test_the_report_is_json(tuned):
    result, _ = tuned
    facts = json.loads(json.dumps(result.to_json()))
    assert facts["settings"] == {"kind": "static", "path": str(result.output)}
    assert facts["before"].keys() == facts["after"].keys()


def test_a_model_that_learns_nothing_better_stays_as_it_was(small, pairs_file, tmp_path):
    result = finetune(
        [pairs_file],
        tmp_path / "mine",
        model={"kind": "static", "path": str(small)},
        learning=Learning(epochs=2, batch_size=64, learning_rate=1e-12, patience=2),
    )
    assert result.best == 0
    assert result.after == result.before
    same = read_config(small).revision == read_config(tmp_path / "mine").revision
    assert same
    assert "as it was" in (tmp_path / "mine" / "README.md").read_text(encoding="utf-8")


def test_it_stops_early_when_nothing_is_gained(small, pairs_file, tmp_path):
    seen = []
    result = finetune(
        [pairs_file],
        tmp_path / "mine",
        model={"kind": "static", "path": str(small)},
        learning=Learning(epochs=50, batch_size=64, learning_rate=1e-12, patience=1),
        on_evaluation=seen.append,
    )
    assert result.steps == seen[1].step
    assert result.steps < seen[1].steps


def test_a_folder_of_sentence_transformers_gives_another_one(small, pairs_file, tmp_path):
    pytest.importorskip("tokenizers")
    from xlingual_adapters.embedders.static.export import export

    export(tmp_path / "st", small)
    result = finetune([pairs_file], tmp_path / "mine", model=str(tmp_path / "st"), learning=QUICK)
    assert result.after["mrr"] > result.before["mrr"] + 0.2
    assert (tmp_path / "mine" / "modules.json").exists()
    assert result.settings == {"kind": "static", "path": str(tmp_path / "mine")}


def test_a_teacher_of_another_dimension_is_imitated(small, pairs_file, tmp_path):
    result = finetune(
        [pairs_file],
        tmp_path / "mine",
        model={"kind": "static", "path": str(small)},
        teacher="bundled",
        learning=Learning(epochs=1, batch_size=64),
    )
    assert result.teacher is not None
    assert "xlingual-static-256" in result.teacher
    assert result.after["mrr"] > result.before["mrr"]


def test_pairs_of_the_guard_are_none_that_are_learned_from(small, pairs_file, tmp_path):
    with pytest.raises(InvalidInput, match="not also in --pairs"):
        finetune(
            [pairs_file],
            tmp_path / "mine",
            model={"kind": "static", "path": str(small)},
            guard=[pairs_file],
        )
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_holds_something_is_refused(small, pairs_file, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="holds something"):
        finetune([pairs_file], tmp_path / "mine", model=str(small))
    with pytest.raises(UsageError, match=r"holds something, .* nothing to resume; name a new"):
        finetune([pairs_file], tmp_path / "mine", model=str(small), resume=True)
    with pytest.raises(UsageError, match="is a file"):
        finetune([pairs_file], tmp_path / "mine" / "thesis.txt", model=str(small))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch_size": 1}, {"learning_rate": 0.0}, {"patience": 0}]
)
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(
        UsageError, match=next(iter(wrong)) if "batch_size" not in wrong else "batch"
    ):
        Learning(**wrong)


def test_an_embedder_that_cannot_learn_says_so(pairs_file, tmp_path):
    with pytest.raises(NotSupported, match=r"fastembed.*cannot learn"):
        finetune([pairs_file], tmp_path / "mine", model={"kind": "fastembed", "model": "any"})


def test_a_missing_package_is_named_and_nothing_is_begun(
    small, pairs_file, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingExtra, match=r"'accelerate'.*xlingual-qdrant\[train\]"):
        finetune([pairs_file], tmp_path / "mine", model=str(small))
    assert list(tmp_path.iterdir()) == []


def test_other_data_or_options_do_not_resume(small, pairs_file, tmp_path):
    order = {"model": str(small), "learning": QUICK}

    class Stopped(Exception):
        pass

    def stop(evaluation):
        if evaluation.step:
            raise Stopped

    with pytest.raises(Stopped):
        finetune([pairs_file], tmp_path / "mine", on_evaluation=stop, **order)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.partial"]
    with pytest.raises(UsageError, match="--resume goes on"):
        finetune([pairs_file], tmp_path / "mine", **order)
    with pytest.raises(InvalidInput, match="--epochs was 4, is 5"):
        finetune(
            [pairs_file],
            tmp_path / "mine",
            model=str(small),
            learning=Learning(epochs=5, batch_size=32),
            resume=True,
        )
    (tmp_path / "other").mkdir()
    other = write_pairs(tmp_path / "other" / "pairs.jsonl", invented_pairs(250))
    with pytest.raises(InvalidInput, match="pairs was"):
        finetune([other], tmp_path / "mine", resume=True, **order)
    assert finetune([pairs_file], tmp_path / "mine", resume=True, **order).best > 0
    assert not Path(tmp_path / "mine.partial").exists()
