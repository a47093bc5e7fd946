"""Shards: each record is taken by exactly one, and together they do what one run does."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlingual_qdrant import Collection, CollectionSchema, Document
from xlingual_qdrant.errors import RecordRejected, UsageError
from xlingual_qdrant.ingest import FieldMapping, IngestReport, Rejection, Shard, ingest
from xlingual_qdrant.memory import MemoryStore

MIXED = [
    *({"id": f"doc-{n}", "text": f"text {n}", "lang": "de"} for n in range(60)),
    *({"text": f"without an id {n}"} for n in range(20)),
    *({"id": f"empty-{n}", "text": ""} for n in range(15)),
    *({"id": "doc-7", "text": f"comes again {n}"} for n in range(3)),
]
NO_JSON = ["no json"] * 12


@pytest.fixture
def files(write) -> list[Path]:
    lines = [json.dumps(row) for row in MIXED]
    return [
        write("mixed.jsonl", "\n".join([*lines[:50], *NO_JSON, *lines[50:]]) + "\n"),
        write("bytes.csv", b"id,text\n1,fine\n2,not \xff fine\n3,a,b\n4,good\n"),
    ]


def new(embedder) -> Collection:
    schema = CollectionSchema(name="t", dimension=8, embedder=embedder.fingerprint)
    return Collection(MemoryStore().create(schema), embedder)


def run(collection, files, shard=None, **options) -> tuple[IngestReport, list[Rejection]]:
    met: list[Rejection] = []
    report = ingest(collection, files, shard=shard, on_reject=met.append, **options)
    done = (report.added, report.updated, report.unchanged, report.rejected)
    assert report.read == sum(done)
    assert report.rejected == len(met) == sum(outcome.rejected for outcome in report.files)
    assert report.read == sum(outcome.read for outcome in report.files)
    return report, met


def contents(collection) -> list[Document]:
    return list(collection.documents())


def in_order(rejections) -> list[Rejection]:
    return sorted(rejections, key=lambda each: (each.file, each.line))


@pytest.mark.parametrize("count", [1, 2, 3, 8, 500])
def test_all_shards_do_together_what_one_run_does(embedder, files, count):
    alone, sharded = new(embedder), new(embedder)
    whole, rejected = run(alone, files)
    shares = [run(sharded, files, f"{n}/{count}", batch_size=7) for n in range(1, count + 1)]
    assert contents(sharded) == contents(alone)
    assert in_order(each for _, met in shares for each in met) == in_order(rejected)
    for name in ("read", "added", "updated", "unchanged", "rejected", "truncated"):
        assert sum(getattr(report, name) for report, _ in shares) == getattr(whole, name)
    assert set().union(*(report.languages for report, _ in shares)) == whole.languages.keys()
    assert not any(report.failed for report, _ in shares)


def test_what_belongs_to_other_shards_is_not_embedded(embedder, files):
    collection = new(embedder)
    report, _ = run(collection, files, "2/5")
    taken = {document.text for document in contents(collection)}
    assert set(embedder.texts) >= taken
    assert len(embedder.texts) <= report.added + report.updated
    again, _ = run(collection, files, "2/5")
    assert (again.added, again.updated) == (0, report.updated)


def test_several_shards_at_once_fill_one_collection(embedder, files):
    alone, together = new(embedder), new(embedder)
    run(alone, files)
    with ThreadPoolExecutor(4) as threads:
        shares = [f"{n}/4" for n in range(1, 5)]
        list(threads.map(lambda share: run(together, files, share, batch_size=5), shares))
    assert contents(together) == contents(alone)


def test_the_order_of_records_and_files_and_their_names_do_not_matter(embedder, files, tmp_path):
    renamed = tmp_path / "elsewhere"
    renamed.mkdir()
    moved = [path.rename(renamed / f"other-{path.name}") for path in files]
    collections = {shard: new(embedder) for shard in ("1/3", "2/3", "3/3")}
    before = {}
    for shard, collection in collections.items():
        _, before[shard] = run(collection, moved, shard)
    back = [path.rename(files[n]) for n, path in enumerate(moved)]
    for shard, collection in collections.items():
        other = new(embedder)
        _, after = run(other, back[::-1], shard)
        assert contents(other) == contents(collection)
        places = [sorted((r.line, r.record) for r in met) for met in (before[shard], after)]
        assert places[0] == places[1]


@given(st.lists(st.text(min_size=1), min_size=1), st.integers(1, 20))
def test_an_id_belongs_to_exactly_one_shard(ids, count):
    for id in ids:
        document = Document("x", id=id)
        takers = [n for n in range(1, count + 1) if Shard(n, count).takes(document)]
        assert len(takers) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.integers(0, 9).map(lambda n: {"id": n, "text": f"t{n}"}), st.text())),
    st.integers(1, 4),
)
def test_whatever_is_in_a_file_nothing_is_lost_or_taken_twice(embedder, write, rows, count):
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path = write("a.jsonl", "\n".join(lines).encode(errors="surrogatepass") + b"\n{}\n")
    alone, sharded = new(embedder), new(embedder)
    whole, rejected = run(alone, path)
    shares = [run(sharded, path, Shard(n, count)) for n in range(1, count + 1)]
    assert contents(sharded) == contents(alone)
    assert in_order(each for _, met in shares for each in met) == in_order(rejected)
    assert sum(report.read for report, _ in shares) == whole.read


def test_the_shard_of_an_id_never_changes():
    # Machines with different versions of this library may fill one server.
    shards = [
        next(n for n in range(1, 9) if Shard(n, 8).takes(Document("x", id=id)))
        for id in ("doc-1", "doc-2", "문서", "a/b")
    ]
    assert shards == [2, 3, 3, 1]


def test_records_spread_evenly():
    taken = sum(Shard(3, 8).takes(Document("x", id=f"doc-{n}")) for n in range(8000))
    assert 900 < taken < 1100


def test_a_file_of_which_nothing_falls_into_this_shard_is_no_failure(embedder, write):
    path = write("one.jsonl", '{"id": "only", "text": "one"}\n')
    reports = [run(new(embedder), path, f"{n}/50")[0] for n in range(1, 51)]
    assert sorted(report.read for report in reports)[-2:] == [0, 1]
    assert not any(report.failed for report in reports)


def test_a_shard_that_has_only_rejections_of_a_sound_file_has_not_failed(embedder, write):
    path = write("a.jsonl", '{"id": "good", "text": "one"}\n{"text": ""}\n')
    reports = [run(new(embedder), path, f"{n}/50")[0] for n in range(1, 51)]
    assert sum(report.rejected for report in reports) == 1
    assert not any(report.failed for report in reports)


def test_files_that_are_bad_as_a_whole_fail_in_a_shard_too(embedder, write):
    empty = write("empty.jsonl", "")
    assert run(new(embedder), empty, "1/2")[0].failed
    bad = write("bad.jsonl", "no json\n" * 30)
    assert all(run(new(embedder), bad, f"{n}/2")[0].failed for n in (1, 2))


def test_strict_stops_the_shard_that_the_bad_record_belongs_to(embedder, write):
    path = write("a.jsonl", "".join(f'{{"text": "text {n}"}}\n' for n in range(20)) + "bad\n")
    outcomes = []
    for n in range(1, 4):
        try:
            outcomes.append(run(new(embedder), path, f"{n}/3", strict=True)[0].rejected)
        except RecordRejected as exc:
            outcomes.append(exc.line)
    assert sorted(outcomes) == [0, 0, 21]


def test_a_dry_run_counts_the_share(embedder, files):
    collection = new(embedder)
    dry, met = run(collection, files, "2/3", dry_run=True)
    assert collection.count() == 0
    done, rejected = run(collection, files, "2/3")
    assert (dry.read, dry.rejected, met) == (done.read, done.rejected, rejected)
    assert (dry.shard, dry.to_json()["shard"]) == ("2/3", "2/3")
    assert run(collection, files)[0].to_json()["shard"] is None


def test_the_language_given_for_all_counts_for_ids_that_are_made(embedder, files):
    mapping = FieldMapping(default_lang="sv")
    alone, sharded = new(embedder), new(embedder)
    run(alone, files, mapping=mapping)
    for n in range(1, 4):
        run(sharded, files, f"{n}/3", mapping=mapping)
    assert contents(sharded) == contents(alone)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0/8", "no shard 0/8: 8 shards are numbered from 1 to 8"),
        ("9/8", "no shard 9/8"),
        ("0/0", "the least number of shards is 1"),
        ("1/0", "the least number of shards is 1"),
        ("3", "written number/count, such as 3/8, not '3'"),
        ("3/", "such as 3/8"),
        ("-1/8", "such as 3/8"),
        ("1.0/8", "such as 3/8"),
        ("٣/٨", "such as 3/8"),
        ("1/2/3", "such as 3/8"),
        ("", "such as 3/8"),
        ("9" * 5000 + "/1", "such as 3/8"),
    ],
)
def test_what_is_no_shard_is_refused_before_anything_is_read(embedder, files, text, said):
    with pytest.raises(UsageError, match=said):
        ingest(new(embedder), files, shard=text)


def test_a_shard_is_written_as_it_is_read():
    assert Shard.parse(" 3/8 ") == Shard(3, 8)
    assert str(Shard(3, 8)) == "3/8"
