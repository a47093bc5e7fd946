"""A file, whatever it is, becomes a format and a stream of bytes."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Literal, Self, TypeAlias, cast, get_args

from xlingual_qdrant.errors import FileUnavailable, UnreadableFile, UsageError, did_you_mean
from xlingual_qdrant.ingest.gzip_stream import (
    GZIP_SIGNATURE,
    GzipDamaged,
    GzipTruncated,
    decompress,
)
from xlingual_qdrant.ingest.lines import BLOCK, regroup

Format: TypeAlias = Literal["jsonl", "csv", "tsv", "txt", "parquet"]

FORMATS: tuple[Format, ...] = get_args(Format)
STDIN = "-"

_UTF8_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_SIGNATURES = {
    b"PK\x03\x04": "a zip archive or a spreadsheet (.xlsx); unpack it, or save it as CSV",
    b"PK\x05\x06": "an empty zip archive",
    b"PAR1": "a Parquet file; give it the ending .parquet",
    GZIP_SIGNATURE: "gzip inside gzip; unpack it once",
}


class OpenedFile:
    """An open file of a known format. Close it, or use it in a `with` statement.

    name: as given by the caller. size: bytes on disk, None for a pipe.
    compressed: it begins with the signature of gzip, whatever its name says.
    """

    def __init__(
        self, name: str, raw: io.RawIOBase | BinaryIO, format: Format, size: int | None
    ) -> None:
        self.name, self.size = name, size
        self.format: Format = format
        self.bytes_read = 0
        self._raw = raw
        self._head = self._read(len(GZIP_SIGNATURE))
        while len(self._head) == 1 and (more := self._read(1)):
            self._head += more
        self.compressed = self._head == GZIP_SIGNATURE

    def chunks(self, *, verify: bool = True) -> Iterator[bytes]:
        """Yield the text of the file, unpacked, without a UTF-8 signature, in large pieces.

        verify: read a gzip file to its end first, so that nothing of one with a wrong
        checksum is used; a pipe cannot be read twice, and is checked on the way only.
        Raises UnreadableFile, at the beginning or where the damage is.
        """
        if verify and self.compressed and self.size is not None:
            self._verify()
        first = True
        for chunk in regroup(self._unpacked(), BLOCK):
            yield self._text_start(chunk) if first else chunk
            first = False

    @contextmanager
    def random_access(self) -> Generator[IO[bytes], None, None]:
        """Give the unpacked file as one that can be sought, through a temporary file if need be."""
        if self.size is not None and not self.compressed:
            self._raw.seek(0)
            yield cast(IO[bytes], self._raw)
            return
        with tempfile.TemporaryFile(prefix="xlingual-") as unpacked:
            for chunk in self._unpacked():
                try:
                    unpacked.write(chunk)
                except OSError as exc:
                    detail = f"unpacking it to a temporary file failed: {exc.strerror}"
                    raise UnreadableFile(self.name, "format", detail) from exc
            unpacked.seek(0)
            yield unpacked

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _read(self, size: int) -> bytes:
        try:
            while (data := self._raw.read(size)) is None:  # a pipe that does not block
                select.select([self._raw], [], [])
        except OSError as exc:
            raise UnreadableFile(self.name, "format", f"reading failed: {exc.strerror}") from exc
        self.bytes_read += len(data)
        return data

    def _next(self, size: int) -> bytes:
        """Read on, beginning with the bytes that were looked at to find the signature."""
        head, self._head = self._head, b""
        return head or self._read(size)

    def _unpacked(self) -> Iterator[bytes]:
        if not self.compressed:
            while chunk := self._next(BLOCK):
                yield chunk
            return
        try:
            yield from decompress(self._next)
        except GzipTruncated as exc:
            raise UnreadableFile(
                self.name,
                "gzip",
                "the gzip stream ends early, its end is missing; rows before that are complete",
            ) from exc
        except GzipDamaged as exc:
            raise UnreadableFile(self.name, "gzip", str(exc)) from exc

    def _verify(self) -> None:
        try:
            for _ in decompress(self._next):
                pass
        except GzipTruncated:
            pass  # met again, and reported, behind the complete lines
        except GzipDamaged as exc:
            detail = f"{exc}; nothing of it was used"
            raise UnreadableFile(self.name, "gzip", detail) from exc
        self._raw.seek(0)
        self.bytes_read = 0

    def _text_start(self, start: bytes) -> bytes:
        if start.startswith(_WIDE_BOMS):
            raise UnreadableFile(
                self.name,
                "encoding",
                "it is UTF-16 or UTF-32; convert it, for example: iconv -f UTF-16 -t UTF-8",
            )
        for signature, what in _SIGNATURES.items():
            if start.startswith(signature):
                raise UnreadableFile(self.name, "format", f"this is {what}")
        return start.removeprefix(_UTF8_BOM)


def open_source(source: str | os.PathLike[str], format: Format | None = None) -> OpenedFile:
    """Open a file, or standard input for "-".

    format: None: what the ending says, and jsonl for standard input.
    Raises FileUnavailable, and UnreadableFile for a folder or an unknown format.
    """
    name = os.fspath(source)
    if name == STDIN:
        return OpenedFile(name, _stdin(), format or "jsonl", None)
    if Path(name).is_dir():
        raise UnreadableFile(name, "directory", "this is a folder; name the files in it")
    known = format or _format_if_there(name)
    try:
        # Unbuffered: the pieces are large, and a pipe that is interrupted holds no lock.
        raw = io.FileIO(name, "rb")
        found = os.fstat(raw.fileno())
    except FileNotFoundError as exc:
        raise FileUnavailable(name, f"there is no such file.{_neighbour(name)}") from exc
    except (OSError, ValueError) as exc:
        detail = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise FileUnavailable(name, f"the file cannot be opened: {detail}") from exc
    return OpenedFile(name, raw, known, found.st_size if stat.S_ISREG(found.st_mode) else None)


def _format_if_there(name: str) -> Format:
    """A file that is missing is told as missing, whatever its ending."""
    try:
        return format_of(name)
    except UnreadableFile:
        if Path(name).exists():
            raise
        return "jsonl"


def format_of(name: str) -> Format:
    """Return the format that the ending of a name says, without regard to case.

    Raises UnreadableFile for any other ending.
    """
    ending = name.lower().removesuffix(".gz").rpartition(".")[2]
    for known in FORMATS:
        if ending == known and "." in name:
            return known
    endings = ", ".join("." + known for known in FORMATS)
    raise UnreadableFile(
        name,
        "format",
        f"the ending says no known format: {endings}, each also with .gz; or say it with --format",
    )


def checked_format(format: str | None) -> Format | None:
    """Return the name of a format; raises UsageError if there is none of that name."""
    if format is None or format in FORMATS:
        return format
    known = ", ".join(FORMATS)
    raise UsageError(
        f"no format is called '{format}'.{did_you_mean(format, FORMATS)} One of {known}"
    )


def _stdin() -> io.RawIOBase | BinaryIO:
    """Return standard input without the lock of `sys.stdin`, which must not be held at exit."""
    try:
        return io.FileIO(sys.stdin.fileno(), "rb", closefd=False)
    except (io.UnsupportedOperation, AttributeError):  # replaced by an object in memory
        return sys.stdin.buffer


def _neighbour(name: str) -> str:
    folder = Path(name).parent
    try:
        return did_you_mean(Path(name).name, os.listdir(folder))  # noqa: PTH208
    except OSError:
        return ""
