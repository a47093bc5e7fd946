from __future__ import annotations

import gzip
import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlingual_qdrant.errors import FileUnavailable, UnreadableFile
from xlingual_qdrant.ingest.gzip_stream import GzipDamaged, GzipTruncated, decompress
from xlingual_qdrant.ingest.lines import read_blocks, regroup
from xlingual_qdrant.ingest.opening import format_of, open_source

LINES = b"one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.jsonl", "jsonl"), ("A.CSV.GZ", "csv"), ("x.y.Tsv", "tsv"), ("t.txt.gz", "txt")],
)
def test_the_ending_says_the_format_without_regard_to_case(name, format):
    assert format_of(name) == format


@pytest.mark.parametrize("name", ["a.json", "a.xlsx", "jsonl", "a.gz", "noending"])
def test_any_other_ending_is_refused(name):
    with pytest.raises(UnreadableFile) as caught:
        format_of(name)
    assert caught.value.reason == "format"


def test_gzip_is_known_by_its_signature_whatever_the_name(write, read):
    assert read(write("a.txt", gzip.compress(LINES))).texts == ["one", "two", "three"]
    assert read(write("b.txt.gz", LINES)).texts == ["one", "two", "three"]


def test_members_and_padding_make_one_stream(write, read):
    members = gzip.compress(b"one\ntw") + gzip.compress(b"") + gzip.compress(b"o\n") + b"\0" * 512
    assert read(write("a.txt.gz", members)).texts == ["one", "two"]


def test_of_a_stream_that_ends_early_the_complete_lines_are_kept(write):
    lines = b"".join(b"%d %s\n" % (n, os.urandom(30).hex().encode()) for n in range(2000))
    path = write("a.txt.gz", gzip.compress(lines)[:-9000])
    met: list[str] = []
    with open_source(path) as opened:
        blocks = read_blocks(opened.chunks())
        with pytest.raises(UnreadableFile) as caught:
            met.extend(line for block in blocks for line in block.lines)
    assert caught.value.reason == "gzip"
    assert met == lines.decode().split("\n")[: len(met)]
    assert len(met) > 500


def test_nothing_of_a_stream_with_a_wrong_checksum_is_used(write):
    data = bytearray(gzip.compress(LINES))
    data[-6] ^= 1
    for broken in (bytes(data), gzip.compress(LINES) + b"garbage"):
        with open_source(write("a.txt.gz", broken)) as opened:
            with pytest.raises(UnreadableFile) as caught:
                next(opened.chunks())
            assert caught.value.reason == "gzip"


@given(
    members=st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1, 50), min_size=1),
)
def test_gzip_does_not_depend_on_how_it_is_read(members: list[bytes], sizes: list[int]):
    stream = b"".join(gzip.compress(member) for member in members)
    assert b"".join(decompress(pieces(stream, sizes))) == b"".join(members)


@given(data=st.binary(min_size=1, max_size=200), cut=st.integers(1, 30))
def test_every_cut_is_told(data: bytes, cut: int):
    stream = gzip.compress(data)
    with pytest.raises((GzipTruncated, GzipDamaged)):
        list(decompress(pieces(stream[: max(2, len(stream) - cut)], [7])))


def pieces(stream: bytes, sizes: list[int]):
    position, turn = 0, 0

    def read(_: int) -> bytes:
        nonlocal position, turn
        size = sizes[turn % len(sizes)]
        position, turn = position + size, turn + 1
        return stream[position - size : position]

    return read


@given(
    lines=st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"")), max_size=12),
    cuts=st.lists(st.integers(0, 240), max_size=5),
    size=st.integers(1, 30),
)
def test_lines_do_not_depend_on_where_the_bytes_were_cut(lines, cuts, size):
    data = b"".join(line + b"\n" for line in lines)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[a:b] for a, b in itertools.pairwise(places)]
    met, number = [], 1
    for block in read_blocks(regroup(chunks, size)):
        assert block.first == number
        number += len(block.lines)
        met += [line.encode("utf-8", "surrogateescape") for line in block.lines]
    assert met == lines


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"\xff\xfet\0", "encoding"),
        (b"\0\0\xfe\xff", "encoding"),
        (b"PK\x03\x04rest", "format"),
        (b"PAR1rest", "format"),
        (gzip.compress(gzip.compress(LINES, mtime=0), mtime=0), "format"),
    ],
)
def test_other_formats_are_told_by_their_signature(write, read, start, reason):
    with pytest.raises(UnreadableFile) as caught:
        read(write("a.csv", start))
    assert caught.value.reason == reason


def test_a_utf8_signature_is_no_content_at_the_start_only(write, read):
    assert read(write("a.txt", "\ufeffone\n\ufefftwo\n")).texts == ["one", "\ufefftwo"]


def test_a_folder_is_refused(tmp_path: Path):
    (tmp_path / "a.jsonl").mkdir()
    with pytest.raises(UnreadableFile) as caught:
        open_source(tmp_path / "a.jsonl")
    assert caught.value.reason == "directory"


def test_a_missing_file_names_its_neighbour(write):
    path = write("texts.jsonl", "")
    with pytest.raises(FileUnavailable, match=r"Did you mean 'texts\.jsonl'\?"):
        open_source(path.with_name("text.jsonl"))


def test_a_named_pipe_is_read_once(tmp_path: Path, read):
    path = tmp_path / "pipe.txt"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(gzip.compress(LINES),))
    writer.start()
    assert read(path).texts == ["one", "two", "three"]
    writer.join()


BOMB = """
import resource, sys
from xlingual_qdrant.ingest.fields import FieldMapping
from xlingual_qdrant.ingest.windows import WindowReader
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
reader = WindowReader([sys.argv[1]], FieldMapping())
count = sum(len(window.documents) for window in reader.windows())
print(count, len(reader.outcomes), peak() - before)
"""


def test_a_gzip_bomb_is_streamed_with_bounded_memory(write):
    line = json.dumps({"text": "x" * 100_000}).encode() + b"\n"
    path = write("a.jsonl.gz", gzip.compress(line * 2000, 6))
    out = subprocess.run(
        [sys.executable, "-c", BOMB, str(path)], capture_output=True, text=True, check=True
    )
    count, files, megabytes = out.stdout.split()
    assert (count, files) == ("2000", "1")
    assert float(megabytes) < 100
