"""What came of an evaluation: figures over all questions, and by pair of languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.documents import JsonValue


@dataclass(frozen=True, slots=True)
class Figures:
    """How well questions are answered by the first k hits; each figure from 0 to 1.

    questions: how many there are. recall: share of the relevant documents that are found. mrr:
    mean of 1 / place of the first relevant one, 0 where none is found. ndcg: gain of the grades
    found, by place, of what could be gained.
    """

    questions: int
    recall: float
    mrr: float
    ndcg: float

    def to_json(self) -> dict[str, JsonValue]:
        """Return the figures as a JSON object, rounded to six digits."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one kind of search reached.

    search: its name. k: hits looked at. overall: over all questions. pairs: by language of the
    questions and of the documents; relevant documents in other languages are passed over, so that
    they cost a pair nothing. coverage: share of questions of which every relevant document is
    found. own_share: mean share of documents in the question's language among the hits;
    fair_share: what it would be if languages did not matter. worst: the pair with the lowest mrr,
    best: with the highest. seconds: of the searches alone.
    """

    search: str
    k: int
    overall: Figures
    pairs: Mapping[tuple[str, str], Figures]
    coverage: float
    own_share: float
    fair_share: float

    @property
    def worst(self) -> tuple[str, str]:
        """The pair of languages with the lowest mrr; of equals the first in the alphabet."""
        return min(self.pairs, key=lambda pair: (self.pairs[pair].mrr, pair))

    @property
    def best(self) -> tuple[str, str]:
        """The pair of languages with the highest mrr."""
        return max(self.pairs, key=lambda pair: (self.pairs[pair].mrr, pair))

    @property
    def spread(self) -> float:
        """How far the mrr of the worst pair lies below that of the best."""
        return self.pairs[self.best].mrr - self.pairs[self.worst].mrr

    def matrix(self, figure: str = "mrr") -> tuple[list[str], list[str], NDArray[np.float64]]:
        """Return languages of questions, of documents, and a figure of each pair; nan: no pair."""
        asked = sorted({pair[0] for pair in self.pairs})
        answered = sorted({pair[1] for pair in self.pairs})
        values = np.full((len(asked), len(answered)), np.nan)
        for (one, other), figures in self.pairs.items():
            values[asked.index(one), answered.index(other)] = getattr(figures, figure)
        return asked, answered, values

    def to_json(self) -> dict[str, JsonValue]:
        """Return all figures as a JSON object; pairs are "de-fr": asked in German, found French."""
        return {
            "search": self.search,
            "k": self.k,
            **self.overall.to_json(),
            "coverage": round(self.coverage, 6),
            "own_share": round(self.own_share, 6),
            "fair_share": round(self.fair_share, 6),
            "worst": "-".join(self.worst),
            "best": "-".join(self.best),
            "spread": round(self.spread, 6),
            "pairs": {
                f"{one}-{other}": figures.to_json() for (one, other), figures in self.pairs.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The kinds of search side by side, in the order given; and what could not be asked.

    missing: ids that are named, but not in the collection; they are left out. left_out: questions
    of which no document is there.
    """

    evaluations: Sequence[Evaluation]
    missing: Sequence[str]
    left_out: int
