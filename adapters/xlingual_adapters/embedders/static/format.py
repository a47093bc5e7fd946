"""The model folder: what its three files hold, and how they are read and written.

    config.json           `ModelConfig`: shapes, checksums, where the model comes from
    table.safetensors     `table` int8 (pieces, dimension), `scales` float32 (pieces,);
                          the vector of piece i is table[i] * scales[i]
    sentencepiece.model   the vocabulary; piece i of it owns row i of the table

Nothing in them is executed: no pickle, no code.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load, save
from sentencepiece import SentencePieceProcessor

from xlingual_qdrant.errors import FormatTooNew, InvalidInput, UnreadableFile

FORMAT_VERSION = 1

CONFIG_FILE = "config.json"
TABLE_FILE = "table.safetensors"
VOCABULARY_FILE = "sentencepiece.model"

Table: TypeAlias = NDArray[np.int8]
"""Shape (pieces, dimension), C-contiguous."""
Scales: TypeAlias = NDArray[np.float32]
"""Shape (pieces,), finite, not negative."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelConfig(BaseModel):
    """The contents of config.json."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: int
    name: str
    dimension: PositiveInt
    pieces: PositiveInt
    unknown_piece: Annotated[int, Field(ge=0)]
    """The row of what no piece covers; it also stands for a text without any piece."""
    longest_piece: PositiveInt
    """In characters."""
    max_tokens: PositiveInt
    """Texts are cut there."""
    table_sha256: Sha256
    vocabulary_sha256: Sha256
    probes: dict[str, list[float]] = Field(default_factory=dict)
    """Vectors of some texts, rounded to 4 decimals, so that a fingerprint costs no loading."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Recipe, data, versions and date, as the recipe recorded them."""
    scores: dict[str, Any] = Field(default_factory=dict)
    """Measured figures, as the benchmark wrote them."""

    @property
    def revision(self) -> str:
        """Twelve hex digits that change with the table or the vocabulary."""
        both = f"{self.table_sha256} {self.vocabulary_sha256}"
        return hashlib.sha256(both.encode()).hexdigest()[:12]


def read_config(folder: Path) -> ModelConfig:
    """Return the config of a model folder.

    Raises UnreadableFile if the folder holds none or a faulty one, FormatTooNew if it
    was written by a newer version.
    """
    path = folder / CONFIG_FILE
    data = _read(path)
    try:
        config = ModelConfig.model_validate_json(data)
    except ValidationError as exc:
        # A newer format may well have other fields: then that is the message to give.
        if newer := _version_of(data):
            raise FormatTooNew(str(folder), newer, FORMAT_VERSION) from None
        fault = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        raise _unreadable(
            path, f"not the config of a static model: {place}: {fault['msg']}"
        ) from None
    if config.format_version > FORMAT_VERSION:
        raise FormatTooNew(str(folder), config.format_version, FORMAT_VERSION)
    if config.unknown_piece >= config.pieces:
        raise _unreadable(
            path, f"unknown_piece is {config.unknown_piece} of {config.pieces} pieces"
        )
    return config


def read_table(folder: Path, config: ModelConfig) -> tuple[Table, Scales]:
    """Return the table and its scales; raises UnreadableFile unless they fit the config."""
    path = folder / TABLE_FILE
    data = _read_checked(path, config.table_sha256)
    try:
        arrays = load(data)
    except SafetensorError as exc:
        raise _unreadable(path, f"not a safetensors file: {exc}") from exc
    expected = {
        "table": (np.dtype(np.int8), (config.pieces, config.dimension)),
        "scales": (np.dtype(np.float32), (config.pieces,)),
    }
    found = {name: (array.dtype, array.shape) for name, array in arrays.items()}
    if found != expected:
        raise _unreadable(path, f"holds {_arrays(found)}, not {_arrays(expected)}")
    table, scales = arrays["table"], arrays["scales"]
    if not (np.isfinite(scales).all() and (scales >= 0).all()):
        raise _unreadable(path, "a scale is negative or not finite")
    if not (table[config.unknown_piece].any() and scales[config.unknown_piece] > 0):
        raise _unreadable(path, "the row of the unknown piece is zero")
    return table, scales


def read_vocabulary(folder: Path, config: ModelConfig) -> SentencePieceProcessor:
    """Return the vocabulary; raises UnreadableFile unless it fits the config."""
    path = folder / VOCABULARY_FILE
    data = _read_checked(path, config.vocabulary_sha256)
    try:
        vocabulary = _processor(data)
    except RuntimeError as exc:
        raise _unreadable(path, "not a SentencePiece model") from exc
    if vocabulary.get_piece_size() != config.pieces:
        raise _unreadable(path, f"has {vocabulary.get_piece_size()} pieces, not {config.pieces}")
    return vocabulary


# Reading it is most of what opening a model costs, and the embedders of a process have mostly one.
@lru_cache(maxsize=1)
def _processor(model: bytes) -> SentencePieceProcessor:
    return SentencePieceProcessor(model_proto=model)


def quantise(rows: NDArray[np.float32]) -> tuple[Table, Scales]:
    """Return rows, shape (pieces, dimension), as 8-bit integers with one scale per row."""
    scales = (np.abs(rows).max(axis=1) / 127).astype(np.float32)
    divisors = np.where(scales > 0, scales, 1)[:, None]
    return np.rint(rows / divisors).astype(np.int8), scales


def write_model(
    folder: Path,
    *,
    name: str,
    rows: NDArray[np.float32],
    vocabulary: bytes,
    max_tokens: int,
    training: dict[str, Any],
) -> ModelConfig:
    """Write a model folder; float rows, shape (pieces, dimension), are quantised.

    Raises InvalidInput unless the vocabulary has as many pieces as there are rows.
    """
    processor = SentencePieceProcessor(model_proto=vocabulary)
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    if len(pieces) != len(rows):
        raise InvalidInput(f"the vocabulary has {len(pieces)} pieces, the table {len(rows)} rows")
    table, scales = quantise(rows)
    data = save({"table": table, "scales": scales})
    config = ModelConfig(
        format_version=FORMAT_VERSION,
        name=name,
        dimension=rows.shape[1],
        pieces=len(pieces),
        unknown_piece=processor.unk_id(),
        longest_piece=max(map(len, pieces)),
        max_tokens=max_tokens,
        table_sha256=hashlib.sha256(data).hexdigest(),
        vocabulary_sha256=hashlib.sha256(vocabulary).hexdigest(),
        training=training,
    )
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / TABLE_FILE, data)
    _write(folder / VOCABULARY_FILE, vocabulary)
    write_config(folder, config)
    return config


def write_config(folder: Path, config: ModelConfig) -> None:
    """Write config.json."""
    _write(folder / CONFIG_FILE, config.model_dump_json(indent=1).encode() + b"\n")


def _write(path: Path, data: bytes) -> None:
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(path)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise _unreadable(path, f"cannot be read: {exc.strerror}") from exc


def _read_checked(path: Path, sha256: str) -> bytes:
    data = _read(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _unreadable(path, f"{len(data):,} bytes that are not those named in {CONFIG_FILE}")
    return data


def _version_of(data: bytes) -> int | None:
    class OnlyVersion(BaseModel):
        format_version: int

    try:
        version = OnlyVersion.model_validate_json(data).format_version
    except ValidationError:
        return None
    return version if version > FORMAT_VERSION else None


def _arrays(arrays: dict[str, tuple[np.dtype[Any], tuple[int, ...]]]) -> str:
    return ", ".join(f"{name} {dtype}{list(shape)}" for name, (dtype, shape) in arrays.items())


def _unreadable(path: Path, detail: str) -> UnreadableFile:
    return UnreadableFile(str(path), "format", f"{detail}; install or train the model again")
