"""What a model's folder says of the model, without loading it.

A folder is one of a person's own, or a snapshot in the hub's cache.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple, cast

from xlingual_qdrant.errors import SettingsError, UnreadableFile

_SNAPSHOT = re.compile(r"models--([\w.-]+)/snapshots/([0-9a-f]{40})$")
_LOADED = {".json", ".txt", ".model", ".jinja", ".py", ".safetensors", ".bin"}
_NOT_LOADED = {"trainer_state.json", "training_args.bin"}
_WHOLE = 1 << 20  # bytes: smaller files are read to their end
_SAMPLES = 16
_SAMPLE = 1 << 16  # bytes
_BASE_MODEL = re.compile(r"^base_model:\s*(?:-\s*)?[\"']?([\w./-]+)", re.MULTILINE)
_OTHER_HEADS = ("ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")


class Own(NamedTuple):
    """The prompts that a folder carries, by the names it gives them."""

    prompts: dict[str, str]
    default: str | None


def read_json(file: Path) -> Any:
    """Return the contents of a JSON file, None if there is none; raises UnreadableFile."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise UnreadableFile(str(file), "json", f"the model is damaged: {exc}") from exc


def _settings(file: Path) -> dict[str, Any]:
    found = read_json(file)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def check(folder: Path, name: str) -> None:
    """Raise SettingsError for a folder that holds no model, or one that embeds no texts."""
    modules, config = read_json(folder / "modules.json"), read_json(folder / "config.json")
    if modules is None and config is None:
        if (folder / "table.safetensors").exists():
            instead = 'it is a model of kind = "static"'
        else:
            instead = "name the folder that SentenceTransformer.save_pretrained has written"
        raise SettingsError(
            f"{name} is no model: it has neither a modules.json nor a config.json; {instead}"
        )
    saved = _settings(folder / "config_sentence_transformers.json")
    kind = saved.get("model_type", "SentenceTransformer")
    heads = cast("list[str]", _settings(folder / "config.json").get("architectures") or [])
    if kind == "SentenceTransformer" and modules is None:
        kind = next((head for head in heads if head.endswith(_OTHER_HEADS)), kind)
    if kind != "SentenceTransformer":
        raise SettingsError(
            f"{name} is a {kind}: it scores or labels texts, or gives each many vectors, where"
            " one vector for each text is needed; choose a model for sentence similarity"
        )


def prompts(folder: Path) -> Own:
    """Return the prompts that the folder carries."""
    saved = _settings(folder / "config_sentence_transformers.json")
    known = cast("dict[str, str | None]", saved.get("prompts") or {})
    return Own(
        {name: prompt for name, prompt in known.items() if prompt is not None},
        saved.get("default_prompt_name"),
    )


def ancestors(folder: Path) -> list[str]:
    """Return what the model may be called or was made from, the surest first."""
    names = [cast(str, _settings(folder / "config.json").get("_name_or_path") or "")]
    card = folder / "README.md"
    if card.is_file():
        head = card.read_text(encoding="utf-8", errors="replace")[:20_000]
        names += _BASE_MODEL.findall(head.split("\n---", 1)[0])
    return [name for name in (*names, folder.name) if name]


def snapshot(folder: Path) -> tuple[str, str] | None:
    """Return the name and the commit of a snapshot in the hub's cache; None for other folders."""
    found = _SNAPSHOT.search(folder.as_posix())
    return (found[1].replace("--", "/", 1), found[2]) if found else None


def digest(folder: Path) -> str:
    """Return what tells the contents of a folder from those of another: 16 hex digits.

    Small files count whole, large ones by their size, their beginning and samples: training
    changes every part of the weights, and reading gigabytes would take longer than loading
    them. Files that have no part in the vectors do not count, nor does the folder's name.
    """
    total = blake2b(digest_size=8)
    for file in sorted(_files(folder), key=lambda file: file.relative_to(folder).as_posix()):
        size = file.stat().st_size
        total.update(f"{file.relative_to(folder).as_posix()}\0{size}\0".encode())
        with file.open("rb") as source:
            if size <= _WHOLE:
                total.update(source.read())
                continue
            for i in range(_SAMPLES):
                source.seek(i * (size - _SAMPLE) // (_SAMPLES - 1))
                total.update(source.read(_SAMPLE))
    return total.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    listed = cast("list[dict[str, str]]", read_json(folder / "modules.json") or [])
    for place in {folder, *(folder / module.get("path", "") for module in listed)}:
        for file in place.iterdir() if place.is_dir() else ():
            hidden = file.name.startswith(".") or file.name in _NOT_LOADED
            if file.suffix in _LOADED and not hidden and file.is_file():
                yield file
