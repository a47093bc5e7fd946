"""mteb: its retrieval tasks asked of a collection, and its other tasks of an embedder.

`StoreModel` is benchmarked as people search: mteb's documents are written to a collection in any
store, its queries go through `Collection.search_many` with the corrections that are wanted.
`EmbedderModel` is the embedder alone; mteb compares its vectors by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant import Collection, F
from xlingual_qdrant.documents import Document, Hit
from xlingual_qdrant.errors import MissingExtra, NotSupported, UnknownLanguage, UsageError
from xlingual_qdrant.languages import UNDETERMINED, canonical
from xlingual_qdrant.ports import Embedder

try:
    from mteb.models import ModelMeta
    from mteb.models.model_meta import ScoringFunction
    from mteb.types import PromptType
except ImportError as exc:
    raise MissingExtra("the benchmark mteb", "mteb", "xlingual-qdrant[mteb]") from exc

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata

Row: TypeAlias = Mapping[str, Any]
"""A document or a query as mteb has it: id, text, and perhaps title, language, instruction."""
OpenCollection: TypeAlias = Callable[[], Collection]
"""Opens a new, empty collection; it is dropped when its task is over."""
SearchOptions: TypeAlias = Mapping[str, Any]
"""Arguments of `Collection.search_many`, by name."""

_LANGUAGE_COLUMNS = ("lang", "language")
_BATCH = 4096


class StoreModel:
    """A collection, on any store and with any options of search, as a model that mteb benchmarks.

    open_collection: called for each corpus. search: such as `{"prefer": "neutral"}`. name: for
    mteb's results, which are kept by it; default: the embedder's with the options.
    A language column of the corpus or the queries is used; else the language of the task, if it
    has one only; else texts get detected ones.
    """

    def __init__(
        self,
        open_collection: OpenCollection,
        *,
        search: SearchOptions | None = None,
        name: str | None = None,
    ) -> None:
        self._open_collection = open_collection
        self._search = dict(search or {})
        self._name = name
        self._collection: Collection | None = None

    @cached_property
    def mteb_model_meta(self) -> ModelMeta:
        """What mteb writes into its results."""
        if self._collection is not None:
            return self._meta(self._collection)
        with ExitStack() as stack:
            collection = self._open_collection()
            stack.callback(collection.drop)
            return self._meta(collection)

    def index(
        self,
        corpus: Iterable[Row],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,
        hf_subset: str,
        encode_kwargs: Mapping[str, Any],
        num_proc: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Write the documents of a task to a new collection."""
        self.close()
        self._collection = self._open_collection()
        if len(self._collection):
            name = self._collection.name
            self._collection = None  # not ours to drop
            raise UsageError(
                f"collection '{name}' is not empty; open_collection has to open a new one,"
                " because it is dropped when the task is over"
            )
        default = _only_language(task_metadata, hf_subset)
        documents = (
            Document(text, str(row["id"]), _language_of(row, default))
            for row in corpus
            if (text := _text_of(row))  # some corpora have empty ones, which nothing can find
        )
        self._collection.add(documents, batch_size=_BATCH)
        self._collection.flush()

    def search(
        self,
        queries: Iterable[Row],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,
        hf_subset: str,
        top_k: int,
        encode_kwargs: Mapping[str, Any],
        top_ranked: Mapping[str, Sequence[str]] | None = None,
        num_proc: int | None = None,
        **kwargs: Any,
    ) -> dict[str, dict[str, float]]:
        """Return for each query the scores of its hits, by id.

        top_ranked: rank only these documents of each query.
        """
        if self._collection is None:
            raise UsageError("mteb searches before it has given documents: call index first")
        default = _only_language(task_metadata, hf_subset)
        asked = [row for row in queries if _query_of(row)]
        ids = [str(row["id"]) for row in asked]
        options: dict[str, Any] = dict(self._search)
        tags = [_language_of(row, default) for row in asked]
        if UNDETERMINED not in tags:
            options = {"lang": tags, **options}
        texts = [_query_of(row) for row in asked]
        if top_ranked is None:
            found = self._collection.search_many(texts, k=top_k, **options)
        else:
            found = [
                self._among(text, top_ranked.get(id, ()), top_k, {**options, **_own(options, row)})
                for row, (id, text) in enumerate(zip(ids, texts, strict=True))
            ]
        return {id: _scores(hits) for id, hits in zip(ids, found, strict=True)}

    def close(self) -> None:
        """Drop the collection of the last task."""
        if self._collection is not None:
            self._collection.drop()
            self._collection = None

    def _among(self, text: str, ids: Sequence[str], k: int, options: dict[str, Any]) -> list[Hit]:
        """Return the hits among some documents only."""
        if self._collection is None or not ids:
            return []
        [hits] = self._collection.search_many(
            [text], k=min(k, len(ids)), where=F("id").is_in([str(id) for id in ids]), **options
        )
        return hits

    def _meta(self, collection: Collection) -> ModelMeta:
        known = collection.schema.embedder
        model = "vectors" if known is None else known.model
        chosen = [f"{name}={value}" for name, value in self._search.items()]
        name = self._name or "-".join([_word(model), *map(_word, chosen)])
        revision = None if known is None else known.revision
        return _meta(f"xlingual-qdrant/{name}", revision, collection.schema.dimension)


class EmbedderModel:
    """An embedder as an encoder that mteb benchmarks."""

    def __init__(self, embedder: Embedder, *, name: str | None = None) -> None:
        self._embedder = embedder
        known = embedder.fingerprint
        self.mteb_model_meta = _meta(
            f"xlingual-qdrant/{name or _word(known.model)}", known.revision, embedder.dimension
        )

    def encode(
        self,
        inputs: Iterable[Mapping[str, Sequence[str]]],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **kwargs: Any,
    ) -> NDArray[np.float32]:
        """Return unit vectors of batches of texts, queries as queries, all else as documents."""
        texts = [text for batch in inputs for text in batch["text"]]
        if not texts:
            return np.empty((0, self._embedder.dimension), dtype=np.float32)
        if prompt_type == PromptType.query:
            return self._embedder.embed_queries(texts)
        return self._embedder.embed_documents(texts)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
        """Return the cosines of all pairs, shape (first, second)."""
        return _units(embeddings1) @ _units(embeddings2).T

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> NDArray[np.float32]:
        """Return the cosines of rows at the same place."""
        return np.einsum("ij,ij->i", _units(embeddings1), _units(embeddings2))


def _units(rows: Any) -> NDArray[np.float32]:
    vectors = np.atleast_2d(np.asarray(rows, dtype=np.float32))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return cast("NDArray[np.float32]", vectors / np.maximum(lengths, 1e-12))


def _own(options: Mapping[str, Any], row: int) -> dict[str, Any]:
    """Return the language of one query out of those of all."""
    tags = options.get("lang")
    return {"lang": tags[row]} if isinstance(tags, list) else {}


def _scores(hits: Sequence[Hit]) -> dict[str, float]:
    """Return scores by id that keep the order of the hits, which mteb knows by scores alone."""
    scores = [hit.score for hit in hits]
    if any(later >= earlier for earlier, later in pairwise(scores)):
        scores = [1 / place for place in range(1, len(hits) + 1)]
    return {hit.id: score for hit, score in zip(hits, scores, strict=True)}


def _text_of(row: Row) -> str:
    """Return a document as mteb's own models read it: the title, then the text."""
    return f"{row.get('title') or ''} {row['text']}".strip()


def _query_of(row: Row) -> str:
    text = row["text"]
    if not isinstance(text, str):
        raise NotSupported(
            "a collection", "answer a conversation", "take tasks whose queries are texts"
        )
    return f"{text} {row.get('instruction') or ''}".strip()


def _language_of(row: Row, default: str) -> str:
    for column in _LANGUAGE_COLUMNS:
        if row.get(column):
            return canonical(str(row[column]))
    return default


def _only_language(task_metadata: TaskMetadata, hf_subset: str) -> str:
    """Return the language of a task's subset; `und` if it has several, or one not known."""
    by_subset = cast("Mapping[str, Sequence[str]]", task_metadata.hf_subsets_to_langscripts)
    scripts = by_subset.get(hf_subset) or []
    # mteb writes eng-Latn for English; two scripts of one language are one language.
    tags = {script.partition("-")[0] for script in scripts}
    if len(tags) != 1:
        return UNDETERMINED
    try:
        return canonical(tags.pop())
    except UnknownLanguage:
        return UNDETERMINED


def _word(text: str) -> str:
    """Return a text that can be part of a file name, as mteb makes one of it."""
    return re.sub(r"[^\w.=]+", "-", text).strip("-") or "model"


def _meta(name: str, revision: str | None, dimension: int) -> ModelMeta:
    return ModelMeta.create_empty(
        overwrites={
            "name": name,
            "revision": revision or "unknown",
            "embed_dim": dimension,
            "similarity_fn_name": ScoringFunction.COSINE,
        }
    )
