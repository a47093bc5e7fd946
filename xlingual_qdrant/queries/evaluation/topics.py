"""Topics learned from English sentences, guessed in other languages: SIB-200."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from xlingual_qdrant.errors import UnreadableFile
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.queries.classification.logistic import fit_logistic
from xlingual_qdrant.queries.evaluation.tables import Embed, Figures, grouped, mean, read_table
from xlingual_qdrant.queries.neighbours import nearest

NEIGHBOURS = 10
_LEARNED_FROM = "en"


def sib200(embed: Embed, folder: Path) -> Figures:
    """Return the accuracy of each language for two classifiers that learned from English."""
    rows = read_table(folder, "sib200", ("text", "lang", "split", "category"))
    train = [row for row in rows if row["lang"] == _LEARNED_FROM and row["split"] != "test"]
    tests = grouped([row for row in rows if row["split"] == "test"], "lang")
    if not train or _LEARNED_FROM not in tests:
        detail = "needs English rows of split train or dev, and of split test"
        raise UnreadableFile(str(folder / "sib200"), "empty", detail)
    vectors, labels = embed([row["text"] for row in train]), [row["category"] for row in train]
    questions = {lang: embed([row["text"] for row in test]) for lang, test in tests.items()}
    figures: Figures = {}
    for name, predict in (
        ("logistic", logistic(vectors, labels)),
        ("10nn", by_neighbours(vectors, labels, NEIGHBOURS)),
    ):
        scores = {
            lang: _accuracy(predict(questions[lang]), [row["category"] for row in test])
            for lang, test in tests.items()
        }
        english = scores.pop(_LEARNED_FROM)
        average = mean(list(scores.values()))
        figures[name] = {
            "mean": average,
            "english": english,
            "gap": english - average,
            "languages": {**scores},
        }
    return figures


def logistic(vectors: Vectors, labels: Sequence[str]) -> Callable[[Vectors], list[str]]:
    """Return what gives a text the most likely label, by multinomial logistic regression."""
    names, rows = np.unique(np.array(labels, dtype=np.str_), return_inverse=True)
    model = fit_logistic(vectors, rows, len(names), balanced=False)

    def predict(questions: Vectors) -> list[str]:
        return [str(names[row]) for row in model.probabilities(questions).argmax(axis=1)]

    return predict


def by_neighbours(
    vectors: Vectors, labels: Sequence[str], k: int
) -> Callable[[Vectors], list[str]]:
    """Return what gives a text the most frequent label of its k nearest; of equals the first."""

    def predict(questions: Vectors) -> list[str]:
        names = [str(label) for label in labels]
        rows: list[list[int]] = nearest(questions, vectors, k).rows.tolist()
        votes = [Counter(names[row] for row in each) for each in rows]
        return [_most_frequent(each) for each in votes]

    return predict


def _most_frequent(votes: Counter[str]) -> str:
    return min(votes, key=lambda label: (-votes[label], label))


def _accuracy(guessed: Sequence[str], labels: Sequence[str]) -> float:
    return mean([float(one == other) for one, other in zip(guessed, labels, strict=True)])
