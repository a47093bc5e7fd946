"""Whether a server's gRPC port is open to us: it transfers less than HTTP, where it can be had."""

from __future__ import annotations

import socket

import grpc

from xlingual_adapters.stores.qdrant.settings import DEFAULT_PORT, QdrantSettings, split_url

_CONNECT_S = 0.5
_HANDSHAKE_S = 2.0


def is_preferred(settings: QdrantSettings) -> bool:
    """Say whether to use gRPC: as the settings want it, else where it is open.

    A port is only tried that belongs to the address beyond doubt: one that is named, or the one
    beside 6333. Next to another port, or behind a path, 6334 may be another server's.
    """
    if settings.prefer_grpc is not None:
        return settings.prefer_grpc
    url = split_url(settings.url or "")
    is_named = "grpc_port" in settings.model_fields_set
    if not is_named and ((url.port or DEFAULT_PORT) != DEFAULT_PORT or url.path.strip("/")):
        return False
    return is_open(url.hostname or "", settings.grpc_port, tls=url.scheme == "https")


def is_open(host: str, port: int, *, tls: bool) -> bool:
    """Say whether something at a port takes part in a gRPC handshake, in two seconds or so."""
    try:
        socket.create_connection((host, port), timeout=_CONNECT_S).close()
    except OSError:
        return False
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    options = (("grpc.enable_http_proxy", 0),)
    channel = (
        grpc.secure_channel(target, grpc.ssl_channel_credentials(), options)
        if tls
        else grpc.insecure_channel(target, options)
    )
    with channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_HANDSHAKE_S)
        except grpc.FutureTimeoutError:
            return False
    return True
