"""Opens a model of fastembed, and says in words why one cannot be opened."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterable
from typing import Any, Protocol, cast

from xlingual_adapters.embedders.fastembed.settings import FastembedSettings
from xlingual_qdrant.errors import FileUnavailable, MissingExtra, SettingsError, UnknownName

REGISTERING = threading.Lock()


class TextEmbedding(Protocol):
    """What is used of fastembed's class of that name."""

    model: Any
    """The implementation, with its tokenizer."""

    def query_embed(self, query: Iterable[str], **options: Any) -> Iterable[Any]:
        """Yield a vector for each query."""
        ...

    def passage_embed(self, texts: Iterable[str], **options: Any) -> Iterable[Any]:
        """Yield a vector for each text."""
        ...


def load(settings: FastembedSettings) -> TextEmbedding:
    """Return the model of the settings, downloaded by fastembed if that is allowed.

    Raises MissingExtra without the package, UnknownName for a model that fastembed does not
    know, FileUnavailable if its files cannot be had or read, SettingsError.
    """
    fastembed = _package()
    name = _registered(fastembed, settings)
    options: dict[str, Any] = {
        "cache_dir": None if settings.cache_dir is None else str(settings.cache_dir),
        "threads": settings.threads,
        "providers": None if settings.providers is None else list(settings.providers),
        "cuda": settings.cuda,
        "local_files_only": settings.local_files_only or None,
        "specific_model_path": None if settings.path is None else str(settings.path),
    }
    given = {key: value for key, value in options.items() if value is not None}
    try:
        return fastembed.TextEmbedding(name, **given)
    except Exception as exc:
        # The package tokenizers raises this very class for a file that it cannot read.
        expected = (ValueError, OSError, *_errors_of_onnx())
        if not isinstance(exc, expected) and type(exc) is not Exception:
            raise
        if "Provider" in str(exc):
            raise SettingsError(f"fastembed cannot use these providers: {exc}") from exc
        place = settings.path or settings.model
        raise FileUnavailable(
            str(place),
            f"fastembed cannot load it: {exc}; where there is no network, give a folder with its"
            " files as path",
        ) from exc


def _package() -> Any:
    try:
        return importlib.import_module("fastembed")
    except ModuleNotFoundError as exc:
        raise MissingExtra(
            "embedder kind 'fastembed'", exc.name or "fastembed", "xlingual-qdrant[fastembed]"
        ) from exc


def _registered(fastembed: Any, settings: FastembedSettings) -> str:
    """Return the name that fastembed has for the model; a folder of the user's gets one."""
    if settings.path is not None and not settings.path.is_dir():
        raise FileUnavailable(str(settings.path), "there is no such model folder")
    models = cast("list[dict[str, Any]]", fastembed.TextEmbedding.list_supported_models())
    listed = {str(model["model"]).lower(): str(model["model"]) for model in models}
    known = listed.get(settings.model.lower())
    if known is not None and settings.pooling is not None:
        raise SettingsError(
            f"fastembed knows the pooling of '{known}'; leave out pooling, or give the model"
            " another name"
        )
    if known is not None:
        return known
    if settings.path is None:
        raise UnknownName("model of fastembed", settings.model, sorted(listed.values()))
    if settings.pooling is None:
        raise SettingsError(
            f"'{settings.model}' is not in fastembed's list, so say how the vectors of its tokens"
            ' become one: pooling = "mean", "cls", "last_token" or "disabled"'
        )
    return _register(fastembed, settings, settings.pooling)


def _register(fastembed: Any, settings: FastembedSettings, pooling: str) -> str:
    """Tell fastembed of a model; its list is one for the whole process."""
    description: Any = importlib.import_module("fastembed.common.model_description")
    kinds: Any = description.PoolingType
    if pooling.upper() not in kinds.__members__:
        raise SettingsError(
            f"this version of fastembed knows no pooling '{pooling}', only"
            f" {', '.join(kinds.__members__).lower()}; run: pip install -U fastembed"
        )
    name = f"{settings.model} ({pooling}, {settings.model_file})"
    with REGISTERING:
        models = cast("list[dict[str, Any]]", fastembed.TextEmbedding.list_supported_models())
        if name.lower() not in {str(model["model"]).lower() for model in models}:
            fastembed.TextEmbedding.add_custom_model(
                model=name,
                pooling=kinds[pooling.upper()],
                normalization=True,
                sources=description.ModelSource(hf=settings.model),
                dim=1,  # only for its own table; the model itself is asked
                model_file=settings.model_file,
            )
    return name


def _errors_of_onnx() -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises for a file that it cannot read: many, without a parent."""
    state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    return tuple(
        each
        for each in vars(state).values()
        if isinstance(each, type) and issubclass(each, Exception)
    )
