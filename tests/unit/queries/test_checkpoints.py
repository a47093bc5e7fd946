"""Finished steps of long work: kept whole, and taken up only by the same work."""

from __future__ import annotations

import numpy as np
import pytest

from xlingual_qdrant.errors import FileUnavailable, UsageError
from xlingual_qdrant.queries.checkpoints import Checkpoint, digest_of


def test_a_step_is_found_again_by_the_same_work(tmp_path):
    Checkpoint(tmp_path / "steps", {"k": 4}).save("one", rows=np.arange(3))
    again = Checkpoint(tmp_path / "steps", {"k": 4})
    step = again.load("one")
    assert step is not None
    assert step["rows"].tolist() == [0, 1, 2]
    assert again.load("two") is None


def test_steps_of_another_work_are_thrown_away(tmp_path):
    Checkpoint(tmp_path / "steps", {"k": 4}).save("one", rows=np.arange(3))
    other = Checkpoint(tmp_path / "steps", {"k": 5})
    assert other.load("one") is None
    other.save("two", rows=np.arange(1))
    assert Checkpoint(tmp_path / "steps", {"k": 5}).load("one") is None


def test_finished_work_leaves_no_folder(tmp_path):
    kept = Checkpoint(tmp_path / "steps", {})
    kept.save("one", rows=np.arange(3))
    kept.finish()
    assert not (tmp_path / "steps").exists()
    kept.finish()


def test_without_a_folder_nothing_is_kept():
    kept = Checkpoint(None, {})
    kept.save("one", rows=np.arange(3))
    assert kept.load("one") is None
    kept.finish()


def test_a_folder_with_other_things_is_refused_and_not_touched(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds no steps"):
        Checkpoint(tmp_path, {})
    with pytest.raises(UsageError, match="holds no steps"):
        Checkpoint(tmp_path / "letter.txt", {})
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_what_others_put_into_the_folder_stays(tmp_path):
    kept = Checkpoint(tmp_path / "steps", {})
    kept.save("one", rows=np.arange(3))
    (tmp_path / "steps" / "notes.txt").write_text("mine")
    kept.finish()
    assert [file.name for file in (tmp_path / "steps").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("left", [0, 10, 200])
def test_a_step_that_lost_its_end_was_never_finished(tmp_path, left):
    kept = Checkpoint(tmp_path / "steps", {})
    kept.save("one", rows=np.arange(300))
    file = tmp_path / "steps" / "one.npz"
    file.write_bytes(file.read_bytes()[:left])
    assert kept.load("one") is None


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    kept = Checkpoint(tmp_path / "file" / "steps", {})
    with pytest.raises(FileUnavailable, match="unfinished work cannot be kept"):
        kept.save("one", rows=np.arange(3))


def test_a_digest_tells_ids_and_their_order():
    assert digest_of(["a", "b"]) == digest_of(["a", "b"])
    assert len({digest_of(["a", "b"]), digest_of(["b", "a"]), digest_of(["ab"])}) == 3
