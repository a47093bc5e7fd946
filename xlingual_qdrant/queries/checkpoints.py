"""What long work has finished, kept in a folder beside its output, so that it can go on."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import FileUnavailable, UsageError

_ORDER = "order.json"
_BEGUN_ORDER = "order.part"
_OURS = ("*.npz", "*.part", _ORDER)  # the order goes last: without it the folder is a stranger's


class Checkpoint:
    """Steps of one piece of work, each saved whole or not at all.

    folder: made when the first step is saved, removed by `finish`. order: what the work is, for
    example its inputs and options; steps of another order are thrown away, not taken up.
    Without a folder nothing is kept.

    Raises UsageError if the folder holds other things: they are never removed.
    """

    def __init__(self, folder: Path | None, order: Mapping[str, JsonValue]) -> None:
        self._folder = folder
        self._order = json.dumps(order, sort_keys=True)
        self._begun = False
        if folder is None or not folder.exists():
            return
        with _disk(folder):
            if not folder.is_dir() or not _is_ours(folder):
                raise UsageError(
                    f"{folder} is there already and holds no steps of unfinished work; name"
                    " another folder, or a new one"
                )
            self._begun = self._kept_order(folder) == self._order
            if not self._begun:
                self._clear(folder)

    def load(self, step: str) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of a step by name; None if it was never finished, or is damaged."""
        if self._folder is None or not self._begun:
            return None
        try:
            with self._file(self._folder, step).open("rb") as file, np.load(file) as kept:
                return {name: kept[name] for name in kept.files}
        except (FileNotFoundError, ValueError, EOFError, zipfile.BadZipFile):
            return None  # a machine that stopped may leave a file without its end

    def save(self, step: str, **arrays: NDArray[Any]) -> None:
        """Keep the arrays of a finished step."""
        if self._folder is None:
            return
        with _disk(self._folder):
            if not self._begun:
                self._folder.mkdir(parents=True, exist_ok=True)
                order = self._folder / _BEGUN_ORDER
                order.write_text(self._order, encoding="utf-8")
                order.replace(self._folder / _ORDER)
                self._begun = True
            file = self._file(self._folder, step)
            begun = file.with_name(f"{step}.part")
            with begun.open("wb") as out:
                np.savez(out, **arrays)  # pyright: ignore[reportArgumentType]
            begun.replace(file)

    def finish(self) -> None:
        """Forget all steps: the work is done."""
        if self._folder is not None and self._begun:
            with _disk(self._folder):
                self._clear(self._folder)
            self._begun = False

    @staticmethod
    def _clear(folder: Path) -> None:
        """Remove what was saved here, and the folder unless something else lies in it."""
        for pattern in _OURS:
            for file in folder.glob(pattern):
                file.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()

    @staticmethod
    def _kept_order(folder: Path) -> str | None:
        file = folder / _ORDER
        return file.read_text(encoding="utf-8") if file.is_file() else None

    @staticmethod
    def _file(folder: Path, step: str) -> Path:
        return folder / f"{step}.npz"


def digest_of(ids: list[str]) -> str:
    """Return a short digest of ids in their order, for an order's inputs."""
    digest = blake2b(digest_size=16)
    for id in ids:
        digest.update(id.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def digest_of_rows(rows: NDArray[Any]) -> str:
    """Return a short digest of an array, for an order's inputs."""
    return blake2b(np.ascontiguousarray(rows).data, digest_size=16).hexdigest()


def _is_ours(folder: Path) -> bool:
    names = {file.name for file in folder.iterdir()}
    return _ORDER in names or names <= {_BEGUN_ORDER}


@contextmanager
def _disk(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as exc:
        raise FileUnavailable(
            str(folder), f"unfinished work cannot be kept there: {exc.strerror or exc}"
        ) from exc
