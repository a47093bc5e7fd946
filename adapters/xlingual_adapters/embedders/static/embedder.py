"""The static embedder itself: texts to pieces, pieces to a sum, the sum to length 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import local
from typing import Any, cast
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray
from sentencepiece import SentencePieceProcessor

from xlingual_adapters.embedders.static.format import (
    ModelConfig,
    read_config,
    read_table,
    read_vocabulary,
)
from xlingual_adapters.embedders.static.pooling import Pool
from xlingual_adapters.embedders.static.windows import windows
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.schema import PROBES, EmbedderFingerprint, round_probes
from xlingual_qdrant.validation import check_texts, check_unicode

BUNDLED = Path(__file__).with_name("bundled")
"""The folder of the model that ships with the library."""

SMALL_BATCH = 64  # texts: SentencePiece starts a thread for a batch, longer than they take


SHORT = 100  # characters: of shorter texts the number of pieces is quickly bounded


class _LastRead(local):
    """Of the texts that a thread has embedded last, whether only their beginning was read."""

    def __init__(self) -> None:
        self.is_cut: dict[str, bool] = {}


@dataclass(frozen=True, slots=True)
class _Loaded:
    vocabulary: SentencePieceProcessor
    pool: Pool


class StaticEmbedder:
    """Embeds texts with a model folder; safe to use from several threads.

    Documents and queries are treated alike. The files are read with the first text.
    A text of which no piece is known, or that is blank, gets the vector of the unknown
    piece: finite, of length 1, always the same, and near to nothing in particular.
    """

    def __init__(self, folder: Path, config: ModelConfig) -> None:
        self.folder = folder
        self.config = config
        # Enough for max_tokens even if all were the longest piece: the rest is never read.
        self._max_characters = config.max_tokens * config.longest_piece
        self._read = _LastRead()

    @classmethod
    def open(cls, folder: Path | str = BUNDLED) -> StaticEmbedder:
        """Return the embedder of a model folder; raises UnreadableFile or FormatTooNew."""
        folder = Path(folder)
        return cls(folder, read_config(folder))

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.config.dimension

    @property
    def max_tokens(self) -> int | None:
        """Pieces that are read of a text."""
        return self.config.max_tokens

    @property
    def fingerprint(self) -> EmbedderFingerprint:
        """What collections remember of this model."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> EmbedderFingerprint:
        # From the config alone if it has the probes: to open a collection loads no table.
        known = self.config.probes
        if all(probe in known for probe in PROBES):
            probes = [known[probe] for probe in PROBES]
        else:
            probes = round_probes(self.embed_documents(PROBES))
        return EmbedderFingerprint(
            kind="static",
            model=self.config.name,
            revision=self.config.revision,
            dimension=self.dimension,
            max_tokens=self.max_tokens,
            probes=probes,
        )

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors, shape (len(texts), dimension), unit rows.

        Raises InvalidInput for a text that is not Unicode (half a surrogate pair), and
        UnreadableFile, with the first text, if a file of the model is damaged.
        """
        check_texts(texts)
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        self._read.is_cut.clear()
        first = 0
        for window in windows(texts, self._max_characters, self._cut):
            part = vectors[first : first + len(window)]
            self._model.pool.embed(self._pieces(window, first), part)
            first += len(window)
        return vectors

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return what `embed_documents` returns: this model knows no difference."""
        return self.embed_documents(texts)

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Say of each text whether only its beginning is read, shape (len(texts),).

        Texts that are too short for that are not tokenised, nor those that this thread has
        embedded last.
        """
        cut = np.zeros(len(texts), dtype=np.bool_)
        known = self._read.is_cut
        for i, text in enumerate(texts):
            if text in known:
                cut[i] = known[text]
                continue
            if _most_pieces(text) <= self.config.max_tokens:
                continue
            too_long = len(text.strip()) > self._max_characters
            cut[i] = too_long or len(self._encode([text], i)[0]) > self.config.max_tokens
        return cut

    @cached_property
    def _model(self) -> _Loaded:
        vocabulary = read_vocabulary(self.folder, self.config)
        table, scales = read_table(self.folder, self.config)
        unknown = self.config.unknown_piece
        nothing = table[unknown] * scales[unknown]
        return _Loaded(vocabulary, Pool(table, nothing, scales))

    def _cut(self, text: str) -> str:
        return text.lstrip()[: self._max_characters]

    def _pieces(self, texts: list[str], first: int) -> list[list[int]]:
        """Return the pieces of each text, at least one and at most max_tokens."""
        pieces = self._encode(texts, first)
        lengths = [len(some) for some in pieces]
        for text, length in zip(texts, lengths, strict=True):
            if len(text) > SHORT:
                self._read.is_cut[text] = length > self.config.max_tokens
        if min(lengths) > 0 and max(lengths) <= self.config.max_tokens:
            return pieces
        unknown = [self.config.unknown_piece]
        most = self.config.max_tokens
        return [
            some if 0 < length <= most else some[:most] or unknown
            for some, length in zip(pieces, lengths, strict=True)
        ]

    def _encode(self, texts: list[str], first: int) -> list[list[int]]:
        """Return all pieces of each text; `first` numbers the texts in a message."""
        vocabulary = cast(Any, self._model.vocabulary)
        try:
            if len(texts) <= SMALL_BATCH:
                return [vocabulary.encode(text) for text in texts]
            return vocabulary.encode(texts, num_threads=1)
        except (RuntimeError, TypeError, UnicodeEncodeError):
            # SentencePiece says neither which text it was nor what is wrong with it.
            for number, text in enumerate(texts, first):
                check_unicode(text, number)
            raise


def _most_pieces(text: str) -> int:
    """Return a bound: one piece per normalised character, and the mark of the beginning."""
    normal = text if text.isascii() else normalize("NFKC", text).casefold()
    return len(normal) + 1
