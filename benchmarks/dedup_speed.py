"""All near pairs of many vectors: this library beside plain FAISS and semhash.

    python benchmarks/dedup_speed.py [--rows 100000] [--threads 1] [--texts FILE]

Two sets of vectors. *Planted*: rows in 2,000 topics of uneven size, 384 dimensions whose
variance falls off as in sentence embeddings; one row in ten is a copy of another one, turned until
their cosine is between 0.88 and 1. *Texts*: vectors of texts by the bundled model; FILE is a
gzipped table of texts with tabs between them, without it the texts of the demo, varied.

Every run is a process of its own with the same number of threads, which prints its seconds and by
how much its memory grew above the loaded vectors. Runs alternate; figures of the library are
medians of three, FAISS and semhash, which take long, run once. FAISS: `range_search` of a flat
index that is already filled. semhash: `from_embeddings` and `self_deduplicate` of ready vectors.
Pairs within 0.000001 of the threshold are left out of the comparison: there rounding decides.
Report: results/dedup_speed.txt.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from reporting import Bar, report

from xlingual_qdrant.queries.near_pairs.joining import near_pairs

THRESHOLD = 0.9
ROUNDING = 1e-6
DIMENSION = 384
TOPICS = 2000
COPIES = 0.1
ROUNDS = 3
LEAST = 12  # characters; shorter cells are languages and numbers

Vectors = NDArray[np.float32]


def unit(rows: Vectors) -> Vectors:
    """Return the rows at length 1."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def planted(count: int) -> Vectors:
    """Return topics with near copies in them; the same in every run."""
    generator = np.random.default_rng(1)
    spectrum = (np.arange(DIMENSION) + 10.0) ** -0.5
    spectrum = (spectrum / np.linalg.norm(spectrum)).astype(np.float32)
    topics = generator.standard_normal((TOPICS, DIMENSION), dtype=np.float32) * spectrum
    size = np.arange(1, TOPICS + 1) ** -0.8
    of = generator.choice(TOPICS, count, p=size / size.sum())
    noise = generator.standard_normal((count, DIMENSION), dtype=np.float32) * spectrum
    turned = np.linalg.qr(generator.standard_normal((DIMENSION, DIMENSION)))[0].astype(np.float32)
    rows = unit((0.75 * topics[of] + 0.66 * noise) @ turned)
    copies = generator.choice(count, round(count * COPIES), replace=False)
    source = rows[generator.integers(0, count, len(copies))]
    cosine = generator.uniform(0.88, 1, (len(copies), 1)).astype(np.float32)
    aside = generator.standard_normal(source.shape, dtype=np.float32)
    aside = unit(aside - (aside * source).sum(axis=1, keepdims=True) * source)
    rows[copies] = unit(cosine * source + np.sqrt(1 - cosine**2) * aside)
    return rows


def of_texts(file: Path | None, count: int) -> Vectors:
    """Return vectors of different texts."""
    from xlingual_qdrant import load_embedder
    from xlingual_qdrant.demo import corpus

    generator = np.random.default_rng(2)
    texts: dict[str, None] = {}
    if file is not None:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                cells = line.rstrip("\n").split("\t")
                texts.update((cell, None) for cell in cells if len(cell) > LEAST)
        chosen = generator.permutation(len(texts))[:count]
        known = list(texts)
        texts = {known[row]: None for row in np.sort(chosen).tolist()}
    else:
        words = [word for document in corpus() for word in document.text.split()]
        while len(texts) < count:
            begin = int(generator.integers(len(words)))
            texts[" ".join(words[begin : begin + int(generator.integers(5, 20))])] = None
    return load_embedder("bundled").embed_documents(list(texts)[:count])


def library(vectors: Vectors, approximate: bool) -> dict[str, Any]:
    """Return the pairs, the seconds, and the longest wait for a sign of progress."""
    began = last = time.perf_counter()
    waits: list[float] = []
    pairs: list[NDArray[np.int64]] = []

    def tell(done: int, total: int) -> None:
        nonlocal last
        waits.append(time.perf_counter() - last)
        last = time.perf_counter()

    for found in near_pairs(vectors, THRESHOLD, approximate=approximate, on_progress=tell):
        pairs.append(found.left * len(vectors) + found.right)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "wait": max(waits), "keys": np.concatenate(pairs)}


def plain_faiss(vectors: Vectors) -> dict[str, Any]:
    """Return what a range search of a flat index finds."""
    import faiss

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)  # pyright: ignore[reportCallIssue]
    began = time.perf_counter()
    limits, _, others = index.range_search(vectors, THRESHOLD)  # pyright: ignore[reportCallIssue]
    seconds = time.perf_counter() - began
    rows = np.repeat(np.arange(len(vectors)), np.diff(limits.astype(np.int64)))
    once = rows < others
    return {"seconds": seconds, "keys": rows[once] * len(vectors) + others[once]}


def semantic_hash(vectors: Vectors) -> dict[str, Any]:
    """Return how long semhash takes; its encoder is never asked."""
    from semhash import SemHash

    class Ready:
        def encode(self, inputs: object, **_: object) -> Vectors:
            return vectors

    texts = [str(row) for row in range(len(vectors))]
    began = time.perf_counter()
    index = SemHash.from_embeddings(vectors, texts, Ready())
    left = index.self_deduplicate(threshold=THRESHOLD)
    return {"seconds": time.perf_counter() - began, "kept": len(left.selected)}


def memory(name: str) -> float:
    """Return what Linux says of this process, in MiB: VmRSS is held now, VmHWM the most so far.

    `getrusage` would not do: its peak begins with that of the process that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition(f"{name}:")[2].split()[0]) / 1024


def work(kind: str, file: Path) -> None:
    """Do one run, in its own process, and print what came of it."""
    vectors = np.load(file)
    if kind == "semhash":
        import semhash  # noqa: F401 - its imports are not its search
    before = memory("VmRSS")
    if kind == "faiss":
        found = plain_faiss(vectors)
    elif kind == "semhash":
        found = semantic_hash(vectors)
    else:
        found = library(vectors, kind == "approximate")
    found["mebibytes"] = memory("VmHWM") - before
    if (keys := found.pop("keys", None)) is not None:
        np.save(file.with_name(f"{kind}.npy"), keys)
    print(json.dumps(found))


def run(kind: str, file: Path, threads: int) -> dict[str, float]:
    """Start one run and return its figures."""
    variables = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
    limited = {f"{name}_NUM_THREADS": str(threads) for name in variables}
    done = subprocess.run(
        [sys.executable, __file__, "--worker", kind, "--file", str(file)],
        env={**os.environ, **limited},
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    click.echo(f"  {file.stem} {kind}: {found['seconds']:.1f} s", err=True)
    return found


def compared(folder: Path, vectors: Vectors, one: str, other: str) -> tuple[float, int]:
    """Return the share of the first's pairs that the other found, and how many either missed."""
    ours, theirs = (np.sort(np.load(folder / f"{kind}.npy")) for kind in (one, other))
    differ = np.setxor1d(ours, theirs)
    left, right = np.divmod(differ, len(vectors))
    cosines = np.einsum("ij,ij->i", vectors[left], vectors[right], dtype=np.float64)
    return float(np.isin(ours, theirs).mean()), int((abs(cosines - THRESHOLD) > ROUNDING).sum())


def figures(folder: Path, vectors: Vectors, threads: int, name: str, rivals: bool) -> Iterator[Bar]:
    """Yield the figures of one set of vectors."""
    file = folder / f"{name}.npy"
    np.save(file, vectors)
    runs: dict[str, list[dict[str, float]]] = {"exact": [], "approximate": []}
    for at in range(ROUNDS):
        for kind in ("exact", "approximate"):
            runs[kind].append(run(kind, file, threads))
        if rivals and at < 2:
            kind = ("faiss", "semhash")[at]
            runs[kind] = [run(kind, file, threads)]
    seconds = {kind: median(each["seconds"] for each in of) for kind, of in runs.items()}
    for kind, value in seconds.items():
        yield Bar(f"{name}: {kind}, seconds", value)
    if rivals:
        yield Bar(f"{name}: FAISS / exact", seconds["faiss"] / seconds["exact"], least=1)
        yield Bar(f"{name}: semhash / exact", seconds["semhash"] / seconds["exact"], least=3)
        differ = compared(folder, vectors, "exact", "faiss")[1]
        yield Bar(f"{name}: pairs that only one of exact and FAISS has", differ, most=0)
    yield Bar(f"{name}: pairs", len(np.load(folder / "exact.npy")))
    recall = 100 * compared(folder, vectors, "exact", "approximate")[0]
    yield Bar(f"{name}: exact / approximate", seconds["exact"] / seconds["approximate"], least=3)
    yield Bar(f"{name}: approximate, recall %", recall, least=98)
    for kind in ("exact", "approximate"):
        most = max(each["mebibytes"] for each in runs[kind])
        yield Bar(f"{name}: {kind}, MiB above the vectors", most, most=600)
        wait = max(each["wait"] for each in runs[kind])
        yield Bar(f"{name}: {kind}, longest wait for progress, seconds", wait)


@click.command()
@click.option("--rows", default=100_000, show_default=True, help="Vectors of each set.")
@click.option("--threads", default=1, show_default=True, help="Threads of every run.")
@click.option("--texts", type=click.Path(exists=True, path_type=Path), help="Texts to embed.")
@click.option("--worker", hidden=True)
@click.option("--file", type=click.Path(path_type=Path), hidden=True)
def main(
    rows: int, threads: int, texts: Path | None, worker: str | None, file: Path | None
) -> None:
    """Measure."""
    if worker is not None and file is not None:
        work(worker, file)
        return
    head = [
        f"All pairs of {rows:,} vectors with a cosine of {THRESHOLD} or more, {threads} thread(s);"
        f" load average at the start {os.getloadavg()[0]:.1f}"
    ]
    with tempfile.TemporaryDirectory() as folder:
        bars = [
            *figures(Path(folder), planted(rows), threads, "planted", True),
            *figures(Path(folder), of_texts(texts, rows), threads, "texts", False),
        ]
    report("dedup_speed", head, bars)


if __name__ == "__main__":
    main()
