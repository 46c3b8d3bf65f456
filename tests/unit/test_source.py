"""Encoders by name, downloaded with the real hub client from a local stand-in of the hub."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from swissbert.encoder.checkpoint import read_encoder
from swissbert.errors import SwissbertError
from swissbert.model_folder import encoders as source
from swissbert.model_folder.encoders import encoder_folder
from swissbert.model_folder.layout import ENCODER_FILES, POOLING

Answer = tuple[int, dict[str, str], bytes]

OLD, NEW, PICKLED, GATED = (letter * 40 for letter in "abcd")
"""Commits."""
REFUSALS: dict[str, Answer] = {
    "org/missing": (404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b""),
    "org/hidden": (401, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Invalid username or password."}, b""),
    "org/expired": (401, {"X-Error-Message": "Invalid credentials in Authorization header"}, b""),
    "org/private": (403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to it is restricted."}, b""),
    "org/forbidden": (403, {}, b""),
    "org/broken": (500, {}, b"<html>Internal error</html>"),
    "org/portal": (200, {"Content-Type": "text/html"}, b"<html>Please log in to this network</html>"),
}
"""Responses of the hub to every request about these repositories."""


class Hub:
    """A hub with a few repositories and a log of requests."""

    def __init__(self, weights: Path) -> None:
        config = (weights / "config.json").read_bytes()
        files = {
            "config.json": config,
            "model.safetensors": (weights / "model.safetensors").read_bytes(),
            "vocab.txt": (weights / "vocab.txt").read_bytes(),
            "pytorch_model.bin": b"a pickle",
            "modeling_bert.py": b"raise SystemExit",
            "other/config.json": b"{}",
        }
        self.commits: dict[str, dict[str, bytes]] = {
            OLD: files | {"config.json": config.replace(b'"initializer_range": 0.02', b'"initializer_range": 0.01')},
            NEW: files | {POOLING: b'{"pooling_mode": "mean"}'},
            PICKLED: {"config.json": config, "pytorch_model.bin": b"a pickle"},
            GATED: {"config.json": config},
        }
        self.revisions = {
            "org/bert": {"main": NEW, "v1": OLD, OLD: OLD, NEW: NEW},
            "org/pickled": {"main": PICKLED, PICKLED: PICKLED},
            "org/gated": {"main": GATED, GATED: GATED},
        }
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.asked.append(f"{self.command} {self.path}")
                if self.path.startswith("/api/models/org/silent/"):
                    self.close_connection = True
                    return
                status, headers, body = hub.answer(self.path.partition("?")[0])
                self.send_response(status)
                for key, value in (headers | {"Content-Length": str(len(body))}).items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path: str) -> Answer:
        """Respond like the hub: information on a revision, its list of files, or a file."""
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)/(revision|tree)/([^/]+)", path) or re.fullmatch(
            r"/([^/]+/[^/]+)/(resolve)/([^/]+)/(.+)", path
        )
        if match is None:
            return 404, {}, b""
        name, kind, revision = match.groups()[:3]
        if name in REFUSALS:
            return REFUSALS[name]
        commit = self.revisions[name].get(revision)
        if commit is None:
            return 404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"}, b""
        files = self.commits[commit]
        if kind == "revision":
            return (
                200,
                {},
                json.dumps({"id": name, "sha": commit, "siblings": [{"rfilename": f} for f in files]}).encode(),
            )
        if kind == "tree":
            entries = [
                {"type": "file", "path": path, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
                for path, body in files.items()
            ]
            return 200, {}, json.dumps([*entries, {"type": "directory", "path": "other", "oid": "0" * 40}]).encode()
        if name == "org/gated":
            return 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to it is restricted."}, b""
        body = files[match[4]]
        return 200, {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": commit}, body

    def fetched(self) -> set[str]:
        """Return the requested files."""
        return {request.split("/", 5)[-1] for request in self.asked if "/resolve/" in request}


@pytest.fixture(scope="module")
def hub(tiny: Path) -> Iterator[Hub]:
    hub = Hub(tiny)
    thread = Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield hub
    hub.server.shutdown()
    thread.join()
    hub.server.server_close()


ASK = """
import json, runpy, sys
encoder_folder = runpy.run_path(sys.argv[2])["encoder_folder"]  # skips importing torch
from swissbert.errors import SwissbertError
for name, revision in json.loads(sys.argv[1]):
    try:
        print(json.dumps(str(encoder_folder(name, revision))))
    except SwissbertError as error:
        print(json.dumps("error: " + str(error)))
"""


def ask(names: list[tuple[str, str | None]], home: Path, endpoint: str, **environment: str) -> list[str]:
    """Return results of `encoder_folder`, or ``error:`` and the message, from a process with this hub alone."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and not k.lower().endswith("_proxy")}
    result = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(names), source.__file__],
        env=clean | {"HF_HOME": str(home), "HF_ENDPOINT": endpoint} | environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's cache, filled in the order of the tests."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def fetched(hub: Hub, home: Path) -> Path:
    """The folder of a downloaded encoder; nothing else was requested before."""
    [folder] = ask([("org/bert", None)], home, hub.url)
    assert hub.fetched() == {"config.json", "model.safetensors", "vocab.txt", POOLING}
    return Path(folder)


def test_an_encoder_is_downloaded_and_loads(fetched: Path, home: Path, tiny: Path) -> None:
    assert fetched.is_relative_to(home)
    assert fetched.name == NEW
    ours, theirs = read_encoder(fetched).state_dict(), read_encoder(tiny).state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert (fetched / "vocab.txt").read_bytes() == (tiny / "vocab.txt").read_bytes()


def test_no_pickle_and_no_code_is_requested(fetched: Path, hub: Hub) -> None:
    files = sorted(str(file.relative_to(fetched)) for file in fetched.rglob("*") if file.is_file())
    assert files == [POOLING, "config.json", "model.safetensors", "vocab.txt"]
    assert hub.fetched() <= {*ENCODER_FILES, POOLING}
    assert not any(".bin" in request or ".py" in request for request in hub.asked)


def test_a_downloaded_encoder_is_found_without_a_network(fetched: Path, home: Path, hub: Hub) -> None:
    before = len(hub.asked)
    assert ask([("org/bert", None), ("org/bert", NEW)], home, hub.url, HF_HUB_OFFLINE="1") == [str(fetched)] * 2
    assert len(hub.asked) == before


def test_a_revision_is_requested_and_returned(hub: Hub, tmp_path: Path) -> None:
    before = len(hub.asked)
    tag, commit, branch = ask([("org/bert", "v1"), ("org/bert", OLD), ("org/bert", "main")], tmp_path, hub.url)
    asked = hub.asked[before:]
    assert any("/api/models/org/bert/revision/v1" in request for request in asked)
    assert tag == commit
    assert Path(tag).name == OLD
    assert Path(branch).name == NEW
    assert read_encoder(Path(tag)).config.initializer_range == 0.01
    assert read_encoder(Path(branch)).config.initializer_range == 0.02
    of_tag = [request for request in asked if f"/resolve/{OLD}/" in request and request.startswith("GET")]
    assert len(of_tag) == 3, "files of a commit come once"


LOG_IN = "access is restricted; accept its terms on the hub and log in with 'hf auth login'"
NOT_THERE = (
    "there is no such local folder and no such repository on the hub, or it is private and you are not logged in"
)
SENTENCES: list[tuple[str, str | None, str]] = [
    ("org/missing", None, NOT_THERE),
    ("org/missing", "v1", NOT_THERE),
    ("org/hidden", None, NOT_THERE),
    (
        "org/expired",
        None,
        "the hub answers 401 Unauthorized; there is no such repository, or you must log in with 'hf auth login'",
    ),
    ("org/bert", "v9", "the repository has no such revision"),
    ("org/bert", "e" * 40, "the repository has no such revision"),
    ("org/gated", None, LOG_IN),
    ("org/private", None, LOG_IN),
    ("org/forbidden", None, "not in the local cache, and the hub answers 403 Forbidden"),
    ("org/broken", None, "not in the local cache, and the hub answers 500 Internal Server Error"),
    ("org/portal", None, "the answer does not come from the hub; check for a proxy or a login page of your network"),
    ("org/silent", None, "it cannot be downloaded from the hub (Server disconnected without sending a response.)"),
    (
        "org/pickled",
        None,
        "the repository contains no model.safetensors, and pickle files are not read; "
        "download it into a folder, and `swissbert convert FOLDER` writes safetensors from pytorch_model.bin",
    ),
]


@pytest.fixture(scope="module")
def answers(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The messages for all of `SENTENCES`."""
    return ask([(name, revision) for name, revision, _ in SENTENCES], tmp_path_factory.mktemp("none"), hub.url)


@pytest.mark.parametrize("i", range(len(SENTENCES)), ids=[f"{n}-{(r or '')[:4]}" for n, r, _ in SENTENCES])
def test_errors_of_the_hub_are_worded(answers: list[str], i: int) -> None:
    name, revision, sentence = SENTENCES[i]
    at = f" at revision '{revision}'" if revision else ""
    assert answers[i] == f"error: encoder '{name}'{at}: {sentence}"


def test_an_invalid_id_and_an_unreachable_hub_are_reported(tmp_path: Path) -> None:
    nowhere = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    nowhere.server_close()  # a port that was free a moment ago
    down, wrong = ask([("org/bert", None), ("org/a..b", None)], tmp_path, f"http://127.0.0.1:{nowhere.server_port}")
    assert down.startswith("error: encoder 'org/bert': not in the local cache, and the hub cannot be reached (")
    assert "refused" in down
    assert down.endswith("); connect once to download it, or use the encoder 'minilm'")
    assert wrong.startswith("error: encoder 'org/a..b': it cannot be downloaded from the hub (")
    assert "org/a..b" in wrong.partition("(")[2]


def test_offline_mode_without_a_cache_is_reported_with_alternatives(hub: Hub, tmp_path: Path) -> None:
    before = len(hub.asked)
    [answer] = ask([("org/bert", None)], tmp_path, hub.url, HF_HUB_OFFLINE="1")
    assert answer == (
        "error: encoder 'org/bert': not in the local cache, and offline mode is on (HF_HUB_OFFLINE);"
        " unset it once to download it, or use the encoder 'minilm'"
    )
    assert len(hub.asked) == before


def test_a_local_folder_takes_precedence_over_a_hub_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert encoder_folder("owner/name") == Path("owner/name")
    assert encoder_folder("./owner") == Path("owner")
    assert encoder_folder(str(tmp_path)) == tmp_path


@pytest.mark.parametrize(
    "name",
    ["", "minilms", "a/b/c", "/no/such", "./x", "../x", ".x/y", "a/b c", "a/", "https://hf.co/a/b", "a\0b", "x" * 5000],
    ids=lambda name: repr(name[:12]),
)
def test_an_impossible_name_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a checkout may be called x
    with pytest.raises(SwissbertError) as caught:
        encoder_folder(name)
    sentence = f"encoder.name is '{name}', but there is no such folder; use 'minilm', a folder or a hub id (owner/name)"
    assert str(caught.value) == str(SwissbertError(sentence))


def test_another_member_of_the_family_is_downloaded_with_its_tokenizer(hub: Hub, home: Path, tmp_path: Path) -> None:
    import family
    from swissbert.data.tokens import Tokenizer

    family.write("roberta", tmp_path)
    commit = "e" * 40
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    hub.commits[commit] = files | {"merges.txt": b"#version: 0.2\n", "pytorch_model.bin": b"a pickle"}
    hub.revisions["org/roberta"] = {"main": commit, commit: commit}
    [folder] = ask([("org/roberta", None)], home, hub.url)
    assert {file.name for file in Path(folder).iterdir()} == files.keys()
    encoder = read_encoder(Path(folder))
    assert encoder.config.member == "roberta"
    assert Tokenizer(Path(folder), encoder.config.vocab_size).separators == 2
