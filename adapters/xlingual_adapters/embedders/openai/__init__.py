"""Any server that speaks OpenAI's `/v1/embeddings`: OpenAI, TEI, vLLM, Ollama, LM Studio ...

It needs httpx, and no package of a vendor. `settings.py` says where and what, `lengths.py` how
long a text may be, `batches.py` which texts go together, `client.py` sends and repeats,
`faults.py` tells failures apart, `answers.py` reads vectors, `embedder.py` divides the work.
"""

from __future__ import annotations

from xlingual_adapters.embedders.openai.settings import OpenAISettings
from xlingual_qdrant.ports import Embedder, EmbedderPlugin

__all__ = ["OpenAISettings", "plugin"]


def _open(settings: OpenAISettings) -> Embedder:
    # Here, so that listing plug-ins does not load an HTTP client.
    from xlingual_adapters.embedders.openai.embedder import OpenAIEmbedder

    return OpenAIEmbedder(settings)


plugin = EmbedderPlugin(
    settings=OpenAISettings,
    open=_open,
    summary="any server with OpenAI's /v1/embeddings: OpenAI, Azure, TEI, vLLM, Ollama, LM Studio",
)
