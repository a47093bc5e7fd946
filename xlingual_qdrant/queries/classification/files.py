"""A classifier as one file: a zip archive of a card in JSON and of arrays, without pickle."""

from __future__ import annotations

import io
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, ValidationError

from xlingual_qdrant.collection import Collection
from xlingual_qdrant.errors import FileUnavailable, FormatTooNew, UnreadableFile, UsageError
from xlingual_qdrant.ports import Embedder
from xlingual_qdrant.queries.classification.classifier import Classifier
from xlingual_qdrant.queries.classification.input import parts_of
from xlingual_qdrant.queries.classification.judges import (
    ByBoth,
    ByCollection,
    ByDescriptions,
    ByNeighbours,
    ByWeights,
    Judge,
)
from xlingual_qdrant.queries.classification.logistic import Logistic
from xlingual_qdrant.schema import EmbedderFingerprint

FORMAT_VERSION = 1

_CARD = "classifier.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # so that the same classifier is the same file
_AnyLabel = StrictBool | StrictInt | StrictStr
Kind: TypeAlias = Literal["both", "weights", "neighbours", "descriptions"]
_Arrays = Mapping[str, NDArray[Any]]


class Card(BaseModel):
    """What a classifier is, but for its arrays. settings: numbers of its way of judging."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: int = FORMAT_VERSION
    judge: Kind
    method: str
    classes: list[_AnyLabel] = Field(min_length=2)
    learned: list[int]
    lang: str
    embedder: EmbedderFingerprint
    thresholds: list[float]
    abstain: _AnyLabel | None = None
    centres: list[str] | None = None
    settings: dict[str, float] = Field(default_factory=dict)


def save_classifier(classifier: Classifier, file: str | os.PathLike[str]) -> None:
    """Write a classifier to a file, which appears when it is whole.

    Raises UsageError for one that asks a collection: that is made again by `from_collection`.
    """
    if classifier.embedder is None:
        raise UsageError("the classifier has no embedder, so nobody could tell which one it needs")
    kind, arrays, settings = _parts(classifier.judge)
    if classifier.centres is not None:
        arrays["centres"] = np.array(list(classifier.centres.values()), dtype=np.float32)
    card = Card(
        judge=kind,
        method=classifier.method,
        classes=classifier.classes,
        learned=classifier.learned,
        lang=classifier.lang,
        embedder=classifier.embedder.fingerprint,
        thresholds=list(classifier.thresholds.values()),
        abstain=classifier.abstain,
        centres=None if classifier.centres is None else list(classifier.centres),
        settings=settings,
    )
    target = Path(file).resolve()
    packed = _packed(card, arrays)
    try:
        _appear(packed, target)
    except OSError as exc:
        raise FileUnavailable(os.fspath(file), exc.strerror or str(exc)) from exc


def load_classifier(
    file: str | os.PathLike[str],
    *,
    embedder: str | Embedder | None = None,
    collection: Collection | None = None,
) -> Classifier:
    """Read what `save_classifier` wrote.

    embedder, collection: as for `Classifier.fit`; it must make the vectors that the classifier
    knows. Raises FileUnavailable, UnreadableFile, FormatTooNew, UsageError for another embedder.
    """
    card, arrays = read_classifier(file)
    ready, detector = parts_of(embedder, collection)
    known = card.embedder.compare(ready.fingerprint)
    if known.verdict == "different":
        raise UsageError(
            f"{os.fspath(file)} was made with the embedder {card.embedder}, not with"
            f" {ready.fingerprint}: {known.differences}; name its embedder, or fit it again"
        )
    centres = card.centres
    made = Classifier(
        list(card.classes),
        _judge(card, arrays),
        ready,
        card.method,
        card.lang,
        card.learned,
        None if centres is None else dict(zip(centres, arrays["centres"], strict=True)),
        card.abstain,
        detector,
    )
    made.thresholds = dict(zip(made.classes, card.thresholds, strict=True))
    return made


def read_classifier(file: str | os.PathLike[str]) -> tuple[Card, dict[str, NDArray[Any]]]:
    """Return the card and the arrays of a file, checked; no embedder is needed."""
    name = os.fspath(file)
    try:
        with zipfile.ZipFile(name) as archive:
            if _CARD not in archive.namelist():
                raise UnreadableFile(name, "format", f"no classifier is in it: it has no {_CARD}")
            text = archive.read(_CARD)
            arrays = {
                member.removesuffix(".npy"): _array(archive.read(member))
                for member in archive.namelist()
                if member != _CARD
            }
    except FileNotFoundError:
        raise FileUnavailable(name, "there is no such file") from None
    except zipfile.BadZipFile as exc:
        raise UnreadableFile(
            name, "format", f"this is no classifier, or it is damaged: {exc}; fit it again"
        ) from None
    except OSError as exc:
        raise FileUnavailable(name, exc.strerror or str(exc)) from exc
    except (ValueError, EOFError, NotImplementedError, RuntimeError) as exc:
        if isinstance(exc, UnreadableFile):
            raise
        raise UnreadableFile(name, "format", f"an array in it is damaged: {exc}") from None
    card = _card(name, text)
    if problem := _misfit(card, arrays):
        raise UnreadableFile(name, "format", f"{problem}; fit the classifier again")
    return card, arrays


def _parts(judge: Judge) -> tuple[Kind, dict[str, NDArray[Any]], dict[str, float]]:
    match judge:
        case ByWeights(learned):
            return "weights", {"weights": learned.weights, "offsets": learned.offsets}, {}
        case ByNeighbours(examples, rows, _, k):
            return "neighbours", {"examples": examples, "rows": rows.astype(np.int32)}, {"k": k}
        case ByBoth(weights, neighbours):
            _, arrays, _ = _parts(weights)
            _, examples, settings = _parts(neighbours)
            return "both", {**arrays, **examples}, settings
        case ByDescriptions(descriptions, rows, _, sharpness):
            arrays = {"examples": descriptions, "rows": rows.astype(np.int32)}
            return "descriptions", arrays, {"sharpness": sharpness}
        case ByCollection():
            raise UsageError(
                "this classifier asks its collection, so there is nothing to save; call"
                " from_collection again, or with copied=True, and save that"
            )
        case _:
            raise UsageError(f"a {type(judge).__name__} cannot be saved")


def _judge(card: Card, arrays: _Arrays) -> Judge:
    count = len(card.classes)
    if card.judge == "descriptions":
        rows = arrays["rows"].astype(np.intp)
        return ByDescriptions(arrays["examples"], rows, count, card.settings["sharpness"])
    if card.judge == "weights":
        return ByWeights(Logistic(arrays["weights"], arrays["offsets"]))
    rows = arrays["rows"].astype(np.intp)
    near = ByNeighbours(arrays["examples"], rows, count, int(card.settings["k"]))
    if card.judge == "neighbours":
        return near
    return ByBoth(ByWeights(Logistic(arrays["weights"], arrays["offsets"])), near)


def _misfit(card: Card, arrays: _Arrays) -> str:
    """Say what of the arrays does not fit the card; "" if all does."""
    count, dimension = len(card.classes), card.embedder.dimension
    examples = len(arrays.get("rows", ()))
    wanted: dict[str, tuple[int, ...]] = {}
    if card.judge in ("weights", "both"):
        wanted |= {"weights": (dimension, count), "offsets": (count,)}
    if card.judge != "weights":
        wanted |= {"examples": (examples, dimension), "rows": (examples,)}
    if card.centres is not None:
        wanted["centres"] = (len(card.centres), dimension)
    for name, shape in wanted.items():
        if name not in arrays:
            return f"the array '{name}' is missing"
        if arrays[name].shape != shape:
            return f"the array '{name}' has shape {arrays[name].shape}, not {shape}"
        kind = np.int32 if name == "rows" else np.float32
        if arrays[name].dtype != kind or not np.all(np.isfinite(arrays[name])):
            return f"the array '{name}' holds something else than numbers of the type {kind}"
    rows = arrays.get("rows")
    if rows is not None and (not examples or rows.min() < 0 or rows.max() >= count):
        return "the array 'rows' names classes that are not there"
    if not len(card.classes) == len(card.learned) == len(card.thresholds):
        return "the card has not one count and one threshold for each class"
    setting = "sharpness" if card.judge == "descriptions" else "k"
    if card.judge != "weights" and not card.settings.get(setting, 0) > 0:
        return f"the card does not say '{setting}'"
    return ""


def _card(name: str, text: bytes) -> Card:
    try:
        found = Card.model_validate_json(text)
    except ValidationError as exc:
        version = _version(text)
        if version is not None and version > FORMAT_VERSION:
            raise FormatTooNew(name, version, FORMAT_VERSION) from None
        fault = exc.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise UnreadableFile(
            name, "format", f"{_CARD} in it is damaged: {place}: {fault['msg']}"
        ) from None
    if found.format_version > FORMAT_VERSION:
        raise FormatTooNew(name, found.format_version, FORMAT_VERSION)
    return found


class _Version(BaseModel):
    format_version: int


def _version(text: bytes) -> int | None:
    try:
        return _Version.model_validate_json(text).format_version
    except ValidationError:
        return None


def _array(data: bytes) -> NDArray[Any]:
    found: NDArray[Any] = np.load(io.BytesIO(data))
    return found


def _packed(card: Card, arrays: _Arrays) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        text = card.model_dump_json(exclude_none=True)
        archive.writestr(zipfile.ZipInfo(_CARD, _EPOCH), text)
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), member.getvalue())
    return packed.getvalue()


def _appear(packed: bytes, target: Path) -> None:
    """Write a file that appears when all is written; what was there stays until then."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".xlingual-", delete=False) as begun:
        try:
            begun.write(packed)
            begun.flush()
            mask = os.umask(0)
            os.umask(mask)
            Path(begun.name).chmod(0o666 & ~mask)  # a temporary file is its owner's alone
            Path(begun.name).replace(target)
        except BaseException:
            Path(begun.name).unlink(missing_ok=True)
            raise
