"""Models that are made in a moment: folders as sentence-transformers writes them.

Their weights are random, from a fixed seed, and their vocabulary covers a dozen scripts:
whatever holds for every model can be seen on them, without a download.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from xlingual_qdrant.schema import PROBES

SENTENCES: tuple[str, ...] = (
    *PROBES,
    "The parcel did not arrive, and nobody answers the telephone.",
    "query: where is the nearest station? passage: the train leaves at seven.",
    "Der Zug fährt heute leider nicht, Straße gesperrt.",
    "Où est la gare ? Le colis n'est pas arrivé.",
    "¿Dónde está la estación? El tren sale a las siete.",
    "Πού είναι ο σταθμός; Το τρένο φεύγει στις επτά.",
    "Де знаходиться вокзал? Потяг відходить о сьомій.",
    "איפה התחנה? הרכבת יוצאת בשבע.",
    "火车站在哪里?火车七点开。",
    "駅はどこですか。電車は七時に出ます。",
    "역이 어디에 있습니까? 기차는 일곱 시에 떠납니다.",
    "สถานีอยู่ที่ไหน รถไฟออกตอนเจ็ดโมง",
    "ரயில் நிலையம் எங்கே உள்ளது?",
    "স্টেশন কোথায়? ট্রেন সাতটায় ছাড়ে।",
)
"""What the vocabulary knows as whole words; other words are spelled by their letters."""

Family = Literal["bert", "xlm-roberta"]


def tiny_model(
    folder: Path,
    *,
    prompts: Mapping[str, str] | None = None,
    default_prompt: str | None = None,
    normalize: bool = True,
    max_tokens: int | None = 64,
    dimension: int = 32,
    positions: int = 512,
    family: Family = "bert",
    name_or_path: str = "",
    layers: int = 2,
    seed: int = 0,
) -> Path:
    """Write a random multilingual model into `folder`, and return it.

    prompts, default_prompt: as `config_sentence_transformers.json` is to hold them.
    max_tokens: `max_seq_length` of the folder; None leaves it to the tokenizer and the model.
    positions: tokens that the model has positions for. name_or_path: what the configuration
    says that the model was made from.
    """
    import torch
    from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel
    from transformers.utils import logging as bars

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _wordpiece() if family == "bert" else _unigram()
    shape: dict[str, Any] = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": dimension,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 2 * dimension,
        "initializer_range": 0.3,  # random vectors of different texts lie well apart
        "pad_token_id": tokenizer.token_to_id("[PAD]"),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if family == "bert":
            model = BertModel(BertConfig(max_position_embeddings=positions, **shape))
        else:
            # Positions of this family begin behind that of the padding.
            beyond = shape["pad_token_id"] + 1
            config = XLMRobertaConfig(
                max_position_embeddings=positions + beyond, type_vocab_size=1, **shape
            )
            model = XLMRobertaModel(config)
        # What all texts share would drown what they differ in.
        model.embeddings.token_type_embeddings.weight.data.zero_()
        model.embeddings.position_embeddings.weight.data.mul_(0.2)
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    model.save_pretrained(folder)
    if shown:
        bars.enable_progress_bar()
    if name_or_path:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        _write(folder / "config.json", {"_name_or_path": name_or_path, **config})
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {name: f"[{name[:-6].upper()}]" for name in SPECIAL}
    _write(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", **special},
    )
    modules = ["Transformer", "Pooling", *(["Normalize"] if normalize else [])]
    paths = ["", "1_Pooling", "2_Normalize"]
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{module}"}
        for i, (module, path) in enumerate(zip(modules, paths, strict=False))
    ]
    _write(folder / "modules.json", listed)
    (folder / "1_Pooling").mkdir(exist_ok=True)
    _write(
        folder / "1_Pooling" / "config.json",
        {"word_embedding_dimension": dimension, "pooling_mode_mean_tokens": True},
    )
    limit = {} if max_tokens is None else {"max_seq_length": max_tokens}
    _write(folder / "sentence_bert_config.json", {**limit, "do_lower_case": False})
    _write(
        folder / "config_sentence_transformers.json",
        {"prompts": dict(prompts or {}), "default_prompt_name": default_prompt},
    )
    return folder


SPECIAL = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")


def _words() -> tuple[list[str], list[str]]:
    """Return the words of the sentences, and the letters they are spelled with."""
    text = " ".join(SENTENCES)
    letters = {chr(code) for code in range(33, 127)} | set(text) - {" "}
    words = {word for word in text.split() if len(word) > 1}
    return sorted(words | {"word", "short"}), sorted(letters)


def _wordpiece() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    words, letters = _words()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    pieces += [f"##{letter}" for letter in letters]
    pieces += words
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.NFKC()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.post_processor = processors.TemplateProcessing(  # pyright: ignore[reportAttributeAccessIssue]
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def _unigram() -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    words, letters = _words()
    special = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]
    scored = [(piece, 0.0) for piece in special]
    scored += [(letter, -8.0) for letter in ("\u2581", *letters)]
    scored += [(f"\u2581{word}", -4.0) for word in words]
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.post_processor = processors.TemplateProcessing(  # pyright: ignore[reportAttributeAccessIssue]
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 0), ("[SEP]", 2)],
    )
    return tokenizer


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
