"""Ingesting a file without the embedding cache, with an empty one, and with a full one.

    python benchmarks/cache.py FILE.tsv.gz [--model FOLDER]

FILE has the columns `text` and `lang`. Each run ingests it into a new collection in memory, so
that the embedder and its cache are what differs; calls are those that reach the model. --model
is a folder of sentence-transformers; of the file it embeds the first 2,000 texts only. Report:
results/cache.txt.
"""

from __future__ import annotations

import csv
import gzip
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from unicodedata import normalize

import click
import numpy as np
from numpy.typing import NDArray
from reporting import Bar, report

from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.caching import CachedEmbedder
from xlingual_qdrant.ingest import ingest
from xlingual_qdrant.ports import Embedder, Vectors
from xlingual_qdrant.schema import EmbedderFingerprint

ROUNDS = 3
TEXTS_OF_MODEL = 2_000
WINDOW = 4096


class Counted:
    """An embedder, and how often it was called: to embed, and to tell what is truncated."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder, self.calls = embedder, 0

    @property
    def fingerprint(self) -> EmbedderFingerprint:
        """That of the embedder."""
        return self.embedder.fingerprint

    @property
    def dimension(self) -> int:
        """That of the embedder."""
        return self.embedder.dimension

    @property
    def max_tokens(self) -> int | None:
        """That of the embedder."""
        return self.embedder.max_tokens

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Call the embedder."""
        self.calls += 1
        return self.embedder.embed_documents(texts)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Call the embedder."""
        self.calls += 1
        return self.embedder.embed_queries(texts)

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Call the embedder."""
        self.calls += 1
        return self.embedder.truncated(texts)


def seconds(file: Path, embedder: Embedder) -> float:
    """Return how long the file takes into a new collection."""
    with Collection.open(store="memory", embedder=embedder, settings={}) as collection:
        began = time.perf_counter()
        done = ingest(collection, file)
        took = time.perf_counter() - began
        if done.failed or done.added != done.read:
            raise click.ClickException(f"{file} was not ingested whole")
    return took


def texts_of(file: Path) -> list[str]:
    """Return the texts of a file."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        # In the form in which an ingestion hands them to a model.
        return [
            normalize("NFC", row["text"])
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        ]


def beginning(file: Path, count: int, folder: Path) -> Path:
    """Return a file of the first texts of another."""
    shorter = folder / "first.tsv.gz"
    with gzip.open(file, "rt", encoding="utf-8") as lines, gzip.open(shorter, "wt") as out:
        out.writelines(islice(lines, count + 1))
    return shorter


def runs(name: str, file: Path, embedder: Embedder, rounds: int) -> Iterator[Bar]:
    """Yield the figures of one embedder: the best of the rounds, which meet the same machine."""
    counted = Counted(embedder)
    counted.embed_documents(["loads the model"])
    bare, empty, full, looked_up = [], [], [], []
    second_calls = different = 0
    texts = texts_of(file)
    expected = embedder.embed_documents(texts)
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder) / "embeddings.sqlite"
            bare.append(seconds(file, counted))
            empty.append(seconds(file, CachedEmbedder(counted, cache)))
            before = counted.calls
            again = CachedEmbedder(counted, cache)
            full.append(seconds(file, again))
            second_calls += counted.calls - before
            began = time.perf_counter()
            vectors = [
                again.embed_documents(texts[first : first + WINDOW])
                for first in range(0, len(texts), WINDOW)
            ]
            looked_up.append(len(texts) / (time.perf_counter() - began))
            again.close()
            size = cache.stat().st_size
        if not np.allclose(np.concatenate(vectors), expected, atol=1e-5):
            different += 1
    yield Bar(f"{name}: texts", len(texts))
    yield Bar(f"{name}: without a cache, s", min(bare))
    yield Bar(f"{name}: first run, s", min(empty))
    yield Bar(f"{name}: second run, s", min(full))
    yield Bar(f"{name}: without / second run", min(bare) / min(full))
    yield Bar(f"{name}: calls of the model in second runs", second_calls, most=0)
    yield Bar(f"{name}: rounds with other vectors", different, most=0)
    yield Bar(f"{name}: vectors looked up a second", max(looked_up), least=100_000)
    yield Bar(f"{name}: bytes a text", size / len(texts))


def bars(file: Path, model: Path | None) -> Iterator[Bar]:
    """Yield the figures of all embedders."""
    yield from runs("bundled", file, load_embedder({"kind": "static"}), ROUNDS)
    if model is not None:
        slow = load_embedder({"kind": "sentence-transformers", "model": str(model)})
        with tempfile.TemporaryDirectory() as folder:
            shorter = beginning(file, TEXTS_OF_MODEL, Path(folder))
            yield from runs(model.resolve().name, shorter, slow, 1)


@click.command(help=__doc__)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(file: Path, model: Path | None) -> None:
    """Measure and report."""
    head = [f"ingest of {file.name} with the embedding cache, best of {ROUNDS} rounds"]
    report("cache", head, bars(file.resolve(), model))


if __name__ == "__main__":
    main()
