"""The sentences that ship with the library, by language: something to compare texts with."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files

from xlingual_qdrant.languages import UNDETERMINED


@cache
def _sentences() -> dict[str, list[str]]:
    # Read as a file: measuring models, which it ships for, is a room above this one.
    data = files("xlingual_qdrant").joinpath("guide/sample/tatoeba.tsv.gz").read_bytes()
    found: dict[str, dict[str, None]] = {}
    for row in gzip.decompress(data).decode().splitlines()[1:]:
        lang, text, english = row.split("\t")
        found.setdefault(lang, {})[text] = None
        found.setdefault("en", {})[english] = None
    return {lang: list(texts) for lang, texts in found.items()}


def sentences_of(lang: str) -> list[str]:
    """Return the sentences of a language, none of them twice; those of all languages for `und`."""
    if lang == UNDETERMINED:
        return [text for texts in _sentences().values() for text in texts]
    return _sentences().get(lang, [])
