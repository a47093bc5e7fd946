"""How much of a text a model reads, and whether that is all of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, cast
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.embedders.sentence_transformers.prompts import Role
from xlingual_qdrant.errors import SettingsError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_UNLIMITED = 1 << 20  # tokens: what tokenizers call their limit when they have none
_AT_ONCE = 256  # texts that are tokenised together
_ROOM = 64  # characters that no token is longer than, on average over a beginning
_PAGES = 4  # beginnings; what is longer is worth the trouble of being cut
_SHORT = 32  # characters; longer texts that no tokenizer sees anything in do not occur
_MARGIN = 64  # tokens: a cut may change how the last words before it are divided


def read_limit(model: SentenceTransformer, name: str, wanted: int | None) -> int | None:
    """Return how many tokens of a text the model reads, None for all; and make it so.

    wanted: a limit of the settings. The truth is the least of what the folder says, what its
    tokenizer says and what the model has positions for: some families have fewer of those
    than their configuration counts, and fail on a text of that length.
    """
    said = cast("float | None", model.max_seq_length)
    positions = _positions(model)
    limits = [limit for limit in (said, positions) if limit is not None and limit < _UNLIMITED]
    if wanted is not None and positions is not None and wanted > positions:
        raise SettingsError(
            f"max_tokens = {wanted} is more than the {positions} tokens for which {name} has"
            " positions; set a smaller one"
        )
    tokenizer = _static_tokenizer(model)
    if tokenizer is not None:
        return _static_limit(tokenizer, wanted)
    limit = wanted if wanted is not None else min(limits, default=None)
    if limit is None or math.isinf(limit):
        return None
    if limit != said:
        model.max_seq_length = int(limit)
    return int(limit)


def check_room(
    model: SentenceTransformer, name: str, prompts: Mapping[Role, str], limit: int | None
) -> None:
    """Raise SettingsError where prompts and the model's own marks leave no token for a text."""
    tokenizer: Any = getattr(model[0], "tokenizer", None)
    if limit is None or not callable(tokenizer) or not hasattr(tokenizer, "pad"):
        return
    for role, prompt in prompts.items():
        taken = len(cast(Any, tokenizer(prompt, truncation=False, verbose=False))["input_ids"])
        if taken >= limit:
            before = f"the prompt {prompt[:40]!r} and the marks" if prompt else "the marks"
            raise SettingsError(
                f"max_tokens = {limit} leaves nothing of a {role}: {before} that {name} puts"
                f" round each text take {taken} tokens; set a larger one"
            )


def _positions(model: SentenceTransformer) -> int | None:
    """Return how many positions the model has learned; None where they are computed."""
    for module in model.modules():
        table = getattr(module, "position_embeddings", None)
        count = getattr(table, "num_embeddings", None)
        if isinstance(count, int):
            # RoBERTa and its kin count positions from behind that of the padding.
            padding = getattr(module, "padding_idx", None)
            return count - (padding + 1 if isinstance(padding, int) else 0)
    return None


def _static_tokenizer(model: SentenceTransformer) -> Any:
    """Return the tokenizer of a table of token vectors, which has its limit within it."""
    tokenizer = getattr(model[0], "tokenizer", None)
    return tokenizer if hasattr(tokenizer, "enable_truncation") else None


def _static_limit(tokenizer: Any, wanted: int | None) -> int | None:
    if wanted is not None:
        tokenizer.enable_truncation(wanted)
    return tokenizer.truncation["max_length"] if tokenizer.truncation else None


class Reader:
    """Says of texts whether they are longer than the model reads, by the model's tokenizer.

    prompt: what is put before each text; it counts. lock: held while the tokenizer works,
    which cannot serve two threads at once.
    """

    def __init__(
        self, model: SentenceTransformer, limit: int | None, prompt: str, lock: Lock
    ) -> None:
        self.limit = limit
        self._prompt = prompt
        self._lock = lock
        tokenizer: Any = getattr(model[0], "tokenizer", None)
        self._tokenizer: Any = tokenizer
        if hasattr(tokenizer, "no_truncation"):
            # A copy, because the model's own one cuts what it is given.
            self._tokenizer = type(tokenizer).from_str(tokenizer.to_str())
            self._tokenizer.no_truncation()
        special = getattr(tokenizer, "num_special_tokens_to_add", None)
        own = special() if special and callable(tokenizer) else 0
        self._overhead = own + len(prompt.encode()) + 1  # tokens that are not the text's, at most
        # Without marks of beginning and end a text may be nothing at all to a transformer.
        self._may_be_empty = own == 0 and callable(tokenizer)

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Say of each text whether only its beginning is read, shape (len(texts),).

        Texts that cannot be that long are not tokenised.
        """
        cut = np.zeros(len(texts), dtype=np.bool_)
        limit = self.limit
        if limit is None or self._tokenizer is None:
            return cut
        room = limit - self._overhead
        pending = [i for i, text in enumerate(texts) if _most_tokens(text, room) > room]
        # A long beginning that is too much settles it; else the whole text has to be counted.
        beginnings = [texts[i][: _ROOM * limit] for i in pending]
        counts = self._counts(beginnings)
        for i, beginning, count in zip(pending, beginnings, counts, strict=True):
            whole = len(beginning) == len(texts[i])
            if whole or count > limit + _MARGIN:
                cut[i] = count > limit
            else:
                cut[i] = self._counts([texts[i]])[0] > limit
        return cut

    def beginnings(self, texts: list[str]) -> list[str]:
        """Return the texts, those of very many pages cut where the model has long stopped."""
        if self.limit is None or self._tokenizer is None:
            return texts
        room = _ROOM * self.limit
        long = [i for i, text in enumerate(texts) if len(text) > _PAGES * room]
        if not long:
            return texts
        texts = list(texts)
        counts = self._counts([texts[i][:room] for i in long])
        for i, count in zip(long, counts, strict=True):
            if count > self.limit + _MARGIN:
                texts[i] = texts[i][:room]
        return texts

    def empty(self, texts: Sequence[str], prompt: str) -> list[int]:
        """Return the places of texts that have no token, not even one of the model's own."""
        short = [i for i, text in enumerate(texts) if len(text) < _SHORT]
        if not self._may_be_empty or not short:
            return []
        counts = self._counts([texts[i] for i in short], prompt)
        return [i for i, count in zip(short, counts, strict=True) if count == 0]

    def _counts(self, texts: Sequence[str], prompt: str | None = None) -> list[int]:
        before = self._prompt if prompt is None else prompt
        counts: list[int] = []
        for first in range(0, len(texts), _AT_ONCE):
            part = [before + text for text in texts[first : first + _AT_ONCE]]
            with self._lock:
                counts += self._tokenised(part)
        return counts

    def _tokenised(self, texts: list[str]) -> list[int]:
        tokenizer: Any = self._tokenizer
        if hasattr(tokenizer, "encode_batch"):
            return [len(one.ids) for one in tokenizer.encode_batch(texts, add_special_tokens=False)]
        if not hasattr(tokenizer, "num_special_tokens_to_add"):  # that of a table of words
            return [len(tokenizer.tokenize(text)) for text in texts]
        encoded: Any = tokenizer(
            texts,
            truncation=False,
            padding=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        return [len(ids) for ids in encoded["input_ids"]]


def _most_tokens(text: str, enough: int) -> int:
    """Return a bound for the tokens of a text: a token has at least one byte.

    enough: a bound beyond this need not be exact.
    """
    if text.isascii() or len(text) > enough:
        return len(text)
    # Tokenizers may take letters and their marks apart, and spell the unknown by bytes.
    apart = normalize("NFKD", text)
    return max(len(text.encode(errors="replace")), len(apart.encode(errors="replace")))
