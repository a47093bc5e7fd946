"""Says in words what is wrong with the settings of a part: where it is, and what would be right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError

from xlingual_qdrant.errors import did_you_mean

_RAISED = ("Value error, ", "Assertion failed, ")
"""What pydantic puts before the words of a check of our own."""
_WORDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}


class _Place(NamedTuple):
    """The names that lead to a fault, the model that the last is looked up in, and its type."""

    names: list[str]
    model: type[BaseModel]
    expected: object


def explain(exc: ValidationError, model: type[BaseModel], where: str) -> str:
    """Return the first fault of a validation in words, without the value that was given."""
    fault = exc.errors(include_input=False, include_url=False)[0]
    place = _follow(fault["loc"], model)
    path = ".".join(name for name in (where, *place.names) if name)
    if fault["type"] == "extra_forbidden":
        known = list(place.model.model_fields)
        if not known:
            return f"unknown setting '{path}'; this kind takes none"
        hint = did_you_mean(place.names[-1], known)
        return f"unknown setting '{path}'.{hint} There are: {', '.join(known)}"
    message = _alternatives(place.expected) or fault["msg"]
    for prefix in _RAISED:
        message = message.removeprefix(prefix)
    return f"setting '{path}': {message}"


def _follow(location: Sequence[int | str], model: type[BaseModel]) -> _Place:
    """Return the place of a fault as a person would name it.

    Where several types are allowed, a location goes on with the one that was tried, which is
    nothing that anybody wrote.
    """
    names: list[str] = []
    expected: object = model
    for part in location:
        expected = _without_none(expected)
        if _is_union(expected) or part == "[key]":
            break
        names.append(str(part))
        section = _as_model(expected)
        if section is None:
            expected = _of_items(expected)
        else:
            model, field = section, section.model_fields.get(str(part))
            expected = None if field is None else field.annotation
    return _Place(names, model, _without_none(expected))


def _as_model(expected: object) -> type[BaseModel] | None:
    return expected if isinstance(expected, type) and issubclass(expected, BaseModel) else None


def _of_items(expected: object) -> object:
    """Return the type of what a mapping or a list holds; None if that is not known."""
    origin, inner = get_origin(expected), get_args(expected)
    if not isinstance(origin, type) or not inner:
        return None
    return inner[-1] if issubclass(origin, Mapping) else inner[0]


def _without_none(expected: object) -> object:
    """Return a type without what is said of it beside, and without the choice of None."""
    if get_origin(expected) is Annotated:
        return _without_none(get_args(expected)[0])
    if _is_union(expected):
        others = [each for each in get_args(expected) if each is not NoneType]
        return _without_none(others[0]) if len(others) == 1 else expected
    return expected


def _is_union(expected: object) -> bool:
    return get_origin(expected) in (Union, UnionType)


def _alternatives(expected: object) -> str:
    """Return what may be given where there is a choice of types; "" if words are lacking."""
    if not _is_union(expected):
        return ""
    words: list[str] = []
    for each in get_args(expected):
        if each is NoneType:
            continue
        named = [str(value) for value in get_args(each)] if get_origin(each) is Literal else []
        words += named or [_in_words(each)]
    return f"use {', '.join(words[:-1])} or {words[-1]}" if all(words) else ""


def _in_words(expected: object) -> str:
    """Return a plain type in words, with the least that is allowed; "" for any other."""
    origin = get_args(expected)[0] if get_origin(expected) is Annotated else expected
    # Only types that can be looked up: a stranger's annotation may be anything.
    words = _WORDS.get(origin, "") if isinstance(origin, type) else ""
    for said in cast("tuple[Any, ...]", getattr(expected, "__metadata__", ())):
        least, above = getattr(said, "ge", None), getattr(said, "gt", None)
        if origin is int and isinstance(above, int):
            least, above = above + 1, None
        if words and least is not None:
            words += f" of at least {least}"
        elif words and above is not None:
            words += f" above {above}"
    return words
