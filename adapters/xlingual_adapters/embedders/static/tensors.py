"""Arrays of a safetensors file, mapped: a table of a gigabyte opens at once.

The file is 8 bytes with the length of a JSON header, the header, and the numbers. Whatever
does not fit is refused before anything is read by it.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from xlingual_qdrant.errors import UnreadableFile

TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
}
LARGEST_HEADER = 100_000_000  # bytes; what the format allows
SAMPLES = 256  # blocks that a checksum looks at
SAMPLE_BYTES = 4_096


class _Tensor(BaseModel):
    model_config = ConfigDict(frozen=True)

    dtype: str
    shape: list[Annotated[int, Field(ge=0)]]
    data_offsets: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


_HEADER = TypeAdapter(dict[str, Any])


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file by name, mapped for reading.

    Raises UnreadableFile if it is none, is damaged, or holds numbers of a type that NumPy
    does not know.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            header, begin = _read_header(file, size, path)
        data: NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")
    except OSError as exc:
        raise UnreadableFile(str(path), "format", f"cannot be read: {exc.strerror}") from exc
    data = np.asarray(data)[begin:]
    return {
        name: _tensor(data, name, described, path)
        for name, described in header.items()
        if name != "__metadata__"
    }


def sampled_checksum(path: Path) -> bytes:
    """Return 16 bytes that change with the size of a file and with what most changes change.

    Reads its beginning and some hundred blocks, not all: a table may have gigabytes.
    """
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        size = file.seek(0, 2)
        digest.update(size.to_bytes(8, "little"))
        step = max(SAMPLE_BYTES, size // SAMPLES)
        for begin in range(0, size, step):
            file.seek(begin)
            digest.update(file.read(SAMPLE_BYTES))
    return digest.digest()


def _read_header(file: BinaryIO, size: int, path: Path) -> tuple[dict[str, Any], int]:
    """Return the header, and where the numbers begin."""
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    if size < 8 or not 0 < length <= min(size - 8, LARGEST_HEADER):
        raise _damaged(path, f"{size:,} bytes without the header of the format")
    try:
        return _HEADER.validate_json(file.read(length)), 8 + length
    except ValidationError as exc:
        raise _damaged(path, "its header is not JSON") from exc


def _tensor(data: NDArray[np.uint8], name: str, described: Any, path: Path) -> NDArray[Any]:
    try:
        tensor = _Tensor.model_validate(described)
    except ValidationError as exc:
        raise _damaged(path, f"{name!r} is not described as the format wants") from exc
    if tensor.dtype not in TYPES:
        raise UnreadableFile(
            str(path),
            "format",
            f"{name!r} has numbers of type {tensor.dtype}, which is not read; save it as one of"
            f" {', '.join(TYPES)}",
        )
    dtype = np.dtype(TYPES[tensor.dtype])
    begin, end = tensor.data_offsets
    needed = math.prod(tensor.shape) * dtype.itemsize
    if end - begin != needed or end > len(data):
        raise _damaged(
            path, f"{name!r} should have {needed:,} bytes, of {begin:,} to {end:,} in {len(data):,}"
        )
    return data[begin:end].view(dtype).reshape(tensor.shape)


def _damaged(path: Path, detail: str) -> UnreadableFile:
    return UnreadableFile(
        str(path), "format", f"not a whole safetensors file: {detail}; get the model again"
    )
