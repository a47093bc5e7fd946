"""Reads vectors out of a server's answer, and believes none of it unseen."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.embedders.openai.batches import Request
from xlingual_adapters.embedders.openai.faults import Failed, Fault
from xlingual_qdrant.errors import InvalidVectors

_SMALL = 1e-12
"""Squares below it have lost digits."""


class Answer(NamedTuple):
    """The vectors in the order of the texts, as they came, and what the server says of itself."""

    vectors: NDArray[np.float32]
    model: str
    tokens: int


def read(content: bytes, request: Request, where: str) -> Answer:
    """Return the answer to a request.

    Raises Failed if it is none, InvalidVectors if its vectors do not fit the texts.
    """
    try:
        answer: Any = json.loads(content)
    except (ValueError, RecursionError):
        raise Failed(Fault("foreign", f"no JSON: {_beginning(content)}")) from None
    items: Any = cast("dict[str, Any]", answer).get("data") if isinstance(answer, dict) else None
    if not isinstance(items, list):
        raise Failed(Fault("foreign", f"no list called data in it: {_beginning(content)}"))
    rows = _in_order(cast("list[Any]", items), request, where)
    fields = cast("dict[str, Any]", answer)
    usage: Any = fields.get("usage")
    counted = cast("dict[str, Any]", usage) if isinstance(usage, dict) else {}
    tokens: Any = counted.get("total_tokens")
    return Answer(
        _matrix(rows, where),
        str(fields.get("model") or ""),
        tokens if isinstance(tokens, int) else 0,
    )


def _in_order(items: list[Any], request: Request, where: str) -> list[Any]:
    """Return the embeddings by their `index`; servers may answer in any order."""
    count = len(request.numbers)
    if len(items) != count:
        raise InvalidVectors(
            f"{where} returned {len(items)} vectors for {count} texts; is it the right url?"
        )
    rows: list[Any] = [None] * count
    for place, item in enumerate(items):
        fields = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
        index: Any = fields.get("index", place)
        if not isinstance(index, int) or not 0 <= index < count or rows[index] is not None:
            raise InvalidVectors(f"{where} returned vectors that are not numbered 0 to {count - 1}")
        rows[index] = fields.get("embedding")
        if rows[index] is None:
            raise InvalidVectors(f"{where} returned no embedding for {request.name(index)}")
    return rows


def _matrix(rows: list[Any], where: str) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = np.empty((0, 0), dtype=np.float32)
    try:
        if all(isinstance(row, str) for row in rows):
            decoded = [np.frombuffer(base64.b64decode(row, validate=True), "<f4") for row in rows]
            if len({row.size for row in decoded}) == 1:
                vectors = np.stack(decoded)
        else:
            with np.errstate(over="ignore"):
                vectors = np.array(rows, dtype=np.float64).astype(np.float32)
    except (ValueError, TypeError, binascii.Error):
        pass
    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise InvalidVectors(f"{where} returned what is no list of vectors of one length")
    return vectors


def unit_rows(vectors: NDArray[np.float32], request: Request, where: str) -> NDArray[np.float32]:
    """Return the rows brought to length 1; raises InvalidVectors where there is no length."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", vectors, vectors)
    if np.isfinite(squares).all() and squares.min() > _SMALL:
        return vectors / np.sqrt(squares)[:, np.newaxis]
    for words, rows in (
        ("a vector that is not finite", ~np.isfinite(vectors).all(axis=1)),
        ("a vector of zeros", ~vectors.any(axis=1)),
    ):
        if rows.any():
            raise InvalidVectors(
                f"{where} returned {words}, for {request.name(int(rows.argmax()))}"
            )
    # Far from 1, but a direction: larger numbers have room for its square.
    wide = vectors.astype(np.float64)
    return (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)


def _beginning(content: bytes) -> str:
    return " ".join(content[:200].decode(errors="replace").split()) or "it is empty"
