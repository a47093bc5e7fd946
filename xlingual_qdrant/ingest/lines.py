"""Bytes to lines: blocks of whole lines, with memory bounded whatever a line's length."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

BLOCK = 1 << 20
"""Bytes that are decoded at once."""
MAX_LINE = 32 << 20
"""Bytes of a line, and characters of a CSV record; longer ones are rejected unread.

A text of the most code points allowed, each an escaped pair of 12 bytes, fits twice.
"""
HEAD = 1_000_000
"""Bytes that are kept of an overlong line, for the dead letter."""

_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole lines, without the LF that ends each.

    first: number of the first line, from 1. damaged: some bytes are not UTF-8; they are
    surrogate escapes. complete: the last line ended with LF.
    """

    first: int
    lines: list[str]
    damaged: bool
    complete: bool


@dataclass(slots=True)
class Overlong:
    """A line of more than MAX_LINE bytes. quotes: how many quotation marks are in it."""

    line: int
    head: str
    size: int
    quotes: int


def regroup(chunks: Iterable[bytes], size: int = BLOCK) -> Iterator[bytes]:
    """Yield the same bytes in pieces of at least `size`; what came before an error is kept."""
    parts: list[bytes] = []
    held = 0
    try:
        for chunk in chunks:
            parts.append(chunk)
            held += len(chunk)
            if held >= size:
                yield b"".join(parts)
                parts, held = [], 0
    except Exception:
        if held:
            yield b"".join(parts)
        raise
    if held:
        yield b"".join(parts)


def read_blocks(chunks: Iterable[bytes], *, limit: int = MAX_LINE) -> Iterator[Block | Overlong]:
    """Yield the lines of a byte stream; only LF ends a line, and the last LF may be missing.

    A line that an error of `chunks` leaves unfinished is not yielded.
    """
    number = 1
    tail: list[bytes] = []
    held = 0
    over: Overlong | None = None
    for chunk in chunks:
        start = 0
        if tail or over:
            end = chunk.find(b"\n")
            piece = chunk if end < 0 else chunk[:end]
            if over:
                over.size += len(piece)
                over.quotes += piece.count(b'"')
            else:
                tail.append(piece)
                held += len(piece)
                if held > limit:
                    over, tail = _overlong(number, tail, held), []
            if end < 0:
                continue
            yield over or _block(number, b"".join(tail), complete=True)
            number, tail, held, over, start = number + 1, [], 0, None, end + 1
        cut = chunk.rfind(b"\n") + 1
        if cut > start:
            block = _block(number, chunk[start : cut - 1], complete=True)
            yield block
            number += len(block.lines)
        if cut < len(chunk):
            tail, held = [chunk[max(cut, start) :]], len(chunk) - cut
    if over or tail:
        yield over or _block(number, b"".join(tail), complete=False)


def _block(first: int, data: bytes, *, complete: bool) -> Block:
    try:
        return Block(first, data.decode().split("\n"), damaged=False, complete=complete)
    except UnicodeDecodeError:
        text = data.decode("utf-8", "surrogateescape")
        return Block(first, text.split("\n"), damaged=True, complete=complete)


def _overlong(line: int, parts: list[bytes], size: int) -> Overlong:
    data = b"".join(parts)
    head = data[:HEAD].decode("utf-8", "surrogateescape")
    return Overlong(line, head, size, data.count(b'"'))


def without_cr(block: Block) -> list[str]:
    """Return the lines without the CR that stood before an LF."""
    lines = block.lines
    if not any("\r" in line for line in lines):
        return lines
    last = lines[-1]
    stripped = [line[:-1] if line.endswith("\r") else line for line in lines]
    if not block.complete:
        stripped[-1] = last
    return stripped


def bad_byte(line: str) -> str:
    """Say where a line is not UTF-8; "" if it is."""
    found = _ESCAPED_BYTE.search(line)
    if not found:
        return ""
    byte = ord(found.group()) - 0xDC00
    return f"not UTF-8: byte 0x{byte:02X} after {found.start()} characters"
