"""JSON Lines: one strict JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from xlingual_qdrant.errors import Reason, UnreadableFile
from xlingual_qdrant.ingest.lines import MAX_LINE, Overlong, bad_byte, read_blocks
from xlingual_qdrant.ingest.opening import OpenedFile
from xlingual_qdrant.ingest.records import RawRecord, Rejection

_BLANK = " \t\r"  # what JSON calls white space, without the LF that ends the line


class _Refused(ValueError):
    """Something that the json module would accept, or lose without a word."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason: Reason = reason
        self.detail = detail


def read_jsonl(opened: OpenedFile, *, verify: bool = True) -> Iterator[RawRecord | Rejection]:
    """Yield a record or a rejection for each line that is not blank.

    Raises UnreadableFile where the file cannot be read, and for a JSON array.
    """
    first = True
    for block in read_blocks(opened.chunks(verify=verify)):
        if isinstance(block, Overlong):
            if first and block.head.lstrip(_BLANK).startswith("["):
                raise _array(opened.name)
            first = False
            yield overlong(opened.name, block)
            continue
        for number, line in enumerate(block.lines, block.first):
            if not line.startswith("{"):
                start = line.lstrip(_BLANK)[:1]
                if not start:
                    continue
                if first and start == "[":
                    raise _array(opened.name)
            first = False
            if block.damaged and (problem := bad_byte(line)):
                yield Rejection(opened.name, number, "encoding", problem, line)
                continue
            try:
                fields = _parse(line)
            except _Refused as exc:
                yield Rejection(opened.name, number, exc.reason, exc.detail, line)
            else:
                yield RawRecord(number, fields, line)


def overlong(file: str, line: Overlong) -> Rejection:
    """Return the rejection of a line that is too long to be read."""
    detail = (
        f"the line has {line.size:,} bytes, at most {MAX_LINE:,} are read;"
        " the record shows its beginning"
    )
    return Rejection(file, line.line, "too-long", detail, line.head)


def _parse(line: str) -> dict[str, Any]:
    try:
        stripped = line.strip(_BLANK)
        value, end = _decoder.raw_decode(stripped)
        if end < len(stripped):
            value = _decoder.decode(stripped)  # says what follows, and where
    except json.JSONDecodeError as exc:
        raise _Refused("json", f"not JSON: {exc.msg} at character {exc.pos + 1}") from exc
    except RecursionError as exc:
        raise _Refused("json", "nested too deeply") from exc
    except _Refused:
        raise
    except ValueError as exc:  # the limit on the digits of an integer
        raise _Refused("type", "an integer beyond 64 bits") from exc
    if not isinstance(value, dict):
        kind = _KINDS.get(type(value), "something else")  # pyright: ignore[reportUnknownArgumentType]
        raise _Refused("type", f"a JSON object was expected, got {kind}")
    return value  # pyright: ignore[reportUnknownVariableType]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused("duplicate", f"the key {twice[:60]!r} comes twice in one object")
    return made


def _constant(name: str) -> NoReturn:
    raise _Refused("type", f"{name} is not a finite number")


def _array(file: str) -> UnreadableFile:
    return UnreadableFile(
        file,
        "json",
        "this is a JSON array, wanted is one object a line; convert it: jq -c '.[]'",
    )


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
_KINDS: dict[type, str] = {
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    list: "an array",
    type(None): "null",
}
