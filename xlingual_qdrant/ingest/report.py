"""What an ingestion did, while it goes on and at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

from xlingual_qdrant.documents import JsonValue
from xlingual_qdrant.errors import Reason, UnreadableFile
from xlingual_qdrant.ingest.records import printable


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What came of one file. error: None if it was read to its end and had any record.

    elsewhere: usable records that belong to other shards; the other counts leave them out.
    """

    file: str
    read: int
    rejected: int
    error: UnreadableFile | None = None
    elsewhere: int = 0

    @property
    def failed(self) -> bool:
        """The file could not be read, not to its end, or nothing in it was usable.

        One of which this shard has nothing, or only what is rejected, may be sound.
        """
        unusable = 0 < self.read == self.rejected and not self.elsewhere
        return self.error is not None or unusable

    def to_json(self) -> dict[str, JsonValue]:
        """Return the facts as a JSON object."""
        error: JsonValue = None
        if self.error is not None:
            error = {"reason": self.error.reason, "detail": printable(self.error.detail)}
        return {
            "file": printable(self.file),
            "read": self.read,
            "rejected": self.rejected,
            "error": error,
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingestion is: what is written so far, and how much is read.

    bytes_total: None if a source is a pipe, whose length nobody knows.
    """

    read: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    duplicates: int = 0
    bytes_read: int = 0
    bytes_total: int | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingestion did: read = added + updated + unchanged + rejected + duplicates.

    duplicates: new ones that say what another document says, and were not stored (see `skip`).
    truncated: the embedder read only the beginning of their texts; they are stored whole.
    chunked: they are longer than the embedder reads, and were divided. suspect: texts that look
    damaged, by what is probably wrong with them (see `hygiene.Ailment`).
    languages: documents added or updated, by tag, most frequent first. reasons: rejections by
    reason. dry_run: nothing was written, the counts say what would have been. shard: the share
    that was taken, such as "3/8"; records of other shards are in no count. cached, computed: texts
    whose vectors came from the embedding cache, and those that the model embedded; None without
    a cache.
    """

    read: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    duplicates: int = 0
    truncated: int = 0
    chunked: int = 0
    suspect: dict[str, int] = field(default_factory=dict[str, int])
    languages: dict[str, int] = field(default_factory=dict[str, int])
    reasons: dict[Reason, int] = field(default_factory=dict[Reason, int])
    files: tuple[FileOutcome, ...] = ()
    cached: int | None = None
    computed: int | None = None
    seconds: float = 0.0
    dry_run: bool = False
    shard: str | None = None

    @property
    def failed(self) -> bool:
        """Some file could not be read to its end, or had nothing usable in it."""
        return any(outcome.failed for outcome in self.files)

    @property
    def errors(self) -> tuple[UnreadableFile, ...]:
        """What was wrong with files as a whole."""
        return tuple(outcome.error for outcome in self.files if outcome.error is not None)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the facts as a JSON object."""
        return {
            "read": self.read,
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
            "duplicates": self.duplicates,
            "truncated": self.truncated,
            "chunked": self.chunked,
            "suspect": {**self.suspect},
            "languages": {**self.languages},
            "reasons": {str(reason): count for reason, count in self.reasons.items()},
            "files": [outcome.to_json() for outcome in self.files],
            "cached": self.cached,
            "computed": self.computed,
            "seconds": round(self.seconds, 3),
            "dry_run": self.dry_run,
            "shard": self.shard,
        }
