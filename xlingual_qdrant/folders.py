"""Collections as folders, for all stores that live in one place on a disk.

    PLACE/support/current      the number of the generation that is opened: "1" and a line end
    PLACE/support/1/           what the store keeps of the collection
    PLACE/support/2/           a replacement that is being filled: any number above `current`
    PLACE/support/write.lock   one writer for a collection, whatever the generation

Whatever is made or removed has a hidden name meanwhile, and gets or loses its real one in one
step. So a process may be killed at any moment: what it leaves is the state before or the state
after, and perhaps a hidden folder that a later call removes. A collection is called what its
folder is called: a copied folder is another collection.
"""

from __future__ import annotations

import builtins
import os
import re
import secrets
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from xlingual_qdrant.disk import disk_faults, remove_folder, sync_folder
from xlingual_qdrant.errors import (
    CollectionDamaged,
    CollectionExists,
    CollectionMissing,
    ReplacementMissing,
    StoreError,
    StoreUnavailable,
)
from xlingual_qdrant.lock import WriteLock
from xlingual_qdrant.schema import check_name

CURRENT = "current"
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_LEFT = re.compile(rf"\.({CURRENT}|{_NUMBER.pattern}(\.[0-9a-f]{{16}})?)")
"""Names inside a collection's folder of what was in the making, or in its removal."""

Fill = Callable[[Path], None]
"""Puts what a store keeps of an empty collection into an empty folder, on disk on return.

The folder is moved afterwards: nothing in it may be open, or know where it lies.
"""


class CollectionFolders:
    """The collections in the folders below `place`, which is made when one is created.

    Methods raise StoreUnavailable if the disk refuses; those that change a collection raise
    CollectionLocked if it has a writer.

    marker: a file that every generation of this kind of store has; collections of other kinds
    in the same place are neither listed nor changed.
    """

    def __init__(self, place: Path, *, marker: str = "") -> None:
        self.place = place.absolute()
        self._marker = marker

    def create(self, name: str, fill: Fill) -> Path:
        """Create a collection, all of it or nothing; return the folder of its generation.

        Raises CollectionExists, or StoreUnavailable if something else has that name.
        """
        folder = self._folder(name)
        with disk_faults(str(self.place)):
            if folder.exists():
                raise self._in_the_way(name)
            self.place.mkdir(parents=True, exist_ok=True)
            with suppress(PermissionError):  # that is no reason not to create another one
                self._remove_dropped(name)
            made = self._beside(name, "new")
            try:
                generation = made / "1"
                generation.mkdir(parents=True)
                fill(generation)
                sync_folder(generation)
                _point(made, 1)
                made.rename(folder)
            except (OSError, StoreError) as exc:
                if folder.exists():
                    raise self._in_the_way(name) from exc
                raise
            finally:
                remove_folder(made)
            sync_folder(self.place)
        return folder / "1"

    def current(self, name: str) -> Path:
        """Return the folder of the generation that is opened by this name.

        Raises CollectionMissing, or CollectionDamaged if there is no telling which one it is.
        """
        folder = self._folder(name)
        missing = 0
        with disk_faults(str(folder)):
            while True:
                try:
                    number = _pointed(folder)
                except (FileNotFoundError, NotADirectoryError):
                    raise CollectionMissing(name, str(self.place), self.list()) from None
                if (folder / str(number)).is_dir():
                    return folder / str(number)
                if number == missing:
                    detail = f"the folder '{number}', which its file '{CURRENT}' names, is missing"
                    raise CollectionDamaged(str(folder), detail)
                missing = number  # replaced and compacted between the two looks, perhaps

    def list(self) -> builtins.list[str]:
        """Return the names of the collections, sorted."""
        with disk_faults(str(self.place)):
            if not self.place.is_dir():
                return []
            return sorted(
                path.name
                for path in self.place.iterdir()
                if not path.name.startswith(".") and self._is_one(path)
            )

    def drop(self, name: str) -> None:
        """Remove a collection with all its generations; raises CollectionMissing."""
        with self._writing(name) as folder:
            folder.rename(self._beside(name, "dropped"))
            sync_folder(self.place)
        with disk_faults(str(self.place)):
            self._remove_dropped(name)

    def replacement(self, name: str) -> Path | None:
        """Return the folder of the replacement that was begun; raises CollectionMissing."""
        folder = self.current(name).parent
        with disk_faults(str(folder)):
            begun = _begun(folder)
        return folder / str(begun[-1]) if begun else None

    def begin_replacement(self, name: str, fill: Fill) -> Path:
        """Make a replacement, all of it or nothing; return the folder of its generation.

        One that was begun before is discarded: look at `replacement` first, to go on with it.
        Raises CollectionMissing.
        """
        with self._writing(name) as folder:
            begun, number = _begun(folder), max(_numbers(folder)) + 1
            made = folder / f".{number}"
            remove_folder(made)
            made.mkdir()
            try:
                fill(made)
                sync_folder(made)
                made.rename(folder / str(number))
            finally:
                remove_folder(made)
            sync_folder(folder)
            _remove(folder, begun)
            return folder / str(number)

    def finish_replacement(self, name: str, *, lock: WriteLock | None = None) -> None:
        """Let the name open the replacement; raises CollectionMissing, ReplacementMissing.

        lock: the writer's, if the caller holds it, so that nobody writes between the filling
        and this; it is released in any case.
        """
        try:
            if self.replacement(name) is None:
                raise ReplacementMissing(name, str(self.place))
            with self._writing(name, lock) as folder:
                begun = _begun(folder)
                if not begun:  # another process was quicker
                    raise ReplacementMissing(name, str(self.place))
                _point(folder, begun[-1])
        finally:
            if lock is not None:
                lock.release()

    def discard_replacement(self, name: str) -> None:
        """Remove a replacement that was begun, if there is one; raises CollectionMissing."""
        if self.replacement(name) is not None:
            with self._writing(name) as folder:
                _remove(folder, _begun(folder))

    def remove_replaced(self, generation: Path) -> None:
        """Remove the generations before the current one, and what killed processes have left.

        generation: any of the collection, whose writer's lock the caller holds.
        """
        folder = generation.parent
        with disk_faults(str(folder)):
            numbers, wanted = _numbers(folder), {_pointed(folder), *_begun(folder)[-1:]}
            with suppress(PermissionError):  # Windows keeps what is open: a later round gets it
                _remove(folder, [number for number in numbers if number not in wanted])
                for leftover in self._hidden(folder.name, "new"):
                    # Of a creation in progress nothing is lost: the collection exists.
                    remove_folder(leftover)
                self._remove_dropped(folder.name)

    @contextmanager
    def _writing(self, name: str, lock: WriteLock | None = None) -> Generator[Path]:
        """Hold the writer's lock of a collection, if need be; yield its folder."""
        folder = self._folder(name)
        with disk_faults(str(folder)):
            try:
                if not self._is_one(folder):
                    raise FileNotFoundError
                held = WriteLock(folder) if lock is None else lock
            except (FileNotFoundError, NotADirectoryError):
                raise CollectionMissing(name, str(self.place), self.list()) from None
            try:
                yield folder
            finally:
                held.release()

    def _in_the_way(self, name: str) -> StoreError:
        if self._is_one(self._folder(name)):
            return CollectionExists(name, str(self.place))
        detail = "this is there, and no collection of this kind of store; move it, or choose a name"
        return StoreUnavailable(str(self._folder(name)), detail)

    def _is_one(self, folder: Path) -> bool:
        if not (folder / CURRENT).is_file():
            return False
        return not self._marker or any(
            (folder / str(number) / self._marker).is_file() for number in _numbers(folder)
        )

    def _folder(self, name: str) -> Path:
        return self.place / check_name(name)

    def _beside(self, name: str, state: str) -> Path:
        """Return a hidden name for a collection in the making, or in its removal."""
        return self.place / f".{name}.{state}.{secrets.token_hex(8)}"

    def _hidden(self, name: str, state: str) -> builtins.list[Path]:
        form = re.compile(rf"\.{re.escape(name)}\.{state}\.[0-9a-f]{{16}}")
        return [path for path in self.place.iterdir() if form.fullmatch(path.name)]

    def _remove_dropped(self, name: str) -> None:
        for leftover in self._hidden(name, "dropped"):
            remove_folder(leftover)


def lock_for_writing(generation: Path) -> WriteLock:
    """Return the writer's lock of the collection that a generation belongs to.

    Raises CollectionLocked, and StoreUnavailable if the generation was replaced, discarded or
    dropped: nothing may be written into it then. While the lock is held, none of that happens.
    """
    with disk_faults(str(generation.parent)):
        try:
            lock = WriteLock(generation.parent)
        except (FileNotFoundError, NotADirectoryError):
            raise gone(generation) from None
        try:
            if int(generation.name) < _pointed(generation.parent) or not generation.is_dir():
                raise gone(generation)
        except BaseException:
            lock.release()
            raise
        return lock


def gone(generation: Path) -> StoreUnavailable:
    """Return the error for one who has a generation open that is not there any more."""
    number = current = int(generation.name)
    with suppress(OSError, CollectionDamaged):
        current = _pointed(generation.parent)
    if number < current:
        detail = "it was replaced since it was opened; open it again"
    elif number > current:
        detail = "this replacement was discarded since it was opened; begin it again"
    else:
        detail = "it was dropped, or made anew, since it was opened; open it again"
    return StoreUnavailable(str(generation.parent), detail)


def _pointed(folder: Path) -> int:
    """Return the number in the file `current`; raises OSError, CollectionDamaged."""
    text = (folder / CURRENT).read_text(encoding="ascii", errors="replace")
    if not _NUMBER.fullmatch(text.strip()):
        raise CollectionDamaged(str(folder), f"its file '{CURRENT}' holds no number")
    return int(text)


def _point(folder: Path, number: int) -> None:
    """Make a number the current one, in one step."""
    written = folder / f".{CURRENT}"
    with written.open("w", encoding="ascii", newline="\n") as file:
        file.write(f"{number}\n")
        file.flush()
        os.fsync(file.fileno())
    written.replace(folder / CURRENT)
    sync_folder(folder)


def _numbers(folder: Path) -> list[int]:
    """Return the numbers of the generations that are there, sorted."""
    return sorted(int(path.name) for path in folder.iterdir() if _NUMBER.fullmatch(path.name))


def _begun(folder: Path) -> list[int]:
    current = _pointed(folder)
    return [number for number in _numbers(folder) if number > current]


def _remove(folder: Path, numbers: list[int]) -> None:
    """Remove generations, and what was left hidden; the caller holds the writer's lock.

    A generation loses its name first, so that nobody takes one half removed for damaged.
    """
    for number in numbers:
        (folder / str(number)).rename(folder / f".{number}.{secrets.token_hex(8)}")
    for path in folder.iterdir():
        if _LEFT.fullmatch(path.name):
            remove_folder(path) if path.is_dir() else path.unlink(missing_ok=True)
