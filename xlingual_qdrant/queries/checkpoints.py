"""What long work has finished, kept in a folder beside its output, so that it can go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.documents import JsonValue

_ORDER = "order.json"


class Checkpoint:
    """Steps of one piece of work, each saved whole or not at all.

    folder: made when the first step is saved, removed by `finish`. order: what the work is, for
    example its inputs and options; steps of another order are thrown away, not taken up.
    Without a folder nothing is kept.
    """

    def __init__(self, folder: Path | None, order: Mapping[str, JsonValue]) -> None:
        self._folder = folder
        self._order = json.dumps(order, sort_keys=True)
        if folder is not None and folder.is_dir() and self._kept_order() != self._order:
            shutil.rmtree(folder)

    def load(self, step: str) -> dict[str, NDArray[Any]] | None:
        """Return the arrays of a step by name; None if it was never finished."""
        if self._folder is None or not (file := self._file(self._folder, step)).is_file():
            return None
        with np.load(file) as kept:
            return {name: kept[name] for name in kept.files}

    def save(self, step: str, **arrays: NDArray[Any]) -> None:
        """Keep the arrays of a finished step."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / _ORDER).write_text(self._order, encoding="utf-8")
        file = self._file(self._folder, step)
        begun = file.with_suffix(".part")
        with begun.open("wb") as out:
            np.savez(out, **arrays)  # pyright: ignore[reportArgumentType]
        begun.replace(file)

    def finish(self) -> None:
        """Forget all steps: the work is done."""
        if self._folder is not None and self._folder.is_dir():
            shutil.rmtree(self._folder)

    def _kept_order(self) -> str | None:
        assert self._folder is not None
        file = self._folder / _ORDER
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
