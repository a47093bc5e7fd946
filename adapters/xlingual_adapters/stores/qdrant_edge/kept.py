"""What belongs to a collection as a whole, in files beside the shard.

    schema.json        the schema, written once
    states/NAME        one state: a line of JSON with key, length and checksum, then the bytes

A state's file is replaced in one step, so that a crash leaves the old state or the new one.
"""

from __future__ import annotations

import json
import os
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xlingual_qdrant.disk import disk_faults, sync_folder
from xlingual_qdrant.errors import CollectionDamaged, FormatTooNew, StoreUnavailable
from xlingual_qdrant.schema import FORMAT_VERSION, CollectionSchema

SCHEMA = "schema.json"
_STATES = "states"


def write_schema(folder: Path, schema: CollectionSchema) -> None:
    """Keep the schema in the folder of a new collection, durably."""
    (folder / _STATES).mkdir()
    _replace(folder / SCHEMA, schema.model_dump_json(indent=2).encode())


def read_schema(folder: Path, name: str) -> CollectionSchema:
    """Return the schema of a collection, which is called what its folder is called.

    Raises FormatTooNew, CollectionDamaged, StoreUnavailable.
    """
    where = str(folder.parent)
    with disk_faults(where):
        try:
            written = (folder / SCHEMA).read_bytes()
        except FileNotFoundError:
            detail = f"there is no {SCHEMA} in it, so another kind of store has made it; open it"
            raise StoreUnavailable(where, f"{detail} with that kind") from None
    try:
        values: Any = json.loads(written)
        version = int(values["format_version"])
        if version > FORMAT_VERSION:
            raise FormatTooNew(where, version, FORMAT_VERSION)
        return CollectionSchema.model_validate({**values, "name": name})
    except (KeyError, TypeError, ValueError, ValidationError) as exc:
        raise CollectionDamaged(where, f"its {SCHEMA} cannot be read") from exc


def read_state(folder: Path, key: str) -> bytes | None:
    """Return what was kept under this key, or None; raises CollectionDamaged."""
    with disk_faults(str(folder.parent)):
        try:
            return _parsed(folder, _file(folder, key))[1]
        except FileNotFoundError:
            return None


def write_state(folder: Path, key: str, value: bytes | None) -> None:
    """Keep bytes under a key, durably; None forgets them."""
    with disk_faults(str(folder.parent)):
        file = _file(folder, key)
        if value is None:
            file.unlink(missing_ok=True)
            sync_folder(file.parent)
            return
        head = {"key": key, "bytes": len(value), "checksum": _checksum(value)}
        _replace(file, json.dumps(head).encode() + b"\n" + value)


def states(folder: Path) -> list[str]:
    """Return the keys, sorted; raises CollectionDamaged."""
    with disk_faults(str(folder.parent)):
        files = (folder / _STATES).glob("*.state")
        return sorted(_parsed(folder, file)[0] for file in files)


def _file(folder: Path, key: str) -> Path:
    """Return the file of a key, which may hold what no file name can."""
    name = blake2b(key.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    return folder / _STATES / f"{name}.state"


def _parsed(folder: Path, file: Path) -> tuple[str, bytes]:
    line, _, value = file.read_bytes().partition(b"\n")
    try:
        head: Any = json.loads(line)
        if head["bytes"] == len(value) and head["checksum"] == _checksum(value):
            return str(head["key"]), value
    except (KeyError, TypeError, ValueError):
        pass
    raise CollectionDamaged(str(folder.parent), f"the state in {file.name} cannot be read")


def _checksum(value: bytes) -> str:
    return blake2b(value, digest_size=16).hexdigest()


def _replace(file: Path, content: bytes) -> None:
    """Write a file in one step; a second writer is kept out by the shard's lock."""
    written = file.with_name(f".{file.name}")
    with written.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    written.replace(file)
    sync_folder(file.parent)
