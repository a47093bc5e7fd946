"""Finds adapters by kind, through the entry points that any package may declare."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from xlingual_qdrant.errors import MissingExtra, SettingsError, UnknownName
from xlingual_qdrant.explaining import explain
from xlingual_qdrant.ports import DetectorPlugin, EmbedderPlugin, Plugin, StorePlugin

Role: TypeAlias = Literal["store", "embedder", "detector"]

GROUPS: dict[Role, str] = {
    "store": "xlingual_qdrant.stores",
    "embedder": "xlingual_qdrant.embedders",
    "detector": "xlingual_qdrant.detectors",
}
_PLUGIN_TYPES: dict[Role, type[Plugin]] = {
    "store": StorePlugin,
    "embedder": EmbedderPlugin,
    "detector": DetectorPlugin,
}

PluginT = TypeVar("PluginT", StorePlugin, EmbedderPlugin, DetectorPlugin)


@dataclass(frozen=True, slots=True)
class Installed:
    """An adapter that is installed: its role, kind, the package and object that provide it."""

    role: Role
    kind: str
    package: str
    target: str


def installed() -> list[Installed]:
    """Return all adapters, by role and kind; nothing is imported."""
    return list(_installed(_folders()))


def plugin(role: Role, kind: str, expected: type[PluginT]) -> PluginT:
    """Load the adapter of a kind.

    Raises UnknownName if no package provides it, SettingsError if two do or if what
    they provide is no plug-in, MissingExtra if a package that it needs is not there.
    """
    declared = _declared(_folders())[role]
    match [point for point in declared if point.name == kind]:
        case [point]:
            loaded = _import(role, point)
        case []:
            raise UnknownName(f"{role} kind", kind, sorted({point.name for point in declared}))
        case many:
            packages = ", ".join(_package(point) for point in many)
            raise SettingsError(f"{role} kind '{kind}' is provided by {packages}; uninstall one")
    if not isinstance(loaded, expected):
        raise SettingsError(
            f"{role} kind '{kind}' names {type(loaded).__name__}, not a {expected.__name__}"
        )
    return loaded


Folders: TypeAlias = tuple[tuple[str, int | None], ...]
"""Where packages lie, and when something was last installed there or removed."""


def _folders() -> Folders:
    return tuple((folder, _changed(Path(folder))) for folder in sys.path)


def _changed(folder: Path) -> int | None:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None


# Reading what all packages declare takes a tenth of a second where there are a hundred of them,
# and settings are asked about their kinds a dozen times before a command begins.
@lru_cache(maxsize=1)
def _declared(_: Folders) -> dict[Role, list[EntryPoint]]:
    everything = entry_points()
    return {
        role: sorted(everything.select(group=group), key=lambda point: point.name)
        for role, group in GROUPS.items()
    }


@lru_cache(maxsize=1)
def _installed(folders: Folders) -> tuple[Installed, ...]:
    return tuple(
        Installed(role, point.name, _package(point), f"{point.module}:{point.attr}")
        for role, points in _declared(folders).items()
        for point in points
    )


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "?"


def _import(role: Role, point: EntryPoint) -> object:
    try:
        return point.load()
    except ModuleNotFoundError as exc:
        ours = point.dist is None or point.dist.name == "xlingual-qdrant"
        # An entry point names the extra that it needs, where that is not called like the kind.
        extra = point.extras[0] if point.extras else point.name
        cure = f"xlingual-qdrant[{extra}]" if ours or not point.dist else point.dist.name
        raise MissingExtra(f"{role} kind '{point.name}'", exc.name or "?", cure) from exc


ModelT = TypeVar("ModelT", bound=BaseModel)


def check_settings(model: type[ModelT], values: Mapping[str, Any], where: str) -> ModelT:
    """Return values as the settings of a part; raises SettingsError with the place of the fault.

    Values are not repeated in the message: one of them may be a secret.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as exc:
        raise SettingsError(explain(exc, model, where)) from None
