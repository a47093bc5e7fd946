"""Models that are in the local cache of the Hugging Face hub; nothing is downloaded."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from xlingual_qdrant.errors import FileUnavailable, SettingsError

NAME = re.compile(r"(?:[\w.-]+/)?[\w.-]+", re.ASCII)


def cached_model(name: str, environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of a model by its name on the hub, such as "minishlab/potion-base-8M".

    Raises SettingsError for what is no such name, FileUnavailable if it is not in the cache.
    """
    if not NAME.fullmatch(name) or ".." in name:
        raise SettingsError(
            f"{name!r} is not the name of a model on the Hugging Face hub, such as"
            " 'minishlab/potion-multilingual-128M'; give a folder as `path`"
        )
    cache = cache_folder(os.environ if environ is None else environ)
    model = cache / f"models--{name.replace('/', '--')}"
    if folder := _snapshot(model):
        return folder
    raise FileUnavailable(
        name,
        f"not in the cache of the Hugging Face hub, {cache}, and nothing is downloaded here; run"
        f" `hf download {name}` where there is a network, or `git clone"
        f" https://huggingface.co/{name}`, and give the folder as `path`",
    )


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return where huggingface_hub keeps models, by the variables that it reads."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environ.get(variable):
            return Path(environ[variable]).expanduser()
    if environ.get("HF_HOME"):
        return Path(environ["HF_HOME"]).expanduser() / "hub"
    base = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "huggingface" / "hub"


def _snapshot(model: Path) -> Path | None:
    """Return the snapshot that `main` names, else the newest; None if there is none."""
    try:
        main = (model / "refs" / "main").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        main = ""
    folders = [folder for folder in (model / "snapshots").glob("*") if folder.is_dir()]
    return max(
        folders,
        key=lambda folder: (folder.name == main, folder.stat().st_mtime, folder.name),
        default=None,
    )
