"""Settings of the Qdrant store."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import SplitResult

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)

from xlingual_adapters.stores.qdrant.adoption import Adoption
from xlingual_qdrant.servers import http_url, is_loopback

DEFAULT_PORT = 6333

_OF_A_SERVER = (
    "allow_plain_http",
    "prefer_grpc",
    "grpc_port",
    "timeout_s",
    "retry_for_s",
    "parallel",
    "consistency",
)
"""What says how requests are made; local mode makes none."""


class QdrantSettings(BaseModel):
    """Where the collections live (one of `url`, `path`, `location`), and how they are kept.

    What shapes a collection (quantisation, shards, HNSW ...) counts when one is created.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = None
    """The server, such as https://qdrant.example.com:6333; without a port it is 6333."""
    path: Path | None = None
    """A folder for the client's local mode: one process at a time, every search exact."""
    location: Literal[":memory:"] | None = None
    """Local mode without a folder; nothing is kept."""

    api_key: SecretStr | None = None
    allow_plain_http: bool = False
    """Send the key unencrypted to another computer."""
    prefer_grpc: bool | None = None
    """True: gRPC; False: HTTP; None: gRPC where its port is open."""
    grpc_port: PositiveInt = 6334
    timeout_s: PositiveFloat = 30.0
    """How long one request may take."""
    retry_for_s: NonNegativeFloat = 60.0
    """How long a request is repeated while the server is busy or away; 0: never."""
    parallel: PositiveInt = 4
    """Batches of one write that are under way at once."""
    consistency: Literal["majority", "quorum", "all"] | PositiveInt | None = None
    """Replicas that have to agree on a read; None: one is enough."""

    collection_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9_.-]{0,64}$")
    """Put before the names of collections on the server, where several programs share one."""

    quantisation: Literal["none", "scalar", "binary", "product", "turbo"] = "none"
    """Smaller copies of the vectors to search in; the nearest are scored anew in full."""
    oversampling: float = Field(default=2.0, ge=1.0)
    """With quantisation: candidates scored anew, in multiples of what is asked for."""
    on_disk: bool = False
    """Keep vectors and payload on disk, not in memory."""
    hnsw_m: PositiveInt | None = None
    hnsw_ef_construct: PositiveInt | None = None
    search_ef: PositiveInt | None = None
    """Candidates of a search in the graph; None: the server's choice."""
    shard_number: PositiveInt | None = None
    replication_factor: PositiveInt | None = None
    write_consistency_factor: PositiveInt | None = None
    shard_by_language: bool = False
    """Keep each language in shards of its own; for clusters only."""
    adopt: dict[str, Adoption] = Field(default_factory=dict[str, Adoption])
    """Collections of other programs, by name, that are to be read as if they were ours."""

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        named = [name for name in ("url", "path", "location") if getattr(self, name) is not None]
        if len(named) != 1:
            met = "none of them is set" if not named else f"{' and '.join(named)} are set"
            raise ValueError(f"say where by one of url, path and location; {met}")
        if self.url is None:
            if self.api_key is not None:
                raise ValueError("api_key belongs to a url; local mode takes none")
            for name in _OF_A_SERVER:
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} belongs to a url; leave it out with {named[0]}")
            if self.shard_by_language:
                raise ValueError("shard_by_language needs a cluster; local mode has no shards")
            return self
        self._check_url(split_url(self.url))
        return self

    def _check_url(self, url: SplitResult) -> None:
        if url.username is not None or url.password is not None or url.query or url.fragment:
            raise ValueError("url takes no user, password or query; a key belongs into api_key")
        is_plain = url.scheme == "http" and not is_loopback(url.hostname or "")
        if is_plain and self.api_key and not self.allow_plain_http:
            raise ValueError(
                "url is http:// to another computer, so the api_key could be read on the"
                " way; use https://, or set allow_plain_http = true"
            )

    @property
    def is_local(self) -> bool:
        """Whether the client does it all by itself, without a server."""
        return self.url is None

    @property
    def where(self) -> str:
        """The address without secrets and path, the folder, or `:memory:`."""
        if self.path is not None:
            return str(self.path.absolute())
        if self.url is None:
            return ":memory:"
        url = split_url(self.url)
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        return f"{url.scheme}://{host}:{url.port or DEFAULT_PORT}"


def split_url(url: str) -> SplitResult:
    """Return the parts of a server's address; raises ValueError without repeating it."""
    return http_url(url, like="https://qdrant.example.com:6333")
