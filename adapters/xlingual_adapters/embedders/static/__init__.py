"""The static embedder: a text is the normalised sum of the vectors of its subwords.

It needs NumPy, SentencePiece and a folder of three files, one of which ships with the
library (`bundled/`); no network, no GPU, no model server. `training/` makes such folders.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from xlingual_adapters.embedders.static.embedder import BUNDLED, StaticEmbedder
from xlingual_qdrant.ports import EmbedderPlugin

__all__ = ["BUNDLED", "StaticEmbedder", "StaticSettings", "plugin"]


class StaticSettings(BaseModel):
    """Settings of the embedder `static`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path | None = None
    """A model folder; None: the bundled model."""


def _open(settings: StaticSettings) -> StaticEmbedder:
    return StaticEmbedder.open(settings.path or BUNDLED)


plugin = EmbedderPlugin(
    settings=StaticSettings,
    open=_open,
    summary="34 languages from a table of subword vectors, offline, no torch; the default",
)
