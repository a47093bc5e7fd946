"""Shared evaluation files: small ones, whose figures are computed by hand or are plain."""

from __future__ import annotations

from pathlib import Path

import pytest

from xlingual_qdrant import Collection, load_embedder
from xlingual_qdrant.errors import FileUnavailable, UnknownColumn, UnknownName, UnreadableFile
from xlingual_qdrant.queries.evaluation import evaluate_folder

EMBEDDER = load_embedder("bundled")

PARAGRAPHS = {
    "cat": {"en": "The cat sits on the mat.", "de": "Die Katze sitzt auf der Matte."},
    "rain": {"en": "It will rain tomorrow.", "de": "Morgen wird es regnen."},
    "train": {"en": "The train is late.", "de": "Der Zug hat Verspätung."},
    "book": {"en": "She reads a book.", "de": "Sie liest ein Buch."},
}


def table(folder: Path, name: str, columns: str, rows: list[tuple[object, ...]]) -> None:
    lines = ["\t".join(columns.split()), *("\t".join(map(str, row)) for row in rows)]
    file = folder / f"{name}.tsv"
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def xquad(tmp_path: Path) -> Path:
    rows = [
        (id, lang, t) for lang in ("en", "de") for id, p in PARAGRAPHS.items() for t in [p[lang]]
    ]
    table(tmp_path, "xquad/paragraphs", "id lang text", rows)
    questions = [(f"q-{id}", lang, text, id, f"{id}-{lang}") for id, lang, text in rows]
    table(tmp_path, "xquad/questions", "id lang text paragraph sentence", questions)
    sentences = [(f"{id}-{lang}", lang, text, id) for id, lang, text in rows]
    table(tmp_path, "xquad/sentences", "id lang text paragraph", sentences)
    return tmp_path


def test_pools_of_questions_that_are_the_paragraphs_themselves(xquad: Path) -> None:
    figures = evaluate_folder(EMBEDDER, xquad)["xquad"]
    assert figures["same_R@1"] == 1.0
    assert figures["cross"] == {"en-de": 1.0, "de-en": 1.0}
    assert figures["scattered"]["MRR_same"] == 1.0
    assert figures["scattered"]["fair_share"] == 0.5
    assert figures["mixed"].keys() == {"mAP", "own_share", "fair_share", "coverage_2L"}
    # A text is nearest to itself, its translation at most eighth.
    assert (1 + 2 / 8) / 2 <= figures["mixed"]["mAP"] <= 1
    assert figures["sentences"] == figures["mixed"]


def test_pools_may_be_asked_through_a_collection(xquad: Path) -> None:
    figures = evaluate_folder(
        EMBEDDER,
        xquad,
        ["xquad"],
        open_pool=lambda name: Collection.open(name, store="memory"),
        searches={"plain": {}, "german": {"langs": "de"}},
    )["xquad"]
    found = figures["searches"]["plain"]
    for pool in ("mixed", "scattered"):
        assert found[pool] == pytest.approx(figures[pool], abs=1e-6)
    assert figures["searches"]["german"]["mixed"]["own_share"] == pytest.approx(0.5)


def test_all_other_tasks_on_a_folder(tmp_path: Path) -> None:
    pairs = [(p["de"], p["en"]) for p in PARAGRAPHS.values()]
    table(tmp_path, "tatoeba", "id lang text english", [(n, "de", *p) for n, p in enumerate(pairs)])
    graded = [(5, *pairs[0]), (0, pairs[0][0], pairs[1][1]), (4, *pairs[1])]
    table(tmp_path, "sts", "pair score text1 text2", [("de-en", *each) for each in graded])
    topics = [
        ("en", split, n % 2, en) for split in ("train", "test") for n, (_, en) in enumerate(pairs)
    ] + [("de", "test", n % 2, de) for n, (de, _) in enumerate(pairs)]
    table(tmp_path, "sib200", "lang split category text", topics)
    sides = [
        (f"{lang}-{n}", side, text)
        for n, pair in enumerate(pairs)
        for lang, side, text in zip(("de", "en"), ("left", "right"), pair, strict=True)
    ]
    table(
        tmp_path,
        "mining",
        "pair id side text",
        [(name, *side) for name in ("de-en", "again") for side in sides],
    )
    gold = [(name, f"de-{n}", f"en-{n}") for name in ("de-en", "again") for n in range(4)]
    table(tmp_path, "mining_gold", "pair left_id right_id", gold)
    texts = [
        (id, lang, text, cluster)
        for cluster, name in enumerate(PARAGRAPHS)
        for lang, text in PARAGRAPHS[name].items()
        for id in [f"{name}-{lang}"]
    ]
    copies = [
        ("copy", "en", "The cat sits on the mat", 0),
        ("other", "en", "The dog sits here.", 9),
    ]
    rows = [(id, lang, text, f"c{cluster}") for id, lang, text, cluster in [*texts, *copies]]
    table(tmp_path, "dedup", "id lang text cluster", rows)
    table(tmp_path, "dedup_origin", "id kind of", [("other", "changed:name", "cat-en")])

    done: list[str] = []
    figures = evaluate_folder(EMBEDDER, tmp_path, on_task=lambda task, _: done.append(task))
    assert done == ["tatoeba", "sts", "sib200", "mining", "dedup"], "xquad is not there"
    assert figures["tatoeba"] == {"mean": 1.0, "worst": {"de": 1.0}, "languages": {"de": 1.0}}
    assert figures["sts"]["mean"] > 0
    assert figures["sib200"]["logistic"]["english"] == 1.0
    assert figures["sib200"]["10nn"].keys() == {"mean", "english", "gap", "languages"}
    assert figures["mining"]["margin"]["transfer_F1"] == 1.0
    assert figures["dedup"]["same_language"]["oracle_F1"] == 1.0
    assert figures["dedup"]["cross_language"]["oracle_F1"] > 0.5
    assert figures["dedup"]["same_language"]["hard_negatives_taken"] == 0.0


def test_what_is_missing_or_damaged_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileUnavailable, match="holds no evaluation files"):
        evaluate_folder(EMBEDDER, tmp_path)
    with pytest.raises(FileUnavailable, match=r"holds no sts\.tsv\.gz"):
        evaluate_folder(EMBEDDER, tmp_path, ["sts"])
    with pytest.raises(UnknownName, match="Did you mean 'tatoeba'"):
        evaluate_folder(EMBEDDER, tmp_path, ["tatoba"])
    table(tmp_path, "sts", "pair score text1 text2", [("de-en", "high", "a", "b")])
    with pytest.raises(UnreadableFile, match="high"):
        evaluate_folder(EMBEDDER, tmp_path)
    table(tmp_path, "sts", "pair score text1 text2", [("de-en", 1, "a")])
    with pytest.raises(UnreadableFile, match="line 2: 3 fields"):
        evaluate_folder(EMBEDDER, tmp_path)
    table(tmp_path, "sts", "pair score text1 text", [("de-en", 1, "a", "b")])
    with pytest.raises(UnreadableFile, match="no column 'text2'"):
        evaluate_folder(EMBEDDER, tmp_path)
    table(tmp_path, "sts", "pair score a b", [("de-en", 1, "a", "b")])
    with pytest.raises(UnknownColumn, match="'text1'"):
        evaluate_folder(EMBEDDER, tmp_path)
