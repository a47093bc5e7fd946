"""`xlingual mine`."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from xlingual_qdrant import Collection

ENGLISH = [
    "The cat sat on the mat.",
    "Machine learning is transforming healthcare.",
    "I need to book a flight to Berlin.",
]
FRENCH = [
    "J'ai besoin de réserver un vol pour Berlin.",
    "Le chat était assis sur le tapis.",
    "L'apprentissage automatique transforme la santé.",
    "La tour Eiffel est à Paris.",
]
PARTNERS = {ENGLISH[0]: FRENCH[1], ENGLISH[1]: FRENCH[2], ENGLISH[2]: FRENCH[0]}
FILES = ("--source-file", "en.txt", "--source", "en", "--target-file", "fr.txt", "--target", "fr")
LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@pytest.fixture
def texts(folder: Path) -> Path:
    (folder / "en.txt").write_text("\n".join(ENGLISH), encoding="utf-8")
    (folder / "fr.txt").write_text("\n".join(FRENCH), encoding="utf-8")
    return folder


@pytest.fixture
def both(folder: Path) -> Path:
    with Collection.open() as collection:
        collection.add([{"text": text, "lang": "en"} for text in ENGLISH])
        collection.add([{"text": text, "lang": "fr"} for text in FRENCH])
    return folder


def test_a_pipe_gets_lines_best_first(both, run):
    result = run("mine", "--source", "en", "--target", "fr")
    assert result.exit_code == 0, result.stderr
    cells = [line.split("\t") for line in result.stdout.splitlines()]
    assert {source: target for *_, source, target in cells} == PARTNERS
    scores = [float(score) for score, *_ in cells]
    assert scores == sorted(scores, reverse=True)
    assert "Found 3 pairs among 3 texts and 4" in result.stderr


def test_files_need_no_collection_and_leave_none(texts, run):
    result = run("mine", *FILES)
    assert result.exit_code == 0, result.stderr
    assert len(result.stdout.splitlines()) == 3
    assert sorted(each.name for each in texts.iterdir()) == ["en.txt", "fr.txt"]


def test_a_file_is_mined_with_a_language_of_the_collection(both, texts, run, parse):
    result = run("mine", "--source-file", "en.txt", "--source", "en", "--target", "fr", "--json")
    found = parse(result.stdout)
    assert {row["source"]["text"]: row["target"]["text"] for row in found} == PARTNERS


def test_two_collections_of_a_store(folder, run, parse):
    with Collection.open() as collection:
        collection.add([{"text": text, "lang": "en"} for text in ENGLISH])
    with Collection.open("french") as collection:
        collection.add([{"text": text, "lang": "fr"} for text in FRENCH])
    sides = ("--source", "en", "--target", "fr", "--target-collection", "french")
    for way in ((), ("--through-index",), ("--in-memory",)):
        found = parse(run("mine", *sides, *way, "--json").stdout)
        assert {row["source"]["text"]: row["target"]["text"] for row in found} == PARTNERS


def test_json_has_the_names_of_a_pair(both, run, parse):
    row = parse(run("mine", "--source", "en", "--target", "fr", "--json").stdout)[0]
    assert list(row) == ["score", "probability", "cosine", "source", "target"]
    assert list(row["source"]) == ["id", "text", "lang", "metadata"]
    assert (row["source"]["lang"], row["target"]["lang"]) == ("en", "fr")


def test_the_name_of_the_file_decides_the_format(texts, run, parse):
    for name in ("pairs.tsv", "pairs.jsonl", "pairs.tmx"):
        result = run("mine", *FILES, "--output", name)
        assert (result.exit_code, result.stdout) == (0, "")
    assert len(parse((texts / "pairs.jsonl").read_text(encoding="utf-8"))) == 3
    assert len((texts / "pairs.tsv").read_text(encoding="utf-8").splitlines()) == 3
    assert ElementTree.parse(texts / "pairs.tmx").getroot().tag == "tmx"
    assert not list(texts.glob("*.progress"))


def test_the_format_can_be_said_beside_the_name(texts, run, parse):
    assert run("mine", *FILES, "--output", "pairs.txt", "--format", "jsonl").exit_code == 0
    assert len(parse((texts / "pairs.txt").read_text(encoding="utf-8"))) == 3
    assert run("mine", *FILES, "--output", "PAIRS.JSONL", "--json").exit_code == 0
    assert len(parse((texts / "PAIRS.JSONL").read_text(encoding="utf-8"))) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--output", "x.foo"), ".tsv, .jsonl, .tmx"),
        (("--output", "pairs"), "--format"),
        (("--output", "x.tsv", "--json"), "does not end in .jsonl"),
    ],
)
def test_a_name_that_does_not_fit_the_format_is_refused_before_any_work(
    texts, run, arguments, words
):
    result = run("mine", *FILES, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert sorted(each.name for each in texts.iterdir()) == ["en.txt", "fr.txt"]


def test_a_translation_memory_can_be_read_whatever_is_in_the_texts(folder, run):
    odd = [
        'Fish & chips <b>"cost"</b> 5 ]]> pounds,\r\nthe sign\tsays.',
        "The bell \x07 rang and \x1b[31mthe lamp\x1b[0m was red.",
    ]
    with Collection.open() as collection:
        collection.add([{"id": "a&b", "text": odd[0], "lang": "en"}])
        collection.add([{"id": "bell", "text": odd[1], "lang": "en-GB"}])
        collection.add(
            [
                {"text": "Le poisson-frites coûte 5 livres, dit le panneau.", "lang": "fr"},
                {"text": "La cloche a sonné et la lampe était rouge.", "lang": "fr-CA"},
            ]
        )
    languages = ("--source", "en", "--target", "fr", "--threshold", "0")
    result = run("mine", *languages, "--format", "tmx")
    assert result.exit_code == 0, result.stderr
    root = ElementTree.fromstring(result.stdout.encode())
    header = root.find("header")
    assert root.get("version") == "1.4"
    assert header is not None
    needed = {"creationtool", "creationtoolversion", "segtype", "o-tmf", "adminlang", "datatype"}
    assert needed | {"srclang"} == set(header.keys())
    assert header.get("srclang") == "*all*"
    units = {
        unit[2].findtext("prop"): [each.findtext("seg") for each in unit.iter("tuv")]
        for unit in root.iter("tu")
    }
    assert units["a&b"][0] == odd[0]
    assert units["bell"][0] == odd[1].replace("\x07", "\ufffd").replace("\x1b", "\ufffd")
    tags = {each.get(LANG) for each in root.iter("tuv")}
    assert tags == {"en", "en-GB", "fr", "fr-CA"}


def test_lines_hold_no_tab_or_line_break_of_a_text(folder, run):
    with Collection.open() as collection:
        collection.add([{"id": "1", "text": "one\ttwo\nthree", "lang": "en"}])
        collection.add([{"id": "2", "text": "un\tdeux\ntrois", "lang": "fr"}])
    result = run("mine", "--source", "en", "--target", "fr", "--threshold", "-1")
    assert result.stdout.split("\t")[1:] == ["1", "2", "one\\ttwo\\nthree", "un\\tdeux\\ntrois\n"]


def test_a_terminal_gets_a_table(both, terminal):
    code, shown = terminal("mine", "--source", "en", "--target", "fr")
    assert code == 0
    assert "source" in shown
    assert "healthcare" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--source", "en"), "--target"),
        (("--target", "fr"), "--source"),
        (("--source", "en", "--target", "en"), "share 3 documents"),
        (("--source", "en", "--target", "fr", "--threshold", "high"), "a number such as"),
        (("--source", "en", "--target", "xx-nothing-"), "language"),
        (("--source", "en", "--target", "fr", "--json", "--format", "tmx"), "exclude"),
        (
            ("--source", "en", "--target", "fr", "--measure", "csls", "--threshold", "calibrated"),
            "csls",
        ),
    ],
)
def test_wrong_usage_is_2(both, run, arguments, words):
    result = run("mine", *arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr


def test_a_language_without_texts_has_no_pairs_and_says_so(both, run):
    result = run("mine", "--source", "en", "--target", "ja")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no text has the language 'ja'" in result.stderr
