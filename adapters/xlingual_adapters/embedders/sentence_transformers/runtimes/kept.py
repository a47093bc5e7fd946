"""The folder of what is made from a model: exported files, checked, and verdicts.

Everything is written beside its place and then renamed, so that two processes may work at
once and a process may be killed; what does not match its checksums is made again.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from xlingual_qdrant.errors import FileUnavailable

_CHECKSUMS = "checksums.json"
_MAKING = ".making-"
_DAY_S = 86_400

_log = logging.getLogger(__name__)


def default_folder() -> Path:
    """Return where such files belong on this system, in the user's cache."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        caches = Path(given)
    elif sys.platform == "darwin":
        caches = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        caches = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        caches = Path.home() / ".cache"
    return caches / "xlingual-qdrant" / "runtimes"


class Kept:
    """What is kept for one model. folder: its own; nothing is written before it is needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def made(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return the folder of this name, whole and undamaged; `make` fills an empty one.

        Raises FileUnavailable if it cannot be written.
        """
        place = self.folder / name
        if _is_sound(place):
            return place
        if place.exists():
            _log.warning("%s does not match its checksums; it is made again", place)
        try:
            self._remove_remains()
            self.folder.mkdir(parents=True, exist_ok=True)
            making = Path(tempfile.mkdtemp(prefix=_MAKING, dir=self.folder))
        except OSError as exc:
            raise _unwritable(self.folder, exc) from exc
        try:
            make(making)
            _write_checksums(making)
            _move(making, place)
        except OSError as exc:
            raise _unwritable(place, exc) from exc
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return place

    def read(self, name: str) -> dict[str, Any] | None:
        """Return the JSON object of this name, or None if there is none that can be read."""
        try:
            value: object = json.loads((self.folder / name).read_bytes())
        except (OSError, ValueError):
            return None
        return cast("dict[str, Any]", value) if isinstance(value, dict) else None

    def write(self, name: str, value: dict[str, Any]) -> None:
        """Keep a JSON object; where nothing can be written it is not, and that is logged."""
        text = json.dumps(value, ensure_ascii=False, indent=1) + "\n"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=_MAKING, dir=self.folder) as making:
                path = Path(making) / name
                path.write_text(text, encoding="utf-8")
                path.replace(self.folder / name)
        except OSError as exc:
            _log.warning("%s cannot be written (%s): it is measured again", self.folder, exc)

    def _remove_remains(self) -> None:
        """Remove what processes have left that were killed while they wrote."""
        for path in self.folder.glob(_MAKING + "*"):
            try:
                if time.time() - path.stat().st_mtime > _DAY_S:
                    shutil.rmtree(path, ignore_errors=True)
            except FileNotFoundError:
                continue


def _is_sound(folder: Path) -> bool:
    try:
        sums: object = json.loads((folder / _CHECKSUMS).read_bytes())
        if not isinstance(sums, dict):
            return False
        known = cast("dict[str, object]", sums)
        return bool(known) and all(_digest(folder / n) == known[n] for n in known)
    except (OSError, ValueError):
        return False


def _write_checksums(folder: Path) -> None:
    sums = {path.name: _digest(path) for path in sorted(folder.iterdir())}
    for name in sums:
        with (folder / name).open("rb+") as file:
            os.fsync(file.fileno())
    (folder / _CHECKSUMS).write_text(json.dumps(sums) + "\n", encoding="utf-8")


def _digest(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def _move(making: Path, place: Path) -> None:
    """Put a finished folder into its place; if another process was faster, keep what is there."""
    if place.exists() and not _is_sound(place):
        damaged = making.with_name(making.name + "-damaged")
        place.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    try:
        making.rename(place)
    except OSError:
        if not _is_sound(place):
            raise


def _unwritable(path: Path, exc: OSError) -> FileUnavailable:
    return FileUnavailable(
        str(path),
        f"a model in another form cannot be kept there ({exc.strerror or exc});"
        " name another folder in the setting 'exported', or use backend = \"torch\"",
    )
