"""The SentencePiece vocabulary of a set of pairs, and texts as flat arrays of pieces."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from training.pairs import Pairs
from training.recipe import Recipe

TEXTS_AT_ONCE = 50_000  # tokenised together: bounds the lists of Python integers


def vocabulary_sentences(pairs: Pairs, recipe: Recipe) -> Iterator[str]:
    """Yield the sentences that the vocabulary is trained on, chosen by the seed."""
    rng = np.random.default_rng(recipe.seed)
    values = recipe.vocabulary
    for language in range(len(pairs.languages)):
        rows = np.flatnonzero(pairs.language == language)
        for row in rng.permutation(rows)[: values.foreign_sentences_per_language]:
            yield pairs.foreign[row]
    for row in rng.permutation(len(pairs.english))[: values.english_sentences]:
        yield pairs.english[row]


def train_vocabulary(pairs: Pairs, recipe: Recipe) -> bytes:
    """Return a SentencePiece unigram model; its only special piece is `<unk>`, number 0."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=vocabulary_sentences(pairs, recipe),
        model_writer=model,
        model_type="unigram",
        vocab_size=recipe.vocabulary.pieces,
        character_coverage=recipe.vocabulary.character_coverage,
        normalization_rule_name="nmt_nfkc_cf",
        split_digits=True,
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        num_threads=2,
        minloglevel=1,
    )
    return model.getvalue()


@dataclass(frozen=True, slots=True)
class Tokens:
    """Texts as pieces: text i has `ids[starts[i]:starts[i + 1]]` (int32)."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]

    def take(self, texts: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the pieces of some texts end to end, and where each text begins."""
        lengths = self.starts[texts + 1] - self.starts[texts]
        ends = np.cumsum(lengths)
        begins = ends - lengths
        inside = np.arange(ends[-1]) - np.repeat(begins, lengths)
        return self.ids[np.repeat(self.starts[texts], lengths) + inside], begins

    def save(self, path: Path) -> None:
        """Write both arrays to an .npz file."""
        np.savez(path, ids=self.ids, starts=self.starts)

    @classmethod
    def load(cls, path: Path) -> Tokens:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            return cls(arrays["ids"], arrays["starts"])


def tokenise(model: sentencepiece.SentencePieceProcessor, texts: Sequence[str], cut: int) -> Tokens:
    """Return the first `cut` pieces of each text."""
    parts: list[NDArray[np.int32]] = []
    lengths: list[int] = []
    for first in range(0, len(texts), TEXTS_AT_ONCE):
        some = list(texts[first : first + TEXTS_AT_ONCE])
        cut_ids = [ids[:cut] for ids in model.encode(some, num_threads=2)]
        lengths += map(len, cut_ids)
        parts.append(np.fromiter((i for ids in cut_ids for i in ids), dtype=np.int32))
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Tokens(np.concatenate(parts), starts)
