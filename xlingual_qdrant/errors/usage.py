"""The call or the command line does not fit."""

from __future__ import annotations

from collections.abc import Sequence

from xlingual_qdrant.errors.root import XlingualError, did_you_mean


class UsageError(XlingualError, ValueError):
    """The call or the command line does not fit."""


class SettingsError(UsageError):
    """A settings file, an environment variable or an argument is wrong."""


class UnknownName(UsageError, LookupError):
    """There is nothing of this kind with this name.

    kind: what was looked for, such as "store"; name: as given; known: the names there are.
    """

    def __init__(self, kind: str, name: str, known: Sequence[str]) -> None:
        super().__init__(kind, name, known)
        self.kind, self.name, self.known = kind, name, tuple(known)

    def __str__(self) -> str:
        there = ", ".join(self.known) if self.known else "none"
        return (
            f"no {self.kind} is called '{self.name}'.{did_you_mean(self.name, self.known)}"
            f" There are: {there}"
        )


class UnknownColumn(UsageError, LookupError):
    """A table has no column of this name.

    file: as named by the caller; column: the name looked for; columns: those that are there.
    """

    def __init__(self, file: str, column: str, columns: Sequence[str]) -> None:
        super().__init__(file, column, columns)
        self.file, self.column, self.columns = file, column, tuple(columns)

    def __str__(self) -> str:
        shown = ", ".join(repr(name[:60]) for name in self.columns[:20])
        more = f" and {len(self.columns) - 20} more" if len(self.columns) > 20 else ""
        return (
            f"{self.file}: there is no column '{self.column}'."
            f"{did_you_mean(self.column, self.columns)} The columns are: {shown}{more}"
        )


class FileUnavailable(UsageError):
    """A file does not exist, or may not be read. file: as named by the caller."""

    def __init__(self, file: str, detail: str) -> None:
        super().__init__(file, detail)
        self.file, self.detail = file, detail

    def __str__(self) -> str:
        return f"{self.file}: {self.detail}"


class MissingExtra(UsageError, ImportError):
    """A feature needs a package that is not installed; `install` is what brings it."""

    def __init__(self, feature: str, package: str, install: str) -> None:
        super().__init__(feature, package, install)
        self.feature, self.package, self.install = feature, package, install

    def __str__(self) -> str:
        return (
            f"{self.feature} needs the package '{self.package}', which is not installed;"
            f" run: pip install '{self.install}'"
        )


class InvalidFilter(UsageError):
    """A filter cannot be read, or compares what has no order."""


class UnknownLanguage(UsageError):
    """A tag is malformed, or not in the registry of BCP 47."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.tag = tag

    def __str__(self) -> str:
        shown = self.tag if len(self.tag) <= 40 else self.tag[:40] + "..."
        return f"{shown!r} is not a language tag; use one like 'de', 'pt-BR' or 'zh-Hant'"
