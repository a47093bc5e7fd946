"""The bundled static model keeps the promises of an embedder."""

from __future__ import annotations

from xlingual_adapters.embedders.static import StaticEmbedder

from xlingual_qdrant.ports import Embedder
from xlingual_qdrant.testing import EmbedderContract


class TestStaticEmbedder(EmbedderContract):
    def open_embedder(self) -> Embedder:
        return StaticEmbedder.open()
