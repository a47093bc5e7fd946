"""The pipeline: reading, embedding and writing overlap, and memory stays bounded."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import TypeVar

from xlingual_qdrant.caching import CachedEmbedder, Tally, tallied
from xlingual_qdrant.collection import Collection
from xlingual_qdrant.documents import Document, LongTexts, content_hash
from xlingual_qdrant.errors import Reason, UsageError
from xlingual_qdrant.ingest.channel import Cancelled, Channel
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.known import Skip, as_duplicate
from xlingual_qdrant.ingest.opening import STDIN, checked_format
from xlingual_qdrant.ingest.records import Rejection
from xlingual_qdrant.ingest.report import IngestReport, Progress
from xlingual_qdrant.ingest.sharding import Shard
from xlingual_qdrant.ingest.windows import WINDOW, Check, Source, Window, WindowReader
from xlingual_qdrant.schema import FieldType
from xlingual_qdrant.validation import with_mended_text
from xlingual_qdrant.writing import Prepared, refuse_long, without

T = TypeVar("T")

_AHEAD = 1  # windows that wait between two stages; five are in memory then
_PATIENCE_S = 2.0  # for a thread to end, which cannot be interrupted while it waits for a pipe


def ingest(
    collection: Collection | None,
    sources: Source | Iterable[Source],
    *,
    mapping: FieldMapping | None = None,
    format: str | None = None,
    batch_size: int = WINDOW,
    strict: bool = False,
    dry_run: bool = False,
    fields: Mapping[str, FieldType] | None = None,
    shard: Shard | str | None = None,
    long_texts: LongTexts | None = None,
    mend: bool = False,
    skip: Skip | None = None,
    on_reject: Callable[[Rejection], None] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> IngestReport:
    """Read files into a collection; what is there unchanged is neither embedded nor written.

    collection: None only for a dry run into one that does not exist yet. sources: paths, "-" for
    standard input. format: jsonl, csv, tsv, txt or parquet, for names whose ending does not say
    it. batch_size: most documents embedded and written at once. strict: stop at the first
    rejection. dry_run: write nothing, and tell what would be. fields: what a collection that
    does not exist yet would declare. shard: take only this share of the records, such as "3/8";
    the shards together, in any number of processes, do what one run without them does.
    long_texts: what becomes of texts that are longer than the embedder reads: "warn" (the
    beginning is embedded, the report counts them), "error" (they are rejected), or "chunk";
    default: the collection's. mend: undo mojibake and escapes before anything else, with ftfy.
    skip: says which new documents are not stored, because another says the same
    (`queries.skipping.DuplicateFinder`); they are counted as duplicates, and go to on_reject.
    on_reject, on_progress: called in the caller's thread, after each window.

    A file that cannot be read does not stop the others, it is in the report. To resume after
    an interruption run it again. Raises UsageError before anything is read (FileUnavailable,
    UnknownColumn, MissingExtra), RecordRejected if strict, and the errors of the store.
    """
    share = Shard.parse(shard) if isinstance(shard, str) else shard
    policy = long_texts or (collection.long_texts if collection is not None else "warn")
    reader = WindowReader(
        _listed(sources),
        mapping or FieldMapping(),
        format=checked_format(format),
        declared=collection.schema.fields if collection is not None else fields,
        size=_positive(batch_size),
        strict=strict,
        shard=share,
        check=_check(collection, policy, mend),
    )
    if collection is None and not dry_run:
        raise UsageError("ingest needs a collection; only a dry run does without")
    if skip is not None and dry_run:
        raise UsageError("a dry run embeds nothing, and so finds no duplicates; do one of both")
    reader.check()
    run = _Run(reader.bytes_total, on_reject, on_progress, skip)
    if collection is not None and isinstance(collection.embedder, CachedEmbedder) and not dry_run:
        run.tally = Tally()
    if collection is None or dry_run:
        for window in reader.windows():
            run.count_dry(window, collection)
    else:
        _overlapped(collection, reader, run, policy)
    return run.report(reader, dry_run, share)


def _check(collection: Collection | None, policy: LongTexts, mend: bool) -> Check | None:
    """Return what each document has to pass; None if nothing."""
    embedder = None if collection is None else collection.embedder

    def check(document: Document) -> Document:
        if mend:
            document = with_mended_text(document)
        if policy == "error" and embedder is not None:
            refuse_long([document], embedder)
        return document

    return check if mend or policy == "error" else None


def _overlapped(collection: Collection, reader: WindowReader, run: _Run, policy: LongTexts) -> None:
    """Read in one thread, embed in another, write in this one."""
    read: Channel[Window] = Channel(_AHEAD)
    ready: Channel[tuple[Window, Prepared, Tally]] = Channel(_AHEAD)
    pending = _Pending()

    def reading() -> Iterator[Window]:
        return reader.windows()

    def embedding() -> Iterator[tuple[Window, Prepared, Tally]]:
        for window in read:
            pending.enter({document.id for document in window.documents})
            with tallied() as tally:
                prepared = collection.prepare(window.documents, long_texts=policy)
            yield window, prepared, tally

    with _stage("xlingual-read", reading, read), _stage("xlingual-embed", embedding, ready):
        try:
            for window, prepared, tally in ready:
                run.reject(window)
                prepared = run.without_duplicates(window, prepared)
                collection.commit(prepared)
                pending.leave()
                run.count(window, prepared, tally)
        finally:
            # Whatever ended this, nobody may wait for anybody any more.
            pending.cancel()
            ready.cancel()
            read.cancel()


@contextmanager
def _stage(
    name: str, items: Callable[[], Iterator[T]], out: Channel[T]
) -> Generator[None, None, None]:
    """Run a stage in a thread; what goes wrong in it is raised where its items are taken."""

    def work() -> None:
        try:
            for item in items():
                out.put(item)
            out.finish()
        except Cancelled:
            out.cancel()
        except BaseException as exc:  # noqa: BLE001 - raised again by the reader of the channel
            out.finish(exc)

    # A daemon, because a read from a pipe cannot be interrupted and must not hold the exit.
    thread = Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(_PATIENCE_S)


class _Pending:
    """The ids of windows that are prepared or being prepared, and not written yet.

    A window with one of these ids has to wait: what is new or unchanged in it can be judged
    only when the earlier document of that id is in the store.
    """

    def __init__(self) -> None:
        self._windows: list[set[str]] = []
        self._changed = Condition()
        self._cancelled = False

    def enter(self, ids: set[str]) -> None:
        """Wait until none of the ids is pending, and add them. Raises Cancelled."""
        with self._changed:
            while any(not ids.isdisjoint(known) for known in self._windows):
                if self._cancelled:
                    raise Cancelled
                self._changed.wait()
            self._windows.append(ids)

    def leave(self) -> None:
        """The oldest window is written."""
        with self._changed:
            del self._windows[0]
            self._changed.notify_all()

    def cancel(self) -> None:
        with self._changed:
            self._cancelled = True
            self._changed.notify_all()


@dataclass(slots=True)
class _Run:
    """Counts, and tells the caller."""

    bytes_total: int | None
    on_reject: Callable[[Rejection], None] | None
    on_progress: Callable[[Progress], None] | None
    skip: Skip | None = None
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    duplicates: int = 0
    truncated: int = 0
    chunked: int = 0
    suspect: Counter[str] = field(default_factory=Counter[str])
    languages: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[Reason] = field(default_factory=Counter[Reason])
    tally: Tally | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def read(self) -> int:
        return self.added + self.updated + self.unchanged + self.rejected + self.duplicates

    def reject(self, window: Window) -> None:
        """Hand the rejections to the caller; before the write, which may fail."""
        for rejection in window.rejections:
            self.rejected += 1
            self.reasons[rejection.reason] += 1
            if self.on_reject:
                self.on_reject(rejection)

    def without_duplicates(self, window: Window, prepared: Prepared) -> Prepared:
        """Return what is to be written, without new documents that say nothing new."""
        if self.skip is None:
            return prepared
        there = set(prepared.replaced)
        rows = [row for row, each in enumerate(prepared.documents) if each.id not in there]
        if not rows:
            return prepared
        found = self.skip([prepared.documents[row] for row in rows], prepared.rows.vectors[rows])
        known = {
            prepared.documents[row].id: same
            for row, same in zip(rows, found, strict=True)
            if same is not None
        }
        self.duplicates += len(known)
        if self.on_reject and known:
            places = dict(zip((d.id for d in window.documents), window.places, strict=True))
            for document in prepared.documents:
                if document.id in known:
                    self.on_reject(as_duplicate(document, known[document.id], places[document.id]))
        return without(prepared, known.keys())

    def count(self, window: Window, prepared: Prepared, tally: Tally) -> None:
        if self.tally is not None:
            self.tally.cached += tally.cached
            self.tally.computed += tally.computed
        self.added += prepared.added
        self.updated += prepared.updated
        self.unchanged += prepared.unchanged
        self.truncated += len(prepared.truncated)
        self.chunked += prepared.chunked
        self.suspect.update(prepared.suspect)
        self.languages.update(document.lang for document in prepared.documents)
        self._tell(window)

    def count_dry(self, window: Window, collection: Collection | None) -> None:
        """Count what would be done. An id that comes twice counts as new in each window."""
        self.reject(window)
        ids = [document.id for document in window.documents]
        there: list[bytes | None] = [None] * len(ids)
        if collection is not None:
            there = collection.stored.content_hashes(ids)
        known = dict(zip(ids, there, strict=True))
        for document in window.documents:
            before, digest = known[document.id], content_hash(document)
            known[document.id] = digest
            if before == digest:
                self.unchanged += 1
                continue
            self.added += before is None
            self.updated += before is not None
            self.languages[document.lang] += 1
        self._tell(window)

    def _tell(self, window: Window) -> None:
        if self.on_progress:
            self.on_progress(
                Progress(
                    self.read,
                    self.added,
                    self.updated,
                    self.unchanged,
                    self.rejected,
                    self.duplicates,
                    window.bytes_read,
                    self.bytes_total,
                    window.file,
                )
            )

    def report(self, reader: WindowReader, dry_run: bool, shard: Shard | None) -> IngestReport:
        return IngestReport(
            read=self.read,
            added=self.added,
            updated=self.updated,
            unchanged=self.unchanged,
            rejected=self.rejected,
            duplicates=self.duplicates,
            truncated=self.truncated,
            chunked=self.chunked,
            suspect=dict(self.suspect),
            languages=dict(self.languages.most_common()),
            reasons=dict(self.reasons.most_common()),
            files=tuple(reader.outcomes),
            cached=None if self.tally is None else self.tally.cached,
            computed=None if self.tally is None else self.tally.computed,
            seconds=time.monotonic() - self.started,
            dry_run=dry_run,
            shard=None if shard is None else str(shard),
        )


def _listed(sources: Source | Iterable[Source]) -> Sequence[Source]:
    listed = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    if not listed:
        raise UsageError("there is nothing to read; name a file, or '-' for standard input")
    if [os.fspath(source) for source in listed].count(STDIN) > 1:
        raise UsageError("standard input ('-') can be read only once")
    return listed


def _positive(batch_size: int) -> int:
    if batch_size < 1:
        raise UsageError(f"batch_size must be a whole number of at least 1, got {batch_size!r}")
    return batch_size
