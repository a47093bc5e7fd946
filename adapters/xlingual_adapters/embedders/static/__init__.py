"""The static embedder: a text is the normalised sum of the vectors of its subwords.

It needs NumPy, SentencePiece and a folder of three files, one of which ships with the
library (`bundled/`); no network, no GPU, no model server. `training/` makes such folders.
Folders of Model2Vec and of sentence-transformers' StaticEmbedding are read, too, with the
package `tokenizers`, without torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from xlingual_adapters.embedders.static.embedder import BUNDLED, StaticEmbedder
from xlingual_adapters.embedders.static.format import CONFIG_FILE, TABLE_FILE
from xlingual_adapters.embedders.static.hub import cached_model
from xlingual_adapters.embedders.static.tokens import TokenEmbedder
from xlingual_qdrant.errors import SettingsError
from xlingual_qdrant.finetuning import FinetuneOrder, FinetuneReport, OnEvaluation
from xlingual_qdrant.ports import Embedder, EmbedderPlugin

__all__ = ["BUNDLED", "StaticEmbedder", "StaticSettings", "TokenEmbedder", "open_folder", "plugin"]


class StaticSettings(BaseModel):
    """Settings of the embedder `static`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path | None = None
    """A model folder; None: the bundled model."""
    model: Annotated[str, Field(min_length=1)] | None = None
    """In place of a path: a name on the Hugging Face hub, of a model in its local cache."""
    truncate_dim: PositiveInt | None = None
    """How many dimensions to keep, of a model that was trained for that (Matryoshka)."""
    max_tokens: PositiveInt | None = None
    """How much of a text to read; None: as the model folder says."""


def open_folder(
    folder: Path | str,
    *,
    name: str = "",
    truncate_dim: int | None = None,
    max_tokens: int | None = None,
) -> Embedder:
    """Return the embedder of a model folder of any kind, known by its files.

    name: what to call a model whose folder does not say.
    Raises UnreadableFile or FormatTooNew, and SettingsError for options that do not fit.
    """
    folder = Path(folder)
    if not (folder / TABLE_FILE).exists() and not _is_of_this_library(folder / CONFIG_FILE):
        return TokenEmbedder.open(
            folder, name=name, truncate_dim=truncate_dim, max_tokens=max_tokens
        )
    if truncate_dim is not None or max_tokens is not None:
        raise SettingsError(
            f"truncate_dim and max_tokens are for folders of Model2Vec and StaticEmbedding;"
            f" {folder} is a model of this library, which is read as it was trained"
        )
    return StaticEmbedder.open(folder)


def _is_of_this_library(config: Path) -> bool:
    try:
        return b'"format_version"' in config.read_bytes()
    except OSError:
        return False


def _open(settings: StaticSettings) -> Embedder:
    return open_folder(
        _folder(settings),
        name=settings.model or "",
        truncate_dim=settings.truncate_dim,
        max_tokens=settings.max_tokens,
    )


def _folder(settings: StaticSettings) -> Path:
    if settings.path is not None and settings.model is not None:
        raise SettingsError("an embedder of the kind 'static' has a path or a model, not both")
    if settings.model is not None:
        return cached_model(settings.model)
    return settings.path or BUNDLED


def _finetune(
    settings: StaticSettings, order: FinetuneOrder, on_evaluation: OnEvaluation
) -> FinetuneReport:
    # Imported on use: it is not needed to embed.
    from xlingual_adapters.embedders.static.finetuning import finetune

    return finetune(_folder(settings), order, on_evaluation)


plugin = EmbedderPlugin(
    settings=StaticSettings,
    open=_open,
    finetune=_finetune,
    summary="34 languages from a table of subword vectors, offline, no torch; the default",
)
