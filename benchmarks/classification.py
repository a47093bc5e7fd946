"""Classifiers trained on English and tested on other languages, beside scikit-learn's.

    python benchmarks/classification.py --data EVAL_DIR

EVAL_DIR holds `sib200.tsv.gz` (columns lang, split, category, text). Trained on the English rows of
the splits train and dev, tested on the rows of the split test, whatever languages they are in.
The report goes to stdout and to `benchmarks/results/classification.txt`; the exit code is 1 if a
bar is missed.
"""

from __future__ import annotations

import csv
import gzip
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

# Before NumPy is loaded: both sides work on one thread.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import click
import numpy as np
from reporting import Bar, report
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.classification.classifier import Classifier
from xlingual_qdrant.queries.classification.labels import Label
from xlingual_qdrant.queries.classification.language_centres import language_centres

ROUNDS = 5
LANG = "en"


class Texts(NamedTuple):
    """Texts of one language and part, with their categories and vectors."""

    texts: list[str]
    labels: list[str]
    vectors: Vectors


class Data(NamedTuple):
    """What is learned from, and what is tested, by language."""

    train: Texts
    tests: dict[str, Texts]


def read(folder: Path) -> Data:
    """Return the texts of a folder, embedded."""
    embedder = load_embedder("bundled")
    with gzip.open(folder / "sib200.tsv.gz", "rt", encoding="utf-8", newline="\n") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))

    def texts(kept: list[dict[str, str]]) -> Texts:
        listed = [row["text"] for row in kept]
        return Texts(listed, [row["category"] for row in kept], embedder.embed_documents(listed))

    tested = [row for row in rows if row["split"] == "test"]
    tags = dict.fromkeys(row["lang"] for row in tested)
    train = [row for row in rows if row["lang"] == LANG and row["split"] in ("train", "dev")]
    return Data(
        texts(train), {tag: texts([row for row in tested if row["lang"] == tag]) for tag in tags}
    )


Judge = Callable[[str, Texts], list[Label | None]]


def accuracies(data: Data, judge: Judge) -> dict[str, float]:
    """Return the share of right labels in percent, by language."""
    return {
        tag: 100 * mean(a == b for a, b in zip(judge(tag, test), test.labels, strict=True))
        for tag, test in data.tests.items()
    }


def figures(name: str, found: dict[str, float], least: dict[str, float] | None) -> Iterator[Bar]:
    """Yield mean, English and gap; least: figures of another that must be reached."""
    others = [value for tag, value in found.items() if tag != LANG]
    bar = None if least is None else floor(mean(v for t, v in least.items() if t != LANG))
    yield Bar(f"{name}, other languages", mean(others), bar)
    if LANG in found:
        own = None if least is None else floor(least[LANG])
        yield Bar(f"{name}, English", found[LANG], own)
        yield Bar(f"{name}, gap", found[LANG] - mean(others))


def floor(value: float) -> float:
    """Return a figure as it is printed, rounded down."""
    return math.floor(100 * value) / 100


def quality_bars(data: Data) -> Iterator[Bar]:
    """Yield what each way of judging reaches."""
    train = data.train
    embedder = load_embedder("bundled")

    def of(made: Classifier, *, transductive: bool = False) -> dict[str, float]:
        return accuracies(
            data,
            lambda tag, test: made.predict(test.texts, lang=tag, transductive=transductive),
        )

    plain = LogisticRegression(C=1.0, max_iter=1000).fit(train.vectors, train.labels)
    theirs = accuracies(data, lambda _, test: plain.predict(test.vectors).tolist())
    yield from figures("scikit-learn, logistic", theirs, None)

    def linear(**options: Any) -> Classifier:
        return Classifier.fit(
            train.texts, train.labels, method="logistic", embedder=embedder, **options
        )

    ours = of(linear())
    yield from figures("logistic", ours, theirs)
    both = of(Classifier.fit(train.texts, train.labels, embedder=embedder))
    yield from figures("both, the default", both, theirs)
    for tag, value in both.items():
        yield Bar(f"  {tag}", value)
    near = KNeighborsClassifier(10, metric="cosine", algorithm="brute")
    near.fit(train.vectors, train.labels)
    theirs = accuracies(data, lambda _, test: near.predict(test.vectors).tolist())
    yield from figures("scikit-learn, 10 neighbours", theirs, None)
    ours = of(Classifier.fit(train.texts, train.labels, method="knn", embedder=embedder))
    yield from figures("knn", ours, theirs)
    for tag, value in ours.items():
        yield Bar(f"  {tag}", value)
    yield from figures("knn through a collection", through_collection(data), theirs)
    balanced = Classifier.fit(
        train.texts, train.labels, method="logistic", balanced=True, embedder=embedder
    )
    yield from figures("logistic, balanced", of(balanced), None)
    centres = sample_centres()
    moved = Classifier.fit(
        train.texts, train.labels, method="logistic", centres=centres, embedder=embedder
    )
    yield from figures("logistic, centred by other texts", of(moved), None)
    own = Classifier.fit(
        train.texts, train.labels, method="logistic", centres={}, embedder=embedder
    )
    yield from figures("logistic, centred by these texts", of(own, transductive=True), None)
    named = {label: label.replace("/", " and ") for label in dict.fromkeys(train.labels)}
    bare = Classifier.from_descriptions(named, embedder=embedder)
    yield from figures("zero-shot by the category names", of(bare), None)


def through_collection(data: Data) -> dict[str, float]:
    """Return what the vote of the nearest documents of a collection reaches."""
    with Collection.open(settings={"store": "memory", "embedder": "bundled"}) as collection:
        rows = zip(data.train.texts, data.train.labels, strict=True)
        collection.add({"text": t, "lang": LANG, "metadata": {"label": y}} for t, y in rows)
        made = Classifier.from_collection(collection, label="label")
        return accuracies(data, lambda _, test: made.predict(test.texts))


def sample_centres() -> dict[str, np.ndarray]:
    """Return the mean of each language in texts that are neither learned from nor tested."""
    from xlingual_qdrant.guide.texts import sample

    with Collection.open(settings={"store": "memory", "embedder": "bundled"}) as collection:
        pairs = sample(60)
        collection.add({"text": pair.text, "lang": pair.lang} for pair in pairs)
        collection.add({"text": pair.translation, "lang": LANG} for pair in pairs)
        return language_centres(collection)


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def speed_bars(data: Data) -> Iterator[Bar]:
    """Yield times of learning and judging from ready vectors, alternating with scikit-learn's."""
    from xlingual_qdrant.queries.classification.labels import classes_of, rows_of
    from xlingual_qdrant.queries.classification.logistic import fit_logistic

    train = data.train
    classes = classes_of(train.labels, "the data")
    rows = rows_of(train.labels, classes)
    tested = np.concatenate([test.vectors for test in data.tests.values()])
    model = LogisticRegression(C=1.0, max_iter=1000)
    fits = [
        (
            seconds(lambda: fit_logistic(train.vectors, rows, len(classes))),
            seconds(lambda: model.fit(train.vectors, train.labels)),
        )
        for _ in range(ROUNDS)
    ]
    ours = fit_logistic(train.vectors, rows, len(classes))
    judged = [
        (
            seconds(lambda: ours.probabilities(tested)),
            seconds(lambda: model.predict_proba(tested)),
        )
        for _ in range(ROUNDS)
    ]
    yield Bar("learning, ms", 1000 * median(a for a, _ in fits))
    yield Bar("learning, scikit-learn, ms", 1000 * median(b for _, b in fits))
    yield Bar("judging all vectors, ms", 1000 * median(a for a, _ in judged))
    yield Bar("judging, scikit-learn, ms", 1000 * median(b for _, b in judged))


@click.command(help=__doc__)
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
def main(data: Path) -> None:
    """Measure, report, and fail if a bar is missed."""
    known = read(data)
    head = [
        "accuracy in percent of topics (SIB-200), bundled model; trained on"
        f" {len(known.train.texts)} English texts, tested on {len(known.tests)} languages"
    ]
    report("classification", head, [*quality_bars(known), *speed_bars(known)])


if __name__ == "__main__":
    main()
