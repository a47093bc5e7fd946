"""Lines of standard input, for the commands that take texts there."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from xlingual_qdrant.errors import InvalidInput


def lines_of_stdin(*, keep_blank: bool = False) -> Iterator[str]:
    """Yield the lines of standard input, UTF-8, without LF or CRLF at their ends.

    Blank lines are left out unless `keep_blank`. Raises InvalidInput with the number of a line
    that is not UTF-8.
    """
    for number, raw in enumerate(sys.stdin.buffer, 1):
        try:
            line = raw.removesuffix(b"\n").removesuffix(b"\r").decode()
        except UnicodeDecodeError as exc:
            raise InvalidInput(
                f"standard input, line {number}: byte {exc.start + 1} is not UTF-8 (encoding)"
            ) from None
        if number == 1:
            line = line.removeprefix("\ufeff")
        if keep_blank or line.strip():
            yield line
