"""Writes pickles by hand, so that they can name what is not installed, or what is hostile."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray


class Raw(NamedTuple):
    """Instructions as they are."""

    code: bytes


def named(module: str, name: str) -> Raw:
    return Raw(encoded(module) + encoded(name) + b"\x93")


def called(module: str, name: str, *args: object) -> Raw:
    return Raw(named(module, name).code + encoded(args) + b"R")


def made(module: str, name: str, state: object) -> Raw:
    """An object made without arguments, and given a state."""
    return Raw(named(module, name).code + b")\x81" + encoded(state) + b"b")


def encoded(value: object) -> bytes:
    match value:
        case Raw(code):
            return code
        case None:
            return b"N"
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8b" + struct.pack("<i", len(data)) + data
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            data = value.encode("utf-8", "surrogatepass")
            return b"X" + struct.pack("<I", len(data)) + data
        case bytes():
            return b"B" + struct.pack("<I", len(value)) + value
        case tuple():
            return b"(" + b"".join(map(encoded, value)) + b"t"
        case list():
            return b"](" + b"".join(map(encoded, value)) + b"e"
        case set():
            return b"\x8f(" + b"".join(map(encoded, value)) + b"\x90"
        case dict():
            return b"}(" + b"".join(encoded(k) + encoded(v) for k, v in value.items()) + b"u"
        case _:
            raise TypeError(value)


def pickled(value: object) -> bytes:
    return b"\x80\x04" + encoded(value) + b"."


def document(text: object, metadata: object = None) -> Raw:
    fields = {"id": None, "page_content": text, "metadata": metadata, "type": "Document"}
    state = {"__dict__": fields, "__pydantic_extra__": None, "__pydantic_private__": None}
    return made("langchain_core.documents.base", "Document", state)


def docstore(documents: Mapping[object, object]) -> Raw:
    module = "langchain_community.docstore.in_memory"
    return made(module, "InMemoryDocstore", {"_dict": dict(documents)})


def write_folder(
    folder: Path,
    documents: Mapping[object, object],
    vectors: NDArray[np.float32] | None = None,
    *,
    places: Mapping[int, object] | None = None,
    index: faiss.Index | None = None,
) -> Path:
    """Write what `FAISS.save_local` would; without vectors each document has its own axis."""
    folder.mkdir(parents=True, exist_ok=True)
    if index is None:
        rows = np.eye(max(1, len(documents)), dtype=np.float32) if vectors is None else vectors
        index = faiss.IndexFlatL2(rows.shape[1])
        index.add(rows)
    faiss.write_index(index, str(folder / "index.faiss"))
    ids = dict(enumerate(documents)) if places is None else dict(places)
    (folder / "index.pkl").write_bytes(pickled((docstore(documents), ids)))
    return folder
