"""From a name or a folder to a model that is ready, and to knowing which one it is."""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from xlingual_adapters.embedders.sentence_transformers import folders
from xlingual_adapters.embedders.sentence_transformers.faults import (
    ModelUnreachable,
    errors_of_loading,
    no_revision,
    translated,
)
from xlingual_qdrant.errors import MissingExtra, SettingsError, XlingualWarning, did_you_mean

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_ORGANISATION = "sentence-transformers"
_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
_LOGGERS = ("transformers", "sentence_transformers", "huggingface_hub")
_PATIENCE_S = 10  # for the hub's answer
_LOADING = Lock()  # the vendors' verbosity is one for the whole process


class ModelUnfinished(XlingualWarning):
    """A model says nothing of how its token vectors become one; their mean is taken."""


class ModelFromCache(XlingualWarning):
    """The hub does not answer; the copy in the cache is taken, which may not be the newest."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model, and what identifies it.

    name: as on the hub, else that of its folder. revision: the commit, or a digest of the
    folder. folder: where its files are; names: what it may be called, the surest first.
    """

    model: SentenceTransformer
    name: str
    revision: str
    folder: Path | None
    names: tuple[str, ...]


def load(
    model: str,
    *,
    revision: str | None = None,
    offline: bool = False,
    device: str | None = None,
    trust_remote_code: bool = False,
) -> Loaded:
    """Return a model by the name that the hub knows, or by its folder.

    A name without an organisation is one of sentence-transformers'. Raises SettingsError,
    ModelUnreachable, UnreadableFile, MissingExtra.
    """
    hub = _imported("huggingface_hub")
    folder = Path(model).expanduser().absolute()
    if folder.is_dir():
        if revision is not None:
            raise SettingsError(
                f"{model} is a folder, which has no revision '{revision}'; leave the revision"
                " out, or name a model of the hub"
            )
        # The code that a folder asks for may lie elsewhere; nothing else is fetched for it.
        offline = offline or not trust_remote_code
    else:
        _check_name(model, folder)
        # Without the network the files of the snapshot are loaded as a folder, because a
        # library that is told to be offline may call out all the same.
        # The package does not have its part `constants` before somebody imports that.
        if offline or _imported("huggingface_hub.constants").HF_HUB_OFFLINE:
            folder = _cached_or_refuse(
                model, revision, "offline = true" if offline else "HF_HUB_OFFLINE"
            )
        else:
            folder = None if _answers(hub, model, revision) else _cached_instead(model, revision)
        offline = folder is not None
    if folder is not None:
        folders.check(folder, model)
    _imported("sentence_transformers")  # takes seconds: not before it is known to be needed
    check_device(device)
    try:
        with _LOADING, _silence():
            built = _build(folder or model, revision, offline, device, trust_remote_code)
    except errors_of_loading() as exc:
        raise translated(exc, _full_name(model), revision) from exc
    return _identified(built, model, revision, folder)


def _imported(package: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the vendors say of each other's versions
            return import_module(package)
    except ModuleNotFoundError as exc:
        raise MissingExtra(
            "embedder kind 'sentence-transformers'",
            exc.name or package,
            "xlingual-qdrant[sentence-transformers]",
        ) from exc


def _answers(hub: Any, model: str, revision: str | None) -> bool:
    """Ask the hub for a model, once: it has it, or it cannot be reached.

    What loads a model asks for a dozen files, each in several attempts: more than a minute.
    Raises SettingsError if the hub has no such model; ModelUnreachable if there is no copy.
    """
    error: Exception | None = None
    for name in _candidates(model):
        try:
            hub.HfApi().model_info(name, revision=revision, timeout=_PATIENCE_S)
        except errors_of_loading() as exc:
            error = exc
        else:
            return True
    assert error is not None
    fault = translated(error, _full_name(model), revision)
    if isinstance(fault, ModelUnreachable) and _cached_any(model, revision):
        return False
    raise fault from error


def _cached_instead(model: str, revision: str | None) -> Path | None:
    folder = _cached_any(model, revision)
    warnings.warn(
        f"the Hugging Face hub cannot be reached; {model} is taken from the cache of this machine,"
        f" {folder.name if folder else ''} (offline = true takes it without asking)",
        ModelFromCache,
        stacklevel=3,
    )
    return folder


def check_device(device: str | None) -> None:
    """Raise SettingsError for a device that torch does not have here."""
    import torch

    cuda = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    mps = ["mps"] if torch.backends.mps.is_available() else []
    kind = (device or "cpu").partition(":")[0]
    known = ["cpu", *(["cuda", *cuda] if cuda else []), *mps]
    unknown = kind in ("cpu", "cuda", "mps") and device not in (None, *known)
    try:
        torch.device(device or "cpu")
    except RuntimeError:
        unknown = True
    if unknown:
        raise SettingsError(f"torch has no device '{device}' here; there are: {', '.join(known)}")


def _build(
    source: Path | str,
    revision: str | None,
    offline: bool,
    device: str | None,
    trust_remote_code: bool,
) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(
        str(source),
        revision=None if isinstance(source, Path) else revision,
        local_files_only=offline,
        device=device,
        trust_remote_code=trust_remote_code,
    )


def _identified(
    built: SentenceTransformer, model: str, revision: str | None, folder: Path | None
) -> Loaded:
    if folder is None:
        folder = _cached_any(model, revision)
        if folder is not None:
            folders.check(folder, model)
    if folder is None:
        # Files that went to no cache: the configuration remembers where they came from.
        config: Any = getattr(built, "config", None)
        commit = getattr(config, "_commit_hash", None) or revision or ""
        return Loaded(built, _full_name(model), commit, None, (_full_name(model),))
    if not (folder / "modules.json").exists():
        warnings.warn(
            f"{model} has no modules.json, so that the mean of its token vectors is taken; it may"
            " not have been trained for that: prefer a model for sentence similarity",
            ModelUnfinished,
            stacklevel=2,
        )
    known = folders.snapshot(folder)
    name, commit = known or (folder.name, folders.digest(folder))
    names = (name, *folders.ancestors(folder)) if known else folders.ancestors(folder)
    return Loaded(built, name, commit, folder, tuple(names))


def _check_name(model: str, local: Path) -> None:
    """Raise SettingsError for what is neither a folder nor a name that the hub could know."""
    if local.is_file():
        raise SettingsError(f"{model} is a file; name the folder that holds the model")
    if model.startswith((".", "~", "/")) or not _NAME.fullmatch(model):
        there = [at.name for at in local.parent.iterdir()] if local.parent.is_dir() else []
        raise SettingsError(
            f"there is no folder {model}.{did_you_mean(local.name, there)} A model is a folder,"
            " or a name of the Hugging Face hub such as intfloat/multilingual-e5-small"
        )


def _candidates(model: str) -> list[str]:
    # sentence-transformers leaves the names of old bare transformers, such as xlm-roberta-base,
    # as they are.
    return [model] if "/" in model else [f"{_ORGANISATION}/{model}", model]


def _full_name(model: str) -> str:
    return model if Path(model).expanduser().is_dir() else _candidates(model)[0]


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(os.environ.get("SENTENCE_TRANSFORMERS_HOME") or constants.HF_HUB_CACHE)


def _cached(name: str, revision: str | None) -> Path | None:
    """Return the snapshot of a model in the hub's cache."""
    place = _cache() / f"models--{name.replace('/', '--')}"
    named = place / "refs" / (revision or "main")
    commit = named.read_text(encoding="utf-8").strip() if named.is_file() else revision
    snapshot = place / "snapshots" / (commit or "none")
    return snapshot if commit and snapshot.is_dir() else None


def _cached_any(model: str, revision: str | None) -> Path | None:
    return next((at for name in _candidates(model) if (at := _cached(name, revision))), None)


def _cached_or_refuse(model: str, revision: str | None, forbidden_by: str) -> Path:
    """Return the snapshot of a model in the hub's cache; raises SettingsError."""
    if found := _cached_any(model, revision):
        return found
    for name in _candidates(model):
        place = _cache() / f"models--{name.replace('/', '--')}"
        snapshots = place / "snapshots"
        if snapshots.is_dir() and (commits := sorted(at.name for at in snapshots.iterdir())):
            refs = place / "refs"
            named = [at.relative_to(refs).as_posix() for at in refs.rglob("*") if at.is_file()]
            known = ", ".join((*sorted(named), *commits))
            raise no_revision(name, revision, f" in the cache of this machine, which has {known}")
    full = _full_name(model)
    raise SettingsError(
        f"model '{full}' is not in the cache of this machine ({_cache()}), and {forbidden_by}"
        f" forbids to fetch it.{did_you_mean(full, cached_models())} Load it once with the"
        " network, or give a folder as the model"
    )


def cached_models() -> list[str]:
    """Return the names of the models in the hub's cache, sorted."""
    place = _cache()
    found = [at.name for at in place.iterdir()] if place.is_dir() else []
    return sorted(
        name.removeprefix("models--").replace("--", "/", 1)
        for name in found
        if name.startswith("models--")
    )


@contextmanager
def _silence() -> Generator[None]:
    """Keep progress bars and remarks of the vendors away, and leave all as it was before."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        shown = _show_progress(False)
        try:
            yield
        finally:
            _show_progress(shown)
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def _show_progress(shown: bool) -> bool:
    """Switch the vendors' progress bars on or off; return how it was."""
    from transformers.utils import logging as bars

    before = bars.is_progress_bar_enabled()
    (bars.enable_progress_bar if shown else bars.disable_progress_bar)()
    return before
