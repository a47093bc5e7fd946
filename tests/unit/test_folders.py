"""Collections as folders: one state or the next, whoever looks and whoever is killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xlingual_qdrant.errors import (
    CollectionDamaged,
    CollectionExists,
    CollectionLocked,
    CollectionMissing,
    ReplacementMissing,
    SettingsError,
    StoreUnavailable,
)
from xlingual_qdrant.folders import CollectionFolders, gone, lock_for_writing


def keep(text: str) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        assert list(folder.iterdir()) == []
        (folder / "kept").write_text(text)

    return fill


def broken(folder: Path) -> None:
    (folder / "half").write_text("half")
    raise OSError(28, "No space left on device")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def folders(tmp_path: Path) -> CollectionFolders:
    folders = CollectionFolders(tmp_path / "place")
    folders.create("c", keep("first"))
    return folders


def test_a_collection_is_created_whole_and_found_by_its_name(folders: CollectionFolders) -> None:
    place = folders.place
    assert folders.create("b.2", keep("other")) == folders.current("b.2") == place / "b.2" / "1"
    assert folders.list() == ["b.2", "c"]
    assert names(place / "c") == {"1", "current"}
    assert (place / "c" / "current").read_bytes() == b"1\n"
    assert (place / "c" / "1" / "kept").read_text() == "first"
    assert folders.replacement("c") is None


def test_what_cannot_be_created_leaves_nothing(folders: CollectionFolders) -> None:
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        folders.create("d", broken)
    with pytest.raises(CollectionExists):
        folders.create("c", broken)
    with pytest.raises(SettingsError, match="cannot name a collection"):
        folders.create("../d", broken)
    assert names(folders.place) == {"c"}
    assert (folders.current("c") / "kept").read_text() == "first"


def test_who_creates_what_another_has_just_created_is_told_so(folders: CollectionFolders) -> None:
    def fill(folder: Path) -> None:
        folders.create("d", keep("quicker"))
        keep("slower")(folder)

    with pytest.raises(CollectionExists):
        folders.create("d", fill)
    assert (folders.current("d") / "kept").read_text() == "quicker"
    assert names(folders.place) == {"c", "d"}


def test_there_is_nothing_in_a_place_that_is_not_there(tmp_path: Path) -> None:
    folders = CollectionFolders(tmp_path / "nowhere")
    assert folders.list() == []
    for ask in (
        folders.current,
        folders.drop,
        folders.replacement,
        folders.finish_replacement,
        folders.discard_replacement,
        lambda name: folders.begin_replacement(name, keep("x")),
    ):
        with pytest.raises(CollectionMissing):
            ask("c")
    assert not folders.place.exists()


def test_what_else_lies_in_the_place_is_no_collection(folders: CollectionFolders) -> None:
    (folders.place / "notes.txt").write_text("notes")
    (folders.place / "empty").mkdir()
    (folders.place / ".c.new.0123456789abcdef" / "1").mkdir(parents=True)
    assert folders.list() == ["c"]
    for name in ("notes.txt", "empty"):
        with pytest.raises(CollectionMissing, match=r"It holds: c\."):
            folders.current(name)
        with pytest.raises(StoreUnavailable, match="no collection of this kind of store; move it"):
            folders.create(name, keep("x"))
        with pytest.raises(CollectionMissing):
            folders.drop(name)
    assert {"notes.txt", "empty", "c"} <= names(folders.place)


def test_a_collection_of_another_kind_of_store_is_left_alone(folders: CollectionFolders) -> None:
    others = CollectionFolders(folders.place, marker="index")
    others.create("d", lambda folder: (folder / "index").touch())
    assert others.list() == ["d"]
    assert folders.list() == ["c", "d"]
    for ask in (others.drop, lambda name: others.begin_replacement(name, keep("x"))):
        with pytest.raises(CollectionMissing, match=r"It holds: d\."):
            ask("c")
    with pytest.raises(StoreUnavailable, match="no collection of this kind of store; move it"):
        others.create("c", keep("x"))
    (folders.place / "d" / "current").write_text("?")
    assert others.list() == ["d"]
    others.drop("d")
    assert folders.list() == ["c"]


@pytest.mark.parametrize(
    "content", [b"", b"one", b"0\n", b"-1\n", b"1 2\n", b"\xff\xfe", b"\0" * 9]
)
def test_without_the_number_of_the_current_generation_a_collection_is_damaged(
    folders: CollectionFolders, content: bytes
) -> None:
    (folders.place / "c" / "current").write_bytes(content)
    for ask in (folders.current, folders.replacement, folders.finish_replacement):
        with pytest.raises(CollectionDamaged, match="its file 'current' holds no number"):
            ask("c")
    assert folders.list() == ["c"]
    folders.drop("c")
    assert names(folders.place) == set()


def test_a_lost_generation_is_damage(folders: CollectionFolders) -> None:
    shutil.rmtree(folders.current("c"))
    with pytest.raises(CollectionDamaged, match=r"the folder '1', which .* is missing"):
        folders.current("c")


def test_a_replacement_is_the_current_one_when_it_is_finished(folders: CollectionFolders) -> None:
    first = folders.current("c")
    begun = folders.begin_replacement("c", keep("second"))
    assert folders.replacement("c") == begun
    assert folders.current("c") == first
    assert folders.list() == ["c"]
    folders.finish_replacement("c")
    assert folders.current("c") == begun
    assert folders.replacement("c") is None
    assert (first / "kept").read_text() == "first"
    with pytest.raises(ReplacementMissing):
        folders.finish_replacement("c")
    folders.remove_replaced(begun)
    assert names(begun.parent) == {"2", "current", "write.lock"}
    assert folders.begin_replacement("c", keep("third")).name == "3"


def test_a_replacement_that_cannot_be_begun_leaves_the_one_before_it(
    folders: CollectionFolders,
) -> None:
    begun = folders.begin_replacement("c", keep("second"))
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        folders.begin_replacement("c", broken)
    assert folders.replacement("c") == begun
    assert names(begun.parent) == {"1", "2", "current", "write.lock"}
    again = folders.begin_replacement("c", keep("third"))
    assert names(begun.parent) == {"1", "3", "current", "write.lock"}
    assert folders.replacement("c") == again
    folders.discard_replacement("c")
    folders.discard_replacement("c")
    assert names(begun.parent) == {"1", "current", "write.lock"}


def test_a_copied_folder_is_another_collection(folders: CollectionFolders) -> None:
    folders.begin_replacement("c", keep("second"))
    shutil.copytree(folders.place / "c", folders.place / "copy")
    folders.finish_replacement("copy")
    folders.drop("c")
    assert folders.list() == ["copy"]
    assert (folders.current("copy") / "kept").read_text() == "second"


def test_while_there_is_a_writer_nothing_is_replaced_or_dropped(folders: CollectionFolders) -> None:
    folders.begin_replacement("c", keep("second"))
    lock = lock_for_writing(folders.current("c"))
    for ask in (
        folders.drop,
        folders.finish_replacement,
        folders.discard_replacement,
        lambda name: folders.begin_replacement(name, keep("x")),
    ):
        with pytest.raises(CollectionLocked, match=f"by process {os.getpid()} "):
            ask("c")
    assert folders.current("c").name == "1"
    folders.finish_replacement("c", lock=lock)
    assert folders.current("c").name == "2"
    folders.drop("c")


def test_a_lock_that_was_handed_over_is_released_in_any_case(folders: CollectionFolders) -> None:
    lock = lock_for_writing(folders.current("c"))
    with pytest.raises(ReplacementMissing):
        folders.finish_replacement("c", lock=lock)
    lock_for_writing(folders.current("c")).release()


def test_nobody_writes_into_what_is_not_there_any_more(folders: CollectionFolders) -> None:
    first = folders.current("c")
    discarded = folders.begin_replacement("c", keep("second"))
    folders.discard_replacement("c")
    with pytest.raises(StoreUnavailable, match=r"was discarded .*; begin it again"):
        lock_for_writing(discarded)
    second = folders.begin_replacement("c", keep("second"))
    lock_for_writing(second).release()
    folders.finish_replacement("c")
    with pytest.raises(StoreUnavailable, match="it was replaced since it was opened; open it"):
        lock_for_writing(first)
    lock_for_writing(second).release()
    folders.drop("c")
    for generation in (first, second):
        with pytest.raises(StoreUnavailable, match=r"it was dropped, or made anew, .*; open it"):
            lock_for_writing(generation)
    assert str(gone(second)).startswith(f"{folders.place / 'c'}: ")
    assert names(folders.place) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_of_a_collection_that_is_a_link_the_link_is_dropped(
    folders: CollectionFolders, tmp_path: Path
) -> None:
    (folders.place / "c").rename(tmp_path / "elsewhere")
    (folders.place / "c").symlink_to(tmp_path / "elsewhere")
    folders.begin_replacement("c", keep("second"))
    folders.finish_replacement("c")
    folders.remove_replaced(folders.current("c"))
    folders.drop("c")
    assert names(folders.place) == set()
    assert (tmp_path / "elsewhere" / "2" / "kept").read_text() == "second"


def test_only_what_is_the_library_s_own_is_removed(folders: CollectionFolders) -> None:
    theirs = {".gitignore", ".c.new.short", ".cc.dropped.0123456789abcdef"}
    for name in theirs:
        (folders.place / name).mkdir()
        (folders.place / "c" / name).mkdir()
    left = {".2", ".1.0123456789abcdef", ".current"}
    for name in left:
        (folders.place / "c" / name).mkdir()
    for state in ("new", "dropped"):
        (folders.place / f".c.{state}.0123456789abcdef" / "1").mkdir(parents=True)
    folders.remove_replaced(folders.current("c"))
    assert names(folders.place) == {"c", *theirs}
    assert names(folders.place / "c") == {"1", "current", *theirs}


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from xlingual_qdrant.folders import CollectionFolders, lock_for_writing

place, saved = Path(sys.argv[1], "place"), Path(sys.argv[1], "saved")
folders = CollectionFolders(place)
place.mkdir()

def fill(folder):
    for name in "ab":
        (folder / name).write_text("whole")

def begin():
    folders.begin_replacement("c", fill)

def remove_replaced():
    generation = folders.current("c")
    lock = lock_for_writing(generation)
    folders.remove_replaced(generation)
    lock.release()

def state():
    if not folders.list():
        return "none"
    replacement = folders.replacement("c")
    for generation in filter(None, (folders.current("c"), replacement)):
        assert [(generation / name).read_text() for name in "ab"] == ["whole"] * 2
    return folders.current("c").name + (">" + replacement.name if replacement else "")

WORK = [
    (lambda: folders.create("c", fill), "none", "1"),
    (begin, "1", "1>2"),
    (begin, "1>2", "1>3"),
    (lambda: folders.discard_replacement("c"), "1>3", "1"),
    (begin, "1", "1>2"),
    (lambda: folders.finish_replacement("c"), "1>2", "2"),
    (remove_replaced, "2", "2"),
    (begin, "2", "2>3"),
    (lambda: folders.drop("c"), "2>3", "none"),
]

def killed_at(step, work):
    # In a process that dies at the step-th thing that it asks of the disk, if it gets so far.
    if not (child := os.fork()):
        left = step
        def count(event, _):
            nonlocal left
            if event == "open" or event.startswith(("os.", "shutil.")):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(count)
        work()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status != 0

for work, before, after in WORK:
    shutil.rmtree(saved, ignore_errors=True)
    shutil.copytree(place, saved)
    seen, step, killed = set(), 0, True
    while killed:
        step += 1
        shutil.rmtree(place)
        shutil.copytree(saved, place)
        killed = killed_at(step, work)
        seen.add(state())
        if state() == before and before != after:
            work()
            assert state() == after, state()
        if after == "none":
            folders.create("c", fill)
        remove_replaced()
        kept = state().split(">") if after != "none" else ["1"]
        assert {path.name for path in place.iterdir()} == {"c"}, list(place.iterdir())
        there = {path.name for path in (place / "c").iterdir()}
        assert there - {"write.lock"} == {"current", *kept}, there
    assert seen == {before, after}, seen
    assert step > 10
    shutil.rmtree(place)
    shutil.copytree(saved, place)
    work()
print("passed")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_whoever_is_killed_at_any_step_leaves_the_state_before_or_after(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "passed\n", done.stderr
