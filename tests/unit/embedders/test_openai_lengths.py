"""The estimate of a text's length, where no tokenizer is at hand, and requests packed by it."""

from __future__ import annotations

import pytest
from xlingual_adapters.embedders.openai.batches import Batches, Limits, Request
from xlingual_adapters.embedders.openai.lengths import Cut, cut


# Tokens of OpenAI's cl100k_base, the vocabulary of its embedding models.
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The quick brown fox jumps over the lazy dog. " * 20, 201),
        ("Die Donaudampfschifffahrtsgesellschaft fährt nicht bei Hochwasser. " * 20, 441),
        ("Hyvää huomenta, missä on lähin rautatieasema? " * 20, 381),
        ("Где находится ближайшая железнодорожная станция? " * 20, 461),
        ("निकटतम रेलवे स्टेशन कहाँ है? " * 20, 580),
        ("最寄りの駅はどこですか。" * 20, 280),
        ("أين تقع أقرب محطة قطار؟ " * 20, 381),
    ],
)
def test_the_estimate_is_on_the_safe_side_and_not_far(text: str, tokens: int) -> None:
    assert tokens <= cut(text, None).tokens <= 1.9 * tokens


@pytest.mark.parametrize("text", ["word " * 100, "wörd " * 100, "字" * 500, "😀" * 300, "x" * 999])
def test_what_is_cut_fits_and_is_as_long_as_possible(text: str) -> None:
    kept = cut(text, 100)
    assert kept.is_cut
    assert text.startswith(kept.text)
    assert 96 < kept.tokens <= 100
    assert not cut(kept.text, 100).is_cut
    assert cut(text[: len(kept.text) + 1], 100).is_cut


def test_what_follows_does_not_matter() -> None:
    text = "word " * 100
    assert cut(text + "日本", 50).text == cut(text, 50).text


@pytest.mark.parametrize("text", ["", "a", "short", "日"])
def test_short_texts_are_kept(text: str) -> None:
    assert cut(text, 10) == (text, False, cut(text, None).tokens)


def test_requests_are_filled_by_texts_and_by_tokens() -> None:
    limits = Limits(2, 50)
    tokens = enumerate([5, 5, 5, 100, 1, 1, 1, 1])
    batches = Batches({number: Cut(f"{number}", False, each) for number, each in tokens}, limits)

    def taken() -> list[int]:
        request = batches.take()
        return request.numbers if request else []

    assert taken() == [0, 1]
    limits.texts = 9
    assert taken() == [2]
    assert taken() == [3]
    assert not batches.is_empty
    limits.texts = 3
    assert taken() == [4, 5, 6]
    assert taken() == [7]
    assert batches.is_empty
    assert batches.take() is None


def test_limits_only_shrink_and_are_told_once() -> None:
    limits = Limits(128, 1000)
    parts = Request([4, 5, 6], ["a", "b", "c"], [10, 20, 30]).divided(2)
    assert [part.numbers for part in parts] == [[4, 5], [6]]
    assert limits.learn(parts, by_texts=True) == "batch_size = 2"
    assert limits.learn(parts, by_texts=True) == ""
    assert limits.learn(parts, by_texts=False) == "batch_tokens = 30"
    assert (limits.texts, limits.tokens) == (2, 30)


def test_a_text_is_named_by_its_number_and_its_beginning() -> None:
    request = Request([7, 8], ["short", "a b " * 20], [1, 1])
    assert request.name(0) == "text 7 ('short')"
    assert request.name(1) == f"text 8 ('{'a b ' * 10}...')"
