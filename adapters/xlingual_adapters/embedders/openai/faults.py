"""What goes wrong on the way to a server and in it, told apart, and as errors of this library.

Servers agree on little: OpenAI and vLLM wrap `message` in `error`, TEI and Mistral do not, Ollama
and Voyage have words of their own, a proxy writes HTML. So the status is looked at first, and then
the words, where several of them are known for one status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, cast
from urllib.parse import urlsplit

import httpx

from xlingual_qdrant.errors import EmbedderUnavailable
from xlingual_qdrant.servers import Verdict, retry_after_s

Kind: TypeAlias = Literal[
    "broken", "busy", "certificate", "encoding", "failing", "foreign", "gateway", "missing",
    "other", "quota", "refused", "timeout", "tls", "too-big", "too-long", "too-many", "unreachable",
]  # fmt: skip

HIDDEN = "**********"
_SHOWN = 300
"""Characters of a server's words in a message."""


class Fault(NamedTuple):
    """One failure: its kind, the words for it, and what the server said with numbers."""

    kind: Kind
    detail: str
    after_s: float | None = None
    """The server's Retry-After."""
    most_texts: int | None = None
    """What it takes in a request, where it says so."""
    position: int | None = None
    """Which text of the request is too long, where it says so."""


class Failed(Exception):
    """A request failed; for this package alone."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


_BY_STATUS: dict[int, Kind] = {
    401: "refused",
    403: "refused",
    404: "missing",
    408: "timeout",
    409: "busy",
    413: "too-big",
    # TEI, where its model failed.
    424: "busy",
    425: "busy",
    429: "busy",
    500: "failing",
    502: "gateway",
    504: "timeout",
}
# Words of servers, as met in their sources, documents and bug trackers.
_BY_WORDS: tuple[tuple[re.Pattern[str], Kind], ...] = (
    # OpenAI's 429 for who has not paid.
    (re.compile(r"insufficient_quota|exceeded your current quota", re.I), "quota"),
    # llama.cpp, a 500: "input (596 tokens) is too large to process. increase the physical
    # batch size"; OpenAI: "maximum input length is 8192 tokens"; OpenAI, vLLM: "maximum context
    # length is 8192 tokens. However, ..."; TEI, a 413: "`inputs` must have less than 512 tokens";
    # Ollama: "the input length exceeds the context length".
    (re.compile(r"too large to process|maximum input length|maximum context length"
                r"|must have less than \d+ tokens|exceeds? (the )?(available )?context"
                r"|context_length_exceeded", re.I), "too-long"),
    # OpenAI: "Requested 453357 tokens, max 300000 tokens per request"; Mistral: "Too many tokens
    # in batch"; Voyage: "The max allowed tokens per submitted batch is 120000".
    (re.compile(r"tokens per (request|submitted batch)|too many tokens|tokens in (the )?batch"
                r"|length limit exceeded", re.I), "too-big"),
    # TEI, SiliconFlow: "batch size 128 > maximum allowed batch size 32"; Mistral: "Too many inputs
    # in request"; OpenAI: "array too long"; DashScope: "batch size is invalid, it should not be
    # larger than 10"; Gemini: "at most 100 requests can be in one batch".
    (re.compile(r"batch size|too many inputs|array too long|in one batch"
                r"|number of (texts|inputs)", re.I), "too-many"),
    (re.compile(r"encoding.?format|base64", re.I), "encoding"),
    (re.compile(r"model\b.*\b(not found|does not exist|not loaded)", re.I), "missing"),
)  # fmt: skip
_MOST_TEXTS = re.compile(
    r"(?:maximum allowed batch size|not be larger than|maximum length|at most)\s+(\d+)", re.I
)
_POSITION = re.compile(r"input\[(\d+)\]")
_RESET = re.compile(r"reset|aborted|broken pipe|UNEXPECTED_EOF", re.I)
_TLS_MISMATCH = re.compile(r"WRONG_VERSION_NUMBER|RECORD_LAYER|HTTP_REQUEST|PACKET_LENGTH")

_AGAIN: frozenset[Kind] = frozenset(
    {"broken", "busy", "failing", "gateway", "timeout", "unreachable"}
)

_ADVICE: dict[Kind, str] = {
    "broken": "the connection breaks; is it the right port, and http:// or https:// as the server"
    " speaks? If so, call again",
    "busy": "the server is overloaded or limits requests; call again later, or lower parallel",
    "certificate": "the server's certificate is not trusted; name a file with its authority in"
    " ca_file, or use the host that it is issued to",
    "encoding": 'the server refuses how vectors were asked for; set encoding = "float"',
    "failing": "the server itself fails; see what it logs, or call again later",
    "foreign": "this is not how a server of embeddings answers; check url, which is taken as it"
    " is but for /embeddings at its end",
    "gateway": "what stands before the server has no answer from it; is the server running?",
    "missing": "there is no such model, or no embeddings at this address; check model and url",
    "quota": "the account has no credit left; see to its billing, then call again",
    "refused": "the server refuses the key, or the key may not do that; check api_key (such as"
    " XLINGUAL_EMBEDDERS__NAME__API_KEY)",
    "timeout": "no answer in time; call again, raise timeout_s, or lower batch_size",
    "tls": "the server speaks http:// at this port; correct the url",
    "too-big": "the server refuses a request of this size; lower batch_tokens",
    "too-many": "the server refuses so many texts in a request; lower batch_size",
    "unreachable": "no answer; is the server running, and are address and port right?",
}


def verdict(fault: Fault) -> Verdict:
    """Say whether a request that failed so may be made again."""
    return Verdict(fault.kind in _AGAIN, fault.after_s)


def error(fault: Fault, where: str) -> EmbedderUnavailable:
    """Return the error of this library; `where` is the address without secrets."""
    words = _ADVICE.get(fault.kind)
    if fault.kind == "busy" and fault.after_s:
        words = f"{words}; it says in {fault.after_s:.0f} s"
    return EmbedderUnavailable(where, f"{words} ({fault.detail})" if words else fault.detail)


def without_secrets(fault: Fault, secrets: Iterable[str]) -> Fault:
    """Return the fault with its detail cut, and none of the secrets in it."""
    detail = fault.detail
    for secret in sorted(secrets, key=len, reverse=True):
        for form in {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]}:
            detail = detail.replace(form, HIDDEN)
    return fault._replace(detail=detail if len(detail) <= _SHOWN else detail[:_SHOWN] + "...")


def of_answer(status: int, reason: str, headers: Mapping[str, str], content: bytes) -> Fault:
    """Tell answers other than 200 apart."""
    words = _words(content)
    shown = f"{status}: {words}" if words else f"{status} {reason}".strip()
    if 300 <= status < 400:
        target = urlsplit(headers.get("location", ""))
        leads_to = f"{target.scheme}://{target.hostname}" if target.hostname else "elsewhere"
        return Fault("foreign", f"{status} {reason}, which leads to {leads_to}")
    kind: Kind = _BY_STATUS.get(status, "busy" if status >= 500 else "other")
    by_words = _kind_by_words(words)
    # A key that is refused stays so, whatever the words, and a limit per minute passes.
    if by_words and kind != "refused" and (status != 429 or by_words == "quota"):
        kind = by_words
    most_texts, position = _MOST_TEXTS.search(words), _POSITION.search(words)
    return Fault(
        kind,
        shown,
        _after_s(headers),
        most_texts=int(most_texts[1]) if most_texts else None,
        position=int(position[1]) if position else None,
    )


def of_transport(exc: httpx.HTTPError) -> Fault:
    """Tell apart what happens to a connection."""
    words = str(exc) or type(exc).__name__
    match exc:
        case httpx.ConnectError() if "CERTIFICATE_VERIFY_FAILED" in words:
            return Fault("certificate", words)
        case httpx.ConnectError() if _TLS_MISMATCH.search(words):
            return Fault("tls", words)
        case httpx.ConnectError() if _RESET.search(words):
            return Fault("broken", words)
        case httpx.ConnectTimeout() | httpx.ConnectError() | httpx.UnsupportedProtocol():
            return Fault("unreachable", words)
        case httpx.TimeoutException():
            return Fault("timeout", words)
        case httpx.RemoteProtocolError() if words.startswith("illegal"):
            return Fault("foreign", f"it does not speak HTTP: {words}")
        case httpx.NetworkError() | httpx.ProtocolError() | httpx.ProxyError():
            return Fault("broken", words)
        case httpx.DecodingError():
            return Fault("foreign", f"its answer cannot be read: {words}")
        case _:
            return Fault("other", f"{type(exc).__name__}: {words}")


def _kind_by_words(words: str) -> Kind | None:
    return next((kind for pattern, kind in _BY_WORDS if pattern.search(words)), None)


def _words(content: bytes) -> str:
    """Return what the server says of an error, in whichever of the usual shapes."""
    try:
        answer: Any = json.loads(content)
    except ValueError:
        return " ".join(content[:2000].decode(errors="replace").split())
    if not isinstance(answer, dict):
        return str(answer)
    fields = cast("dict[str, Any]", answer)
    told = fields.get("error") or fields
    if isinstance(told, dict):
        inner = cast("dict[str, Any]", told)
        words = inner.get("message") or inner.get("detail") or inner
        code = inner.get("code")
        return f"{words} ({code})" if isinstance(code, str) and code else str(words)
    return str(told)


def _after_s(headers: Mapping[str, str]) -> float | None:
    """Return when to come back; `retry-after-ms` is the finer word of OpenAI and Azure."""
    try:
        return max(0.0, float(headers.get("retry-after-ms", "")) / 1000)
    except ValueError:
        return retry_after_s(headers.get("retry-after", ""))
