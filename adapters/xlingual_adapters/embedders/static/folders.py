"""Model folders of Model2Vec and of sentence-transformers' StaticEmbedding.

    config.json, model.safetensors, tokenizer.json            Model2Vec
    modules.json, [0_StaticEmbedding/] model.safetensors, tokenizer.json      StaticEmbedding

Model2Vec calls its table `embeddings`; beside it may be `mapping`, the row of each token, and
`weights`, a factor for each. StaticEmbedding calls it `embedding.weight`. Nothing in a folder
is executed: weights that are pickles are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, PositiveInt, TypeAdapter, ValidationError

from xlingual_adapters.embedders.static.pooling import Numbers
from xlingual_adapters.embedders.static.tensors import read_tensors
from xlingual_qdrant.errors import UnreadableFile

TENSORS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "config.json"
MODULES_FILE = "modules.json"
MODEL2VEC_TOKENS = 512  # what Model2Vec reads of a text if its config does not say
PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt")
OTHER_WEIGHTS = ("*.onnx", "*.h5", "*.msgpack", "*.npy", "*.npz")

FileT = TypeVar("FileT")


class _Module(BaseModel):
    type: str
    path: str = ""


class _Model2VecConfig(BaseModel):
    max_length: Annotated[int, Field(ge=1)] | None = MODEL2VEC_TOKENS


class _SentenceTransformersConfig(BaseModel):
    prompts: dict[str, str] = Field(default_factory=dict)


_MODULES = TypeAdapter(list[_Module])
_CONFIG = TypeAdapter(_Model2VecConfig)
_PROMPTS = TypeAdapter(_SentenceTransformersConfig)


@dataclass(frozen=True, slots=True)
class TokenTable:
    """A table of vectors for tokens, and how its makers read it."""

    file: Path
    tokenizer: Path
    rows: Numbers
    """Shape (rows, dimension), mapped from the file, of the type that it has there."""
    weights: NDArray[np.float32] | None
    """Shape (tokens,)."""
    mapping: NDArray[np.integer[Any]] | None
    """Shape (tokens,): the row of each token."""
    name: str
    """As the folder records it; "" if it does not."""
    of_model2vec: bool
    """Unknown tokens are left out, and texts are cut at so many characters, too."""
    max_tokens: PositiveInt | None
    """What Model2Vec reads of a text; a StaticEmbedding has that in its tokenizer."""


def read_token_table(folder: Path) -> TokenTable:
    """Return the table of a folder; the numbers are mapped, not read.

    Raises UnreadableFile for another kind of folder, and for one that is damaged.
    """
    if not folder.is_dir():
        raise UnreadableFile(str(folder), "format", "there is no such model folder")
    inner = _module_folder(folder)
    file, tokenizer = inner / TENSORS_FILE, inner / TOKENIZER_FILE
    if not file.is_file() or not tokenizer.is_file():
        raise _not_a_model(inner)
    tensors = read_tensors(file)
    if "embeddings" in tensors:
        table, of_model2vec = tensors["embeddings"], True
    elif "embedding.weight" in tensors:
        table, of_model2vec = tensors["embedding.weight"], False
    else:
        raise _unreadable(
            file, f"holds {', '.join(sorted(tensors)) or 'nothing'}, no table of a static model"
        )
    _refuse_prompts(folder)
    if table.ndim != 2 or 0 in table.shape:
        raise _unreadable(file, f"the table has the shape {list(table.shape)}, not two sides")
    mapping = _mapping(tensors.get("mapping"), len(table), file)
    tokens = len(table) if mapping is None else len(mapping)
    config = folder / CONFIG_FILE
    settings = _read(config, _CONFIG) if of_model2vec and config.exists() else _Model2VecConfig()
    return TokenTable(
        file=file,
        tokenizer=tokenizer,
        rows=table,
        weights=_weights(tensors.get("weights"), tokens, file),
        mapping=mapping,
        name=_recorded_name(folder),
        of_model2vec=of_model2vec,
        max_tokens=settings.max_length if of_model2vec else None,
    )


def _module_folder(folder: Path) -> Path:
    """Return where the table is, as modules.json says; the folder itself if there is none."""
    file = folder / MODULES_FILE
    if not file.exists():
        return folder
    modules = _read(file, _MODULES)
    kinds = [module.type.rpartition(".")[2] for module in modules]
    if kinds not in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"]):
        raise UnreadableFile(
            str(file),
            "format",
            f"a model of {', '.join(kinds) or 'no modules'}, not of a table alone; the embedder"
            " kind 'sentence-transformers' runs it",
        )
    inner = PurePosixPath(modules[0].path)
    if inner.is_absolute() or ".." in inner.parts:
        raise _unreadable(file, "names a path outside of the model folder")
    return folder / inner


def _mapping(
    mapping: NDArray[Any] | None, rows: int, file: Path
) -> NDArray[np.integer[Any]] | None:
    if mapping is None:
        return None
    if mapping.ndim != 1 or not np.issubdtype(mapping.dtype, np.integer) or not len(mapping):
        raise _unreadable(
            file, f"the mapping is {mapping.dtype}{list(mapping.shape)}, not one row a token"
        )
    if mapping.min() < 0 or mapping.max() >= rows:
        raise _unreadable(file, f"the mapping names rows that the table of {rows:,} has not")
    return mapping


def _weights(weights: NDArray[Any] | None, tokens: int, file: Path) -> NDArray[np.float32] | None:
    if weights is None:
        return None
    if weights.shape != (tokens,):
        raise _unreadable(
            file, f"the weights have the shape {list(weights.shape)}, for {tokens:,} tokens"
        )
    with np.errstate(over="ignore"):
        factors = weights.astype(np.float32)
    if not np.isfinite(factors).all():
        raise _unreadable(file, "a weight is not finite")
    return factors


def _refuse_prompts(folder: Path) -> None:
    """Refuse a model that reads prompts before its texts: without them its vectors are others."""
    file = folder / "config_sentence_transformers.json"
    if not file.exists():
        return
    prompts = [name for name, prompt in _read(file, _PROMPTS).prompts.items() if prompt]
    if prompts:
        raise UnreadableFile(
            str(file),
            "format",
            f"the model wants prompts ({', '.join(prompts)}), which this kind does not put; the"
            " embedder kind 'sentence-transformers' does",
        )


def _recorded_name(folder: Path) -> str:
    """Return what the model card calls the model; "" if there is none, or it does not say."""
    try:
        card = (folder / "README.md").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    header = re.match(r"---\n(.*?)\n---", card, re.DOTALL)
    name = re.search(r"^model_name:[ \t]*(\S.*?)[ \t]*$", header[1] if header else "", re.MULTILINE)
    # A model that was saved from a temporary folder is called by its whole path.
    return PurePosixPath(name[1].strip("'\"")).name if name else ""


def _read(file: Path, contents: TypeAdapter[FileT]) -> FileT:
    try:
        return contents.validate_json(file.read_bytes())
    except OSError as exc:
        raise _unreadable(file, f"cannot be read: {exc.strerror}") from exc
    except ValidationError as exc:
        fault = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        raise _unreadable(file, f"{place}: {fault['msg']}") from None


def _not_a_model(folder: Path) -> UnreadableFile:
    """Return the error for a folder without the files; it says what is there instead."""
    missing = [name for name in (TENSORS_FILE, TOKENIZER_FILE) if not (folder / name).is_file()]
    pickles = _found(folder, PICKLES) if TENSORS_FILE in missing else []
    others = _found(folder, OTHER_WEIGHTS) if TENSORS_FILE in missing else []
    if pickles:
        detail = (
            f"has its weights in {pickles[0]} alone, a file that can run code when it is loaded;"
            f" save the model as {TENSORS_FILE}"
        )
    elif others:
        detail = f"has its weights in {others[0]}, which is not read; save them as {TENSORS_FILE}"
    else:
        detail = (
            f"no static model: there is no {' and no '.join(missing)}; a folder of Model2Vec or of"
            " sentence-transformers' StaticEmbedding has both"
        )
    return UnreadableFile(str(folder), "format", detail)


def _found(folder: Path, patterns: tuple[str, ...]) -> list[str]:
    return sorted(path.name for pattern in patterns for path in folder.glob(pattern))


def _unreadable(file: Path, detail: str) -> UnreadableFile:
    return UnreadableFile(str(file), "format", f"{detail}; get the model again")
