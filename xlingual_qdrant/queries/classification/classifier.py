"""Sorting texts by labels that were learned in one language, in all the others.

The vectors of a sentence and of its translation lie near each other, so that what tells the
classes apart in English does so, less well, in Japanese: measure it with `transfer_report`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.collection import Collection, Langs, checked_count
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.filters import Filter
from xlingual_qdrant.languages import UNDETERMINED
from xlingual_qdrant.ports import Embedder, LanguageDetector, Vectors
from xlingual_qdrant.queries.classification.input import (
    Tags,
    checked_labels,
    embedded_texts,
    parts_of,
    tags_for,
)
from xlingual_qdrant.queries.classification.judges import (
    ByBoth,
    ByCollection,
    ByDescriptions,
    ByNeighbours,
    ByWeights,
    Judge,
    counted_labels,
)
from xlingual_qdrant.queries.classification.labelled_documents import (
    labelled_condition,
    labels_of,
    vectors_in,
)
from xlingual_qdrant.queries.classification.labels import Label, checked_label, classes_of, rows_of
from xlingual_qdrant.queries.classification.language_centres import (
    FEW,
    Centres,
    centred,
    centres_of,
)
from xlingual_qdrant.queries.classification.logistic import fit_logistic
from xlingual_qdrant.queries.classification.thresholds import NEVER, least_thresholds
from xlingual_qdrant.settings import load_detector

Method: TypeAlias = Literal["both", "logistic", "knn"]
METHODS: tuple[Method, ...] = get_args(Method)

NEIGHBOURS = 30
SHARPNESS = 12.0
"""Of zero-shot probabilities: they grow with exp(SHARPNESS * cosine)."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a text was sorted under.

    label: None, or what `abstain` says, if the classifier is not sure enough. probability: of
    `best`, the most probable label. runner_up: the next one. lang: given or detected, or `und`.
    """

    label: Label | None
    probability: float
    best: Label
    runner_up: Label
    runner_up_probability: float
    lang: str


@dataclass(slots=True)
class Classifier:
    """Sorts texts of any language; made by `fit`, `from_collection` or `from_descriptions`.

    classes: the labels, in the order of the columns of `predict_proba`. embedder: None where only
    vectors are judged. lang: of the texts that were learned from, or of most of them. centres: the
    mean vector of each language, if vectors are centred. method: for people. learned: texts of
    each class. abstain: the label of texts that no label is probable enough for.
    """

    classes: list[Label]
    judge: Judge
    embedder: Embedder | None
    method: str
    lang: str = UNDETERMINED
    learned: list[int] = field(default_factory=list[int])
    centres: Centres | None = None
    abstain: Label | None = None
    load_detector: Callable[[], LanguageDetector | None] = lambda: load_detector(None)
    _least: dict[Label, float] = field(default_factory=dict[Label, float])

    # ------------------------------------------------------------ making

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        labels: Sequence[Label],
        *,
        lang: Tags = "en",
        method: Method = "both",
        embedder: str | Embedder | None = None,
        collection: Collection | None = None,
        strength: float = 1.0,
        balanced: bool = False,
        k: int = NEIGHBOURS,
        centres: Centres | None = None,
    ) -> Self:
        """Learn from labelled texts.

        lang: of the texts, one tag or one for each. method: "logistic" (regression, a small
        model), "knn", the vote of the `k` nearest texts, or "both", the mean of their
        probabilities. embedder: a name of the settings or a ready one, default that of the
        settings; or that of a `collection`. strength, balanced: of the regression, see
        `fit_logistic`. centres: mean vectors by language, for instance `language_centres(...)`;
        each vector is then seen from the mean of its language, the languages learned from get
        theirs from the texts if they have none.

        Raises UsageError, and InvalidInput for a text that is none.
        """
        ready, detector = parts_of(embedder, collection)
        checked = checked_labels(texts, labels)
        vectors = embedded_texts(texts, ready)
        return cls._learned(
            vectors,
            checked,
            tags_for(lang, len(texts)),
            ready,
            detector,
            "the labels",
            method=method,
            strength=strength,
            balanced=balanced,
            k=k,
            centres=centres,
        )

    @classmethod
    def from_collection(
        cls,
        collection: Collection,
        *,
        label: str,
        langs: Langs | None = None,
        where: Filter | str | None = None,
        method: Method = "knn",
        strength: float = 1.0,
        balanced: bool = False,
        k: int = NEIGHBOURS,
        exact: bool = False,
        copied: bool = False,
        centres: Centres | None = None,
    ) -> Self:
        """Learn from the documents of a collection that have a label in a metadata field.

        label: the field. langs, where: which documents count. method: "knn" asks the collection's
        own search for each text, so that what is added later counts at once, and nothing is
        copied; the others learn from the vectors that are there now. exact: no index that may
        miss some. copied: with "knn", take the vectors along instead, so that the classifier can
        be saved, and centred. The others: as for `fit`.
        """
        if method == "knn" and not copied:
            if centres is not None:
                raise UsageError("a search is not centred; centres need copied=True")
            known = labels_of(collection, label, langs=langs, where=where)
            classes = classes_of(known, f"field '{label}' of collection '{collection.name}'")
            judge = ByCollection(
                collection.stored,
                label,
                labelled_condition(collection, label, langs=langs, where=where),
                classes,
                [known[value] for value in classes],
                checked_count("k", k),
                exact,
            )
            return cls(
                classes,
                judge,
                collection.embedder,
                f"knn in collection '{collection.name}'",
                learned=judge.counts,
                load_detector=lambda: collection.detector,
            )
        vectors, labels, tags = vectors_in(collection, label, langs=langs, where=where)
        return cls._learned(
            vectors,
            labels,
            tags,
            collection.embedder,
            lambda: collection.detector,
            f"field '{label}' of collection '{collection.name}'",
            method=method,
            strength=strength,
            balanced=balanced,
            k=k,
            centres=centres,
        )

    @classmethod
    def from_descriptions(
        cls,
        descriptions: Mapping[Label, str | Sequence[str]],
        *,
        embedder: str | Embedder | None = None,
        collection: Collection | None = None,
        sharpness: float = SHARPNESS,
    ) -> Self:
        """Sort by what the labels mean, without examples (zero-shot).

        descriptions: of each label one or several, in any languages; whole sentences in the words
        of the texts serve best. sharpness: how fast the probability grows with the cosine; it is
        a guess, so that only the order of probabilities means something.
        """
        ready, detector = parts_of(embedder, collection)
        classes = classes_of(
            [checked_label(label, "descriptions") for label in descriptions], "descriptions"
        )
        listed = {
            label: [texts] if isinstance(texts, str) else list(texts)
            for label, texts in descriptions.items()
        }
        if bare := [label for label, texts in listed.items() if not texts]:
            raise UsageError(f"label {bare[0]!r} has no description; give it at least one")
        pairs = [(label, text) for label, texts in listed.items() for text in texts]
        judge = ByDescriptions(
            embedded_texts([text for _, text in pairs], ready),
            rows_of([label for label, _ in pairs], classes),
            len(classes),
            float(sharpness),
        )
        learned = [len(listed[label]) for label in classes]
        return cls(classes, judge, ready, "zero-shot", learned=learned, load_detector=detector)

    @classmethod
    def _learned(
        cls,
        vectors: Vectors,
        labels: Sequence[Label],
        tags: Sequence[str],
        embedder: Embedder | None,
        detector: Callable[[], LanguageDetector | None],
        where: str,
        *,
        method: Method,
        strength: float,
        balanced: bool,
        k: int,
        centres: Centres | None,
    ) -> Self:
        if method not in METHODS:
            raise UsageError(f"method is one of {', '.join(METHODS)}, not {method!r}")
        classes = classes_of(labels, where)
        rows = rows_of(labels, classes)
        main = max(sorted(set(tags)), key=list(tags).count)
        if centres is not None:
            centres = {**centres_of(vectors, tags), **centres}
            vectors = centred(vectors, tags, centres, main)
        judge = _judge(method, vectors, rows, len(classes), strength, balanced, k)
        return cls(
            classes,
            judge,
            embedder,
            method,
            main,
            counted_labels(labels, classes),
            centres,
            load_detector=detector,
        )

    # ------------------------------------------------------------ judging

    def predict_proba(
        self, texts: Sequence[str], *, lang: Tags | None = None, transductive: bool = False
    ) -> NDArray[np.float32]:
        """Return the probability of each class for each text, shape (len(texts), classes).

        lang: of the texts; only a centred classifier needs it, and detects it if it is not given.
        transductive: centre each language that has 20 texts by the mean of these very texts: what
        comes of one depends on the others.
        """
        self._check_centred(transductive)
        vectors = embedded_texts(texts, self._embedder())
        tags = self._languages(texts, lang) if self.centres is not None else None
        return self.judged(vectors, tags, transductive=transductive)

    def predict(
        self, texts: Sequence[str], *, lang: Tags | None = None, transductive: bool = False
    ) -> list[Label | None]:
        """Return the label of each text; `abstain` where none is probable enough."""
        found = self.predict_proba(texts, lang=lang, transductive=transductive)
        return [each.label for each in self.decided(found, [UNDETERMINED] * len(found))]

    def classify(
        self, texts: Sequence[str], *, lang: Tags | None = None, transductive: bool = False
    ) -> list[Prediction]:
        """Return the label of each text with its probability, the runner-up and the language."""
        self._check_centred(transductive)
        vectors = embedded_texts(texts, self._embedder())
        tags = self._languages(texts, lang)
        return self.decided(self.judged(vectors, tags, transductive=transductive), tags)

    def judged(
        self,
        vectors: Vectors,
        tags: Sequence[str] | None = None,
        *,
        ids: Sequence[str] | None = None,
        transductive: bool = False,
    ) -> NDArray[np.float32]:
        """Return what `predict_proba` does for vectors of documents, shape (n, dimension).

        tags: their languages. ids: of the documents, which then have no say in their own case.
        """
        self._check_centred(transductive)
        if not len(vectors):
            return np.zeros((0, len(self.classes)), dtype=np.float32)
        if self.centres is not None:
            known = tags or [UNDETERMINED] * len(vectors)
            here = centres_of(vectors, known, least=FEW) if transductive else {}
            vectors = centred(vectors, known, {**self.centres, **here}, self.lang)
        return self.judge.probabilities(vectors, ids)

    def decided(self, probabilities: NDArray[np.float32], tags: Sequence[str]) -> list[Prediction]:
        """Return predictions of probabilities, shape (n, classes), of texts of these languages."""
        order: list[list[int]] = np.argsort(-probabilities, axis=1, kind="stable")[:, :2].tolist()
        found: list[Prediction] = []
        for row, (first, second), lang in zip(probabilities.tolist(), order, tags, strict=True):
            best = self.classes[first]
            sure = row[first] >= self._least.get(best, 0.0)
            label = best if sure else self.abstain
            runner_up = self.classes[second]
            found.append(Prediction(label, row[first], best, runner_up, row[second], lang))
        return found

    # ------------------------------------------------------------ being sure

    @property
    def thresholds(self) -> dict[Label, float]:
        """The least probability at which each label is given; 0: always."""
        return {label: self._least.get(label, 0.0) for label in self.classes}

    @thresholds.setter
    def thresholds(self, value: float | Mapping[Label, float]) -> None:
        given = value if isinstance(value, Mapping) else dict.fromkeys(self.classes, value)
        for label, least in given.items():
            if label not in self.classes:
                known = ", ".join(map(repr, self.classes[:20]))
                raise UsageError(f"no label is {label!r}; the labels are: {known}")
            if not 0 <= least <= NEVER:
                raise UsageError(f"the threshold of {label!r} is a probability, not {least!r}")
        self._least = {label: float(least) for label, least in given.items() if least > 0}

    def learn_thresholds(
        self,
        texts: Sequence[str],
        labels: Sequence[Label],
        *,
        precision: float,
        lang: Tags | None = None,
        by_class: bool = False,
    ) -> dict[Label, float]:
        """Learn, and set, from which probability on this share of the labels given is right.

        texts: labelled ones that were not learned from, best of the languages to come. by_class:
        a threshold for each label, which needs some dozens of texts of each; else one for all. A
        label for which no threshold is enough is never given.
        """
        if not 0 < precision <= 1:
            raise UsageError(f"precision is a share from 0 to 1, not {precision!r}")
        checked = checked_labels(texts, labels)
        found = self.predict_proba(texts, lang=lang)
        best = found.argmax(axis=1)
        right = np.array([self.classes[row] for row in best.tolist()], dtype=object) == np.array(
            checked, dtype=object
        )
        least = least_thresholds(
            found.max(axis=1), right, best if by_class else None, len(self.classes), precision
        )
        self.thresholds = dict(zip(self.classes, least, strict=True))
        return self.thresholds

    def _check_centred(self, transductive: bool) -> None:
        if transductive and self.centres is None:
            raise UsageError(
                "transductive=True moves the texts to the middle of their language, which the"
                " classifier has to be fitted for; fit it with centres={}"
            )

    def _embedder(self) -> Embedder:
        if self.embedder is None:
            raise UsageError("this classifier has no embedder; give vectors to judged()")
        return self.embedder

    def _languages(self, texts: Sequence[str], lang: Tags | None) -> list[str]:
        if lang is not None:
            return tags_for(lang, len(texts))
        detector = self.load_detector() if len(texts) else None
        if detector is None:
            return [UNDETERMINED] * len(texts)
        return [found.lang for found in detector.detect(list(texts))]


def _judge(
    method: Method,
    vectors: Vectors,
    rows: NDArray[np.intp],
    classes: int,
    strength: float,
    balanced: bool,
    k: int,
) -> Judge:
    near = ByNeighbours(vectors, rows, classes, checked_count("k", k))
    if method == "knn":
        return near
    learned = fit_logistic(vectors, rows, classes, strength=strength, balanced=balanced)
    weights = ByWeights(learned)
    return weights if method == "logistic" else ByBoth(weights, near)
