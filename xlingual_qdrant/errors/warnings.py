"""What is done, but perhaps not as it was meant."""

from __future__ import annotations


class XlingualWarning(UserWarning):
    """Something that is done, but perhaps not as it was meant; the base of all such."""


class TextTruncated(XlingualWarning):
    """A text is longer than the embedder reads; the rest of it has no part in its vector."""


class TextSuspect(XlingualWarning):
    """A text looks damaged: it was decoded wrongly, or its characters came as codes."""


class CacheUnused(XlingualWarning):
    """The embedding cache cannot be read or written; texts are embedded without it."""


class ScriptUnknown(XlingualWarning):
    """The embedder gives different texts of some script the same vector: it cannot read them."""


class CalibrationUnused(XlingualWarning):
    """A collection keeps a calibration of another embedder, whose scores mean other things."""
