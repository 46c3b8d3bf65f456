"""Models pushed and pulled with the real hub client and a local stand-in of the hub."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard, ModelCardData

from swissbert.config import EncoderSettings, ModelSettings
from swissbert.data.tokens import Tokenizer
from swissbert.encoder.checkpoint import read_encoder
from swissbert.errors import SwissbertError
from swissbert.inference.loading import load
from swissbert.metrics import METRICS
from swissbert.model_folder.card import card
from swissbert.model_folder.description import Description
from swissbert.model_folder.hub import is_hub_id
from swissbert.model_folder.layout import MODEL_FILES
from swissbert.model_folder.load import resolve_folder
from swissbert.model_folder.network import build_network
from swissbert.model_folder.push import push
from swissbert.model_folder.save import save_model
from swissbert.tasks import Task, find_task

Answer = tuple[int, dict[str, str], bytes]


def as_json(status: int, table: object, **headers: str) -> Answer:
    return status, {"Content-Type": "application/json", **headers}, json.dumps(table).encode()


class Hub:
    """A hub with numbered commits and a log of requests.

    Token ``writer`` may write, ``reader`` only read. Uploads to owner ``broken`` fail.
    """

    def __init__(self) -> None:
        self.commits: dict[str, list[tuple[str, dict[str, bytes]]]] = {}
        self.private: set[str] = set()
        self.large: dict[str, bytes] = {}
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.asked.append(f"{self.command} {self.path}")
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                method = "GET" if self.command == "HEAD" else self.command
                status, headers, body = hub.answer(method, self.path.partition("?")[0], sent, token)
                self.send_response(status)
                for key, value in (headers | {"Content-Length": str(len(body))}).items():
                    self.send_header(key, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_POST(self) -> None:
                self.do_GET()

            def do_PUT(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, method: str, path: str, sent: bytes, token: str) -> Answer:
        if method == "GET":
            return self.read(path, token)
        if method == "PUT":  # the address is signed: no token goes with it
            name = path.removeprefix("/storage/")
            if hashlib.sha256(sent).hexdigest() != name:
                return 400, {}, b"not what was announced"
            self.large[name] = sent
            return 200, {}, b""
        if path == "/api/validate-yaml":
            assert ModelCard(json.loads(sent)["content"]).data.get("library_name") == "swissbert"
            return as_json(200, {"errors": [], "warnings": []})
        if token != "writer":
            refused = {"error": "You don't have the rights to create a model under this namespace"}
            return (
                as_json(403, refused) if token == "reader" else as_json(401, {"error": "Invalid username or password."})
            )
        if path == "/api/repos/create":
            table = json.loads(sent)
            name = f"{table['organization']}/{table['name']}"
            if name in self.commits:
                return as_json(409, {"error": "You already created this model repo", "url": f"{self.url}/{name}"})
            if table["organization"] == "nobody":
                return as_json(404, {"error": "Organization 'nobody'\nnot found"})
            self.commits[name] = [("", {".gitattributes": b"*.safetensors filter=lfs"})]
            if table.get("visibility") == "private" or table.get("private"):  # clients before 1.8 send the second
                self.private.add(name)
            return as_json(200, {"url": f"{self.url}/{name}"})
        if match := re.fullmatch(r"/api/models/[^/]+/[^/]+/preupload/main", path):
            files = [file["path"] for file in json.loads(sent)["files"]]
            modes = {file: "lfs" if file.endswith(".safetensors") else "regular" for file in files}
            return as_json(
                200, {"files": [{"path": file, "uploadMode": modes[file], "shouldIgnore": False} for file in files]}
            )
        if match := re.fullmatch(r"/([^/]+)/[^/]+\.git/info/lfs/objects/batch", path):
            storage = "nowhere" if match[1] == "broken" else "storage"
            objects = [
                {**file, "actions": {"upload": {"href": f"{self.url}/{storage}/{file['oid']}"}}}
                for file in json.loads(sent)["objects"]
            ]
            return as_json(200, {"objects": objects, "transfer": "basic"})
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path):
            return self.commit(match[1], [json.loads(line) for line in sent.splitlines()])
        return 404, {}, b""

    def commit(self, name: str, lines: list[dict[str, Any]]) -> Answer:
        files = dict(self.commits[name][-1][1])
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.large[value["oid"]]
            else:
                assert line["key"] == "deletedFile"
                del files[value["path"]]
        self.commits[name].append((lines[0]["value"]["summary"], files))
        return as_json(200, {"commitUrl": f"{self.url}/{name}/commit/1", "commitOid": self.id(len(self.commits[name]))})

    @staticmethod
    def id(number: int) -> str:
        return f"{number:040x}"

    def read(self, path: str, token: str) -> Answer:
        match = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?", path) or re.fullmatch(
            r"/([^/]+/[^/]+)/(resolve)/([^/]+)/(.+)", path
        )
        if match is None:
            return 404, {}, b""
        name, kind, revision = match.groups()[:3]
        if name not in self.commits or (name in self.private and token not in ("reader", "writer")):
            return 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b""
        commits = self.commits[name]
        known = {None: len(commits), "main": len(commits), "v1": 2} | {
            self.id(n + 1): n + 1 for n in range(len(commits))
        }
        if revision not in known:
            return 404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"}, b""
        commit, files = self.id(known[revision]), commits[known[revision] - 1][1]
        if kind == "resolve":
            body = files[match[4]]
            return 200, {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": commit}, body
        if kind == "tree":
            return as_json(
                200,
                [
                    {"type": "file", "path": path, "size": len(body), "oid": hashlib.sha1(body).hexdigest()}
                    for path, body in files.items()
                ],
            )
        about = {"id": name, "sha": commit, "private": name in self.private}
        return as_json(200, about | {"siblings": [{"rfilename": file} for file in files]})


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    hub = Hub()
    thread = Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield hub
    hub.server.shutdown()
    thread.join()
    hub.server.server_close()


ASK = """
import json, sys
from pathlib import Path
from swissbert.model_folder import hub
from swissbert.model_folder.push import push
from swissbert.errors import SwissbertError
for verb, *given in json.loads(sys.argv[1]):
    try:
        result = push(Path(given[0]), *given[1:]) if verb == "push" else hub.pull(*given)
        print(json.dumps(str(result)))
    except SwissbertError as error:
        print(json.dumps("error: " + str(error)))
assert "torch" not in sys.modules
"""


def process(words: list[str], home: Path, endpoint: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with this hub alone and no login but ``HF_TOKEN``."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and not k.lower().endswith("_proxy")}
    own = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, *words],
        env=clean | own | environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
    )


def ask(calls: list[tuple[object, ...]], home: Path, endpoint: str, **environment: str) -> list[str]:
    """Return results of calls of `push` and `pull`, or ``error:`` and the message."""
    done = process(["-c", ASK, json.dumps(calls, default=str)], home, endpoint, **environment)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def model(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with additional files that do not belong to a model."""
    torch.manual_seed(1)
    tasks = [find_task(name) for name in ("sst", "para", "sts")]
    settings = ModelSettings()
    network = build_network(read_encoder(tiny), tasks, settings, freeze=False)
    encoder = EncoderSettings(name="tiny", max_length=64)
    description = Description(format=1, tasks=tasks, encoder=encoder, model=settings, scores={"sst.accuracy": 0.5})
    folder = tmp_path_factory.mktemp("made") / "model"
    save_model(folder, network, Tokenizer(tiny), description)
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "notes.txt").write_text("private")
    (folder / "extra").mkdir()
    (folder / "extra" / "config.json").write_text("{}")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's cache."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def pushed(hub: Hub, model: Path, home: Path) -> str:
    """The address of a pushed model."""
    [url] = ask([("push", model, "org/three")], home, hub.url, HF_TOKEN="writer")
    return url


def mine(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder that belong to a model."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name in MODEL_FILES}


def test_a_model_is_pushed_in_one_commit_of_known_files(hub: Hub, pushed: str, model: Path) -> None:
    assert pushed == f"{hub.url}/org/three"
    [_, (summary, files)] = hub.commits["org/three"]
    assert summary.startswith("Model of swissbert ")
    assert files == {".gitattributes": files[".gitattributes"]} | mine(model)
    assert set(hub.large.values()) == {files["model.safetensors"], files["heads.safetensors"]}
    assert "org/three" not in hub.private


def test_a_pushed_model_is_pulled_and_answers_the_same(hub: Hub, pushed: str, model: Path, home: Path) -> None:
    [folder] = ask([("pull", "org/three")], home, hub.url)
    assert mine(Path(folder)) == mine(model)
    assert {file.name for file in Path(folder).rglob("*")} == set(mine(model)), "nothing else was downloaded"
    texts = ["a fine film", "the plot was dull", "no"]
    assert np.array_equal(load(folder, "cpu").numbers("sst", texts), load(model, "cpu").numbers("sst", texts))
    before = len(hub.asked)
    assert ask([("pull", "org/three")], home, hub.url, HF_HUB_OFFLINE="1") == [folder]
    assert len(hub.asked) == before


def test_a_second_push_replaces_the_first_which_stays_a_revision(
    hub: Hub, pushed: str, model: Path, tmp_path: Path
) -> None:
    compact = tmp_path / "compact"
    shutil.copytree(model, compact)
    (compact / "model.safetensors").rename(compact / "delta.safetensors")
    description = json.loads((compact / "swissbert.json").read_text())
    description["checksums"]["delta.safetensors"] = description["checksums"].pop("model.safetensors")
    (compact / "swissbert.json").write_text(json.dumps(description))
    first, (summary, files) = hub.commits["org/three"]
    hub.commits["org/twice"] = [first, (summary, files | {"LICENSE": b"of the owner"})]
    new, old, gone = ask(
        [
            ("push", compact, "org/twice"),
            ("pull", "org/twice", "v1"),
            ("pull", "org/twice", "v9"),
        ],
        tmp_path,
        hub.url,
        HF_TOKEN="writer",
    )
    assert new == f"{hub.url}/org/twice"
    assert hub.commits["org/twice"][-1][1].keys() == {".gitattributes", "LICENSE", *mine(compact)}
    assert "model.safetensors" in mine(Path(old))
    assert gone == "error: model 'org/twice' at revision 'v9': the repository has no such revision"


def test_the_command_line_pushes_and_accepts_hub_ids(hub: Hub, model: Path, home: Path) -> None:
    hub_is = {"HF_TOKEN": "writer", "OMP_NUM_THREADS": "1"}
    done = process(["-m", "swissbert", "push", str(model), "me/mine", "--private"], home, hub.url, **hub_is)
    assert (done.returncode, done.stdout) == (0, f"{hub.url}/me/mine\n"), done.stderr
    assert "pushing 8 files" in done.stderr
    assert "me/mine" in hub.private
    words = ["-m", "swissbert", "predict", "me/mine@main", "a fine film", "--task", "sst"]
    done = process(words, home, hub.url, **hub_is)
    assert done.returncode == 0, done.stderr
    [answer] = load(model, "cpu").predict("sst", ["a fine film"])
    assert json.loads(done.stdout) == answer.as_json()


def test_errors_of_a_push_are_worded(hub: Hub, model: Path, tmp_path: Path) -> None:
    hub.commits["org/public"] = [("", {})]
    log_in = "you are not logged in, or your token is not valid; log in with 'hf auth login', or set HF_TOKEN"
    may_not = "your token does not allow to write there; use an owner of your own, or a token with write permission"
    public = "exists on the hub and is public; make it private there, or choose a new name"
    expected: dict[str, list[tuple[str, bool, str]]] = {
        "": [("org/new", False, log_in), ("org/public", False, log_in)],
        "expired": [("org/new", False, log_in)],
        "reader": [("org/new", False, may_not), ("org/public", False, may_not)],
        "writer": [
            ("nobody/new", False, "the hub answers 404 Not Found (Organization 'nobody' not found)"),
            ("org/public", True, public),
            ("org/a..b", False, "not a valid repository id ("),
            ("broken/new", False, "the hub answers 400 Bad Request (not what was announced)"),
        ],
    }
    for token, cases in expected.items():
        calls: list[tuple[object, ...]] = [("push", model, name, private) for name, private, _ in cases]
        answers = ask(calls, tmp_path, hub.url, HF_TOKEN=token)
        for message, (name, _, sentence) in zip(answers, cases, strict=True):
            assert message.startswith(f"error: {name}: {sentence}")
            assert "\n" not in message
    assert "org/new" not in hub.commits
    assert hub.commits["org/public"] == [("", {})]


def test_an_unreachable_hub_is_reported(hub: Hub, model: Path, tmp_path: Path) -> None:
    calls: list[tuple[object, ...]] = [("push", model, "org/new"), ("pull", "org/three")]
    before = len(hub.asked)
    push_error, pull_error = ask(calls, tmp_path, hub.url, HF_HUB_OFFLINE="1", HF_TOKEN="writer")
    assert push_error == "error: org/new: offline mode is on (HF_HUB_OFFLINE); unset it to push"
    assert pull_error == (
        "error: model 'org/three': not in the local cache, and offline mode is on (HF_HUB_OFFLINE);"
        " unset it once to download it, or use mini or a local model folder"
    )
    assert len(hub.asked) == before
    nowhere = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    nowhere.server_close()  # a port that was free a moment ago
    push_error, pull_error = ask(calls, tmp_path, f"http://127.0.0.1:{nowhere.server_port}", HF_TOKEN="writer")
    assert push_error.startswith("error: org/new: the hub cannot be reached (")
    assert pull_error.startswith("error: model 'org/three': not in the local cache, and the hub cannot be reached (")


def test_a_repository_without_a_swissbert_model_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.commits["org/other"] = [("", {"config.json": b"{}", "pytorch_model.bin": b"a pickle"})]
    before = len(hub.asked)
    other, missing = ask([("pull", "org/other"), ("pull", "org/missing")], tmp_path, hub.url)
    assert other == (
        "error: model 'org/other': the repository exists but contains no swissbert.json, so it is not a swissBERT model"
    )
    assert missing == (
        "error: model 'org/missing': there is no such local folder and no such repository on the hub,"
        " or it is private and you are not logged in"
    )
    assert not any(".bin" in request for request in hub.asked[before:])


@pytest.mark.parametrize("name", ["", "three", "a/b/c", "/a/b", ".a/b", "a/b c", "a/", "a/b@v1", "https://hf.co/a/b"])
def test_an_invalid_repository_id_is_refused_without_a_request(name: str, model: Path) -> None:
    assert not is_hub_id(name)
    with pytest.raises(SwissbertError, match="is not a valid repository id; it has the form OWNER/NAME"):
        push(model, name)


def test_a_folder_without_a_model_is_not_pushed(tiny: Path) -> None:
    with pytest.raises(SwissbertError, match=re.escape("not a model folder (no swissbert.json)")):
        push(tiny, "org/new")


def test_a_local_folder_takes_precedence_over_the_hub(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str | None]] = []

    def pull(repo_id: str, revision: str | None = None) -> Path:
        asked.append((repo_id, revision))
        return model

    monkeypatch.setattr("swissbert.model_folder.load.pull", pull)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model, "owner/name")
    (tmp_path / "owner" / "empty").mkdir()
    (tmp_path / "owner" / "file").touch()
    assert resolve_folder("owner/name") == Path("owner/name")
    for name in ("owner/empty", "owner/file", "nothing", "a/b/c", str(tmp_path / "x")):
        with pytest.raises(SwissbertError, match="model folder"):
            resolve_folder(name)
    assert asked == []
    for name in ("owner/other", "owner/name@v1", "owner/name@refs/pr/1"):
        assert resolve_folder(Path(name)) == model
    assert asked == [("owner/other", None), ("owner/name", "v1"), ("owner/name", "refs/pr/1")]


def own(name: str, dataset: str | None) -> Task:
    where = {"hub": {"dataset": dataset, "config": "no"}} if dataset else {"files": {"train": "x.csv"}}
    table = {"name": name, "kind": "classification", "columns": {"text": "t", "label": "l"}, "labels": ["a: b", "---"]}
    return Task.model_validate(table | where | {"loss": "cross_entropy", "metric": "macro_f1"})


def read(text: str) -> tuple[ModelCardData, str]:
    """Return metadata and text of a card, parsed by the hub client."""
    parsed = ModelCard(text)
    assert isinstance(parsed.data, ModelCardData)
    return parsed.data, parsed.text


def shown(data: ModelCardData) -> dict[str, Any]:
    """Return the metadata as the hub stores it."""
    return dict(data.to_dict())  # type: ignore[no-untyped-call]


def described(name: str = "org/bert", /, **provenance: object) -> Description:
    return Description(
        format=1,
        tasks=[find_task("sts"), own("yes", "org/data"), own("no", "org/data")],
        encoder=EncoderSettings(name=name),
        model=ModelSettings(),
        scores={"sts.pearson": 0.5, "yes.accuracy": 0.7, "yes.macro_f1": 1 / 3, "no.accuracy": 0.25, "overall": 0.5},
        provenance=provenance,
    )


def test_the_hub_can_read_the_card() -> None:
    data, words = read(card(described(license="apache-2.0", recipe="mine")))
    table = shown(data)
    results = [
        (result.dataset_name, result.metric_type, result.metric_name, result.metric_value)
        for result in data.eval_results or []
    ]
    assert results == [
        ("sts", "pearsonr", "sts pearson", 0.5),
        ("org/data", "accuracy", "yes accuracy", 0.7),
        ("org/data", "f1", "yes macro_f1", 1 / 3),
        ("org/data", "accuracy", "no accuracy", 0.25),
    ]
    [index] = table.pop("model-index")
    assert index["name"] == "mine"
    assert [result["task"]["type"] for result in index["results"]] == ["text-classification"] * 2
    assert index["results"][1]["dataset"] == {
        "name": "org/data",
        "type": "org/data",
        "config": "no",
        "split": "validation",
    }
    assert table == {
        "language": "en",
        "license": "apache-2.0",
        "library_name": "swissbert",
        "pipeline_tag": "text-classification",
        "tags": ["swissbert", "bert", "multitask", "sentence-classification"],
        "base_model": "org/bert",
        "datasets": ["org/data"],
    }
    assert "| sts | regression, 0 to 5 | pair | pearson | 0.500 |" in words


def test_the_card_omits_what_is_unknown(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "bert").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for name in ("minilm", str(tiny), "org/bert"):  # the last one is a folder here
        description = described(name).model_copy(update={"scores": {}, "tasks": [find_task("sst")]})
        table = shown(read(card(description))[0])
        assert table.keys() == {"language", "library_name", "pipeline_tag", "tags"}


@pytest.mark.parametrize(
    "text", ["a: b", "---", "x\n---\ny: [", "'\"{%", "# no", "é 漢 \U0001f600", "- \t!!python/object", "yes"]
)
def test_any_text_leaves_the_card_valid(text: str) -> None:
    data, words = read(card(described(text, license=text, recipe=text)))
    assert data.model_name == text
    assert len(data.eval_results or []) == 4
    assert words.strip().startswith("# swissBERT model\n")


def test_the_card_has_labels_and_scores_of_a_multilabel_task() -> None:
    topics = Task.model_validate(
        {
            "name": "topics",
            "kind": "multilabel",
            "columns": {"text": "t", "label": "l"},
            "labels": [f"a|{number}" for number in range(9)],
            "loss": "binary_cross_entropy",
            "metric": "average_precision",
            "files": {"train": "x.csv"},
        }
    )
    scores = {f"topics.{metric}": 0.25 for metric in topics.kind.metrics}
    data, text = read(card(described().model_copy(update={"tasks": [topics], "scores": scores})))
    assert "| topics | multilabel: a\\|0, a\\|1, " in text
    assert ", a\\|7 and 1 more | sentence | average_precision | 0.250 |" in text
    assert "for 1 sentence-level task with" in text
    assert {result.metric_name for result in data.eval_results or []} == {
        f"topics {name}" for name in topics.kind.metrics if METRICS[name].hub_name
    }


def test_the_card_names_no_local_path(tmp_path: Path) -> None:
    text = card(
        described(str(tmp_path / "my-bert"), encoder=f"{tmp_path / 'my-bert'} at v1", data=str(tmp_path / "rows"))
    )
    assert str(tmp_path) not in text
    assert "(`my-bert`)" in text
    assert "- data: rows\n" in text


def test_model_files_are_neither_pickles_nor_code() -> None:
    assert not any(name.endswith((".bin", ".pt", ".pkl", ".py")) for name in MODEL_FILES)
