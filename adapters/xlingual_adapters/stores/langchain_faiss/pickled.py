"""Reads a pickle as data: a machine without calls, imports or attributes.

A pickle is a program. Where Python's own loader would import a name and call it, this one
writes down what was to be called, and with what: a `Name`, a `Made`. Nothing that a file
says can run, because nothing here runs anything. Names that such a file has no business
with are refused where they are met, so that a hostile file is told from a damaged one.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast

from xlingual_qdrant.errors import UnreadableFile


class ForeignName(UnreadableFile):
    """A pickle asks for a class or a function that is neither LangChain's nor a plain value's."""

    def __init__(self, file: str, name: str) -> None:
        super().__init__(
            file,
            "format",
            f"it asks for '{name}', which this library does not know as a value, so the file was"
            " not read; nothing in it was run. If the file is not yours, it may be hostile. If it"
            " is, turn that value into text where LangChain is installed, and save it again",
        )
        self.args = (file, name)
        self.name = name


@dataclass(slots=True, eq=False)
class Name:
    """A class or function, by its name; it is never looked up."""

    full: str


@dataclass(slots=True, eq=False)
class Made:
    """What a call of `name` would have made."""

    name: str
    args: tuple[object, ...]
    state: object = None


_LITERALS = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
})  # fmt: skip
_CONSTANTS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_NOTHING_TO_DO = frozenset({"PROTO", "FRAME", "STOP"})
_DICTIONARIES = ("collections.OrderedDict", "collections.defaultdict")

_Key: TypeAlias = "str | int | float | bytes | Name | Made | None"


def read_pickle(file: Path, known: Container[str]) -> object:
    """Return what a pickle holds: plain values, dicts, lists, tuples, sets, `Name` and `Made`.

    known: full names that may occur, such as "datetime.date". Raises ForeignName for another
    one, UnreadableFile for what is no pickle or goes beyond what documents need.
    """
    try:
        data = file.read_bytes()
    except OSError as exc:
        raise UnreadableFile(str(file), "format", f"cannot be read: {exc.strerror}") from exc
    machine = _Machine(str(file), known)
    try:
        return machine.run(data)
    except (ValueError, IndexError, KeyError) as exc:
        if isinstance(exc, UnreadableFile):
            raise
        detail = f"it is not a pickle, or a damaged one: {exc}"
        raise UnreadableFile(str(file), "format", detail) from exc


@dataclass(slots=True)
class _Machine:
    file: str
    known: Container[str]
    stack: list[object] = field(default_factory=list[object])
    below: list[list[object]] = field(default_factory=list[list[object]])
    """The stacks under each mark."""
    memo: dict[int, object] = field(default_factory=dict[int, object])

    def run(self, data: bytes) -> object:
        for code, arg, _ in pickletools.genops(data):
            name = code.name
            if name in _LITERALS:
                self.stack.append(arg)
            elif name == "MEMOIZE":
                self.memo[len(self.memo)] = self.stack[-1]
            elif name in _GETS:
                self.stack.append(self.memo[cast(int, arg)])
            elif name in _PUTS:
                self.memo[cast(int, arg)] = self.stack[-1]
            elif name in _CONSTANTS:
                self.stack.append(_CONSTANTS[name])
            elif name == "MARK":
                self.below.append(self.stack)
                self.stack = []
            elif name in ("GLOBAL", "STACK_GLOBAL"):
                self.stack.append(self._named(arg if name == "GLOBAL" else None))
            elif name in _STEPS:
                _STEPS[name](self)
            elif name not in _NOTHING_TO_DO:
                raise UnreadableFile(
                    self.file,
                    "format",
                    f"it has the instruction {name}, which documents never need",
                )
        return self.stack.pop()

    def push(self, value: object) -> None:
        self.stack.append(value)

    def marked(self) -> list[object]:
        """Return what lies above the last mark, and take it off with the mark."""
        taken, self.stack = self.stack, self.below.pop()
        return taken

    def drop(self) -> None:
        self.stack.pop()

    def drop_marked(self) -> None:
        self.marked()

    def _named(self, module_and_name: object) -> Name:
        if isinstance(module_and_name, str):
            full = ".".join(module_and_name.split(" "))
        else:
            name, module = self.stack.pop(), self.stack.pop()
            if not isinstance(name, str) or not isinstance(module, str):
                raise ValueError("a name is not text")
            full = f"{module}.{name}"
        if full not in self.known:
            raise ForeignName(self.file, full[:200])
        return Name(full)

    def call(self, args: object, name: object) -> None:
        """Write down a call. Dictionaries of other kinds become plain ones, to be filled."""
        if not isinstance(name, Name) or not isinstance(args, tuple):
            raise ValueError("it calls something that is not a name")
        given = cast("tuple[object, ...]", args)
        is_empty = all(isinstance(each, Name | None) for each in given)
        is_dictionary = name.full in _DICTIONARIES and is_empty
        self.stack.append({} if is_dictionary else Made(name.full, given))

    def build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if not isinstance(made, Made) or made.state is not None:
            raise ValueError("it sets the state of something that has none")
        made.state = state

    def extend(self, values: Iterable[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise ValueError("it appends to something that is not a list")
        cast("list[object]", target).extend(values)

    def set_items(self, flat: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(flat) % 2:
            raise ValueError("it sets items of something that is not a dictionary")
        filled = cast("dict[object, object]", target)
        filled.update(_items(flat))

    def add_items(self, values: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, set):
            raise ValueError("it adds to something that is not a set")
        cast("set[object]", target).update(_key(value) for value in values)


def _items(flat: list[object]) -> dict[object, object]:
    return {_key(key): value for key, value in zip(flat[::2], flat[1::2], strict=True)}


def _key(value: object) -> _Key:
    """Return what may be looked up; a tuple that is nested deeply could not even be hashed."""
    if isinstance(value, str | int | float | bytes | Name | Made | None):
        return value
    raise ValueError(f"it has a key or an element of a set that is a {type(value).__name__}")


def _tuple(machine: _Machine, length: int) -> None:
    if len(machine.stack) < length:
        raise ValueError("it ends too early")
    machine.stack[-length:] = [tuple(machine.stack[-length:])]


def _two(machine: _Machine) -> list[object]:
    value, key = machine.stack.pop(), machine.stack.pop()
    return [key, value]


_STEPS: dict[str, Callable[[_Machine], None]] = {
    "EMPTY_DICT": lambda m: m.push({}),
    "EMPTY_LIST": lambda m: m.push([]),
    "EMPTY_SET": lambda m: m.push(set[object]()),
    "EMPTY_TUPLE": lambda m: m.push(()),
    "DICT": lambda m: m.push(_items(m.marked())),
    "LIST": lambda m: m.push(m.marked()),
    "FROZENSET": lambda m: m.push(frozenset(map(_key, m.marked()))),
    "TUPLE": lambda m: m.push(tuple(m.marked())),
    "TUPLE1": lambda m: _tuple(m, 1),
    "TUPLE2": lambda m: _tuple(m, 2),
    "TUPLE3": lambda m: _tuple(m, 3),
    "APPEND": lambda m: m.extend([m.stack.pop()]),
    "APPENDS": lambda m: m.extend(m.marked()),
    "SETITEM": lambda m: m.set_items(_two(m)),
    "SETITEMS": lambda m: m.set_items(m.marked()),
    "ADDITEMS": lambda m: m.add_items(m.marked()),
    "REDUCE": lambda m: m.call(m.stack.pop(), m.stack.pop()),
    "NEWOBJ": lambda m: m.call(m.stack.pop(), m.stack.pop()),
    "BUILD": _Machine.build,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.drop_marked,
    "DUP": lambda m: m.push(m.stack[-1]),
}
