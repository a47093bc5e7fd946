"""The compose file keeps what it promises, as far as that can be read from it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.unit.stores.qdrant.faulty import Act, Port, answer, closed_port, hang_up

yaml = pytest.importorskip("yaml")

FILE = Path(__file__).parents[2] / "docker-compose.yml"
TEXT = FILE.read_text(encoding="utf-8")
COMPOSED: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSED["services"]
NODES = ["qdrant-1", "qdrant-2", "qdrant-3"]

every_service = pytest.mark.parametrize("name", SERVICES)


def with_plugin() -> bool:
    docker = shutil.which("docker")
    command = [docker or "docker", "compose", "version"]
    return docker is not None and subprocess.run(command, capture_output=True).returncode == 0


def test_there_is_one_server_or_a_cluster_of_three() -> None:
    profiles = {name: service["profiles"] for name, service in SERVICES.items()}
    assert profiles == {"qdrant": ["single"], **{key: ["cluster"] for key in NODES}}


@every_service
def test_the_image_is_pinned_to_the_minor_version_of_the_client(name: str) -> None:
    image = re.fullmatch(r"qdrant/qdrant:v(\d+\.\d+)\.\d+-unprivileged", SERVICES[name]["image"])
    assert image is not None
    assert version("qdrant-client").startswith(image[1] + ".")
    assert "latest" not in TEXT


@every_service
def test_the_key_has_to_be_given_and_stands_nowhere(name: str) -> None:
    key = SERVICES[name]["environment"]["QDRANT__SERVICE__API_KEY"]
    assert re.fullmatch(r"\$\{QDRANT_API_KEY:\?[^}]+\}", key)
    # Variables of this prefix are settings of the library, and others are refused.
    assert "XLINGUAL_" not in TEXT


@every_service
def test_only_this_computer_reaches_the_ports_and_nobody_those_between_nodes(name: str) -> None:
    for port in SERVICES[name]["ports"]:
        address, _, inside = port.split(":")
        assert address == "127.0.0.1"
        assert inside in ("6333", "6334")


def test_the_nodes_have_ports_of_their_own() -> None:
    ports = [port.rpartition(":")[0] for name in NODES for port in SERVICES[name]["ports"]]
    assert len(set(ports)) == len(ports) == 6


@every_service
def test_it_may_do_as_little_as_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    assert service["restart"] == "unless-stopped"


@every_service
def test_what_is_written_lies_in_volumes_that_are_named_and_not_shared(name: str) -> None:
    volumes = dict(volume.split(":") for volume in SERVICES[name]["volumes"])
    assert set(volumes.values()) == {"/qdrant/storage", "/qdrant/snapshots"}
    assert set(volumes) <= set(COMPOSED["volumes"])
    others = [v for other in SERVICES if other != name for v in SERVICES[other]["volumes"]]
    assert not set(volumes) & {volume.split(":")[0] for volume in others}
    # Elsewhere the root is read-only, and the server ends at once.
    init_file = SERVICES[name]["environment"]["QDRANT_INIT_FILE_PATH"]
    assert init_file.startswith("/qdrant/storage/")


def test_every_node_says_where_it_is_and_joins_through_the_first() -> None:
    for name in NODES:
        service = SERVICES[name]
        joins = [] if name == NODES[0] else ["--bootstrap", "http://qdrant-1:6335"]
        assert service["command"] == ["./entrypoint.sh", "--uri", f"http://{name}:6335", *joins]
        assert service["environment"]["QDRANT__CLUSTER__ENABLED"] == "true"
        assert service["environment"]["QDRANT__STORAGE__COLLECTION__REPLICATION_FACTOR"] == "2"


def test_no_node_waits_for_another_to_be_healthy() -> None:
    # After a stop of all, the first is healthy only when a second is there.
    for name in NODES[1:]:
        assert SERVICES[name]["depends_on"] == {"qdrant-1": {"condition": "service_started"}}


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash to run the check with")
@pytest.mark.parametrize(
    ("act", "healthy"),
    [
        (answer("200 OK", b"all shards are ready"), True),
        (answer("503 Service Unavailable", b"some shards are not ready"), False),
        (answer("503 Service Unavailable", b"200", "X-Request-Id: 200"), False),
        (hang_up, False),
        (None, False),
    ],
    ids=["ready", "not ready", "not ready, with the number", "mute", "away"],
)
@every_service
def test_the_health_check_is_passed_by_a_server_that_is_ready(
    name: str, act: Act | None, healthy: bool
) -> None:
    kind, *command = SERVICES[name]["healthcheck"]["test"]
    assert kind == "CMD"
    with Port(act or hang_up) as port:
        number = closed_port() if act is None else port.number
        script = command[-1].replace("$$", "$").replace("/6333", f"/{number}")
        done = subprocess.run([*command[:-1], script], capture_output=True, timeout=20)
    assert (done.returncode == 0) == healthy, done.stderr


@pytest.mark.skipif(not with_plugin(), reason="there is no docker with the compose plugin")
@pytest.mark.parametrize("profile", ["single", "cluster"])
def test_docker_understands_it(profile: str) -> None:
    command = ["docker", "compose", "--file", str(FILE), "--profile", profile, "config"]
    without = {name: value for name, value in os.environ.items() if name != "QDRANT_API_KEY"}
    refused = subprocess.run(command, env=without, capture_output=True, encoding="utf-8")
    assert refused.returncode != 0
    assert "set QDRANT_API_KEY" in refused.stderr
    taken = subprocess.run(
        [*command, "--format", "json"],
        env={**without, "QDRANT_API_KEY": "of-the-test"},
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    names = [name for name, service in SERVICES.items() if profile in service["profiles"]]
    assert set(json.loads(taken.stdout)["services"]) == set(names)
