"""No document goes that is not the same as one that stays, whatever happens in between."""

import gzip
from itertools import combinations

import numpy as np
import pytest

from xlingual_qdrant import Collection
from xlingual_qdrant.documents import Document
from xlingual_qdrant.errors import UnreadableFile, UsageError
from xlingual_qdrant.queries.checkpoints import Checkpoint
from xlingual_qdrant.queries.corpus import corpus_of_files
from xlingual_qdrant.queries.duplicates.finding import delete_duplicates, find_duplicates
from xlingual_qdrant.queries.duplicates.guards import other_numbers, profile_of, refusal
from xlingual_qdrant.queries.duplicates.skipping import DuplicateFinder

IN_MEMORY = {"store": "here", "stores": {"here": {"kind": "memory"}}}
AXES = np.eye(4, dtype=np.float32)


def collection_of(texts: dict[str, str], vectors) -> Collection:
    opened = Collection.open("vectors", settings=IN_MEMORY, schema={"dimension": 4})
    documents = [{"id": id, "text": text, "lang": "en"} for id, text in texts.items()]
    opened.add(documents, vectors=vectors)
    return opened


@pytest.fixture
def star():
    """`middle` is near to both others, which have nothing to do with each other."""
    texts = {
        "middle": "alpha beta gamma delta",
        "copied": "alpha beta gamma",
        "copy": "alpha   beta" + " " * 40 + "gamma",
        "other": "alpha beta",
    }
    return collection_of(texts, [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [1, -1, 0, 0]])


def test_the_longest_copy_of_one_end_is_not_kept_for_the_other_end(star):
    report = find_duplicates(star, threshold=0.7, guards=())
    [group] = report.groups
    assert group.kept == "copy"
    assert {other.id for other in group.others} == {"copied", "middle"}


def test_what_a_function_keeps_stands_only_for_what_is_near_to_it(star):
    def second_of_several(documents):
        return documents[min(1, len(documents) - 1)]

    report = find_duplicates(star, threshold=0.7, guards=(), keep=second_of_several)
    ends = {"copied", "copy"}, {"other"}
    for group in report.groups:
        ids = {group.kept, *(other.id for other in group.others)}
        assert "middle" in ids or not (ids & ends[0] and ids & ends[1])
        if group.kept != "middle":
            assert not (group.kept in ends[0] and ids & ends[1])
            assert not (group.kept in ends[1] and ids & ends[0])


def unfinished(monkeypatch, *args, **options):
    """Find duplicates, and stop before the finished steps are cleared away."""
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "finish", lambda self: None)
        return find_duplicates(*args, **options)


def test_steps_of_other_kinds_languages_or_vectors_are_not_taken_up(tmp_path, monkeypatch):
    texts = {"0": "a", "1": "a", "2": "b", "3": "c", "4": "d"}
    near = [AXES[0], AXES[0], AXES[1], AXES[2], AXES[2] + 0.01 * AXES[3]]
    collection = collection_of(texts, near)
    folder = tmp_path / "steps"
    asked = {"threshold": 0.9, "guards": ()}
    first = unfinished(monkeypatch, collection, **asked, checkpoint=folder)
    assert sorted(first.ids) == ["1", "4"]
    other = unfinished(monkeypatch, collection, **asked, kinds=("near",), checkpoint=folder)
    assert other.groups == find_duplicates(collection, **asked, kinds=("near",)).groups
    apart = [AXES[0], AXES[0], AXES[1], AXES[2], AXES[3]]
    collection.add(
        [{"id": id, "text": text, "lang": "en"} for id, text in texts.items()], vectors=apart
    )
    assert unfinished(monkeypatch, collection, **asked, checkpoint=folder).ids == ["1"]
    collection.add([{"id": "0", "text": "a", "lang": "de"}], vectors=[AXES[0]])
    assert not find_duplicates(collection, **asked, checkpoint=folder).groups


def test_an_empty_collection_has_a_checkpoint_too(tmp_path):
    empty = Collection.open("empty", settings=IN_MEMORY, schema={"dimension": 4})
    assert not find_duplicates(empty, checkpoint=tmp_path / "steps").groups


def test_a_document_that_changed_since_it_was_compared_stays():
    collection = collection_of({"1": "same", "2": "Same", "3": "SAME"}, [AXES[0]] * 3)
    report = find_duplicates(collection)
    collection.add([{"id": "2", "text": "something new", "lang": "en"}], vectors=[AXES[1]])
    assert delete_duplicates(collection, report) == 1
    assert [document.id for document in collection.documents()] == ["1", "2"]


def test_of_two_programs_that_keep_different_documents_the_second_deletes_nothing():
    collection = collection_of({"1": "same", "2": "Same", "3": "SAME"}, [AXES[0]] * 3)
    one = find_duplicates(collection, keep="first")
    other = find_duplicates(collection, keep=lambda documents: documents[-1])
    assert delete_duplicates(collection, one) == 2
    assert delete_duplicates(collection, other) == 0
    assert collection.count() == 1


def test_a_rule_with_something_behind_it_is_refused():
    collection = collection_of({"1": "same", "2": "Same"}, [AXES[0]] * 2)
    with pytest.raises(UsageError, match="stands alone"):
        find_duplicates(collection, keep="first de")


def test_a_file_without_its_end_is_no_corpus(tmp_path):
    rows = "".join(f'{{"text": "one text of many, number {row}"}}\n' for row in range(2000))
    whole = gzip.compress(rows.encode())
    file = tmp_path / "cut.jsonl.gz"
    file.write_bytes(whole[: len(whole) // 2])
    opened = Collection.open(settings=IN_MEMORY)
    with pytest.raises(UnreadableFile):
        corpus_of_files(opened, file)


def test_an_id_with_another_text_is_told_of(tmp_path):
    file = tmp_path / "twice.jsonl"
    lines = ("the first text", "other words", "the first text")
    file.write_text("".join(f'{{"id": "1", "text": "{text}"}}\n' for text in lines))
    told = []
    opened = Collection.open(settings=IN_MEMORY)
    assert len(corpus_of_files(opened, file, on_reject=told.append)) == 1
    assert [(each.line, each.reason) for each in told] == [(2, "duplicate")]


# ---------------------------------------------------------------- guards


def test_numbers_of_thousands_of_digits_are_compared_as_they_are_written():
    one, same, other = ("code " + digits * 5000 for digits in ("7", "7", "8"))
    for text in (one, "一" * 5000, "1." * 3000, f"{'7' * 5000} pm", f"{'1' * 5000}.5"):
        profile_of(text, "en")
    assert refusal(profile_of(one, "en"), profile_of(same, "en")) is None
    found = refusal(profile_of(one, "en"), profile_of(other, "en"))
    assert found is not None
    assert found.guard == "numbers"


def long_text(first: str, last: str) -> str:
    middle = " ".join(f"word{'abcdefghij'[row % 10]}{'klmnopqrst'[row % 7]}" for row in range(3000))
    return f"{first} {middle} {last}"


def test_long_texts_are_compared_to_their_ends():
    plain = profile_of(long_text("well", "indeed"), "en")
    again = profile_of(long_text("Well,", "indeed!"), "en")
    changed = profile_of(long_text("really", "cancelled"), "en")
    assert refusal(plain, again) is None
    assert refusal(plain, changed) is not None


def test_what_only_many_words_have_is_seen_without_comparing_each_with_each():
    one = profile_of(" ".join(f"left{row}x" for row in range(3000)), "en")
    other = profile_of(" ".join(f"right{row}x" for row in range(3000)), "en")
    assert refusal(one, other) is not None
    counted = [profile_of(" ".join(map(str, range(at, 9000, 2))), "en") for at in (0, 1)]
    assert refusal(*counted) is not None
    assert refusal(counted[0], counted[0]) is None


def test_keys_of_numbers_refuse_only_what_the_guard_refuses():
    texts = [
        "order 12 is late",
        "order 13 is late",
        "order is late",
        "order 12.0 is late",
        "order 1.200 is late",
        "order 1,200 is late",
        "order 1200 is late",
        "order of 3.5.2024 is late",
        "order of 3 May 2024 is late",
        "order of 5/3/2024 is late",
        "order at 10:00 is late",
        "order at 10 is late",
        "order at 10:30 is late",
        "order of 3 million is late",
        "order of 3,000,000 is late",
        "order 12 and 13 is late",
        "order 13 and 12 is late",
        "order v1.2.3 is late",
    ]
    profiles = [profile_of(text, "en") for text in texts]
    keys = np.array([profile.numbers_key for profile in profiles], dtype=np.int64)
    sure = 0
    for one, other in combinations(range(len(texts)), 2):
        if other_numbers(keys[one : one + 1], keys[other : other + 1])[0]:
            found = refusal(profiles[one], profiles[other])
            assert found is not None, (texts[one], texts[other])
            assert found.guard == "numbers"
            sure += 1
    assert sure > 20


def test_texts_of_one_template_are_counted_as_refused_and_shown():
    texts = {str(row): f"order {row} has been sent" for row in range(60)}
    report = find_duplicates(collection_of(texts, [AXES[0]] * 60))
    assert not report.groups
    assert report.refused == {"numbers": 60 * 59 // 2}
    assert len(report.examples) == 20


def test_a_window_of_one_text_keeps_the_first():
    collection = Collection.open("new", settings=IN_MEMORY, schema={"dimension": 4})
    finder = DuplicateFinder(collection)
    documents = [Document("thank you", str(row), "en") for row in range(50)]
    documents += [Document(f"thank you for {row}", f"n{row}", "en") for row in range(50)]
    vectors = np.tile(AXES[0], (100, 1))
    found = finder(documents, vectors)
    assert [same.id if same else None for same in found] == [None, *["0"] * 49, *[None] * 50]
    assert finder([], vectors[:0]) == []
