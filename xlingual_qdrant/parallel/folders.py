"""A model may be named by its folder: what lies in it says what kind it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias, cast

from xlingual_qdrant.settings import NameOrSettings

JsonObject: TypeAlias = dict[str, object]


def model_settings(model: NameOrSettings) -> NameOrSettings:
    """Return a name or settings as they are, and the settings of a folder of a model."""
    if isinstance(model, Mapping) or not _is_model(Path(model)):
        return model
    folder = Path(model)
    if (folder / "table.safetensors").exists() or _is_table(folder):
        return {"kind": "static", "path": model}
    return {"kind": "sentence-transformers", "model": model}


def _is_model(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("config.json", "modules.json"))


def _is_table(folder: Path) -> bool:
    """Say whether a folder holds a vector for each token, and no transformer."""
    modules = _read(folder / "modules.json")
    if modules is not None:
        return "StaticEmbedding" in json.dumps(modules)
    config = _read(folder / "config.json")
    return isinstance(config, dict) and cast("JsonObject", config).get("model_type") == "model2vec"


def _read(file: Path) -> object:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
