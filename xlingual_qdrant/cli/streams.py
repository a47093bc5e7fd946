"""The standard streams: UTF-8 in and out, and calm when the other end goes away."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path


def prepare_streams() -> None:
    """Make the standard streams be there, and able to print everything.

    What a pipe or a file gets is UTF-8 with LF, whatever the locale. A terminal keeps its
    encoding. What cannot be encoded (half a surrogate pair in a file's name) is escaped.
    """
    # Without the streams (`>&-`) the first print would be the first error.
    sys.stdin = sys.stdin or Path(os.devnull).open()  # noqa: SIM115
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, TextIOWrapper):
            continue
        if stream.isatty():
            stream.reconfigure(errors="backslashreplace")
        else:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")


def flush_stdout() -> None:
    """Write out what is buffered, while a failure can still be reported."""
    sys.stdout.flush()


def abandon_stdout() -> None:
    """Give up on standard output: what is still buffered must not fail again at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
