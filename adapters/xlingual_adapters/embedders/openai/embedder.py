"""The embedder itself: texts to requests of a size the server takes, answers to unit vectors."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from threading import Event, Lock, Thread
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from xlingual_adapters.embedders.openai.answers import Answer, unit_rows
from xlingual_adapters.embedders.openai.batches import Batches, Limits, Request
from xlingual_adapters.embedders.openai.client import Connection, Role
from xlingual_adapters.embedders.openai.faults import Failed
from xlingual_adapters.embedders.openai.lengths import Cut, cut
from xlingual_adapters.embedders.openai.settings import OpenAISettings
from xlingual_qdrant.errors import InvalidVectors, TextTooLong
from xlingual_qdrant.ports import Vectors
from xlingual_qdrant.schema import PROBES, EmbedderFingerprint, round_probes
from xlingual_qdrant.servers import Waiting
from xlingual_qdrant.validation import check_texts, check_unicode

_log = logging.getLogger(__name__)


class _Part(NamedTuple):
    """Vectors of some of the texts, and their numbers."""

    numbers: list[int]
    vectors: NDArray[np.float32]


class OpenAIEmbedder:
    """Embeds texts with a model behind `/v1/embeddings`; safe to use from several threads.

    A blank text is not sent: servers disagree on it. Its vector is of length 1, always the
    same, and near to nothing in particular.
    """

    def __init__(self, settings: OpenAISettings, *, waiting: Waiting | None = None) -> None:
        self.settings = settings
        self._connection = Connection(settings, waiting=waiting)
        self._closing = weakref.finalize(self, self._connection.client.close)
        self._lock = Lock()
        self._probing = Lock()
        self._fingerprint: EmbedderFingerprint | None = None
        self._dimension: int | None = None
        self._revision = ""
        self._limits = Limits(settings.batch_size, settings.batch_tokens)

    @property
    def dimension(self) -> int:
        """Length of a vector; asks the server for the vectors of the probes if it is not known."""
        return self._dimension or self.fingerprint.dimension

    @property
    def max_tokens(self) -> int | None:
        """What the model reads of a text, as far as that is known; longer texts are cut there."""
        return self.settings.limit

    @property
    def tokens_used(self) -> int:
        """Tokens of all requests so far, as the server has counted them (`usage.total_tokens`)."""
        return self._connection.tokens

    @property
    def requests_made(self) -> int:
        """Requests that were answered so far."""
        return self._connection.requests

    @property
    def fingerprint(self) -> EmbedderFingerprint:
        """What collections remember of this model; one request, the first time.

        The address is no part of it: a model may move, and its vectors tell whether it is the
        same.
        """
        with self._probing:
            if self._fingerprint is None:
                probes = self.embed_documents(PROBES)
                prompts = {
                    role: known
                    for role in ("query", "document")
                    if (known := self._prompt_and_fields(role))
                }
                self._fingerprint = EmbedderFingerprint(
                    kind="openai",
                    model=self.settings.model,
                    revision=self._revision,
                    dimension=probes.shape[1],
                    prompts=prompts,
                    max_tokens=self.max_tokens,
                    probes=round_probes(probes),
                )
            return self._fingerprint

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Return float32 vectors, shape (len(texts), dimension), unit rows.

        Raises EmbedderUnavailable, TextTooLong, InvalidVectors for an answer that does not fit,
        and InvalidInput for a text that is not Unicode (half a surrogate pair).
        """
        return self._embed(texts, "document")

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Return what `embed_documents` does, with the prompt and the fields of queries."""
        return self._embed(texts, "query")

    def truncated(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Say of each text whether only its beginning is sent, shape (len(texts),).

        Without `max_tokens` it is never so: what the server leaves unread, it does not tell.
        """
        if self.max_tokens is None:
            return np.zeros(len(texts), dtype=np.bool_)
        return np.array([each.is_cut for each in self._as_sent(texts, "document")], dtype=np.bool_)

    def close(self) -> None:
        """Close the connections; twice is harmless."""
        if self._closing.alive and self.tokens_used:
            _log.info(
                "%s: %d tokens in %d requests",
                self.settings.where, self.tokens_used, self.requests_made,
            )  # fmt: skip
        self._closing()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    def _prompt_and_fields(self, role: Role) -> str:
        """Return what makes a vector of this role what it is, for the fingerprint."""
        fields = getattr(self.settings.fields, role)
        written = ", ".join(f"{name}={fields[name]!r}" for name in sorted(fields))
        prompt: str = getattr(self.settings.prompts, role)
        return f"{prompt}({written})" if written else prompt

    def _as_sent(self, texts: Sequence[str], role: Role) -> Iterator[Cut]:
        prompt: str = getattr(self.settings.prompts, role)
        limit = self.max_tokens
        return (cut(prompt + text, limit) for text in texts)

    def _embed(self, texts: Sequence[str], role: Role) -> Vectors:
        check_texts(texts)
        for number, text in enumerate(texts):
            if not text.isascii():
                check_unicode(text, number)
        as_sent = enumerate(self._as_sent(texts, role))
        sent = {number: each for number, each in as_sent if not each.text.isspace() and each.text}
        parts = list(self._parts(sent, role))
        dimension = parts[0].vectors.shape[1] if parts else self.dimension
        vectors = np.empty((len(texts), dimension), dtype=np.float32)
        if len(sent) < len(texts):
            # Of a blank text: as good as at right angles to whatever a model returns.
            vectors[:] = np.where(np.arange(dimension) % 2, 1, -1) / np.sqrt(dimension)
        for part in parts:
            vectors[part.numbers] = part.vectors
        _log.debug(
            "%s: %d texts, %d tokens so far", self.settings.where, len(texts), self.tokens_used
        )
        return vectors

    def _parts(self, sent: dict[int, Cut], role: Role) -> Iterator[_Part]:
        """Yield the vectors of all texts, as they come, from several requests at once.

        The threads end with the process, if need be: whoever is interrupted does not wait for
        a server.
        """
        batches = Batches(sent, self._limits)
        stop = Event()
        done: SimpleQueue[_Part | BaseException | None] = SimpleQueue()

        def work(request: Request | None) -> None:
            try:
                while request and not stop.is_set():
                    for part in self._fetch(request, role, stop):
                        done.put(part)
                    request = batches.take()
                done.put(None)
            except BaseException as exc:  # noqa: BLE001 - raised again by the reader of the queue
                done.put(exc)

        request = batches.take()
        # One request, such as that of a query, needs no thread.
        if batches.is_empty or self.settings.parallel == 1:
            while request:
                yield from self._fetch(request, role, stop)
                request = batches.take()
            return
        first = [request, *(batches.take() for _ in range(self.settings.parallel - 1))]
        begun = 0
        try:
            for each in filter(None, first):
                Thread(target=work, args=(each,), name="xlingual-openai", daemon=True).start()
                begun += 1
            while begun:
                match done.get():
                    case None:
                        begun -= 1
                    case BaseException() as exc:
                        raise exc
                    case part:
                        yield part
        finally:
            stop.set()

    def _fetch(self, request: Request, role: Role, stop: Event) -> Iterator[_Part]:
        """Yield the vectors of a request; if the server finds it too large, of smaller ones."""
        try:
            answer = self._connection.ask(request, role, stop)
        except Failed as exc:
            fault = exc.fault
        else:
            yield _Part(request.numbers, self._unit(answer, request))
            return
        if fault.kind not in ("too-big", "too-long", "too-many"):
            raise self._connection.error(fault)
        count = len(request.numbers)
        too_long = 0 if count == 1 else fault.position
        if too_long is not None and too_long < count:
            if fault.kind == "too-many":
                raise self._connection.error(fault)
            name, length = request.name(too_long), len(request.texts[too_long])
            raise TextTooLong(self.settings.where, name, length, fault.detail, self.max_tokens)
        by_texts = fault.kind == "too-many"
        size = (count + 1) // 2
        if by_texts and 0 < (fault.most_texts or 0) < count:
            size = fault.most_texts or size
        parts = request.divided(size)
        for part in parts:
            yield from self._fetch(part, role, stop)
        if setting := self._limits.learn(parts, by_texts=by_texts):
            _log.warning(
                "%s takes smaller requests only (%s); to spare those that it refuses, set %s",
                self.settings.where, fault.detail, setting,
            )  # fmt: skip

    def _unit(self, answer: Answer, request: Request) -> NDArray[np.float32]:
        """Return checked vectors as unit rows, cut if the settings say so."""
        settings, vectors = self.settings, answer.vectors
        length = vectors.shape[1]
        if settings.dimensions and length != settings.dimensions:
            raise InvalidVectors(
                f"{settings.where} was asked for {settings.dimensions} dimensions and returned"
                f" {length}: model or server cannot shorten them; leave dimensions out, or, if"
                " the model is trained for it (Matryoshka), set truncate_dim instead"
            )
        if settings.truncate_dim:
            if length < settings.truncate_dim:
                raise InvalidVectors(
                    f"{settings.where} returned {length} dimensions, fewer than truncate_dim ="
                    f" {settings.truncate_dim}; leave it out"
                )
            vectors = vectors[:, : settings.truncate_dim]
        with self._lock:
            if self._dimension is None:
                self._dimension = vectors.shape[1]
                self._revision = answer.model if answer.model != settings.model else ""
        if vectors.shape[1] != self._dimension:
            raise InvalidVectors(
                f"{settings.where} returned vectors of {self._dimension} dimensions before, and"
                f" now of {vectors.shape[1]}; is there another model behind it?"
            )
        return unit_rows(vectors, request, settings.where)
