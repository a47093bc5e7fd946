"""Figures of the bundled model, each against its bar.

    python benchmarks/quality.py --data EVAL_DIR [--json OUT]

EVAL_DIR holds the evaluation files, `xlingual_qdrant.queries.evaluation` measures their tasks, as
`xlingual evaluate --folder` does. Speed is measured on one thread. The report goes to stdout and
to `benchmarks/results/quality.txt`; the exit code is 1 if a bar is missed.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import click
from reporting import Bar, report
from sentencepiece import SentencePieceProcessor
from xlingual_adapters.embedders.static import BUNDLED, StaticEmbedder

from xlingual_qdrant.queries.evaluation import evaluate_folder

TASKS = ("tatoeba", "xquad", "sts", "sib200", "mining")
ROUNDS = 5  # speeds are medians of so many


def quality_bars(results: dict[str, Any]) -> Iterator[Bar]:
    """Yield the figures of the tasks, in percent."""
    tatoeba, xquad, mining = results["tatoeba"], results["xquad"], results["mining"]
    yield Bar("Tatoeba, mean accuracy@1", 100 * tatoeba["mean"], least=89.8)
    for language, score in tatoeba["worst"].items():
        yield Bar(f"  among the five worst: {language}", 100 * score)
    yield Bar("XQuAD, same language R@1", 100 * xquad["same_R@1"])
    yield Bar("XQuAD, other language R@5", 100 * xquad["cross_R@5"])
    yield Bar("XQuAD scattered, MRR same language", 100 * xquad["scattered"]["MRR_same"])
    yield Bar("XQuAD scattered, MRR other language", 100 * xquad["scattered"]["MRR_cross"], 37)
    yield Bar("XQuAD mixed, mAP", 100 * xquad["mixed"]["mAP"])
    yield Bar("STS, mean", 100 * results["sts"]["mean"], least=66)
    for pair, score in results["sts"]["pairs"].items():
        yield Bar(f"  {pair}", 100 * score)
    yield Bar("SIB-200, logistic, mean", 100 * results["sib200"]["logistic"]["mean"])
    yield Bar("SIB-200, logistic, English", 100 * results["sib200"]["logistic"]["english"])
    yield Bar("Mining, margin, transferred F1", 100 * mining["margin"]["transfer_F1"], least=87)


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def speed_bars(texts: list[str]) -> Iterator[Bar]:
    """Yield encoding rates, alternating with SentencePiece alone, so that both meet one load."""
    embedder = StaticEmbedder.open(BUNDLED)
    vocabulary = SentencePieceProcessor(model_file=str(BUNDLED / "sentencepiece.model"))
    embedder.embed_documents(texts[:1000])
    tokenising, encoding = [], []
    for _ in range(ROUNDS):
        tokenising.append(seconds(lambda: vocabulary.encode(texts, num_threads=1)))
        encoding.append(seconds(lambda: embedder.embed_documents(texts)))
    ratio = median(t / e for t, e in zip(tokenising, encoding, strict=True))
    yield Bar("SentencePiece alone, texts/s", len(texts) / median(tokenising))
    yield Bar("Encoding, texts/s", len(texts) / median(encoding))
    yield Bar("Encoding rate / SentencePiece rate", ratio, least=0.4)
    one = [seconds(lambda text=text: embedder.embed_queries([text])) for text in texts[:2000]]
    yield Bar("One query, microseconds (median)", 1e6 * median(one))


LOADING = {
    "vocabulary": "SentencePieceProcessor(model_file=str(BUNDLED / 'sentencepiece.model'))",
    "model": "StaticEmbedder.open(BUNDLED).embed_documents(['a'])",
}


def load_bars() -> Iterator[Bar]:
    """Yield load times in fresh processes, imports not counted."""

    def load(what: str) -> float:
        code = (
            "import time; from sentencepiece import SentencePieceProcessor;"
            "from xlingual_adapters.embedders.static import BUNDLED, StaticEmbedder;"
            f"began = time.perf_counter(); {LOADING[what]}; print(time.perf_counter() - began)"
        )
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(done.stdout)

    times = [(load("vocabulary"), load("model")) for _ in range(ROUNDS)]
    yield Bar("SentencePiece model loaded, ms", 1000 * median(alone for alone, _ in times))
    yield Bar("Model loaded and first text, ms", 1000 * median(whole for _, whole in times))
    yield Bar("Load time / SentencePiece's", median(b / a for a, b in times), most=2)


def size_bars() -> Iterator[Bar]:
    """Yield the sizes of the model's files in MB (10**6 bytes)."""
    sizes = {path.name: path.stat().st_size / 1e6 for path in sorted(BUNDLED.iterdir())}
    for name, size in sizes.items():
        yield Bar(f"  {name}, MB", size)
    yield Bar("All files, MB", sum(sizes.values()), most=25)


def head() -> str:
    """Return what model was measured, and how the figures are to be read."""
    config = StaticEmbedder.open(BUNDLED).config
    return f"bundled model {config.name}, revision {config.revision}; tasks in percent"


FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(help=__doc__)
@click.option("--data", type=FOLDER, required=True)
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path))
def main(data: Path, json_path: Path | None) -> None:
    """Measure, report, and fail if a bar is missed."""
    with gzip.open(data / "tatoeba.tsv.gz", "rt", encoding="utf-8", newline="\n") as lines:
        texts = [text for line in lines for text in line.rstrip("\n").split("\t")[2:]][2:]
    results = evaluate_folder(StaticEmbedder.open(BUNDLED), data, TASKS)
    bars = [*quality_bars(results), *speed_bars(texts), *load_bars(), *size_bars()]
    if json_path:
        json_path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    report("quality", [head()], bars)


if __name__ == "__main__":
    main()
