"""The command line of the recipe: `python -m training --help`."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click
import torch
from xlingual_adapters.embedders.static.embedder import BUNDLED
from xlingual_adapters.embedders.static.format import read_config, write_config

from training.bundle import write_bundle
from training.card import write_card
from training.learn import train_table
from training.pairs import read_pairs
from training.prepare import WorkFolder
from training.recipe import DEFAULT_PATH, read_recipe

SOURCES = "SOURCES.tsv"
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


def report(line: str) -> None:
    """Print a line of progress with the time of day."""
    click.echo(f"{time.strftime('%H:%M:%S')}  {line}")


@click.group()
def cli() -> None:
    """Train the static model: first `train`, then `bundle`, then `card`."""


@cli.command()
@click.option("--data", type=FOLDER, required=True, help="Folder of *.tsv.gz files.")
@click.option("--work", type=FOLDER, required=True, help="Folder of intermediate files.")
@click.option("--recipe", "recipe_path", type=FILE, default=DEFAULT_PATH, show_default=True)
@click.option("--threads", type=int, default=2, show_default=True)
def train(data: Path, work: Path, recipe_path: Path, threads: int) -> None:
    """Train the vocabulary and the table; run it again to go on where it stopped."""
    torch.set_num_threads(threads)
    recipe = read_recipe(recipe_path)
    pairs = read_pairs(data)
    report(f"{len(pairs)} pairs from {len(pairs.sources)} sources")
    folder = WorkFolder(work)
    pieces, foreign, english = folder.prepare(pairs, recipe, report)
    for line in train_table(pairs, foreign, english, pieces, recipe, folder.checkpoint):
        report(line)


@cli.command()
@click.option("--data", type=FOLDER, required=True, help="Folder of *.tsv.gz files.")
@click.option("--work", type=FOLDER, required=True, help="Folder of intermediate files.")
@click.option("--out", type=FOLDER, default=BUNDLED, help="The model folder.  [default: bundled]")
@click.option("--name", default="xlingual-static-256", show_default=True)
@click.option("--recipe", "recipe_path", type=FILE, default=DEFAULT_PATH, show_default=True)
def bundle(data: Path, work: Path, out: Path, name: str, recipe_path: Path) -> None:
    """Quantise the last checkpoint and write it as a model folder with its card."""
    write_bundle(out, name, read_pairs(data), data, read_recipe(recipe_path), WorkFolder(work))
    write_card(out, read_config(out), data / SOURCES)
    report(f"wrote {out}")


@cli.command()
@click.option("--data", type=FOLDER, required=True, help="Folder with SOURCES.tsv.")
@click.option("--scores", type=FILE, required=True, help="Output of benchmarks/quality.py --json.")
@click.option("--out", type=FOLDER, default=BUNDLED, help="The model folder.  [default: bundled]")
def card(data: Path, scores: Path, out: Path) -> None:
    """Put measured scores into config.json and write the model card again."""
    measured = json.loads(scores.read_text(encoding="utf-8"))
    config = read_config(out).model_copy(update={"scores": measured})
    write_config(out, config)
    write_card(out, config, data / SOURCES)
    report(f"wrote {out / 'README.md'}")


if __name__ == "__main__":
    cli()
