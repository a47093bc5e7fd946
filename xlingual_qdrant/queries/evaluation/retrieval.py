"""How well a collection answers a user's questions, by pair of languages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.collection import Collection, checked_count
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import UsageError, did_you_mean
from xlingual_qdrant.filter_syntax import parse
from xlingual_qdrant.filters import combine
from xlingual_qdrant.grouping import only
from xlingual_qdrant.languages import UNDETERMINED
from xlingual_qdrant.queries.evaluation.questions import Question
from xlingual_qdrant.queries.evaluation.ranking import (
    TOP,
    Order,
    all_within,
    ndcg,
    own_share,
    padded,
    places,
    recall,
    reciprocal_rank,
)
from xlingual_qdrant.queries.evaluation.report import Evaluated, Evaluation, Figures
from xlingual_qdrant.queries.evaluation.searches import PLAIN, SearchOptions
from xlingual_qdrant.writing import with_languages

OnProgress = Callable[[int, int], None]

_AT_ONCE = 512


def evaluate(
    collection: Collection,
    questions: Iterable[Question],
    *,
    k: int = TOP,
    searches: Mapping[str, SearchOptions] | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluated:
    """Ask labelled questions, and say how good the answers are, by pair of languages.

    k: hits of each search that are looked at. searches: by a name of your own, arguments of
    `Collection.search_many`; each kind is asked all questions. A question without a language
    gets a detected one. Languages are compared by their base: `de-AT` is `de`.
    Raises UsageError if there is no question that the collection could answer.
    """
    checked_count("k", k)
    searches = {PLAIN: {}} if searches is None else searches
    if not searches:
        raise UsageError("searches is empty: leave it out for a plain search")
    for name, options in searches.items():
        if "k" in options:
            raise UsageError(f"the search '{name}' names k; k is one for all: evaluate(..., k=...)")
    asked, missing, left_out = _answerable(collection, list(questions))
    tags = _languages(collection, asked)
    bases = np.array([base(tag) for tag in tags])
    done = 0
    evaluations: list[Evaluation] = []
    for name, options in searches.items():
        found: list[list[Document]] = []
        for start in range(0, len(asked.questions), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            texts = [question.text for question in asked.questions[part]]
            chosen: dict[str, Any] = {"lang": tags[part], **options}
            hits = collection.search_many(texts, k=k, **chosen)
            found += [[hit.document for hit in each[:k]] for each in hits]
            done += len(texts)
            if on_progress is not None:
                on_progress(done, len(asked.questions) * len(searches))
        shares = _shares(collection, options)
        evaluations.append(_judged(name, k, asked, bases, found, shares))
    return Evaluated(evaluations, missing, left_out)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Questions with what is relevant to them and there: grade and language by id."""

    questions: list[Question]
    relevant: list[dict[str, tuple[float, str]]]


def _answerable(collection: Collection, questions: list[Question]) -> tuple[_Asked, list[str], int]:
    named = list(dict.fromkeys(id for each in questions for id, g in each.relevant.items() if g))
    there = {
        id: base(document.lang)
        for start in range(0, len(named), _AT_ONCE)
        for id, document in zip(
            named[start : start + _AT_ONCE],
            collection.get_many(named[start : start + _AT_ONCE]),
            strict=True,
        )
        if document is not None
    }
    missing = [id for id in named if id not in there]
    asked = _Asked([], [])
    for question in questions:
        relevant = {
            id: (grade, there[id])
            for id, grade in question.relevant.items()
            if grade and id in there
        }
        if relevant:
            asked.questions.append(question)
            asked.relevant.append(relevant)
    if not asked.questions:
        raise UsageError(_nothing_to_ask(collection, questions, missing))
    return asked, missing, len(questions) - len(asked.questions)


def _nothing_to_ask(collection: Collection, questions: list[Question], missing: list[str]) -> str:
    if not questions:
        return "there are no questions"
    if not missing:
        return "no question names a document with a grade above 0"
    some = next(iter(collection.batches(size=100)), None)
    known = [document.id for document in some.documents] if some else []
    if not known:
        return f"collection '{collection.name}' is empty"
    return (
        f"collection '{collection.name}' holds none of the {len(missing)} documents that the"
        f" questions name, such as {missing[0]!r}; its ids look like {known[0]!r}."
        f"{did_you_mean(missing[0], known)} Several ids in one cell have '|' between them"
    )


def _languages(collection: Collection, asked: _Asked) -> list[str]:
    """Return the tag of each question, as given or detected."""
    documents = [Document(each.text, lang=each.lang or UNDETERMINED) for each in asked.questions]
    known = with_languages(documents, lambda: collection.detector)
    return [document.lang for document in known]


def base(tag: str) -> str:
    """Return the language of a tag without script and region."""
    return tag.partition("-")[0]


def _shares(collection: Collection, options: SearchOptions) -> dict[str, float]:
    """Return the share of each base language among the documents that a search can find."""
    langs, where = options.get("langs"), options.get("where")
    condition = parse(where) if isinstance(where, str) else where
    counts: dict[str, int] = {}
    tags = collection.languages()
    for tag, count in tags.items():
        if langs is not None or condition is not None:
            count = collection.count(langs=langs, where=combine(condition, only(tag, tags)))
        counts[base(tag)] = counts.get(base(tag), 0) + count
    total = max(1, sum(counts.values()))
    return {tag: count / total for tag, count in counts.items()}


def _judged(
    name: str,
    k: int,
    asked: _Asked,
    tags: NDArray[np.str_],
    found: list[list[Document]],
    shares: Mapping[str, float],
) -> Evaluation:
    rows: dict[str, int] = {}
    langs: list[str] = []
    for relevant in asked.relevant:
        for id, (_, lang) in relevant.items():
            if rows.setdefault(id, len(rows)) == len(langs):
                langs.append(lang)
    for documents in found:
        for document in documents:
            if rows.setdefault(document.id, len(rows)) == len(langs):
                langs.append(base(document.lang))
    order: Order = np.full((len(found), k), -1, dtype=np.int64)
    for number, documents in enumerate(found):
        order[number, : len(documents)] = [rows[document.id] for document in documents]
    wanted = padded([[rows[id] for id in relevant] for relevant in asked.relevant])
    grades = np.zeros(wanted.shape)
    for number, relevant in enumerate(asked.relevant):
        grades[number, : len(relevant)] = [grade for grade, _ in relevant.values()]
    of_rows = np.array(langs)
    at = places(order, wanted)
    return Evaluation(
        search=name,
        k=k,
        overall=_figures(at, grades, k),
        pairs=_by_pair(at, grades, tags, np.where(wanted >= 0, of_rows[wanted], ""), k),
        coverage=float(all_within(at, (wanted >= 0).sum(axis=1), k).mean()),
        own_share=float(own_share(order, of_rows, tags, k).mean()),
        fair_share=float(np.mean([shares.get(tag, 0.0) for tag in tags.tolist()])),
    )


def _by_pair(
    at: NDArray[np.float64],
    grades: NDArray[np.float64],
    asked: NDArray[np.str_],
    answered: NDArray[np.str_],
    k: int,
) -> dict[tuple[str, str], Figures]:
    """Return the figures of each pair; at, grades, answered: shape (questions, most relevant)."""
    pairs: dict[tuple[str, str], Figures] = {}
    for one in np.unique(asked).tolist():
        for other in np.unique(answered[answered != ""]).tolist():
            here = answered == other
            rows = (asked == one) & here.any(axis=1)
            if not rows.any():
                continue
            passed = np.where(here, np.inf, at)[rows]
            before = (passed[:, None, :] < at[rows][:, :, None]).sum(axis=2)
            own = np.where(here[rows], at[rows] - np.where(np.isinf(at[rows]), 0, before), np.inf)
            pairs[one, other] = _figures(own, np.where(here, grades, 0.0)[rows], k)
    return pairs


def _figures(at: NDArray[np.float64], grades: NDArray[np.float64], k: int) -> Figures:
    counts = (grades > 0).sum(axis=1)
    return Figures(
        questions=len(at),
        recall=float(recall(at, counts, k).mean()),
        mrr=float(reciprocal_rank(at).mean()),
        ndcg=float(ndcg(at, grades, k).mean()),
    )
