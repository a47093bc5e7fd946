"""A model folder as one that sentence-transformers loads.

    python -m xlingual_adapters.embedders.static.export DIR [--model FOLDER]

`sentence_transformers.SentenceTransformer(DIR)` then gives the same vectors: its
StaticEmbedding averages the rows of a text, which after normalisation is their sum. Two
things differ. The `tokenizers` package may cut a rare text otherwise than
SentencePiece does; and a text without any piece has the vector zero there. The exported
table is in float32, four times as large.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
from safetensors.numpy import save

from xlingual_adapters.embedders.static.embedder import BUNDLED
from xlingual_adapters.embedders.static.format import (
    ModelConfig,
    read_config,
    read_table,
    read_vocabulary,
)
from xlingual_qdrant.errors import InvalidInput, XlingualError

# Names that sentence-transformers 3.3 and later resolve.
MODULES = [
    ("", "sentence_transformers.models.StaticEmbedding"),
    ("1_Normalize", "sentence_transformers.models.Normalize"),
]
WORD_START = "\u2581"  # SentencePiece's mark of a space


def export(target: Path, model: Path = BUNDLED) -> None:
    """Write the model folder `model` for sentence-transformers into the folder `target`.

    Raises InvalidInput if `target` holds anything, UnreadableFile if the model is damaged.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InvalidInput(f"{target} is there already; name a new or an empty folder")
    config = read_config(model)
    table, scales = read_table(model, config)
    tokenizer = _tokenizer(read_vocabulary(model, config).serialized_model_proto(), config)
    rows = np.multiply(table, scales[:, None], dtype=np.float32)
    for folder, _ in MODULES:
        (target / folder).mkdir(parents=True, exist_ok=True)
    (target / "model.safetensors").write_bytes(save({"embedding.weight": rows}))
    _write_json(target / "tokenizer.json", tokenizer)
    modules = [
        {"idx": i, "name": str(i), "path": folder, "type": kind}
        for i, (folder, kind) in enumerate(MODULES)
    ]
    _write_json(target / "modules.json", modules)
    _write_json(target / "1_Normalize" / "config.json", {})
    _write_json(target / "config_sentence_transformers.json", {"similarity_fn_name": "cosine"})


def _tokenizer(vocabulary: bytes, config: ModelConfig) -> dict[str, Any]:
    """Return the SentencePiece model as the contents of a tokenizer.json."""
    # Protobuf makes these classes when it is imported, so their types are not known.
    from sentencepiece import sentencepiece_model_pb2

    spec = cast(Any, sentencepiece_model_pb2).ModelProto.FromString(vocabulary)
    characters = base64.b64encode(spec.normalizer_spec.precompiled_charsmap).decode("ascii")
    return {
        "version": "1.0",
        "truncation": {
            "direction": "Right",
            "max_length": config.max_tokens,
            "strategy": "LongestFirst",
            "stride": 0,
        },
        "padding": None,
        "added_tokens": [],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "NFC"},  # Precompiled alone misses some decomposed vowel signs
                {"type": "Precompiled", "precompiled_charsmap": characters},
                {"type": "Strip", "strip_left": True, "strip_right": True},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ],
        },
        "pre_tokenizer": {
            "type": "Metaspace",
            "replacement": WORD_START,
            "prepend_scheme": "always",
            "split": True,
        },
        "post_processor": None,
        "decoder": {
            "type": "Metaspace",
            "replacement": WORD_START,
            "prepend_scheme": "always",
            "split": True,
        },
        "model": {
            "type": "Unigram",
            "unk_id": config.unknown_piece,
            "vocab": [[piece.piece, piece.score] for piece in spec.pieces],
            "byte_fallback": False,
        },
    }


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--model", type=click.Path(path_type=Path), default=BUNDLED, help="A model folder.")
def main(target: Path, model: Path) -> None:
    """Write the bundled model (or another) to TARGET, for sentence-transformers."""
    try:
        export(target, model)
    except XlingualError as exc:
        raise click.ClickException(str(exc)) from exc
    click.echo(f"wrote {target}", err=True)


if __name__ == "__main__":
    main()
