"""What scores mean: the claims of a tutorial, the calibration that ships, and one without labels.

    python benchmarks/calibration.py --data EVAL

EVAL holds `tatoeba.tsv.gz`, `mining.tsv.gz`, `mining_gold.tsv.gz` and `dedup.tsv.gz`. Nothing is
learned from them but the label-free calibrations, which see their texts without labels, as they
would those of any collection. Right pairs are those of the files; as many are wrong, half of them
the nearest wrong text of a left text, half that of a right one (in one language: of a text).
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import click
import numpy as np
from numpy.typing import NDArray
from reporting import Bar, report

from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.calibration import Calibration, shipped_calibration
from xlingual_qdrant.ports import Embedder
from xlingual_qdrant.queries.scores.calibrating import calibrate
from xlingual_qdrant.queries.scores.cuts import (
    Scored,
    best_threshold,
    calibration_error,
    f1_at,
    reliability,
)
from xlingual_qdrant.queries.scores.partners import nearest_wrong
from xlingual_qdrant.queries.scores.scoring import score_pairs
from xlingual_qdrant.queries.scores.unlabelled_pairs import LEAST_TEXTS

Rows: TypeAlias = list[dict[str, str]]

ABOVE, BELOW = 0.85, 0.2
"""Where the tutorial has translations and unrelated texts."""
TUTORIAL = (
    ("I love programming", "J'adore la programmation", "en", "fr"),
    ("I love programming", "Das Wetter ist schön heute", "en", "de"),
    ("The server is down", "Le serveur est en panne", "en", "fr"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """Pairs of two languages: their cosines, and the texts for a collection."""

    name: str
    one: str
    other: str
    scored: Scored
    unrelated: NDArray[np.float32]
    texts: list[tuple[str, str]]


def read(file: Path) -> Rows:
    """Return the rows of a table; no field is stripped."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def by(rows: Rows, *columns: str) -> dict[tuple[str, ...], Rows]:
    """Return the rows by the values of some columns."""
    found: dict[tuple[str, ...], Rows] = defaultdict(list)
    for row in rows:
        found[tuple(row[column] for column in columns)].append(row)
    return found


def kind_of(
    name: str,
    langs: tuple[str, str],
    embedder: Embedder,
    sides: tuple[list[str], list[str]],
    groups: list[str],
    more: tuple[list[str], list[str]] = ([], []),
) -> Kind:
    """Return pairs of texts side by side; `groups` are equal where any two are partners."""
    left, right = ([*side, *others] for side, others in zip(sides, more, strict=True))
    x, y = embedder.embed_documents(left), embedder.embed_documents(right)
    n = len(groups)
    numbers = np.unique(groups, return_inverse=True)[1]
    forward = nearest_wrong(x[:n], y, numbers)
    backward = nearest_wrong(y[:n], x, numbers)
    right_cosines = np.einsum("ij,ij->i", x[:n], y[:n])
    wrong = [np.einsum("ij,ij->i", x[:n], y[forward]), np.einsum("ij,ij->i", y[:n], x[backward])]
    cosines = np.concatenate([right_cosines, *wrong]).astype(np.float64)
    weights = np.concatenate([np.ones(n), np.full(2 * n, 0.5)])
    scored = Scored(cosines, np.arange(3 * n) < n, weights, np.tile(np.arange(n), 3))
    # Each text with the one that stands half the file away: no partner, and nothing in common.
    away = np.roll(np.arange(n), n // 2)
    apart = numbers != numbers[away]
    unrelated = np.einsum("ij,ij->i", x[:n], y[:n][away])[apart]
    one, other = langs
    texts = [(text, one) for text in left] + [(text, other) for text in right]
    return Kind(name, one, other, scored, unrelated, list(dict.fromkeys(texts)))


def tatoeba(data: Path, embedder: Embedder) -> Iterator[Kind]:
    """Yield the sentences of each language with their English translations."""
    for (lang,), rows in by(read(data / "tatoeba.tsv.gz"), "lang").items():
        sides = [row["text"] for row in rows], [row["english"] for row in rows]
        groups = ["".join(filter(str.isalnum, text.casefold())) for text in sides[1]]
        yield kind_of("tatoeba", (lang, "en"), embedder, sides, groups)


def mining(data: Path, embedder: Embedder) -> Iterator[Kind]:
    """Yield the translations of each pair of languages; texts without one are distractors."""
    gold = by(read(data / "mining_gold.tsv.gz"), "pair")
    for (pair,), rows in by(read(data / "mining.tsv.gz"), "pair").items():
        sides = by(rows, "side")
        texts = {row["id"]: row["text"] for row in rows}
        found = gold[(pair,)]
        right_ones = [[row["left_id"] for row in found], [row["right_id"] for row in found]]
        others = [
            [row["text"] for row in sides[(side,)] if row["id"] not in set(ids)]
            for side, ids in zip(("left", "right"), right_ones, strict=True)
        ]
        yield kind_of(
            "mining",
            (sides[("left",)][0]["lang"], sides[("right",)][0]["lang"]),
            embedder,
            ([texts[id] for id in right_ones[0]], [texts[id] for id in right_ones[1]]),
            right_ones[0],
            (others[0], others[1]),
        )


def dedup(data: Path, embedder: Embedder) -> Iterator[Kind]:
    """Yield the near-duplicates of each language; the nearest wrong ones are hard."""
    for (lang,), rows in by(read(data / "dedup.tsv.gz"), "lang").items():
        found = [
            (one["text"], other["text"], cluster)
            for (cluster,), members in by(rows, "cluster").items()
            for one, other in combinations(members, 2)
        ]
        paired = {text for one, other, _ in found for text in (one, other)}
        alone = [row["text"] for row in rows if row["text"] not in paired]
        sides = [one for one, _, _ in found], [other for _, other, _ in found]
        groups = [cluster for _, _, cluster in found]
        if found:
            yield kind_of("dedup", (lang, lang), embedder, sides, groups, (alone, alone))


@dataclass(slots=True)
class Judged:
    """How a calibration does on pairs: F1 at its thresholds, and how far probabilities are off."""

    f1: float
    error: float


def judged(kinds: list[Kind], calibrations: list[Calibration | None]) -> Judged:
    """Return the mean F1 of kinds of pairs, and the calibration error of all together."""
    f1: list[float] = []
    probabilities, same, weights = [], [], []
    for kind, calibration in zip(kinds, calibrations, strict=True):
        cut = None if calibration is None else calibration.cut("cosine", kind.one, kind.other)
        if cut is None:
            continue
        f1.append(f1_at(kind.scored, cut.threshold))
        scores = kind.scored.scores.astype(np.float32)
        probabilities.append(cut.probability(scores).astype(np.float64))
        same.append(kind.scored.same)
        weights.append(kind.scored.weights)
    if not f1:
        return Judged(float("nan"), float("nan"))
    bins = reliability(np.concatenate(probabilities), np.concatenate(same), np.concatenate(weights))
    return Judged(float(np.mean(f1)), calibration_error(bins))


def unlabelled(kind: Kind, embedder: Embedder) -> Calibration | None:
    """Return what is learned from the texts alone, in a collection in memory; None of too few."""
    with Collection.open("texts", store="memory", embedder=embedder) as collection:
        collection.add({"text": text, "lang": lang} for text, lang in kind.texts)
        if min(collection.count(langs=lang) for lang in (kind.one, kind.other)) < LEAST_TEXTS:
            return None
        return calibrate(collection)


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
def main(data: Path) -> None:
    """Print what the thresholds of the tutorial hold, and what the calibrated ones do."""
    embedder = load_embedder()
    shipped = shipped_calibration(str(embedder.fingerprint))
    assert shipped is not None
    bars: list[Bar] = []
    lines = ["The tutorial's pairs with the bundled model (above 0.85, below 0.2?)", ""]
    for one, other, a, b in TUTORIAL:
        [pair] = score_pairs(embedder, [(one, other)], langs=(a, b))
        verdict = "same" if pair.same else "other"
        lines.append(
            f"  {pair.cosine:7.4f}  probability {pair.probability:.3f}  {verdict:<6}"
            f"(from {pair.threshold:.3f})  {one} <-> {other}"
        )
    kinds = {
        "tatoeba": list(tatoeba(data, embedder)),
        "mining": list(mining(data, embedder)),
        "dedup": list(dedup(data, embedder)),
    }
    lines += ["", *table(kinds, shipped), ""]
    everything = [kind for found in kinds.values() for kind in found if kind.one != kind.other]
    right = np.concatenate([kind.scored.scores[kind.scored.same] for kind in everything])
    unrelated = np.concatenate([kind.unrelated for kind in everything])
    bars.append(Bar(f"translations above {ABOVE}, %", 100 * float((right > ABOVE).mean())))
    bars.append(Bar(f"unrelated pairs below {BELOW}, %", 100 * float((unrelated < BELOW).mean())))
    for name, found in kinds.items():
        bars += compared(name, found, shipped, embedder)
    report("calibration", lines, bars)


def table(kinds: dict[str, list[Kind]], shipped: Calibration) -> Iterator[str]:
    """Yield for each two languages what the fixed thresholds hold, and the calibrated one."""
    yield "% of right pairs above 0.85, of unrelated ones below 0.2; F1 against the nearest wrong"
    yield f"{'':18}{'>0.85':>8}{'<0.2':>8}{'F1@0.85':>9}{'threshold':>11}{'F1':>7}{'best F1':>9}"
    for name, found in kinds.items():
        for kind in found:
            cut = shipped.cut("cosine", kind.one, kind.other)
            assert cut is not None
            right = kind.scored.scores[kind.scored.same]
            yield (
                f"{name:<10}{f'{kind.one}-{kind.other}':<8}{100 * (right > ABOVE).mean():>8.1f}"
                f"{100 * (kind.unrelated < BELOW).mean():>8.1f}"
                f"{100 * f1_at(kind.scored, ABOVE):>9.1f}{cut.threshold:>11.3f}"
                f"{100 * f1_at(kind.scored, cut.threshold):>7.1f}"
                f"{100 * f1_at(kind.scored, best_threshold(kind.scored)):>9.1f}"
            )


def compared(
    name: str, found: list[Kind], shipped: Calibration, embedder: Embedder
) -> Iterator[Bar]:
    """Yield the figures of one file: fixed, shipped, label-free and best thresholds."""
    fixed = float(np.mean([f1_at(kind.scored, ABOVE) for kind in found]))
    best = float(np.mean([f1_at(kind.scored, best_threshold(kind.scored)) for kind in found]))
    ready = judged(found, [shipped] * len(found))
    free = judged(found, [unlabelled(kind, embedder) for kind in found])
    yield Bar(f"{name}: F1 at {ABOVE}, %", 100 * fixed)
    yield Bar(
        f"{name}: F1 at the shipped thresholds, %", 100 * ready.f1, least=round(100 * fixed, 1)
    )
    yield Bar(f"{name}: F1 at label-free thresholds, %", 100 * free.f1)
    yield Bar(f"{name}: F1 at the best threshold of each, %", 100 * best)
    yield Bar(f"{name}: shipped probabilities off by, %", 100 * ready.error)
    yield Bar(f"{name}: label-free probabilities off by, %", 100 * free.error)


if __name__ == "__main__":
    main()
