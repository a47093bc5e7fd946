"""Plain text: one document a line, no header."""

from __future__ import annotations

from collections.abc import Iterator

from xlingual_qdrant.ingest.jsonl import overlong
from xlingual_qdrant.ingest.lines import Overlong, bad_byte, read_blocks, without_cr
from xlingual_qdrant.ingest.opening import OpenedFile
from xlingual_qdrant.ingest.records import RawRecord, Rejection

_BLANK = " \t\r\v\f"


def read_txt(
    opened: OpenedFile, text_field: str, *, verify: bool = True
) -> Iterator[RawRecord | Rejection]:
    """Yield a record with one field, or a rejection, for each line that is not blank.

    A line ends with LF or CRLF. Raises UnreadableFile where the file cannot be read.
    """
    for block in read_blocks(opened.chunks(verify=verify)):
        if isinstance(block, Overlong):
            yield overlong(opened.name, block)
            continue
        for number, line in enumerate(without_cr(block), block.first):
            if not line.strip(_BLANK):
                continue
            if block.damaged and (problem := bad_byte(line)):
                yield Rejection(opened.name, number, "encoding", problem, line)
            else:
                yield RawRecord(number, {text_field: line}, line)
