"""Files become documents: readers, validation, and the pipeline into a collection."""

from xlingual_qdrant.ingest.dead_letters import DeadLetters
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.opening import FORMATS, Format
from xlingual_qdrant.ingest.pipeline import ingest
from xlingual_qdrant.ingest.records import Rejection
from xlingual_qdrant.ingest.report import FileOutcome, IngestReport, Progress
from xlingual_qdrant.ingest.sharding import Shard

__all__ = [
    "FORMATS",
    "DeadLetters",
    "FieldMapping",
    "FileOutcome",
    "Format",
    "IngestReport",
    "Progress",
    "Rejection",
    "Shard",
    "ingest",
]
