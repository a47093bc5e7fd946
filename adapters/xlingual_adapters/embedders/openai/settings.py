"""Settings of the embedder `openai`: where the server is, what it is told, and what it takes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)

from xlingual_qdrant.errors import SettingsError
from xlingual_qdrant.servers import http_url, is_loopback

OPENAI_URL = "https://api.openai.com/v1"

# "Max input", https://platform.openai.com/docs/guides/embeddings
MAX_TOKENS = {
    "text-embedding-3-small": 8191,
    "text-embedding-3-large": 8191,
    "text-embedding-ada-002": 8191,
}
_TELLS_OF_A_SECRET = ("key", "token", "secret", "password", "sig", "auth")


class Prompts(BaseModel):
    """What is put before each text, such as "query: " for models of the E5 family."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: str = ""
    document: str = ""


class Fields(BaseModel):
    """What a request has beside model and texts, such as `input_type` for Voyage."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: dict[str, JsonValue] = Field(default_factory=dict)
    document: dict[str, JsonValue] = Field(default_factory=dict)


class OpenAISettings(BaseModel):
    """A server that speaks OpenAI's `/v1/embeddings`, and a model of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(min_length=1)
    url: str = OPENAI_URL
    """Without a path, /v1/embeddings is added; to another path, /embeddings, if not there."""

    api_key: SecretStr | None = None
    api_key_env: str | None = Field(default=None, min_length=1)
    """A variable that holds the key, if api_key does not; for OpenAI's own: OPENAI_API_KEY."""
    key_header: str | None = Field(default=None, min_length=1)
    """Sends the bare key in this header; None: as `Authorization: Bearer`."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """More headers of every request; their values are never shown."""
    allow_plain_http: bool = False
    """Send the key unencrypted to another computer."""
    ca_file: Path | None = None
    """Certificates to trust instead of those of the system."""

    dimensions: PositiveInt | None = None
    """Asks the server for shorter vectors; None: it is not mentioned."""
    truncate_dim: PositiveInt | None = None
    """Cuts the vectors here, for models trained for that whose server cannot do it."""
    prompts: Prompts = Prompts()
    fields: Fields = Fields()
    encoding: Literal["auto", "base64", "float"] = "auto"
    """How vectors travel; auto: as base64 where the server can, which is a third of the bytes."""

    max_tokens: PositiveInt | None = None
    """What the model reads of a text; longer ones are cut before they are sent. None: not known,
    but for OpenAI's own models."""
    batch_size: PositiveInt = 128
    """Texts of a request."""
    batch_tokens: PositiveInt = 100_000
    """Tokens of a request, as estimated."""
    parallel: PositiveInt = 4
    """Requests that are under way at once."""
    timeout_s: PositiveFloat = 60.0
    """How long one request may take."""
    retry_for_s: NonNegativeFloat = 120.0
    """How long a request is repeated while the server is busy or away; 0: never."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        url = split_url(self.url)
        is_plain = url.scheme == "http" and not is_loopback(url.hostname or "")
        has_secret = self.api_key or self.api_key_env or self.headers
        if is_plain and has_secret and not self.allow_plain_http:
            raise ValueError(
                "url is http:// to another computer, so the key or the headers could be read on"
                " the way; use https://, or set allow_plain_http = true"
            )
        if self.dimensions and self.truncate_dim:
            raise ValueError("set dimensions (the server cuts) or truncate_dim (we do), not both")
        for fields in (self.fields.query, self.fields.document):
            for name in ("input", "model", "dimensions", "encoding_format"):
                if name in fields:
                    raise ValueError(f"fields cannot set {name}: it has a setting of its own")
        return self

    @property
    def endpoint(self) -> str:
        """Where texts are sent to."""
        url = split_url(self.url)
        path = url.path.rstrip("/") or "/v1"
        if not path.endswith("/embeddings"):
            path += "/embeddings"
        return url._replace(path=path).geturl()

    @property
    def models_url(self) -> str:
        """Where the server lists its models."""
        url = urlsplit(self.endpoint)
        return url._replace(path=url.path.removesuffix("/embeddings") + "/models").geturl()

    @property
    def where(self) -> str:
        """The address without its query, for messages."""
        return urlsplit(self.endpoint)._replace(query="", fragment="").geturl()

    @property
    def host(self) -> str:
        """The server's name, or its number."""
        return urlsplit(self.url).hostname or ""

    @property
    def limit(self) -> int | None:
        """What the model reads of a text, as far as that is known."""
        return self.max_tokens or MAX_TOKENS.get(self.model)

    def key(self) -> str | None:
        """Return the key to be sent; raises SettingsError if one is missing or unfit for a header.

        The variable OPENAI_API_KEY is read for OpenAI's own addresses alone: another server has
        no business with that key.
        """
        variable = self.api_key_env
        if self.api_key is not None:
            key, source = self.api_key.get_secret_value(), "api_key"
        else:
            variable = variable or ("OPENAI_API_KEY" if _is_openais(self.url) else None)
            if variable is None:
                return None
            key, source = os.environ.get(variable, ""), f"the variable {variable}"
        if not key:
            raise SettingsError(
                f"{self.where} needs a key, and {source} is not set; set it, or"
                " XLINGUAL_EMBEDDERS__NAME__API_KEY with the NAME of the section"
            )
        _check_header(key, source, self.where)
        return key

    def all_headers(self) -> dict[str, str]:
        """Return the headers of a request, secrets and all."""
        headers = {name: value.get_secret_value() for name, value in self.headers.items()}
        for name, value in headers.items():
            _check_header(value, f"the header '{name}'", self.where)
        key = self.key()
        if key is not None and self.key_header:
            headers[self.key_header] = key
        elif key is not None:
            headers["Authorization"] = f"Bearer {key}"
        return {**headers, "Content-Type": "application/json", "Accept": "application/json"}

    def secrets(self) -> set[str]:
        """Return what must not be in a message, whoever repeats it."""
        known = {value.get_secret_value() for value in self.headers.values()}
        known |= {value.rpartition(" ")[2] for value in known}
        known |= {self.key() or ""}
        known |= {part.rpartition("=")[2] for part in urlsplit(self.url).query.split("&")}
        return {secret for secret in known if len(secret) > 3}


def split_url(url: str) -> SplitResult:
    """Return the parts of a server's address; raises ValueError without repeating it."""
    parts = http_url(url, like="https://api.openai.com/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("url takes no user and password; a key belongs into api_key or headers")
    names = [part.partition("=")[0].lower() for part in parts.query.split("&")]
    if any(word in name for name in names for word in _TELLS_OF_A_SECRET) or parts.fragment:
        # Proxies and logs keep the addresses of requests.
        raise ValueError("url takes no key; it belongs into api_key or headers")
    return parts


def _is_openais(url: str) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" and f".{host}".endswith(".api.openai.com")


def _check_header(value: str, what: str, where: str) -> None:
    """Refuse what no header can carry; the libraries below would show it in their errors."""
    if not (value.isascii() and value.isprintable() and value == value.strip()):
        raise SettingsError(
            f"{what} for {where} has a line break, a space at an end, or a character beyond ASCII;"
            " set it anew, such as from a file without its last line break"
        )
