"""The embedder of a folder of Model2Vec or StaticEmbedding: tokens to rows, rows to a sum.

Its vectors are those of the two libraries, brought to length 1, without torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, TypeAdapter, ValidationError

from xlingual_adapters.embedders.static.folders import TokenTable, read_token_table
from xlingual_adapters.embedders.static.pooling import Pool, RowsAreNotFinite
from xlingual_adapters.embedders.static.tensors import sampled_checksum
from xlingual_adapters.embedders.static.windows import windows
from xlingual_qdrant.errors import MissingExtra, SettingsError, UnreadableFile
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.schema import PROBES, EmbedderFingerprint, round_probes
from xlingual_qdrant.validation import check_texts, check_unicode

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WINDOW_TEXTS = 1_024  # texts: the tokenizer keeps far more of each than the numbers of its tokens


class _Truncation(BaseModel):
    max_length: int
    direction: str = "Right"


class _TokenizerModel(BaseModel):
    unk_id: int | None = None
    unk_token: str | None = None


class _TokenizerFile(BaseModel):
    """The little that is needed of tokenizer.json beside what the package reads."""

    truncation: _Truncation | None = None
    model: _TokenizerModel


_TOKENIZER = TypeAdapter(_TokenizerFile)


@dataclass(frozen=True, slots=True)
class _Loaded:
    tokenizer: Tokenizer
    max_tokens: int | None
    from_the_end: bool
    """Of a long text the last tokens are read, not the first."""
    longest: int | None
    """Characters of a text that are read, at most."""
    unknown: int | None
    """The token that is left out."""


class TokenEmbedder:
    """Embeds texts with a table of token vectors; safe to use from several threads.

    Documents and queries are treated alike. A text without any known token, or whose rows
    cancel out, gets the unit vector along the last dimension, which is near to nothing.
    """

    def __init__(
        self,
        table: TokenTable,
        *,
        name: str = "",
        truncate_dim: int | None = None,
        max_tokens: int | None = None,
    ) -> None:
        dimension = table.rows.shape[1]
        if truncate_dim is not None and truncate_dim > dimension:
            raise SettingsError(
                f"truncate_dim is {truncate_dim}, but the vectors in {table.file} have"
                f" {dimension} dimensions"
            )
        self.table = table
        self.dimension: int = truncate_dim or dimension
        self._name = table.name or name
        self._wanted_max_tokens = max_tokens
        nothing = np.zeros(self.dimension, dtype=np.float32)
        nothing[-1] = 1
        rows = table.rows[:, : self.dimension]
        self._pool = Pool(rows, nothing, table.weights, table.mapping)

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        name: str = "",
        truncate_dim: int | None = None,
        max_tokens: int | None = None,
    ) -> TokenEmbedder:
        """Return the embedder of a model folder; raises UnreadableFile.

        name: what to call a model whose folder does not say.
        truncate_dim: how many dimensions to keep, of a model that was trained for that.
        max_tokens: how much of a text to read, in place of what the folder says.
        """
        table = read_token_table(Path(folder))
        return cls(table, name=name, truncate_dim=truncate_dim, max_tokens=max_tokens)

    @property
    def max_tokens(self) -> int | None:
        """Tokens that are read of a text."""
        return self._model.max_tokens

    @property
    def fingerprint(self) -> EmbedderFingerprint:
        """What collections remember of this model."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> EmbedderFingerprint:
        revision = self._checksum[:12]
        return EmbedderFingerprint(
            kind="static",
            model=self._name or f"static-{revision}",
            revision=revision,
            dimension=self.dimension,
            max_tokens=self.max_tokens,
            probes=round_probes(self.embed_documents(PROBES)),
        )

    @property
    def _checksum(self) -> str:
        digest = hashlib.blake2b(sampled_checksum(self.table.file), digest_size=16)
        digest.update(self.table.tokenizer.read_bytes())
        return digest.hexdigest()

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors, shape (len(texts), dimension), unit rows.

        Raises InvalidInput for a text that is not Unicode (half a surrogate pair), and
        UnreadableFile, with the first text, if a file of the model is damaged.
        """
        check_texts(texts)
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        first = 0
        for window in windows(texts, self._model.longest, self._cut, size=WINDOW_TEXTS):
            self._embed(window, vectors[first : first + len(window)], first)
            first += len(window)
        return vectors

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return what `embed_documents` returns: this model knows no difference."""
        return self.embed_documents(texts)

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Say of each text whether only a part is read, shape (len(texts),)."""
        cut = np.zeros(len(texts), dtype=np.bool_)
        limit, longest = self._model.max_tokens, self._model.longest
        if limit is None:
            return cut
        first = 0
        for window in windows(texts, longest, self._cut, size=WINDOW_TEXTS):
            tokens = self._encode(window, first)
            for i, some in enumerate(tokens, first):
                lost = texts[i][longest:] if longest is not None else ""
                cut[i] = len(some) > limit or not (lost == "" or lost.isspace())
            first += len(window)
        return cut

    @cached_property
    def _model(self) -> _Loaded:
        file = self.table.tokenizer
        data = file.read_bytes()
        tokenizer = _load_tokenizer(data, file)
        try:
            described = _TOKENIZER.validate_json(data)
        except ValidationError as exc:
            raise _unreadable(file, "is not described as a tokenizer is") from exc
        tokenizer.no_padding()
        tokenizer.no_truncation()  # done here: then a cut text is known as such
        vocabulary = tokenizer.get_vocab(with_added_tokens=True)
        highest = max(vocabulary.values(), default=-1)
        if highest >= self._pool.pieces:
            raise _unreadable(
                file, f"has tokens up to {highest:,}, the table only {self._pool.pieces:,}"
            )
        if self.table.of_model2vec:
            return self._as_model2vec(tokenizer, described.model, vocabulary)
        cut = described.truncation
        return _Loaded(
            tokenizer,
            max_tokens=self._wanted_max_tokens or (cut.max_length if cut else None),
            from_the_end=cut is not None and cut.direction == "Left",
            longest=None,
            unknown=None,
        )

    def _as_model2vec(
        self, tokenizer: Tokenizer, model: _TokenizerModel, vocabulary: dict[str, int]
    ) -> _Loaded:
        limit = self._wanted_max_tokens or self.table.max_tokens
        unknown = model.unk_id
        if model.unk_token is not None:
            unknown = tokenizer.token_to_id(model.unk_token)
        # Model2Vec cuts texts before it looks for tokens: at so many of the usual length.
        usual = int(median(map(len, vocabulary))) if vocabulary else 1
        return _Loaded(
            tokenizer,
            max_tokens=limit,
            from_the_end=False,
            longest=None if limit is None else limit * usual,
            unknown=unknown,
        )

    def _cut(self, text: str) -> str:
        return text[: self._model.longest]

    def _embed(self, window: list[str], out: Vectors, first: int) -> None:
        tokens = self._read(self._encode(window, first))
        known = [i for i, some in enumerate(tokens) if some]
        try:
            if len(known) == len(tokens):
                self._pool.embed(tokens, out)
                return
            vectors = np.empty((len(known), self.dimension), dtype=np.float32)
            self._pool.embed([tokens[i] for i in known], vectors)
        except RowsAreNotFinite as exc:
            raise _unreadable(
                self.table.file, "a row of the table is not finite, or too large"
            ) from exc
        out[:] = self._pool.nothing
        out[known] = vectors

    def _read(self, tokens: list[list[int]]) -> list[list[int]]:
        """Return the tokens that count: not beyond the limit, and known."""
        model = self._model
        limit, unknown = model.max_tokens, model.unknown
        if limit is not None and max(map(len, tokens), default=0) > limit:
            part = slice(-limit, None) if model.from_the_end else slice(limit)
            tokens = [some[part] for some in tokens]
        if unknown is None:
            return tokens
        return [
            [token for token in some if token != unknown] if unknown in some else some
            for some in tokens
        ]

    def _encode(self, texts: list[str], first: int) -> list[list[int]]:
        """Return all tokens of each text; `first` numbers the texts in a message."""
        tokenizer: Any = self._model.tokenizer
        try:
            encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        except Exception as exc:
            # The tokenizer does not say which text it was; and for a fault of its own, such as
            # an unknown token that it has no number for, it raises this very class.
            for number, text in enumerate(texts, first):
                check_unicode(text, number)
            if type(exc) is not Exception:
                raise
            raise _unreadable(self.table.tokenizer, f"cannot cut texts: {exc}") from exc
        return [encoding.ids for encoding in encodings]


def _load_tokenizer(data: bytes, file: Path) -> Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ModuleNotFoundError as exc:
        raise MissingExtra(
            "a model folder of Model2Vec or StaticEmbedding",
            "tokenizers",
            "xlingual-qdrant[model2vec]",
        ) from exc
    try:
        return Tokenizer.from_buffer(data)
    except BaseException as exc:
        # The package panics, which is no Exception, over a damaged table of characters.
        if not isinstance(exc, ValueError) and type(exc).__name__ != "PanicException":
            raise
        raise _unreadable(file, f"not a tokenizer: {exc}") from exc


def _unreadable(file: Path, detail: str) -> UnreadableFile:
    return UnreadableFile(str(file), "format", f"{detail}; get the model again")
