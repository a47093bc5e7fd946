"""The work folder of a training run: what is made once and found again when resumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sentencepiece

from training.pairs import Pairs
from training.recipe import Recipe
from training.vocabulary import Tokens, tokenise, train_vocabulary


@dataclass(frozen=True, slots=True)
class WorkFolder:
    """Paths of the intermediate files; delete the folder to begin anew."""

    path: Path

    @property
    def vocabulary(self) -> Path:
        """The SentencePiece model."""
        return self.path / "sentencepiece.model"

    @property
    def checkpoint(self) -> Path:
        """The table as it is learning, with the optimiser's state."""
        return self.path / "checkpoint.safetensors"

    def prepare(
        self, pairs: Pairs, recipe: Recipe, report: Callable[[str], None]
    ) -> tuple[int, Tokens, Tokens]:
        """Return the number of pieces, and the foreign and the English texts as pieces."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.vocabulary.exists():
            report("training the vocabulary")
            partial = self.vocabulary.with_suffix(".partial")
            partial.write_bytes(train_vocabulary(pairs, recipe))
            partial.replace(self.vocabulary)
        model = sentencepiece.SentencePieceProcessor(model_file=str(self.vocabulary))

        def tokens_of(name: str, texts: list[str]) -> Tokens:
            path = self.path / f"{name}.npz"
            if not path.exists():
                report(f"tokenising {len(texts)} {name} texts")
                partial = self.path / f"partial-{name}.npz"
                tokenise(model, texts, recipe.schedule.cut_pieces).save(partial)
                partial.replace(path)
            return Tokens.load(path)

        foreign, english = tokens_of("foreign", pairs.foreign), tokens_of("english", pairs.english)
        return model.get_piece_size(), foreign, english
