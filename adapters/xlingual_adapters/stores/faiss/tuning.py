"""The FAISS side: building an index, asking it, and finding how far it has to search.

Vectors are held as 8 bits a dimension, since the files have them exactly: what an index
returns is scored again from there. FAISS is imported here, and only when it is needed.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xlingual_qdrant.ports import Vectors

Kind: TypeAlias = Literal["hnsw", "ivf"]
_LINKS = 32
_BUILD_EFFORT = 200
_TRAINING_ROWS_PER_LIST = 39
"""Fewer than so many rows a list, FAISS warns that the lists cannot be learned well."""
_ROWS_AT_ONCE = 16_384
_PROBES = 64
_NEIGHBOURS = 10
_EFFORTS = (16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)


def library() -> Any:
    """Return the module `faiss`; importing it takes longer than an exact search."""
    import faiss

    return faiss


def build(kind: Kind, vectors: Vectors) -> Any:
    """Return a FAISS index over all rows, numbered as they are."""
    faiss = library()
    count, dimension = vectors.shape
    bits = faiss.ScalarQuantizer.QT_8bit
    if kind == "hnsw":
        index = faiss.IndexHNSWSQ(dimension, bits, _LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _BUILD_EFFORT
        lists = 1
    else:
        lists = max(1, min(int(4 * np.sqrt(count)), count // _TRAINING_ROWS_PER_LIST))
        coarse = faiss.IndexFlatIP(dimension)
        index = faiss.IndexIVFScalarQuantizer(
            coarse, dimension, lists, bits, faiss.METRIC_INNER_PRODUCT
        )
    sample = np.random.default_rng(0).permutation(count)[: max(20_000, 64 * lists)]
    index.train(np.ascontiguousarray(vectors[np.sort(sample)]))
    extend(index, vectors)
    return index


def extend(index: Any, vectors: Vectors) -> None:
    """Add the rows that the index does not have yet."""
    for start in range(int(index.ntotal), len(vectors), _ROWS_AT_ONCE):
        index.add(np.ascontiguousarray(vectors[start : start + _ROWS_AT_ONCE]))


def ask(index: Any, kind: str, queries: Vectors, m: int, effort: int) -> NDArray[np.int64]:
    """Return the rows near each query, shape (n, m), -1 for none. effort: efSearch or nprobe."""
    faiss = library()
    if kind == "hnsw":
        parameters = faiss.SearchParametersHNSW(efSearch=max(effort, m))
    else:
        parameters = faiss.SearchParametersIVF(nprobe=min(effort, index.nlist))
    _, labels = index.search(queries, m, params=parameters)
    return labels


def margin(k: int) -> int:
    """Return how many to ask for to have the k best among them, after 8 bits' rounding."""
    return 2 * k + 8


def sufficient_effort(index: Any, kind: str, vectors: Vectors, recall: float) -> int:
    """Return the least effort that finds this share of the ten nearest of trial queries.

    Half of the trials are disturbed rows, half lie between two rows: queries in another
    language than the documents are not as near to them as documents are to each other.
    """
    rng = np.random.default_rng(1)
    a, b = (vectors[rng.integers(0, len(vectors), _PROBES)] for _ in range(2))
    noise = rng.standard_normal(a.shape, dtype=np.float32) / np.sqrt(a.shape[1])
    trials = [a + noise, a + b]
    queries = np.concatenate([t / np.linalg.norm(t, axis=1, keepdims=True) for t in trials])
    k = min(_NEIGHBOURS, len(vectors))
    truth = np.argpartition(-(queries @ vectors.T), k - 1, axis=1)[:, :k]
    m = min(margin(k), len(vectors))
    for effort in _EFFORTS:
        found = ask(index, kind, queries, m, effort)
        share = (truth[:, :, None] == found[:, None, :]).any(axis=2).mean(axis=1)
        if min(share[:_PROBES].mean(), share[_PROBES:].mean()) >= recall:
            return effort
    return _EFFORTS[-1]
