"""Ingesting a file against loading the embedder and encoding its texts: whole processes.

    python benchmarks/ingest.py FILE.tsv.gz

FILE has the columns `text` and `lang`. Both processes run in turn, so that both meet the
machine as it is; the ratio is the median over the rounds. Report: results/ingest.txt.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import click
from reporting import Bar, report

ROUNDS = 5
XLINGUAL = [sys.executable, "-m", "xlingual_qdrant"]
ENCODE = """
import csv, gzip, sys
from xlingual_qdrant import load_embedder
with gzip.open(sys.argv[1], "rt", encoding="utf-8", newline="") as lines:
    rows = csv.DictReader(lines, delimiter="\\t", quoting=csv.QUOTE_NONE)
    texts = [row["text"] for row in rows]
load_embedder().embed_documents(texts)
"""


def seconds(command: list[str], folder: str) -> float:
    """Return how long a process runs, from its start to its end."""
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began


def count(folder: str) -> int:
    """Return how many documents the collection in this folder holds."""
    command = [*XLINGUAL, "info", "--json"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return int(json.loads(done.stdout)["count"])


def bars(file: Path) -> Iterator[Bar]:
    """Yield the figures of all rounds."""
    ingesting, again, encoding = [], [], []
    documents = 0
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            ingest = [*XLINGUAL, "ingest", str(file), "--quiet"]
            encoding.append(seconds([sys.executable, "-c", ENCODE, str(file)], folder))
            ingesting.append(seconds(ingest, folder))
            documents = count(folder)
            again.append(seconds(ingest, folder))
            if count(folder) != documents:
                raise click.ClickException("the second run added documents")
    yield Bar("Documents", documents)
    yield Bar("Load and encode, s", median(encoding))
    yield Bar("Ingest, s", median(ingesting))
    yield Bar("Ingest again, s", median(again))
    ratio = median(a / b for a, b in zip(ingesting, encoding, strict=True))
    yield Bar("Ingest / load and encode", ratio, most=5)


@click.command(help=__doc__)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(file: Path) -> None:
    """Measure and report."""
    report("ingest", [f"ingest of {file.name}, medians of {ROUNDS} rounds"], bars(file.resolve()))


if __name__ == "__main__":
    main()
