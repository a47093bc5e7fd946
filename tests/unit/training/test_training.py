"""The recipe, end to end on a made-up corpus of 400 pairs in two invented languages."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch", reason="training needs PyTorch (extra 'train')")

from xlingual_adapters.embedders.static import StaticEmbedder  # noqa: E402

from training.__main__ import cli  # noqa: E402
from training.batches import Sampler  # noqa: E402
from training.learn import contrastive_loss  # noqa: E402
from training.pairs import read_pairs  # noqa: E402
from training.recipe import read_recipe  # noqa: E402
from xlingual_qdrant.errors import XlingualError  # noqa: E402

WORDS = [a + b for a in ("ka", "mo", "ti", "ru", "se", "pa") for b in ("lin", "dor", "vek", "sam")]
RECIPE = """
seed = 0
[vocabulary]
pieces = 70
foreign_sentences_per_language = 500
english_sentences = 500
character_coverage = 1.0
[model]
dimension = 24
init_std = 0.05
[schedule]
steps = 40
batch_pairs = 64
cut_pieces = 96
scale = 17.0
learning_rate = 0.02
warmup_steps = 5
final_rate = 0.02
betas = [0.9, 0.99]
language_exponent = 0.6
single_source_share = 0.6
[source_weights]
plain = 4.0
"story*" = 0.5
"""


def translate(sentence: str, lang: str) -> str:
    return " ".join(
        word[::-1] if lang == "xa" else word.replace("a", "ö") for word in sentence.split()
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for source in ("plain", "story-a"):
        english = [" ".join(rng.choice(WORDS, 4)) for _ in range(100)]
        rows = [
            f"{lang}\t{translate(text, lang)}\t{text}\n"
            for lang in ("xa", "xb")
            for text in english
        ]
        with gzip.open(folder / f"{source}.tsv.gz", "wt", encoding="utf-8") as file:
            file.writelines(rows)
    head = "source\trepository\tcommit\tlicence\ttaken\trows_per_language\n"
    (folder / "SOURCES.tsv").write_text(head + "plain\ta/b\t123\tCC0-1.0\tall\txa:100\n", "utf-8")
    return folder


def run(*arguments: object) -> str:
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_recipe_writes_a_model_that_knows_translations(tmp_path: Path, data: Path) -> None:
    recipe, work, out = tmp_path / "recipe.toml", tmp_path / "work", tmp_path / "out"
    recipe.write_text(RECIPE, "utf-8")
    common = ("--data", data, "--work", work, "--recipe", recipe)
    output = run("train", *common)
    assert "400 pairs from 2 sources" in output
    assert "resumed at step 40" in run("train", *common)
    run("bundle", *common, "--out", out, "--name", "tiny")

    embedder = StaticEmbedder.open(out)
    assert embedder.config.training["steps_taken"] == 40
    assert embedder.config.training["recipe"]["seed"] == 0
    assert embedder.config.training["torch"] == torch.__version__
    english = read_pairs(data).english[:50]
    foreign = [translate(text, "xa") for text in english]
    scores = embedder.embed_queries(foreign) @ embedder.embed_documents(english).T
    assert (scores.argmax(axis=1) == np.arange(50)).mean() > 0.9
    assert "CC0-1.0" in (out / "README.md").read_text("utf-8")


def test_a_row_of_two_columns_is_named(data: Path) -> None:
    with gzip.open(data / "zz.tsv.gz", "wt") as file:
        file.write("xa\tonly\n")
    with pytest.raises(ValueError, match=r"zz\.tsv\.gz, line 1: 2 columns, not 3"):
        read_pairs(data)


def test_a_folder_without_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no \*\.tsv\.gz files"):
        read_pairs(tmp_path)


def test_a_batch_depends_on_seed_and_step_alone(tmp_path: Path, data: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE, "utf-8")
    recipe, pairs = read_recipe(tmp_path / "recipe.toml"), read_pairs(data)
    first = [Sampler(pairs, recipe).rows_at(step).tolist() for step in range(5)]
    assert first == [Sampler(pairs, recipe).rows_at(step).tolist() for step in range(5)]
    assert first[0] != first[1]
    assert Sampler(pairs, replace(recipe, seed=1)).rows_at(0).tolist() != first[0]


def test_sources_are_drawn_by_their_weights(tmp_path: Path, data: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE, "utf-8")
    recipe, pairs = read_recipe(tmp_path / "recipe.toml"), read_pairs(data)
    sampler = Sampler(pairs, recipe)
    rows = np.concatenate([sampler.rows_at(step) for step in range(300)])
    assert pairs.sources == ["plain", "story-a"]
    assert (rows < pairs.bounds[1]).mean() == pytest.approx(4 / 4.5, abs=0.05)


def test_twins_are_not_wrong_answers() -> None:
    rows = torch.nn.functional.normalize(torch.randn(4, 8, generator=torch.manual_seed(0)))
    twins = torch.eye(4, dtype=torch.bool)
    twins[0, 1] = twins[1, 0] = True
    alone = contrastive_loss(rows, rows, torch.eye(4, dtype=torch.bool), 10.0)
    assert contrastive_loss(rows, rows, twins, 10.0) < alone


def test_the_rate_rises_and_falls() -> None:
    schedule = read_recipe().schedule
    rates = [schedule.rate_at(step) for step in range(schedule.steps)]
    assert max(rates) == rates[schedule.warmup_steps] == schedule.learning_rate
    assert rates[0] == pytest.approx(schedule.learning_rate / schedule.warmup_steps)
    assert rates[-1] == pytest.approx(schedule.learning_rate * schedule.final_rate, rel=0.02)


def test_an_unknown_key_of_a_recipe_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("scale =", "scales ="), "utf-8")
    with pytest.raises((TypeError, XlingualError), match="scales"):
        read_recipe(tmp_path / "recipe.toml")
