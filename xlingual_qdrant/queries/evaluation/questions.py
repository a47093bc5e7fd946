"""Questions with the documents that answer them: a user's labelled file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from xlingual_qdrant.errors import InvalidDocument, UnreadableFile, UsageError
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.opening import checked_format, open_source
from xlingual_qdrant.ingest.reading import read_records
from xlingual_qdrant.ingest.records import RawRecord, Rejection
from xlingual_qdrant.validation import check_lang, check_text

SEPARATOR = "|"
"""Between several ids, or grades, in one cell."""


@dataclass(frozen=True, slots=True)
class QuestionColumns:
    """What the columns of a file of questions are called.

    text: the question. relevant: the ids of its documents. lang, grade: taken where they are.
    """

    text: str = "query"
    relevant: str = "relevant"
    lang: str = "lang"
    grade: str = "grade"


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and how relevant documents are to it.

    relevant: grades by id; the higher, the better, 0 is not relevant. lang: a canonical tag; None
    if it is not known.
    """

    text: str
    relevant: Mapping[str, float] = field(default_factory=dict[str, float])
    lang: str | None = None

    def __post_init__(self) -> None:
        try:
            check_text(self.text)
            object.__setattr__(self, "lang", check_lang(self.lang) or None)
        except InvalidDocument as exc:
            raise UsageError(f"the question {self.text!r:.60}: {exc}") from None
        for id, grade in self.relevant.items():
            if not (math.isfinite(grade) and grade >= 0):
                raise UsageError(
                    f"the question {self.text!r:.60}: document {id!r} has grade {grade};"
                    " a grade is 0 or a positive number"
                )


def read_questions(
    source: str | os.PathLike[str],
    *,
    columns: QuestionColumns | None = None,
    format: str | None = None,
) -> list[Question]:
    """Read a CSV, TSV, JSON Lines or Parquet file (also .gz), in the order of the questions.

    A row has a question and its document, or several: in a cell with `|` between them, or as a
    list or an object of grades by id in JSON. Rows with the same question and language are one.
    Raises FileUnavailable, UnknownColumn, and UnreadableFile for the first row that does not fit.
    """
    names = columns or QuestionColumns()
    found: dict[tuple[str, str | None], dict[str, float]] = {}
    with open_source(source, checked_format(format)) as opened:
        if opened.format == "txt":
            detail = "a question needs its documents, a line of TXT has none; use TSV or JSONL"
            raise UnreadableFile(opened.name, "format", detail)
        # The reader checks the columns that a mapping names, whatever they are to be.
        for record in read_records(opened, FieldMapping(text=names.text, id=names.relevant)):
            if isinstance(record, Rejection):
                detail = f"line {record.line}: {record.detail}"
                raise UnreadableFile(opened.name, record.reason, detail)
            try:
                text, lang, relevant = _row(record, names)
            except InvalidDocument as exc:
                detail = f"line {record.line}: {exc.detail}"
                raise UnreadableFile(opened.name, exc.reason, detail) from None
            found.setdefault((text, lang), {}).update(relevant)
        name = opened.name
    if not found:
        raise UnreadableFile(name, "empty", "holds no questions")
    return [Question(text, relevant, lang) for (text, lang), relevant in found.items()]


def _row(record: RawRecord, names: QuestionColumns) -> tuple[str, str | None, dict[str, float]]:
    fields = record.fields
    for name in (names.text, names.relevant):
        if name not in fields:
            raise InvalidDocument("field", f"there is no field '{name}'")
    text, lang = check_text(fields[names.text]), check_lang(fields.get(names.lang)) or None
    relevant = _relevant(fields[names.relevant], fields.get(names.grade), names)
    if not relevant:
        raise InvalidDocument("empty", f"the field '{names.relevant}' names no document")
    return text, lang, relevant


def _relevant(value: Any, grade: Any, names: QuestionColumns) -> dict[str, float]:
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        value = _parsed(value, names.relevant)
    if isinstance(value, Mapping):
        graded = cast("Mapping[Any, Any]", value)
        return {_id(id, names): _grade(each, names) for id, each in graded.items()}
    if isinstance(value, str):
        ids: list[Any] = [part.strip() for part in value.split(SEPARATOR) if part.strip()]
    elif isinstance(value, Iterable):
        ids = list(cast("Iterable[Any]", value))
    else:
        ids = [] if value is None else [value]
    grades = list(_grades(grade, len(ids), names))
    return {_id(id, names): each for id, each in zip(ids, grades, strict=True)}


def _grades(value: Any, count: int, names: QuestionColumns) -> Iterator[float]:
    """Yield a grade for each id: one for all, one each, or 1."""
    if value is None or value == "":
        yield from [1.0] * count
        return
    several: Sequence[Any]
    if isinstance(value, str):
        several = [part.strip() for part in value.split(SEPARATOR)]
    else:
        several = cast("list[Any]", value) if isinstance(value, list) else [value]
    if len(several) not in (1, count):
        raise InvalidDocument(
            "columns", f"there are {count} documents, but {len(several)} grades for them"
        )
    for each in several if len(several) == count else several * count:
        yield _grade(each, names)


def _grade(value: Any, names: QuestionColumns) -> float:
    try:
        grade = float(value)
    except (TypeError, ValueError):
        grade = math.nan
    if isinstance(value, bool) or not (math.isfinite(grade) and grade >= 0):
        raise InvalidDocument(
            "type", f"'{names.grade}' is 0 or a positive number, not {value!r:.40}"
        )
    return grade


def _id(value: Any, names: QuestionColumns) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # in JSON an id is easily written as a number
    if not isinstance(value, str) or not value:
        raise InvalidDocument("type", f"'{names.relevant}' holds ids, not {value!r:.40}")
    return value


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as exc:
        raise InvalidDocument("json", f"the field '{name}' begins like JSON, but: {exc}") from None
