"""The nouns of reading: a raw record, and a rejection with its reason."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import Reason

MAX_SHOWN = 1_000_000
"""Characters of a record that a dead letter keeps."""

_SURROGATE = re.compile("[\ud800-\udfff]")


class RawRecord(NamedTuple):
    """One record as a file has it, not validated.

    line: where it begins, from 1 (in Parquet the row). fields: by name. raw: the record as it
    stands in the file, undecodable bytes as surrogate escapes; None where there is no text
    of it. A tuple and not a dataclass, because one is made for each of millions of rows.
    """

    line: int
    fields: Mapping[str, Any]
    raw: str | None


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that cannot be stored: where it is, why, and the record itself.

    record: what was met, cut to MAX_SHOWN; undecodable bytes as surrogate escapes (PEP 383).
    """

    file: str
    line: int
    reason: Reason
    detail: str
    record: str

    def __post_init__(self) -> None:
        size = len(self.record)
        if size > MAX_SHOWN:
            cut = f"; the record has {size:,} characters, cut here to {MAX_SHOWN:,}"
            object.__setattr__(self, "detail", self.detail + cut)
            object.__setattr__(self, "record", self.record[:MAX_SHOWN])

    def to_json(self) -> dict[str, JsonValue]:
        """Return the row of a dead-letter file; each string in it can be written as UTF-8."""
        return {
            "file": printable(self.file),
            "line": self.line,
            "reason": self.reason,
            "detail": printable(self.detail),
            "record": printable(self.record),
        }


def rejected(file: str, record: RawRecord, reason: Reason, detail: str) -> Rejection:
    """Return the rejection of a raw record."""
    raw = record.raw
    if raw is None:
        raw = json.dumps(record.fields, ensure_ascii=False, default=str)
    return Rejection(file, record.line, reason, detail, raw)


def printable(text: str) -> str:
    r"""Return a text that UTF-8 can encode: bad bytes as `\xff`, lone surrogates as `\ud800`."""
    return _SURROGATE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
