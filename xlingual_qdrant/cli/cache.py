"""`xlingual cache`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

import click
from pydantic import ValidationError

from xlingual_qdrant.caching import same_model
from xlingual_qdrant.cli.options import Options, common_options, pass_options
from xlingual_qdrant.cli.output import counted, print_json, print_rows
from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import StoreUnavailable, UsageError
from xlingual_qdrant.schema import EmbedderFingerprint
from xlingual_qdrant.settings import Settings, embedder_plugin
from xlingual_qdrant.vector_cache import Kept, VectorCache


@click.command(
    epilog="""\b
Examples:
  xlingual cache
  xlingual cache --json
  xlingual cache --clear
  xlingual cache --clear --embedder minilm"""
)
@click.option("--clear", is_flag=True, help="Forget all vectors, or those of --embedder.")
@common_options
@pass_options
def command(options: Options, clear: bool) -> None:
    """Show what the embedding cache holds, or empty it.

    The cache is the file that `path` in the section `cache` of the settings names. --embedder
    takes a name of the settings, or the name of a model as it is shown.

    With --json an object is printed: path, entries, bytes, max_bytes, embedders; with --clear:
    path, cleared.
    """
    settings = options.settings()
    path = settings.cache.path
    if path is None:
        raise UsageError(
            "there is no embedding cache: name its file in the settings, as path in [cache],"
            " or in XLINGUAL_CACHE__PATH"
        )
    max_bytes = settings.cache.max_mb << 20
    cache: VectorCache | None = None
    try:
        cache = VectorCache(path, max_bytes) if path.exists() else None
        kept = [] if cache is None else cache.kept()
        if options.embedder is not None:
            kept = _of(options.embedder, kept, settings)
        entries = sum(one.entries for one in kept)
        if clear:
            if cache is not None:
                everything = options.embedder is None
                cache.clear(None if everything else [one.fingerprint for one in kept])
            options.say(f"Cleared {counted(entries, 'vector')} of {path}.")
            facts: dict[str, JsonValue] = {"path": str(path), "cleared": entries}
        else:
            facts = {
                "path": str(path),
                "entries": entries,
                "bytes": 0 if cache is None else cache.bytes_on_disk(),
                "max_bytes": max_bytes,
            }
    except sqlite3.Error as exc:
        raise StoreUnavailable(str(path), f"the cache cannot be used as things are: {exc}") from exc
    finally:
        if cache is not None:
            cache.close()
    if options.json:
        embedders: list[JsonValue] = [_in_json(one) for one in kept]
        print_json([facts if clear else {**facts, "embedders": embedders}])
    elif not clear:
        rows = [
            (name, f"{value:,}" if isinstance(value, int) else value)
            for name, value in facts.items()
        ]
        print_rows(("fact", "value"), [*rows, *(("embedder", _in_words(one)) for one in kept)])


def _of(name: str, kept: Sequence[Kept], settings: Settings) -> list[Kept]:
    """Return what is kept of the embedder of this name: as it is shown, or in the settings."""
    shown = [one for one in kept if name in _names(one)]
    if shown:
        return shown
    found, checked, _ = embedder_plugin(name, settings=settings)
    fingerprint = found.open(checked).fingerprint
    return [one for one in kept if same_model(one.fingerprint, fingerprint)]


def _fingerprint(one: Kept) -> EmbedderFingerprint | None:
    try:
        return EmbedderFingerprint.model_validate_json(one.fingerprint)
    except ValidationError:  # of a version with other fields
        return None


def _names(one: Kept) -> set[str]:
    fingerprint = _fingerprint(one)
    if fingerprint is None:
        return set()
    return {fingerprint.model, _name(one), str(fingerprint)}


def _name(one: Kept) -> str:
    fingerprint = _fingerprint(one)
    return "unknown" if fingerprint is None else str(fingerprint).rpartition(" (")[0]


def _used(one: Kept) -> str:
    return f"{datetime.fromtimestamp(one.used, tz=UTC):%Y-%m-%dT%H:%MZ}"


def _in_json(one: Kept) -> dict[str, JsonValue]:
    fingerprint = _fingerprint(one)
    return {
        "name": _name(one),
        "dimension": None if fingerprint is None else fingerprint.dimension,
        "entries": one.entries,
        "last_used": _used(one),
    }


def _in_words(one: Kept) -> str:
    fingerprint = _fingerprint(one)
    name = "unknown" if fingerprint is None else str(fingerprint)
    return f"{name}, {counted(one.entries, 'vector')}, last used {_used(one)}"
