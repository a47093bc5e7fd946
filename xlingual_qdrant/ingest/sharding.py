"""One input for several machines: each takes its share of the records."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import UsageError
from xlingual_qdrant.ingest.records import Rejection

_WRITTEN = re.compile(r"([0-9]{1,9})/([0-9]{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """The share `number` of `count`, counted from 1; written 3/8.

    A document belongs to the shard that its id says: the same on every machine, whatever the
    order of files and records, so that all records of one id meet the same process. A rejection
    goes by line and record, not by the name of the file, which may differ between machines.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(f"there is no shard {self}: the least number of shards is 1")
        if not 1 <= self.number <= self.count:
            raise UsageError(
                f"there is no shard {self}: {self.count} shards are numbered from 1 to {self.count}"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read a shard as it is written; raises UsageError."""
        found = _WRITTEN.fullmatch(text.strip())
        if found is None:
            raise UsageError(f"a shard is written number/count, such as 3/8, not {text[:40]!r}")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def takes(self, made: Document | Rejection) -> bool:
        """Say whether a document, or a rejected record, belongs to the shard."""
        key = made.id if isinstance(made, Document) else f"{made.line}\0{made.record}"
        # A rejected record may hold bytes that are no text, as surrogates.
        digest = blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1
