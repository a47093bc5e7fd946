"""Models in ONNX, run by Qdrant's package fastembed: no torch.

It cannot be installed beside transformers 5, which wants a newer huggingface_hub: use an
environment without the extra `sentence-transformers`.
"""

from __future__ import annotations

from xlingual_adapters.embedders.fastembed.embedder import FastembedEmbedder
from xlingual_adapters.embedders.fastembed.settings import FastembedSettings
from xlingual_qdrant.ports import EmbedderPlugin

__all__ = ["FastembedEmbedder", "FastembedSettings", "plugin"]

plugin = EmbedderPlugin(
    settings=FastembedSettings,
    open=FastembedEmbedder,
    summary="models in ONNX, run by Qdrant's fastembed; no torch",
)
