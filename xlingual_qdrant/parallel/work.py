"""The folder beside the output that lets an interrupted fine-tuning go on.

DIR             the model: there when all is done, and only then
DIR.partial/    order.json: what was asked; train/: the adapter's; model/: in the making
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from xlingual_qdrant.disk import disk_faults, remove_folder
from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import InvalidInput, UsageError
from xlingual_qdrant.lock import WriteLock

ORDER = "order.json"


class WorkFolder:
    """The places of one fine-tuning, from the check of its output to its end."""

    def __init__(self, output: Path) -> None:
        self.output = output.absolute()
        self.path = self.output.with_name(self.output.name + ".partial")
        self.train = self.path / "train"
        self.model = self.path / "model"

    def check_free(self, *, resume: bool) -> None:
        """Raise UsageError unless the output may be written; nothing is changed."""
        if self.output.exists() and not self.output.is_dir():
            raise UsageError(f"{self.output} is a file; name a new folder for the model")
        if self.output.is_dir() and any(self.output.iterdir()):
            done = ", perhaps the finished model: there is nothing to resume" if resume else ""
            raise UsageError(
                f"the folder {self.output} holds something{done}; name a new or an empty one"
            )
        if self.path.exists() and not resume and (self.path / ORDER).exists():
            raise UsageError(
                f"{self.path} is left of a fine-tuning that was interrupted; --resume goes on"
                " with it, or remove that folder to begin anew"
            )

    @contextmanager
    def held(self, order: dict[str, JsonValue]) -> Generator[bool]:
        """Keep the folder for this process alone; give whether there is something to go on with.

        Raises CollectionLocked if another process has it, InvalidInput if what was begun there
        is not `order`.
        """
        with disk_faults(str(self.path)):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = WriteLock(self.path)
        try:
            with disk_faults(str(self.path)):
                begun = self._compared(order)
                remove_folder(self.model)
                self.train.mkdir(exist_ok=True)
            yield begun
        finally:
            lock.release()

    def _compared(self, order: dict[str, JsonValue]) -> bool:
        file = self.path / ORDER
        if not file.exists():
            partial = file.with_suffix(".new")
            partial.write_text(json.dumps(order, ensure_ascii=False, indent=1), encoding="utf-8")
            partial.replace(file)
            return False
        begun: dict[str, JsonValue] = json.loads(file.read_text(encoding="utf-8"))
        if others := [
            f"{name} was {begun.get(name)}, is {order.get(name)}"
            for name in sorted(begun.keys() | order.keys())
            if begun.get(name) != order.get(name)
        ]:
            raise InvalidInput(
                f"{self.path} was begun otherwise: {'; '.join(others)}; resume with the same data"
                " and options, or remove that folder to begin anew"
            )
        return True

    def finish(self) -> None:
        """Put the model in its place, in one step, and remove what led to it."""
        with disk_faults(str(self.output)):
            if self.output.is_dir():
                self.output.rmdir()  # it is empty, or somebody has put something there meanwhile
            self.model.rename(self.output)

    def clean(self) -> None:
        """Remove the folder beside the output."""
        with disk_faults(str(self.path)):
            remove_folder(self.path)
