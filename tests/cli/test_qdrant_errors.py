"""What a user of the Qdrant store meets when something is not as it should be."""

from __future__ import annotations

import os
import sys
from subprocess import PIPE, Popen
from time import monotonic

import pytest

from tests.unit.stores.qdrant.faulty import Port, answer, closed_port, read_head, reset

KEY = "Vertrauliches/Wort"
HOLDS_THE_FOLDER = """
import sys
from qdrant_client import QdrantClient
client = QdrantClient(path="store")
print("held", flush=True)
sys.stdin.read()
client.close()
"""
FIRST_LINE = '{"id": "1", "text": "Guten Tag", "lang": "de"}\n'


@pytest.fixture
def at(monkeypatch):
    """Set up the store `prod`, by variables alone."""

    def set_up(**values):
        for name, value in {"kind": "qdrant", **values}.items():
            monkeypatch.setenv(f"XLINGUAL_STORES__PROD__{name.upper()}", str(value))
        monkeypatch.setenv("XLINGUAL_STORE", "prod")

    return set_up


def fails(result, *words, code=1):
    """Hold that a run ended in one line of words, without a traceback or the key."""
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert "internal error" not in result.stderr
    assert KEY not in result.output
    for word in words:
        assert word in result.stderr


COMMANDS = [
    ("info",),
    ("collections",),
    ("search", "guten Tag"),
    ("get", "1"),
    ("ingest", "-"),
    ("export",),
    ("delete", "1", "--yes"),
    ("drop", "documents", "--yes"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_server_that_is_not_there_is_told_at_once(at, run, command):
    address = f"http://127.0.0.1:{closed_port()}"
    at(url=address, api_key=KEY)
    begun = monotonic()
    result = run(*command, input=FIRST_LINE)
    # Far less than the minute for which a server that was there is waited for.
    assert monotonic() - begun < 20
    fails(result, address, "is the server running, and are address and port right?")


def test_a_server_that_breaks_connections_is_given_up_soon(at, run):
    with Port(reset) as port:
        at(url=f"http://127.0.0.1:{port.number}")
        fails(run("info"), f"http://127.0.0.1:{port.number}", "is it the right port")
    assert port.met < 10


def test_another_program_at_the_address_is_told(at, run):
    for status in ("200 OK", "404 Not Found"):
        with Port(answer(status, b"<!doctype html><title>Intranet</title>")) as port:
            at(url=f"http://127.0.0.1:{port.number}")
            fails(run("info"), f"http://127.0.0.1:{port.number}", "not how Qdrant answers")


def test_a_wrong_scheme_is_told(at, run):
    with Port(answer("400 Bad Request")) as port:
        at(url=f"https://127.0.0.1:{port.number}", timeout_s=0.5)
        fails(run("info"), f"https://127.0.0.1:{port.number}")
    for url in ("ftp://q.example.com", "q.example.com:6333", "http://", "http://q:99999"):
        at(url=url)
        fails(run("info"), "stores.prod", "https://qdrant.example.com:6333", code=2)


def test_a_host_that_no_name_server_knows_is_told(at, run):
    at(url="https://qdrant.invalid:6333", api_key=KEY)
    fails(run("info"), "https://qdrant.invalid:6333", "are address and port right?")


def test_the_key_is_not_sent_in_the_open(at, run):
    at(url="http://qdrant.example.com:6333", api_key=KEY)
    fails(run("info"), "stores.prod", "use https://, or set allow_plain_http = true", code=2)


def test_a_key_in_the_address_is_refused_unseen(at, run):
    at(url=f"https://:{KEY.replace('/', '')}@q.example.com")
    result = run("info")
    fails(result, "a key belongs into api_key", code=2)
    assert "Vertrauliches" not in result.output


def test_a_key_with_a_line_break_is_refused_unseen(at, run):
    at(url="http://127.0.0.1:1", api_key=KEY + "\n")
    fails(run("info"), "api_key for http://127.0.0.1:1", "line break", code=2)


def test_no_output_shows_the_key(at, run, caplog):
    def echo(connection):
        head = read_head(connection)
        status = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n" % len(head)
        connection.sendall(status + head)

    caplog.set_level("DEBUG")
    with Port(echo) as port:
        at(url=f"http://127.0.0.1:{port.number}", api_key=KEY)
        for command in (("config",), ("config", "--json"), ("plugins",), *COMMANDS):
            result = run(*command, "--debug", input=FIRST_LINE)
            assert KEY not in result.output, command
    assert "stores.prod.api_key\t**********\t" in run("config").stdout
    assert KEY not in caplog.text


def test_a_store_that_variables_alone_set_up_keeps_its_key(at, run):
    keys = []

    def note_key(connection):
        keys.append(f"api-key: {KEY}".encode() in read_head(connection))
        reset(connection)

    with Port(note_key) as port:
        at(url=f"http://127.0.0.1:{port.number}", api_key=KEY)
        fails(run("info"))
    assert all(keys)


def test_a_collection_that_is_not_there_is_told_with_those_that_are(at, run):
    at(path="store")
    fails(run("info"), "no collection 'documents' in ", "store. Ingesting into it creates it")
    assert run("ingest", "-", "--quiet", input=FIRST_LINE).exit_code == 0
    fails(run("search", "x", "--collection", "documets"), "Did you mean 'documents'?", "It holds")


@pytest.mark.parametrize("name", ["a/b", "..", "", "a b", "ä", "x" * 129, "x?y", "-x", "a\nb"])
def test_an_odd_name_of_a_collection_is_refused_before_anything_is_asked(at, run, name):
    at(url=f"http://127.0.0.1:{closed_port()}")
    result = run("info", "--collection", name)
    assert result.exit_code == 2
    assert "cannot name a collection" in result.stderr


# The client leaves the file open on which it has failed to get a lock.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_folder_that_another_process_uses_is_told(at, run, folder):
    at(path="store")
    with Popen([sys.executable, "-c", HOLDS_THE_FOLDER], stdin=PIPE, stdout=PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        for command in (("info",), ("ingest", "-")):
            fails(run(*command, input=FIRST_LINE), str(folder / "store"), "end that process")
        holder.stdin.close()
        assert holder.wait(timeout=30) == 0
    assert run("ingest", "-", "--quiet", input=FIRST_LINE).exit_code == 0


def test_a_file_in_the_place_of_the_folder_is_told(at, run, folder):
    (folder / "store").write_text("notes")
    for path in ("store", "store/below"):
        at(path=path)
        for command in (("info",), ("ingest", "-")):
            fails(run(*command, input=FIRST_LINE), str(folder / path), "name another one in path")
    assert (folder / "store").read_text() == "notes"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(at, run, folder):
    (folder / "locked").mkdir(mode=0o500)
    at(path="locked/store")
    fails(run("ingest", "-", input=FIRST_LINE), str(folder / "locked"), "see to its permissions")


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"collections": {"documents": 1}}', "\xff"])
def test_a_damaged_folder_is_told(at, run, folder, content):
    at(path="store")
    assert run("ingest", "-", "--quiet", input=FIRST_LINE).exit_code == 0
    (folder / "store" / "meta.json").write_bytes(content.encode("latin-1"))
    fails(run("info"), str(folder / "store"), "its files cannot be read")


# The client leaves a database open that it has failed to read.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("keep", [0.5, 0.0], ids=["cut", "overwritten"])
def test_a_damaged_database_is_told(at, run, folder, keep):
    at(path="store")
    assert run("ingest", "-", "--quiet", input=FIRST_LINE).exit_code == 0
    [file] = (folder / "store").rglob("storage.sqlite")
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)] or b"nonsense" * 1000)
    fails(run("info"), str(folder / "store"), "its files cannot be read")


def test_as_a_process_it_says_the_same(at, process):
    address = f"http://127.0.0.1:{closed_port()}"
    at(url=address, api_key=KEY)
    done = process("info")
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.decode().startswith(f"Error: {address}: no answer")
    assert b"Traceback" not in done.stderr
