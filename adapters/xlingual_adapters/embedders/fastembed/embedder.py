"""The embedder of a model that fastembed runs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.embedders.fastembed.loading import TextEmbedding, load
from xlingual_adapters.embedders.fastembed.prompts import prompts_of
from xlingual_adapters.embedders.fastembed.settings import FastembedSettings
from xlingual_qdrant.errors import InvalidVectors
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.schema import PROBES, EmbedderFingerprint, round_probes
from xlingual_qdrant.validation import check_texts, check_unicode


class _Loaded(NamedTuple):
    model: TextEmbedding
    tokenizer: Any
    """Of the package `tokenizers`, with the model's truncation; None if the model has none."""
    max_tokens: int | None
    adds_special_tokens: bool
    revision: str


class FastembedEmbedder:
    """Embeds texts with a model of fastembed; safe to use from several threads.

    The model is loaded, and downloaded if need be, with the first text.
    """

    def __init__(self, settings: FastembedSettings) -> None:
        self.settings = settings
        self.prompts = prompts_of(settings.model, settings.prompts)
        self._lock = threading.Lock()
        self._opened: _Loaded | None = None
        self._known: EmbedderFingerprint | None = None

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.fingerprint.dimension

    @property
    def max_tokens(self) -> int | None:
        """Tokens that are read of a text, with its prompt."""
        return self._loaded.max_tokens

    @property
    def fingerprint(self) -> EmbedderFingerprint:
        """What collections remember of this model."""
        if self._known is None:
            probes = self._embed(PROBES, "document")
            self._known = EmbedderFingerprint(
                kind="fastembed",
                model=self.settings.model,
                revision=self._loaded.revision,
                dimension=probes.shape[1],
                prompts=self.prompts,
                max_tokens=self.max_tokens,
                probes=round_probes(probes),
            )
        return self._known

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors, shape (len(texts), dimension), unit rows.

        Raises InvalidInput for a text that is not Unicode (half a surrogate pair), and
        InvalidVectors if the model returns what has no direction.
        """
        return self._embed(texts, "document")

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return vectors of queries: with their prompt, or by the model's own way for them."""
        return self._embed(texts, "query")

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Say of each text whether the model reads only a part, shape (len(texts),)."""
        cut = np.zeros(len(texts), dtype=np.bool_)
        loaded = self._loaded
        if loaded.max_tokens is None:
            return cut
        prompt = self.prompts.get("document", "")
        for i, text in enumerate(texts):
            check_unicode(text, i)
            # One by one, because a batch would be filled up to its longest text.
            encoding = loaded.tokenizer.encode(
                prompt + text, add_special_tokens=loaded.adds_special_tokens
            )
            cut[i] = bool(encoding.overflowing)
        return cut

    @property
    def _loaded(self) -> _Loaded:
        with self._lock:
            if self._opened is None:
                self._opened = _opened(load(self.settings))
            return self._opened

    def _embed(self, texts: Sequence[str], role: str) -> Vectors:
        check_texts(texts)
        if not len(texts):
            return np.empty((0, self.dimension), dtype=np.float32)
        for number, text in enumerate(texts):
            check_unicode(text, number)
        prompt = self.prompts.get(role, "")
        # Texts of one length together: a batch is filled up to its longest.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        prompted = [prompt + texts[i] for i in order]
        model, settings = self._loaded.model, self.settings
        if role == "query":
            found = model.query_embed(prompted, batch_size=settings.batch_size)
        else:
            found = model.passage_embed(
                prompted, batch_size=settings.batch_size, parallel=settings.parallel
            )
        rows = np.array(list(found), dtype=np.float32)
        lengths = np.linalg.norm(rows, axis=1)
        wrong = ~(np.isfinite(lengths) & (lengths > 0))
        if wrong.any():
            text = texts[order[int(wrong.argmax())]]
            raise InvalidVectors(
                f"the model '{settings.model}' returned a vector of zeros, or one that is not"
                f" finite, for the text {text[:60]!r}; is its file complete, and the pooling right?"
            )
        vectors = np.empty_like(rows)
        vectors[order] = rows / lengths[:, None]
        return vectors


def _opened(model: TextEmbedding) -> _Loaded:
    inner = model.model
    tokenizer = getattr(inner, "tokenizer", None)
    truncation = tokenizer.truncation if tokenizer is not None else None
    folder = Path(str(getattr(inner, "_model_dir", "")))
    return _Loaded(
        model,
        tokenizer,
        max_tokens=truncation["max_length"] if truncation else None,
        # Tables of token vectors are read without them; there is no other mark of such a model.
        adds_special_tokens=type(inner).__name__ != "StaticTextEmbedding",
        # The cache keeps each revision in a folder that is called like it.
        revision=folder.name[:12] if folder.parent.name == "snapshots" else "",
    )
