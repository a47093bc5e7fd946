"""Running out of memory, and several processes: nothing is lost, and no vector changes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from xlingual_adapters.embedders.sentence_transformers import (
    SentenceTransformersEmbedder,
    SentenceTransformersSettings,
)
from xlingual_adapters.embedders.sentence_transformers.faults import (
    BatchReduced,
    OutOfMemory,
    is_out_of_memory,
)
from xlingual_adapters.embedders.sentence_transformers.pool import WorkerDied

from tests.models import SENTENCES, tiny_model

TEXTS = [f"{sentence} {'word ' * (i % 23)}{i}" for i, sentence in enumerate(SENTENCES * 6)]
CUDA = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB"


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads of several test processes wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def expected(folder: Path) -> np.ndarray:
    return opened(folder).embed_documents(TEXTS)


def opened(folder: Path, **settings: Any) -> SentenceTransformersEmbedder:
    given = SentenceTransformersSettings(model=str(folder), device="cpu", **settings)
    return SentenceTransformersEmbedder.open(given)


class Device:
    """A device that takes no more than so many texts, or tokens, at once."""

    def __init__(
        self,
        embedder: SentenceTransformersEmbedder,
        *,
        texts: int = 10**9,
        tokens: int = 10**9,
        error: Exception | None = None,
    ) -> None:
        self.sizes: list[int] = []
        self.failures = 0
        self._texts, self._tokens = texts, tokens
        self._error = error or torch.OutOfMemoryError(CUDA)
        module: Any = embedder.model[0]
        self._forward = module.forward
        module.forward = self

    def __call__(self, features: Any, **options: Any) -> Any:
        count, length = features["input_ids"].shape
        if count > self._texts or count * length > self._tokens:
            self.failures += 1
            raise self._error
        self.sizes.append(count)
        return self._forward(features, **options)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(CUDA), MemoryError()])
def test_a_batch_is_halved_until_the_memory_takes_it(
    folder: Path, expected: np.ndarray, error: Exception
) -> None:
    embedder = opened(folder)
    device = Device(embedder, texts=20, error=error)
    with pytest.warns(BatchReduced, match="memory on cpu does not suffice for 32 texts") as met:
        vectors = embedder.embed_documents(TEXTS)
    assert np.allclose(vectors, expected, atol=1e-5)
    assert max(device.sizes) <= 20
    assert len(met) == 1  # said once, not for each batch


@pytest.mark.parametrize(
    "message",
    [
        CUDA,
        "MPS backend out of memory (MPS allocated: 8.00 GB, other allocations: 1.00 KB)",
        "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried"
        " to allocate 64424509440 bytes. Error code 12 (Cannot allocate memory)",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "Exception from src/inference/src/cpp/infer_request.cpp:223: std::bad_alloc",
    ],
)
def test_runtimes_say_in_many_ways_that_memory_ran_out(message: str) -> None:
    assert is_out_of_memory(RuntimeError(message))


def test_onnxruntime_runs_out_of_memory_in_its_own_words() -> None:
    state = pytest.importorskip("onnxruntime.capi.onnxruntime_pybind11_state")
    from xlingual_adapters.embedders.sentence_transformers.faults import allocation_errors

    error = state.RuntimeException("Failed to allocate memory for requested buffer of size 8589934")
    assert isinstance(error, allocation_errors())
    assert is_out_of_memory(error)
    assert not is_out_of_memory(state.Fail("invalid rank for input: input_ids"))


def test_what_worked_is_remembered(folder: Path, expected: np.ndarray) -> None:
    embedder = opened(folder)
    device = Device(embedder, texts=20)
    with pytest.warns(BatchReduced):
        embedder.embed_documents(TEXTS)
    failures = device.failures
    assert np.allclose(embedder.embed_documents(TEXTS), expected, atol=1e-5)
    assert device.failures == failures


def test_short_texts_still_go_together_where_long_ones_may_not(folder: Path) -> None:
    embedder = opened(folder)
    device = Device(embedder, tokens=512)
    texts = ["word " * 62] * 20 + ["short"] * 64
    with pytest.warns(BatchReduced):
        embedder.embed_documents(texts)
    assert device.sizes[:3] == [8, 8, 8]
    assert max(device.sizes) == 32
    assert device.failures == 2


def test_a_single_text_that_is_too_much_is_named(folder: Path) -> None:
    embedder = opened(folder)
    Device(embedder, tokens=30)
    texts = ["short", "A long one: " + "word " * 50]
    with pytest.warns(BatchReduced), pytest.raises(OutOfMemory) as met:
        embedder.embed_documents(texts)
    message = str(met.value)
    assert "single text of 262 characters, 'A long one: word" in message
    assert "max_tokens" in message
    assert "out of memory on cpu" in message


def test_other_errors_of_the_model_are_not_taken_for_it(folder: Path) -> None:
    embedder = opened(folder)
    Device(embedder, texts=0, error=RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        embedder.embed_documents(["short"])


def test_threads_that_run_out_together_lose_nothing(folder: Path, expected: np.ndarray) -> None:
    embedder = opened(folder)
    Device(embedder, texts=20)
    with ThreadPoolExecutor(2) as threads, pytest.warns(BatchReduced):
        both = list(threads.map(embedder.embed_documents, [TEXTS] * 2))
    assert all(np.allclose(vectors, expected, atol=1e-5) for vectors in both)


def test_as_many_texts_as_one_likes_go_through_in_windows(folder: Path) -> None:
    embedder = opened(folder, batch_size=7)
    device = Device(embedder)
    texts = [f"{i} {'word ' * (i % 5)}" for i in range(1000)]
    vectors = embedder.embed_documents(texts)
    assert max(device.sizes) == 7
    assert sum(device.sizes) == 1000
    picked = [0, 1, 499, 998, 999]
    assert np.allclose(
        vectors[picked], embedder.embed_documents([texts[i] for i in picked]), atol=1e-5
    )


def test_processes_give_the_same_vectors_and_are_missed_when_killed(
    folder: Path, expected: np.ndarray
) -> None:
    embedder = opened(folder, processes=2, batch_size=4)
    with ThreadPoolExecutor(2) as threads:
        for vectors in threads.map(embedder.embed_documents, [TEXTS] * 2):
            assert np.allclose(vectors, expected, atol=1e-5)
    assert embedder.embed_queries([]).shape == (0, 32)
    assert np.allclose(embedder.embed_queries(TEXTS[:1]), expected[:1], atol=1e-5)
    pool: Any = embedder._pool  # pyright: ignore[reportPrivateUsage]
    for process in pool._executor._processes.values():
        process.kill()
    with pytest.raises(WorkerDied, match="one of 2 embedding processes has ended"):
        embedder.embed_documents(TEXTS)
    embedder.close()
    embedder.close()


PROGRAM = """
from xlingual_adapters.embedders.sentence_transformers.pool import Pool
list(Pool([None, None]).embed("document", [["a"], ["b"]]))
"""


def test_a_program_that_forgets_its_guard_is_told_so(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    run = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert 'begin its work under `if __name__ == "__main__":`' in run.stderr
