"""Questions against paragraphs: in one language, in another, in pools of many languages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.errors import UnreadableFile
from xlingual_qdrant.queries.evaluation.pools import (
    OpenPool,
    Ranker,
    Texts,
    by_cosine,
    by_search,
    fill,
    judged_mixed,
    judged_scattered,
)
from xlingual_qdrant.queries.evaluation.ranking import padded, places
from xlingual_qdrant.queries.evaluation.searches import SearchOptions
from xlingual_qdrant.queries.evaluation.tables import Embed, Figures, Row, mean, read_table


class XquadFiles:
    """The files of a folder, read and embedded once."""

    def __init__(self, embed: Embed, folder: Path) -> None:
        self._place = folder / "xquad"
        self._embed = embed
        self.paragraph_rows = read_table(self._place, "paragraphs", ("text", "id", "lang"))
        self.question_rows = read_table(
            self._place, "questions", ("text", "id", "lang", "paragraph", "sentence")
        )
        self.paragraphs = _texts(self.paragraph_rows, embed)
        self.questions = _texts(self.question_rows, embed)
        self._check("paragraph", {row["id"] for row in self.paragraph_rows})

    def _check(self, column: str, known: Collection[str]) -> None:
        """Raise UnreadableFile if a question names what is not there."""
        for row in self.question_rows:
            if row[column] and row[column] not in known:
                detail = (
                    f"question {row['id']!r} names {column} {row[column]!r}, which is not there"
                )
                raise UnreadableFile(str(self._place), "field", detail)

    def share_found(self, query_lang: str, pool_lang: str, k: int) -> float:
        """Return the share of questions whose paragraph of a language is among its first k."""
        asked = np.flatnonzero(self.questions.langs == query_lang).tolist()
        kept = np.flatnonzero(self.paragraphs.langs == pool_lang).tolist()
        place = {self.paragraph_rows[row]["id"]: number for number, row in enumerate(kept)}
        wanted = np.array([[place.get(self.question_rows[r]["paragraph"], -1)] for r in asked])
        start, hits = 0, 0
        for order in by_cosine(self.questions.take(asked), self.paragraphs.take(kept)):
            found = places(order, wanted[start : start + len(order)])
            hits += int((found <= k).sum())
            start += len(order)
        return hits / len(asked)

    def mixed(self, rank: Ranker) -> Figures:
        """Return figures of the pool where every paragraph is in all languages."""
        versions: dict[str, list[int]] = {}
        for number, row in enumerate(self.paragraph_rows):
            versions.setdefault(row["id"], []).append(number)
        relevant = padded([versions[row["paragraph"]] for row in self.question_rows])
        return judged_mixed(self.questions, self.paragraphs, relevant, rank)

    def scattered_rows(self) -> list[int]:
        """Return the paragraphs that are kept where each is in one language only."""
        langs = sorted({row["lang"] for row in self.paragraph_rows})
        ids = sorted({row["id"] for row in self.paragraph_rows})
        home = {name: langs[number % len(langs)] for number, name in enumerate(ids)}
        return [
            number
            for number, row in enumerate(self.paragraph_rows)
            if home[row["id"]] == row["lang"]
        ]

    def scattered(self, rank: Ranker) -> Figures:
        """Return figures of the pool where every paragraph is in one language only."""
        kept = self.scattered_rows()
        place = {self.paragraph_rows[row]["id"]: number for number, row in enumerate(kept)}
        wanted: NDArray[np.int64] = np.array([place[r["paragraph"]] for r in self.question_rows])
        return judged_scattered(self.questions, self.paragraphs.take(kept), wanted, rank)

    def sentences(self, rank: Ranker) -> Figures:
        """Return figures of the pool of sentences; relevant are a question's answers in all."""
        rows = read_table(self._place, "sentences", ("text", "id", "lang"))
        place = {row["id"]: number for number, row in enumerate(rows)}
        self._check("sentence", place)
        asked = [number for number, row in enumerate(self.question_rows) if row["sentence"]]
        answers: dict[str, list[int]] = {}
        for number in asked:
            row = self.question_rows[number]
            answers.setdefault(row["id"], []).append(place[row["sentence"]])
        relevant = padded([answers[self.question_rows[number]["id"]] for number in asked])
        return judged_mixed(self.questions.take(asked), _texts(rows, self._embed), relevant, rank)


def xquad(
    embed: Embed,
    folder: Path,
    *,
    open_pool: OpenPool | None = None,
    searches: Mapping[str, SearchOptions] | None = None,
) -> Figures:
    """Return all figures by plain cosine; and those of the pools by each of the `searches`.

    open_pool: where the searches are made.
    """
    files = XquadFiles(embed, folder)
    asked = {row["lang"] for row in files.question_rows}
    langs = [
        lang for lang in dict.fromkeys(row["lang"] for row in files.paragraph_rows) if lang in asked
    ]
    same = {lang: files.share_found(lang, lang, 1) for lang in langs}
    cross = {f"{a}-{b}": files.share_found(a, b, 5) for a, b in permutations(langs, 2)}
    figures: Figures = {
        "same_R@1": mean(list(same.values())),
        "cross_R@5": mean(list(cross.values())),
        "mixed": files.mixed(by_cosine),
        "scattered": files.scattered(by_cosine),
        "same": {**same},
        "cross": {**cross},
        "sentences": files.sentences(by_cosine),
    }
    if open_pool is not None and searches:
        figures["searches"] = _searched(files, open_pool, searches)
    return figures


def _searched(
    files: XquadFiles, open_pool: OpenPool, searches: Mapping[str, SearchOptions]
) -> Figures:
    figures: dict[str, dict[str, float | Figures]] = {name: {} for name in searches}
    with open_pool("mixed") as collection:
        fill(collection, files.paragraphs)
        for name, options in searches.items():
            figures[name]["mixed"] = files.mixed(by_search(collection, options))
    with open_pool("scattered") as collection:
        fill(collection, files.paragraphs.take(files.scattered_rows()))
        for name, options in searches.items():
            figures[name]["scattered"] = files.scattered(by_search(collection, options))
    return {**figures}


def _texts(rows: Sequence[Row], embed: Embed) -> Texts:
    texts = [row["text"] for row in rows]
    return Texts(texts, np.array([row["lang"] for row in rows]), embed(texts))
