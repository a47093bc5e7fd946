"""The command line: one file per command. A command parses, calls the core, prints."""

from xlingual_qdrant.cli.program import main, xlingual

__all__ = ["main", "xlingual"]
