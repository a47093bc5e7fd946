"""A pickle is data here: whatever it says, nothing runs, nothing is changed, and it is told."""

from __future__ import annotations

import copyreg
import struct
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from xlingual_adapters.stores.langchain_faiss import LangchainFaissSettings, LangchainFaissStore
from xlingual_adapters.stores.langchain_faiss.pickled import ForeignName

from tests.unit.stores.langchain_faiss.pickles import (
    Raw,
    called,
    docstore,
    document,
    encoded,
    made,
    named,
    pickled,
    write_folder,
)
from xlingual_qdrant.errors import UnreadableFile

MARKER = "marker"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in which whatever runs would leave a file behind."""
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path / "folder"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert not {name for name in set(sys.modules) - before if name.startswith("hostile")}


def opened(folder: Path, pickle: bytes) -> LangchainFaissStore:
    write_folder(folder, {"a": document("text")})
    (folder / "index.pkl").write_bytes(pickle)
    store = LangchainFaissStore(LangchainFaissSettings(path=folder))
    store.open("index")
    return store


def with_metadata(value: object) -> bytes:
    texts = {"a": document("text", {"value": value})}
    return pickled((docstore(texts), {0: "a"}))


COMMAND = f"touch {MARKER}"
GETATTR = called("builtins", "getattr", named("builtins", "__import__"), "__call__")
HOSTILE: dict[str, tuple[bytes, str]] = {
    "os.system": (pickled(called("posix", "system", COMMAND)), "posix.system"),
    "nt.system": (pickled(called("nt", "system", COMMAND)), "nt.system"),
    "subprocess": (pickled(called("subprocess", "Popen", ["touch", MARKER])), "subprocess.Popen"),
    "eval": (pickled(called("builtins", "eval", f"open('{MARKER}', 'w')")), "builtins.eval"),
    "exec": (pickled(called("builtins", "exec", "raise SystemExit")), "builtins.exec"),
    "open": (pickled(called("builtins", "open", MARKER, "w")), "builtins.open"),
    "importing alone": (pickled(named("hostile_module", "x")), "hostile_module.x"),
    "nested in metadata": (with_metadata(called("os", "system", COMMAND)), "os.system"),
    "a chain of getattr": (with_metadata(GETATTR), "builtins.getattr"),
    "a path of attributes": (
        pickled(called("langchain_core.documents.base", "Document.__init__.__globals__", "os")),
        "Document.__init__.__globals__",
    ),
    "attributes of what is known": (
        with_metadata(called("datetime", "date.__subclasses__")), "date.__subclasses__",
    ),
    "a class of another module of LangChain": (
        pickled(called("langchain.llms.base", "BaseLLM")), "langchain.llms.base.BaseLLM",
    ),
    "the old instruction": (b"cposix\nsystem\n(S'" + COMMAND.encode() + b"'\ntR.", "posix.system"),
    "pickle in pickle": (with_metadata(called("pickle", "loads", b"x")), "pickle.loads"),
    "numpy arrays of objects": (
        with_metadata(called("numpy._core.multiarray", "_reconstruct", 1)), "_reconstruct",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_refused_by_name_and_does_nothing(name: str, here: Path) -> None:
    pickle, met = HOSTILE[name]
    with pytest.raises(ForeignName, match="nothing in it was run") as caught:
        opened(here, pickle)
    assert met in caught.value.name
    assert isinstance(caught.value, UnreadableFile)


STACK = b"\x80\x04"
INSTRUCTIONS: dict[str, bytes] = {
    "an extension code of one byte": STACK + b"\x82\x01.",
    "an extension code of two bytes": STACK + b"\x83\x01\x00.",
    "an extension code of four bytes": STACK + b"\x84\x01\x00\x00\x00.",
    "a persistent id": STACK + b"Pmarker\n.",
    "a persistent id of the stack": STACK + encoded("marker") + b"Q.",
    "an instance of a class": b"(iposix\nsystem\n.",
    "an object of a class": STACK + b"(" + named("datetime", "date").code + b"o.",
    "keyword arguments": STACK + named("datetime", "date").code + b")}\x92.",
    "a buffer from outside": b"\x80\x05\x97.",
    "an unknown instruction": STACK + b"\xff.",
}


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_instructions_that_documents_never_need_are_refused(name: str, here: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"index\.pkl"):
        opened(here, INSTRUCTIONS[name])


def test_a_registered_extension_is_not_called(here: Path) -> None:
    copyreg.add_extension("posix", "system", 7)
    try:
        with pytest.raises(UnreadableFile, match="EXT1"):
            opened(here, STACK + b"\x82\x07" + encoded((COMMAND,)) + b"R.")
    finally:
        copyreg.remove_extension("posix", "system", 7)


UUID_CLASS = named("uuid", "UUID").code
MALFORMED: dict[str, bytes] = {
    "the state of a class": STACK + UUID_CLASS + encoded((None, {"__init__": 1})) + b"b.",
    "the state of a text": STACK + encoded("x") + encoded({"a": 1}) + b"b.",
    "two states": STACK + made("uuid", "UUID", {"int": 1}).code + encoded({"int": 2}) + b"b.",
    "calling a text": STACK + encoded("x") + b")R.",
    "calling what a call made": STACK + called("uuid", "UUID").code + b")R.",
    "arguments that are none": STACK + UUID_CLASS + encoded("x") + b"R.",
    "items of a text": STACK + encoded("x") + b"(" + encoded("k") + encoded("v") + b"u.",
    "one item too few": STACK + b"}(" + encoded("k") + b"u.",
    "appending to a dictionary": STACK + b"}" + encoded("k") + b"a.",
    "adding to a list": STACK + b"](" + encoded("k") + b"\x90.",
    "a list as a key": STACK + b"}]" + encoded("v") + b"s.",
    "an empty stack": STACK + b"0.",
    "no mark": STACK + b"t.",
    "a tuple of nothing": STACK + b"\x87.",
    "a memo that is empty": STACK + b"h\x05.",
    "no end": STACK + encoded("x"),
    "cut in a text": STACK + encoded("a long text")[:-3],
    "names that are no text": STACK + encoded(1) + encoded(2) + b"\x93.",
    "nothing": b"",
    "text": b"not a pickle",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_pickle_is_refused(name: str, here: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"index\.pkl"):
        opened(here, MALFORMED[name])
    assert uuid.UUID(int=1).int == 1


def bomb_of_references(depth: int) -> Raw:
    """Lists that hold the list before ten times each: a few bytes that stand for 10**depth."""
    code = b"]" + struct.pack("<cI", b"r", 0)
    for level in range(depth):
        refer = b"h" + bytes([level])
        code += b"](" + refer * 10 + b"e" + struct.pack("<cI", b"r", level + 1)
    return Raw(b"(" + code + b"t")


def deep(depth: int) -> Raw:
    return Raw(b"]" * depth + b"a" * (depth - 1))


def test_a_small_pickle_that_stands_for_billions_of_values_ends(here: Path) -> None:
    pickle = with_metadata(bomb_of_references(12))
    write_folder(here, {"a": document("text")})
    (here / "index.pkl").write_bytes(pickle)
    collection = LangchainFaissStore(LangchainFaissSettings(path=here)).open("index")
    assert collection.describe()["left_out"] == {"too-long": 1}


def test_nesting_without_end_is_no_crash(here: Path) -> None:
    write_folder(here, {"a": document("text")})
    for value in (deep(200_000), Raw(b"]" + b"\x94" + b"h\x00" + b"a")):
        (here / "index.pkl").write_bytes(with_metadata(value))
        collection = LangchainFaissStore(LangchainFaissSettings(path=here)).open("index")
        assert collection.describe()["left_out"] == {"json": 1}
    as_key = Raw(b"}" + b")" + b"\x85" * 200_000 + b"Ns")
    with pytest.raises(UnreadableFile, match="tuple"):
        opened(here, with_metadata(as_key))


def test_a_huge_place_in_the_memo_takes_no_memory(here: Path) -> None:
    put = struct.pack("<cI", b"r", 2**32 - 1)
    get = struct.pack("<cI", b"j", 2**32 - 1)
    opened(here, with_metadata(Raw(b"N" + put + b"0" + get)))
