"""The demo: a small corpus that ships with the library, and questions that cross languages.

`corpus.jsonl` was written for it. Each text carries as metadata what it is about (`intent`), so
that also those who cannot read it see whether an answer fits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from time import perf_counter
from typing import Any, cast

from xlingual_qdrant.collection import Collection
from xlingual_qdrant.documents import Document, Hit

COLLECTION = "demo"
"""What the demo calls its collection."""
HITS = 5
"""Answers to each question."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question in its language, as it is put to the collection.

    langs, where: as for `Collection.search`. intents: what a fitting answer is about.
    """

    title: str
    text: str
    lang: str
    langs: tuple[str, ...]
    where: str | None
    intents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the collection says to a question, best first, and how long it took."""

    question: Question
    hits: list[Hit]
    seconds: float

    def fits(self, hit: Hit) -> bool:
        """Say whether a hit is about what was asked."""
        return about(hit) in self.question.intents


def about(hit: Hit) -> str:
    """Return what a text of the corpus is about: "parcel-late"."""
    return str(hit.metadata.get("intent", ""))


def corpus() -> list[Document]:
    """Return the texts that ship with the library."""
    rows = (json.loads(line) for line in _read("corpus.jsonl").splitlines())
    return [
        Document(row.pop("text"), id=row.pop("id"), lang=row.pop("lang"), metadata=row)
        for row in rows
    ]


def questions() -> list[Question]:
    """Return the questions, in the order in which they tell a story."""
    rows = cast("list[dict[str, Any]]", json.loads(_read("questions.json")))
    return [
        Question(
            title=row["title"],
            text=row["question"],
            lang=row["lang"],
            langs=tuple(row.get("langs", ())),
            where=row.get("where"),
            intents=tuple(row["expect_intents"]),
        )
        for row in rows
    ]


def ask(collection: Collection) -> Iterator[Answer]:
    """Put the questions to a collection that holds the corpus."""
    for question in questions():
        start = perf_counter()
        hits = collection.search(
            question.text, k=HITS, langs=question.langs or None, where=question.where
        )
        yield Answer(question, hits, perf_counter() - start)


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
