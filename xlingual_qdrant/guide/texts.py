"""The texts that embedders are measured with: a shipped sample, and evaluation files."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from xlingual_qdrant.errors import FileUnavailable, UnreadableFile

LENGTHS = {"sentences": 0, "paragraphs": 400, "pages": 2_000}
"""Texts whose speed is measured, and how many characters they have at least."""


class Pair(NamedTuple):
    """A text, its translation into English, and the language of the text."""

    text: str
    translation: str
    lang: str


class Graded(NamedTuple):
    """Two texts, and how similar people found them."""

    left: str
    right: str
    score: float
    group: str


class Evaluation(NamedTuple):
    """What a folder of evaluation files holds; empty where a file is not there."""

    tatoeba: list[Pair]
    sts: list[Graded]


@cache
def _sample() -> list[Pair]:
    data = files("xlingual_qdrant.guide").joinpath("sample/tatoeba.tsv.gz").read_bytes()
    rows = gzip.decompress(data).decode().splitlines()[1:]
    return [Pair(text, english, lang) for lang, text, english in (row.split("\t") for row in rows)]


def sample(per_language: int) -> list[Pair]:
    """Return so many shipped sentences of each language with their English translations."""
    by_language = groupby(_sample(), key=lambda pair: pair.lang)
    return [pair for _, pairs in by_language for pair in list(pairs)[:per_language]]


def speed_texts(least_characters: int, count: int, first: int) -> list[str]:
    """Return texts of many languages of at least so many characters, no two the same.

    first: the number of the first of them: other numbers, other texts, so that nothing that was
    embedded before can be remembered.
    """
    sentences = list(dict.fromkeys(text for pair in _sample() for text in pair[:2]))
    return [_text(sentences, number, least_characters) for number in range(first, first + count)]


def _text(sentences: list[str], number: int, least_characters: int) -> str:
    # A step that shares no factor with their number leads through all languages, and all
    # sentences, before one comes again; behind that a number makes the text another.
    length = len(sentences)
    turn, place = divmod(number, length)
    place = place * 1_009 % length
    text = sentences[place] if turn == 0 else f"{sentences[place]} {turn}"
    while len(text) < least_characters:
        place = (place + 2) % length  # mostly the next sentence of the same language
        text += " " + sentences[place]
    return text


def read_evaluation(folder: Path) -> Evaluation:
    """Return what a folder holds of tatoeba.tsv.gz and sts.tsv.gz (tab separated, with heading).

    The columns are lang, text and english, and pair, score, text1 and text2; others are
    passed over. Raises FileUnavailable if it has neither, UnreadableFile.
    """
    tatoeba, sts = folder / "tatoeba.tsv.gz", folder / "sts.tsv.gz"
    if not tatoeba.is_file() and not sts.is_file():
        raise FileUnavailable(str(folder), "holds neither tatoeba.tsv.gz nor sts.tsv.gz")
    pairs = (
        [Pair(*row) for row in _table(tatoeba, ("text", "english", "lang"))]
        if tatoeba.is_file()
        else []
    )
    graded: list[Graded] = []
    if sts.is_file():
        for number, row in enumerate(_table(sts, ("text1", "text2", "score", "pair")), 2):
            try:
                graded.append(Graded(row[0], row[1], float(row[2]), row[3]))
            except ValueError:
                raise UnreadableFile(
                    str(sts), "type", f"row {number}: {row[2][:40]!r} is no number"
                ) from None
    return Evaluation(pairs, graded)


def _table(file: Path, columns: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield the named columns of a file with tabs and a heading."""
    lines = iter(_lines(file))
    heading = next(lines, "").rstrip("\r\n").split("\t")
    missing = [column for column in columns if column not in heading]
    if missing:
        raise UnreadableFile(str(file), "columns", f"has no column {missing[0]!r}")
    places = [heading.index(column) for column in columns]
    for number, line in enumerate(lines, 2):
        fields = line.rstrip("\r\n").split("\t")
        if len(fields) != len(heading):
            raise UnreadableFile(
                str(file), "columns", f"row {number} has {len(fields)} columns, not {len(heading)}"
            )
        yield [fields[place] for place in places]


def _lines(file: Path) -> Iterable[str]:
    """Return the lines of a file; only line feeds end one."""
    try:
        data = file.read_bytes()
        if file.suffix == ".gz":
            data = gzip.decompress(data)
        text = data.decode("utf-8-sig")
    except OSError as exc:
        if isinstance(exc, gzip.BadGzipFile):
            raise UnreadableFile(str(file), "gzip", str(exc)) from exc
        raise FileUnavailable(str(file), exc.strerror or str(exc)) from exc
    except (EOFError, zlib.error) as exc:
        raise UnreadableFile(str(file), "gzip", f"is damaged: {exc}") from exc
    except UnicodeDecodeError as exc:
        raise UnreadableFile(
            str(file), "encoding", f"byte {exc.start} is not UTF-8; convert the file"
        ) from exc
    return (f"{line}\n" for line in text.removesuffix("\n").split("\n"))
