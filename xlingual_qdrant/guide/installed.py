"""Which models are on this machine: found by how the Hugging Face cache lays out its folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from xlingual_qdrant.guide.catalogue import Model
from xlingual_qdrant.settings import Section, Settings

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin", "*.onnx")
_WEIGHT_FOLDERS = ("", "onnx", "0_StaticEmbedding", "0_Transformer")


@dataclass(frozen=True, slots=True)
class Presence:
    """Where a model is on this machine.

    state: "here", "partly" (a download that did not end), or "absent". paths: its folders.
    embedders: names in the settings that use it.
    """

    state: str
    paths: tuple[str, ...]
    embedders: tuple[str, ...]


def presence(
    model: Model, settings: Settings, environ: Mapping[str, str] | None = None
) -> Presence:
    """Say whether a model is on this machine, and which embedders of the settings use it."""
    environ = os.environ if environ is None else environ
    sections = {
        name: section for name, section in settings.embedders.items() if _uses(section, model)
    }
    embedders = tuple(sections)
    if model.hub is None:
        return Presence("here", (), embedders)
    named = [folder for section in sections.values() for folder in _folders_named(section)]
    folders = [*named, *_cached(model.hub, environ)]
    whole = [str(folder) for folder in folders if _has_weights(folder)]
    if whole:
        return Presence("here", tuple(dict.fromkeys(whole)), embedders)
    return Presence("partly" if folders else "absent", tuple(map(str, folders)), embedders)


def _uses(section: Section, model: Model) -> bool:
    named = [str(section[key]) for key in ("model", "path") if section.get(key)]
    if model.hub is None:
        return section.get("kind") == model.kind and not named
    last = {value.rstrip("/").replace("\\", "/").split("/")[-1] for value in named}
    return model.name.casefold() in {name.casefold() for name in last}


def _folders_named(section: Section) -> Iterator[Path]:
    for key in ("model", "path"):
        folder = Path(str(section.get(key) or "")).expanduser()
        if section.get(key) and folder.is_dir():
            yield folder


def cache_folders(environ: Mapping[str, str]) -> list[Path]:
    """Return the folders where models of the hub may be, as its own packages choose them."""
    found: list[Path] = []
    if home := environ.get("SENTENCE_TRANSFORMERS_HOME"):
        found.append(Path(home))
    hub = environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE")
    if not hub:
        cache = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        hub = str(Path(environ.get("HF_HOME") or Path(cache) / "huggingface") / "hub")
    found.append(Path(hub))
    return [folder.expanduser() for folder in found]


def _cached(hub: str, environ: Mapping[str, str]) -> list[Path]:
    """Return the folders that hold a model of the hub, or part of one."""
    found: list[Path] = []
    for root in cache_folders(environ):
        # What cannot be looked into (permissions, a name too long) has nothing for us.
        with suppress(OSError):
            found += _in_cache(root, *hub.split("/"))
    return found


def _in_cache(root: Path, organisation: str, name: str) -> Iterator[Path]:
    snapshots = root / f"models--{organisation}--{name}" / "snapshots"
    if snapshots.is_dir():
        yield from sorted(folder for folder in snapshots.iterdir() if folder.is_dir())
    older = root / f"{organisation}_{name}"  # sentence-transformers before 2.3
    if older.is_dir():
        yield older


def _has_weights(folder: Path) -> bool:
    # `exists` follows the links of a snapshot: one to a blob that is not there is no file.
    return any(
        file.exists()
        for place in _WEIGHT_FOLDERS
        for pattern in _WEIGHTS
        for file in (folder / place).glob(pattern)
    )
