"""What the embedder `openai` costs beside posting the same requests by hand.

    python benchmarks/embedding_server.py [--dimension 1024]

A process of its own gives every request the same answer, at once or after some milliseconds, as a
model would take them; so nothing is measured but the client. By hand means: httpx, the same
requests, the answer's JSON, the vectors as one array; nothing is checked, cut, estimated or
repeated. Both have four requests under way. Medians of interleaved rounds.
Report: results/embedding_server.txt.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import click
import httpx
import numpy as np
from numpy.typing import NDArray
from reporting import Bar, report
from xlingual_adapters.embedders.openai.embedder import OpenAIEmbedder
from xlingual_adapters.embedders.openai.settings import OpenAISettings

BATCH = 128
BATCHES = 40
PARALLEL = 4
ROUNDS = 7
ANSWER_AFTER_S = (0.0, 0.02)
SERVER = """
import asyncio, re, sys

ANSWER, DELAY = open(sys.argv[1], "rb").read(), float(sys.argv[2])
HEAD = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n"
LENGTH = re.compile(rb"content-length: (\\d+)", re.I)

async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            await reader.readexactly(int(LENGTH.search(head)[1]))
            await asyncio.sleep(DELAY)
            writer.write(HEAD % len(ANSWER) + ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


def answer(vectors: NDArray[np.float32], *, in_base64: bool) -> bytes:
    """Return what a server answers."""
    items = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(row.tobytes()).decode() if in_base64 else row.tolist(),
        }
        for index, row in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return json.dumps({"object": "list", "data": items, "model": "m", "usage": usage}).encode()


@contextmanager
def server(content: bytes, delay: float) -> Iterator[str]:
    """Yield the address of a process that gives this answer, seconds after each request."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "answer.json")
        file.write_bytes(content)
        command = [sys.executable, "-c", SERVER, str(file), str(delay)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
            process.kill()


def by_hand(url: str, texts: list[str]) -> Callable[[], object]:
    """Return what posts all texts with httpx and nothing else."""
    client = httpx.Client(timeout=60, limits=httpx.Limits(max_connections=PARALLEL))

    def post(first: int) -> NDArray[np.float32]:
        body = {"model": "m", "input": texts[first : first + BATCH], "encoding_format": "base64"}
        items = client.post(f"{url}/v1/embeddings", json=body).raise_for_status().json()["data"]
        if isinstance(items[0]["embedding"], list):
            return np.array([item["embedding"] for item in items], dtype=np.float32)
        rows = [np.frombuffer(base64.b64decode(item["embedding"]), "<f4") for item in items]
        return np.stack(rows)

    def run() -> object:
        with ThreadPoolExecutor(PARALLEL) as pool:
            return np.concatenate(list(pool.map(post, range(0, len(texts), BATCH))))

    return run


def seconds(run: Callable[[], object]) -> float:
    """Return how long it takes."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


@click.command()
@click.option("--dimension", default=1024, show_default=True)
def main(dimension: int) -> None:
    """Compare the embedder with requests by hand, and base64 with numbers."""
    vectors = np.random.default_rng(0).normal(size=(BATCH, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    texts = [f"Ferry {n} leaves at seven from pier {n % 13}." for n in range(BATCH * BATCHES)]
    bars: list[Bar] = []
    for form in ("base64", "numbers"):
        content = answer(vectors, in_base64=form == "base64")
        bars.append(Bar(f"{form}: kB of an answer of {BATCH} texts", len(content) / 1000))
        for delay in ANSWER_AFTER_S:
            with server(content, delay) as url:
                given = OpenAISettings(model="m", url=url, batch_size=BATCH, parallel=PARALLEL)
                embedder, hand = OpenAIEmbedder(given), by_hand(url, texts)
                times: list[tuple[float, float]] = []
                for _ in range(ROUNDS + 1):
                    ours = seconds(lambda embedder=embedder: embedder.embed_documents(texts))
                    times.append((ours, seconds(hand)))
                embedder.close()
            ours, theirs = (median(each[side] for each in times[1:]) for side in (0, 1))
            after = f"{form}, answer after {delay * 1000:g} ms"
            bars.append(Bar(f"{after}: texts a second", len(texts) / ours))
            bars.append(
                Bar(f"{after}: ratio to requests by hand", theirs / ours,
                    least=0.9 if delay else None)
            )  # fmt: skip
    head = [f"$ python benchmarks/embedding_server.py --dimension {dimension}"]
    report("embedding_server", head, bars)


if __name__ == "__main__":
    main()
