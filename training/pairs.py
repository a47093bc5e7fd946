"""Parallel text: one gz-compressed TSV file a source, `language, text, English`."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Pairs:
    """Translation pairs of all sources, in the order of the files.

    Row i has the foreign text `foreign[i]` in the language `languages[language[i]]`
    and the English text `english[english_of[i]]`; equal English texts (but for case)
    share one entry, so that a pair is never the wrong answer of its twin.
    Source s owns the rows `bounds[s]` to `bounds[s + 1]`.
    """

    sources: list[str]
    bounds: NDArray[np.int64]
    languages: list[str]
    language: NDArray[np.int64]
    foreign: list[str]
    english: list[str]
    english_of: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.foreign)


def read_pairs(folder: Path) -> Pairs:
    """Return the pairs of every `*.tsv.gz` in a folder.

    Raises ValueError, with file and line, for a row that has not three columns,
    and FileNotFoundError for a folder without such files.
    """
    files = sorted(folder.glob("*.tsv.gz"))
    if not files:
        raise FileNotFoundError(f"no *.tsv.gz files in {folder}")
    bounds, tags, foreign = [0], [], []
    english_of: list[int] = []
    english_ids: dict[str, int] = {}
    english: list[str] = []
    for path in files:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                columns = line.rstrip("\n").split("\t")
                if len(columns) != 3:
                    raise ValueError(f"{path}, line {number}: {len(columns)} columns, not 3")
                tags.append(columns[0])
                foreign.append(columns[1])
                known = english_ids.setdefault(columns[2].casefold(), len(english))
                if known == len(english):
                    english.append(columns[2])
                english_of.append(known)
        bounds.append(len(foreign))
    languages, language = np.unique(np.array(tags), return_inverse=True)
    return Pairs(
        sources=[path.name.removesuffix(".tsv.gz") for path in files],
        bounds=np.array(bounds),
        languages=languages.tolist(),
        language=language,
        foreign=foreign,
        english=english,
        english_of=np.array(english_of),
    )
