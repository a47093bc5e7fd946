"""What every error starts from, and the words that several of them use."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal, TypeAlias

Reason: TypeAlias = Literal[
    "encoding",
    "surrogate",
    "json",
    "columns",
    "field",
    "empty",
    "type",
    "language",
    "duplicate",
    "too-long",
    "gzip",
    "parquet",
    "format",
    "schema",
    "directory",
]
"""Why a record or a file was rejected: the closed vocabulary of dead letters."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest known name, or "" if none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


class XlingualError(Exception):
    """Root of all errors that this library raises on purpose."""
