"""What the corrections of a search do to its ranking.

    python benchmarks/ranking.py --data EVAL_DIR [--every N]

EVAL_DIR holds the evaluation files. Two pools (task 2 of their README): *scattered*, where each
paragraph exists in one language, and *mixed*, where it exists in all. Each is a collection of the
local store, asked through `Collection.search_many`. The paragraphs are cut into two halves: what
is learned comes from the questions to one half, what is measured from those to the other, and the
other way round. `--every N` measures every N-th question only. The report goes to stdout and to
`benchmarks/results/ranking.txt`; the exit code is 1 if a bar is missed.
"""

from __future__ import annotations

import csv
import gzip
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from reporting import Bar, report

from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.errors import XlingualWarning

Row = dict[str, str]
Figures = dict[str, float]

MODES: dict[str, dict[str, Any]] = {
    "raw": {},
    "own": {"prefer": "own"},
    "neutral": {"prefer": "neutral"},
    "balanced": {"prefer": "balanced"},
    "bridge": {"rescore": "bridge"},
    "csls": {"rescore": "csls"},
    "lir": {"rescore": "lir"},
}
SEEN = (0, 5, 20)
"""Learned queries of each language, beside all of the other half."""
SPARE = 6
"""With few learned queries only every sixth question is measured."""
LEARNING = ("neutral", "balanced", "bridge")
"""The modes that are measured with few learned queries, too."""


def read(path: Path) -> list[Row]:
    """Return the rows of a gzipped TSV file."""
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        cells = csv.reader(
            (line.rstrip("\n") for line in lines), delimiter="\t", quoting=csv.QUOTE_NONE
        )
        header = next(cells)
        return [dict(zip(header, row, strict=True)) for row in cells]


@dataclass(frozen=True)
class Outcome:
    """What became of one question.

    ranks: of the right paragraphs. own: share of its language among the first ten hits. same:
    whether the only right one is in its language.
    """

    ranks: list[int]
    own: float
    same: bool


@dataclass(frozen=True)
class Pool:
    """A collection and its questions. home: the only language of a paragraph, if it has one."""

    collection: Collection
    langs: list[str]
    questions: list[Row]
    second_half: set[str]
    home: Mapping[str, str] | None
    size: int

    def figures(self, every: int) -> dict[str, Figures]:
        """Return the figures of each mode, and of some with few learned queries."""
        outcomes: dict[str, list[Outcome]] = {}
        for half in (False, True):
            there = [q for q in self.questions if (q["paragraph"] in self.second_half) == half]
            others = [q for q in self.questions if (q["paragraph"] in self.second_half) != half]
            for seen in (None, *SEEN):
                self.learn(others, seen)
                for mode in MODES if seen is None else LEARNING:
                    label = mode if seen is None else f"{mode}, {seen} learned"
                    step = every if seen is None else every * SPARE
                    outcomes.setdefault(label, []).extend(self.ask(there[::step], mode))
        return {label: self.summary(some) for label, some in outcomes.items()}

    def ask(self, questions: list[Row], mode: str) -> Iterator[Outcome]:
        """Yield what became of each question."""
        found = self.collection.search_many(
            [question["text"] for question in questions],
            lang=[question["lang"] for question in questions],
            k=self.size,
            **MODES[mode],
        )
        for question, hits in zip(questions, found, strict=True):
            wanted = f"{question['paragraph']}|"
            yield Outcome(
                [n for n, hit in enumerate(hits, 1) if hit.id.startswith(wanted)],
                float(np.mean([hit.lang == question["lang"] for hit in hits[:10]])),
                self.home is not None and self.home[question["paragraph"]] == question["lang"],
            )

    def summary(self, outcomes: list[Outcome]) -> Figures:
        """Return the figures in percent."""
        own = 100 * float(np.mean([outcome.own for outcome in outcomes]))
        figures = {"own": own, "fair": 100 / len(self.langs)}
        ranks = np.array([outcome.ranks for outcome in outcomes])
        if self.home is None:
            places = np.arange(1, len(self.langs) + 1)
            covered = ranks[:, -1] <= 2 * len(self.langs)
            return figures | {
                "mAP": 100 * float((places / ranks).mean()),
                "coverage": 100 * float(covered.mean()),
            }
        reciprocal = 1 / ranks[:, 0]
        same = np.array([outcome.same for outcome in outcomes])
        return figures | {
            "MRR": 100 * float(reciprocal.mean()),
            "same": 100 * float(reciprocal[same].mean()),
            "cross": 100 * float(reciprocal[~same].mean()),
        }

    def learn(self, questions: list[Row], seen: int | None) -> None:
        """Let the collection learn from some of the questions of each language."""
        self.collection.forget_queries()
        for lang in self.langs:
            texts = [q["text"] for q in questions if q["lang"] == lang]
            if seen is not None:
                texts = texts[:: max(1, len(texts) // max(1, seen))][:seen]
            if texts:
                self.collection.learn_queries(texts, lang=lang)


def pools(data: Path, folder: Path) -> Iterator[tuple[str, Pool]]:
    """Yield the two collections, filled."""
    paragraphs, questions = (
        read(data / "xquad" / f"{name}.tsv.gz") for name in ("paragraphs", "questions")
    )
    langs = sorted({row["lang"] for row in paragraphs})
    names = sorted({row["id"] for row in paragraphs})
    home = {name: langs[i % len(langs)] for i, name in enumerate(names)}
    second_half = set(names[len(names) // 2 :])
    embedder = load_embedder("bundled")
    for name in ("scattered", "mixed"):
        kept = [r for r in paragraphs if name == "mixed" or home[r["id"]] == r["lang"]]
        settings = {"stores": {"local": {"kind": "faiss", "path": str(folder)}}}
        with Collection.open(name, settings=settings, embedder=embedder) as collection:
            collection.add(
                {"id": f"{r['id']}|{r['lang']}", "text": r["text"], "lang": r["lang"]} for r in kept
            )
            lone = home if name == "scattered" else None
            yield name, Pool(collection, langs, questions, second_half, lone, len(kept))


def bars_of(name: str, found: dict[str, Figures]) -> Iterator[Bar]:
    """Yield the figures of each mode, then what is asked of them."""
    for mode, figures in found.items():
        for figure, value in figures.items():
            if figure != "fair":
                yield Bar(f"{name}, {mode}: {figure}", value)
    raw, neutral, balanced = found["raw"], found["neutral"], found["balanced"]
    excess = raw["own"] - raw["fair"]
    removed = 100 * (raw["own"] - balanced["own"]) / excess
    if name == "scattered":
        yield Bar("neutral / raw: MRR across languages, %", _gain(neutral, raw, "cross"), least=4)
        yield Bar("neutral / raw: MRR same language, %", _gain(neutral, raw, "same"), least=-1)
        yield Bar("balanced / raw: MRR, %", _gain(balanced, raw, "MRR"), least=-4)
    else:
        bridge = found["bridge"]
        yield Bar("neutral / raw: mAP, %", _gain(neutral, raw, "mAP"), least=5)
        yield Bar("bridge / raw: mAP, %", _gain(bridge, raw, "mAP"), least=50)
        times = bridge["coverage"] / max(raw["coverage"], 1e-9)
        yield Bar("bridge / raw: coverage, times", times, least=4)
    yield Bar(f"{name}, balanced: own-language excess removed, %", removed, least=80)


def _gain(one: Figures, other: Figures, figure: str) -> float:
    return 100 * (one[figure] / other[figure] - 1)


FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(help=__doc__)
@click.option("--data", type=FOLDER, required=True)
@click.option("--every", type=click.IntRange(min=1), default=1)
def main(data: Path, every: int) -> None:
    """Measure, report, and fail if a bar is missed."""
    bars: list[Bar] = []
    warnings.simplefilter("ignore", XlingualWarning)  # a few paragraphs are long: the same for all
    with tempfile.TemporaryDirectory() as folder:
        for name, pool in pools(data, Path(folder)):
            found = pool.figures(every)
            bars += bars_of(name, found)
    head = "XQuAD questions to paragraphs, bundled model; figures in percent"
    report("ranking", [f"{head}; every {every}. question" if every > 1 else head], bars)


if __name__ == "__main__":
    main()
