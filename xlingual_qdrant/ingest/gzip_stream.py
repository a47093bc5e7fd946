"""Gzip as a stream: several members, zero padding, damage told apart, memory bounded."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

GZIP_SIGNATURE = b"\x1f\x8b"

_INPUT = 1 << 18
_OUTPUT = 1 << 20
_GZIP = 31  # wbits that expect the header and check the trailer


class GzipTruncated(Exception):
    """The stream ends early; what was yielded before is sound as far as it goes."""


class GzipDamaged(Exception):
    """The stream is not what was compressed: wrong checksum, broken data, garbage at the end."""


def decompress(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Yield what a gzip stream holds, at most 1 MiB at a time.

    read: returns up to so many bytes, b"" at the end. Raises GzipTruncated and GzipDamaged.
    """
    member = None
    members = 0
    while data := read(_INPUT):
        while data:
            if member is None:
                data = data.lstrip(b"\0") if members else data
                if not data:
                    break
                member = zlib.decompressobj(_GZIP)
            yield from _pieces(member, data, members)
            data = member.unused_data
            if member.eof:
                member, members = None, members + 1
    if member is not None:
        raise GzipTruncated


def _pieces(member: zlib._Decompress, data: bytes, members: int) -> Iterator[bytes]:  # pyright: ignore[reportPrivateUsage]
    """Feed all data to one member, or as much as it wants."""
    try:
        while True:
            piece = member.decompress(data, _OUTPUT)
            if piece:
                yield piece
            data = member.unconsumed_tail
            # A full piece may leave more inside, even when all input is consumed.
            if member.eof or (not data and len(piece) < _OUTPUT):
                return
    except zlib.error as exc:
        if members and "incorrect header" in str(exc):
            raise GzipDamaged("there is garbage after the end of the gzip stream") from exc
        what = str(exc).rpartition(": ")[2]
        raise GzipDamaged(f"the gzip stream is damaged: {what}") from exc
