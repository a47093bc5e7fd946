"""What some pairs of a new field teach a model, and what it forgets meanwhile.

    python benchmarks/finetune.py --data PARALLEL --eval EVAL [--model FOLDER] [--field SOURCE]

PARALLEL is a folder of `SOURCE.tsv.gz` files with lines of language, text and English; EVAL has a
`tatoeba.tsv.gz` with id, language, text and English. For each language 1,000 pairs of the field
are held out, and the model learns from others of the same field. To tell anything, it must be a
model that has never seen that field: the bundled one has seen all of PARALLEL. Figures on
Tatoeba say what became of the rest: of the language, and of all languages together.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from reporting import Bar, report

from xlingual_qdrant import load_embedder
from xlingual_qdrant.finetuning import TextPair
from xlingual_qdrant.parallel import Tuned, finetune, measure, split, without_repetition
from xlingual_qdrant.parallel.folders import model_settings
from xlingual_qdrant.ports import Embedder

HELD_OUT = 1_000
CLAIM = 1_000
"""Pairs that are said to move the needle."""
GAINED = 5.0
"""Points of recall@1 on held-out pairs, both ways, that they must bring a weak language."""
LOST = 1.0
"""Points of recall@1 on Tatoeba, mean of all languages, that they may cost."""


def pairs_of(data: Path, field: str, lang: str) -> tuple[list[TextPair], list[TextPair]]:
    """Return pairs to learn from, in an order that a hash decides, and those held out."""
    with gzip.open(data / f"{field}.tsv.gz", "rt", encoding="utf-8", newline="\n") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    pairs = without_repetition(
        TextPair(english, text, "en", tag) for tag, text, english in rows if tag == lang
    )
    divided = split(pairs, HELD_OUT)
    most = split(divided.learned, len(divided.learned) - 200)
    return [*most.held_out, *most.learned], divided.held_out


def tatoeba(folder: Path) -> dict[str, list[TextPair]]:
    """Return the general pairs by language."""
    found: dict[str, list[TextPair]] = defaultdict(list)
    with gzip.open(folder / "tatoeba.tsv.gz", "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            found[row["lang"]].append(TextPair(row["english"], row["text"]))
    return dict(found)


def recall(figures: dict[str, float]) -> float:
    """Return recall@1 in percent, the mean of both directions."""
    return 50 * (figures["recall_left"] + figures["recall_right"])


def general(embedder: Embedder, sets: dict[str, list[TextPair]]) -> dict[str, float]:
    """Return recall@1 on Tatoeba by language."""
    return {lang: recall(measure(embedder, pairs, roles=False)) for lang, pairs in sets.items()}


def tuned_on(
    learned: list[TextPair], held_out: list[TextPair], model: str, folder: Path
) -> tuple[Tuned, Embedder]:
    """Fine-tune as the command does, from a file."""
    file = folder / "pairs.jsonl"
    with file.open("w", encoding="utf-8") as lines:
        for pair in (*held_out, *learned):
            lines.write(_json(pair))
    tuned = finetune([file], folder / "model", model=model, held_out=len(held_out))
    return tuned, load_embedder(tuned.settings)


def _json(pair: TextPair) -> str:
    return json.dumps({"left": pair.left, "right": pair.right}, ensure_ascii=False) + "\n"


def bars_of(
    lang: str,
    learned: list[TextPair],
    held_out: list[TextPair],
    sizes: list[int],
    model: str,
    sets: dict[str, list[TextPair]],
) -> Iterator[Bar]:
    """Yield figures before and after learning from so many pairs."""
    before = general(load_embedder(model_settings(model)), sets)
    mean = sum(before.values()) / len(before)
    for number, size in enumerate(size for size in sizes if size <= len(learned)):
        with TemporaryDirectory(prefix="xlingual-finetune-") as folder:
            began = time.process_time()
            tuned, embedder = tuned_on(learned[:size], held_out, model, Path(folder))
            seconds = time.process_time() - began
            after = general(embedder, sets)
        if number == 0:
            yield Bar(f"{lang}: held out, recall@1 before, percent", recall(tuned.before))
            yield Bar(f"{lang}: Tatoeba {lang}, recall@1 before", before[lang])
            yield Bar(f"{lang}: Tatoeba, mean of {len(sets)} languages, before", mean)
        gained = recall(tuned.after) - recall(tuned.before)
        weak = size == CLAIM and recall(tuned.before) < 80
        lost = mean - sum(after.values()) / len(after)
        yield Bar(f"{lang}: {size:,} pairs: held out, gained", gained, GAINED if weak else None)
        yield Bar(f"  Tatoeba {lang}, gained", after[lang] - before[lang])
        yield Bar("  Tatoeba, mean, lost", lost, most=LOST if size == CLAIM else None)
        yield Bar("  share of the trained model that was kept", _share(tuned))
        yield Bar("  processor seconds", seconds)


def _share(tuned: Tuned) -> float:
    share = tuned.recipe["share_of_the_new"]
    return float(share) if isinstance(share, float) and tuned.best else 0.0


FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(help=__doc__)
@click.option("--data", type=FOLDER, required=True)
@click.option("--eval", "eval_folder", type=FOLDER, required=True)
@click.option("--model", default="bundled", show_default=True)
@click.option("--field", default="massive", show_default=True)
@click.option("--langs", default="ar,he,ta,fr", show_default=True)
@click.option("--sizes", default="300,1000,3000,8000", show_default=True)
def main(data: Path, eval_folder: Path, model: str, field: str, langs: str, sizes: str) -> None:
    """Measure, report, and fail if a bar is missed."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sets = tatoeba(eval_folder)
    embedder = load_embedder(model_settings(model))
    bars: list[Bar] = []
    for lang in langs.split(","):
        learned, held_out = pairs_of(data, field, lang)
        numbers = [int(size) for size in sizes.split(",")]
        for bar in bars_of(lang, learned, held_out, numbers, model, sets):
            click.echo(bar, err=True)
            bars.append(bar)
    head = f"{embedder.fingerprint}, field {field}, {HELD_OUT:,} pairs held out, points in percent"
    report("finetune", [head], bars)


if __name__ == "__main__":
    main()
