"""The server as a process: real sockets, real signals, clients that leave, and inputs that nobody should send."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

CLEAN = {name: value for name, value in os.environ.items() if name != "SWISSBERT_API_KEY"}
KEY = "a-key-of-more-than-sixteen-characters"


class Server:
    """`swissbert serve` in a process of its own, on a free port."""

    def __init__(self, model: Path, *arguments: str, key: str | None = None) -> None:
        environment = {**CLEAN, "OMP_NUM_THREADS": "1"}
        environment |= {"SWISSBERT_API_KEY": key} if key else {}
        command = [sys.executable, "-m", "swissbert", "serve", str(model), "--port", "0", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().removeprefix("serving on ").strip()
        assert self.url.startswith("http://127.0.0.1:"), self.process.stderr.read() if self.process.stderr else ""
        for _ in range(200):
            try:
                if self.get("/readyz")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the server does not get ready")

    def ask(self, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any, dict[str, str]]:
        """POST a body (bytes as they are, else JSON), or GET without one: status, JSON or text, headers."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, said, found = response.status, response.read().decode(), dict(response.headers)
        except urllib.error.HTTPError as error:
            status, said, found = error.code, error.read().decode(), dict(error.headers)
        is_json = found.get("content-type", "").startswith("application/json")
        return status, json.loads(said) if is_json else said, found

    def get(self, path: str, key: str | None = None) -> tuple[int, Any, dict[str, str]]:
        return self.ask(path, None, key)

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        self.process.send_signal(kind)
        out, said = self.process.communicate(timeout=30)
        return self.process.returncode, out, said


@pytest.fixture(scope="module")
def server(tiny_run: Path) -> Iterator[Server]:
    made = Server(tiny_run)
    yield made
    code, out, said = made.stop()
    assert (code, out, said) == (0, "", ""), "nothing is logged, least of all texts"


def one(text: str, pair: str | None = None) -> dict[str, Any]:
    return {"inputs": {"text": text} | ({"text_pair": pair} if pair else {})}


def test_one_input_many_inputs_one_task_several(server: Server) -> None:
    status, said, _ = server.ask("/v1/predict", one("a good film") | {"tasks": "sst"})
    assert status == 200
    assert set(said["answers"][0]["sst"]) == {"label", "label_name", "probabilities"}
    status, said, _ = server.ask("/v1/predict", one("a good film", "a bad film"))
    assert [set(answer) for answer in said["answers"]] == [{"para", "sts"}]
    assert set(said["answers"][0]["sts"]) == {"score"}
    many = {"inputs": [{"text": "a"}, {"text": "b", "text_pair": "c"}, {"text": "d"}]}
    status, said, _ = server.ask("/v1/predict", many)
    assert [set(answer) for answer in said["answers"]] == [{"sst"}, {"para", "sts"}, {"sst"}]


def test_tasks_attention_health_and_metrics(server: Server) -> None:
    tasks = {task["name"]: task for task in server.get("/v1/tasks")[1]}
    assert (tasks["sts"]["pair"], tasks["sts"]["range"], tasks["sst"]["labels"][0]) == (True, [0, 5], "negative")
    status, said, _ = server.ask("/v1/attention", {"text": "a good film", "text_pair": "it is"})
    assert status == 200
    assert said["tokens"] == ["[CLS]", "a", "good", "film", "[SEP]", "it", "is", "[SEP]"]
    assert said["boundary"] == 5
    assert [len(said["weights"]), len(said["weights"][0]), len(said["weights"][0][0])] == [2, 4, 8]
    status, said, _ = server.ask("/v1/attention", {"text": "a good film", "layer": 1, "head": 2})
    assert [len(said["weights"]), len(said["weights"][0]), said["boundary"]] == [1, 1, None]
    assert server.get("/livez")[:2] == (200, {"status": "alive"})
    assert server.get("/readyz")[:2] == (200, {"status": "ready"})
    text = server.get("/metrics")[1]
    for name in ("requests_total", "request_seconds_bucket", "queue_inputs", "batch_tokens_sum", "rejected_total"):
        assert f"swissbert_{name}" in text
    assert 'path="/v1/predict"' in text
    assert server.get("/openapi.json")[1]["paths"].keys() >= {"/v1/predict", "/v1/attention", "/v1/tasks"}


BAD: list[tuple[Any, int, str]] = [
    (one(""), 422, "inputs.text: "),
    (one("   "), 422, "inputs.text: the text is empty"),
    (one("a\0b"), 422, "inputs.text: the text has a NUL character"),
    (b'{"inputs": {"text": "\\ud800"}}', 422, "inputs.text: "),
    (one("x" * 10_001), 422, "inputs.text: string should have at most 10000 characters"),
    ({"inputs": {"text": 3}}, 422, "inputs.text: input should be a valid string"),
    (one("a") | {"tasks": 3}, 422, "tasks: input should be a valid string"),
    ({"inputs": []}, 422, "inputs: list should have at least 1 item"),
    ({"inputs": [{"text": "a"}] * 65}, 422, "inputs: list should have at most 64 items"),
    ({"inputs": [{"text": "a"}, {"text": "b", "text_pair": " "}]}, 422, "inputs.1.text_pair: the text is empty"),
    (one("a") | {"tasks": "sts"}, 422, "task 'sts' takes a pair: text and text_pair"),
    (one("a", "b") | {"tasks": ["para", "sst"]}, 422, "task 'sst' takes one text"),
    (one("a") | {"tasks": "parra"}, 422, "there is no task 'parra'; did you mean 'para'?"),
    (b'{"inputs": {"text": "a"}, "tasks": ["\\ud800"]}', 422, "tasks.0: "),
    (one("a") | {"tasks": "x" * 81}, 422, "tasks: string should have at most 80 characters"),
    ({"inputs": "a"}, 422, "inputs: an object with a text is expected, or a list of them"),
    ({"inputs": [{"text": "x" * 9000}] * 20}, 422, "inputs have 180,000 characters in all"),
    (one("a") | {"k\n" * 50: 1}, 422, "k\\nk"),
    (one("a") | {"tasks": []}, 422, "tasks: list should have at least 1 item"),
    (one("a") | {"task": "sst"}, 422, "task: "),
    (b'{"inputs": {"text": NaN}}', 422, "inputs.text: input should be a valid string"),
    (b"{", 400, "the body is not valid JSON"),
    (b"\xff\xfe", 400, "the body is not valid JSON"),
    (b"[" * 100_000, 400, "the body is not valid JSON"),
    (b"", 422, "the body: field required"),
    (b"x" * (1024 * 1024 + 1), 413, "the body is more than 524,288 bytes"),
]


@pytest.mark.parametrize(("body", "status", "said"), BAD, ids=range(len(BAD)))
def test_bad_input_gets_one_sentence_that_names_the_field(server: Server, body: Any, status: int, said: str) -> None:
    found, answer, headers = server.ask("/v1/predict", body)
    assert found == status, answer
    assert answer["error"].startswith(said), answer
    assert "\n" not in answer["error"]
    assert headers["x-content-type-options"] == "nosniff"
    assert server.ask("/v1/predict", one("a good film"))[0] == 200


def test_other_paths_and_methods(server: Server) -> None:
    assert server.get("/nothing")[:2] == (404, {"error": "Not Found", "field": None})
    assert server.get("/v1/predict")[0] == 405
    status, said, _ = server.ask("/v1/attention", {"text": " ".join(["film"] * 100)})
    assert (status, said["field"]) == (422, "text")
    status, said, _ = server.ask("/v1/attention", {"text": "a", "layer": 9})
    assert said == {"error": "layer is 9, but this model has 0 to 1", "field": "layer"}


def test_a_body_without_a_length_is_counted_while_it_comes(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as wire:
        wire.sendall(
            b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        try:
            for _ in range(400):
                wire.sendall(chunk)
        except OSError:
            pass  # it has answered and hung up
        assert b" 413 " in wire.recv(200)


def test_the_kind_of_body_is_asked_for(server: Server) -> None:
    request = urllib.request.Request(server.url + "/v1/predict", b"{}", {"content-type": "text/plain"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    assert caught.value.code == 415
    assert json.loads(caught.value.read())["error"] == "send the header content-type: application/json"
    caught.value.close()


@pytest.mark.perf
def test_many_long_words_stall_nobody(server: Server) -> None:
    slow = {"inputs": [{"text": ("qzj" * 33 + " ") * 15}] * 64}
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(server.ask, "/v1/predict", slow) for _ in range(3)]
        worst = 0.0
        while not all(each.done() for each in waiting):
            began = time.monotonic()
            assert server.get("/livez")[0] == 200
            worst = max(worst, time.monotonic() - began)
        assert {each.result()[0] for each in waiting} <= {200, 429}
    assert worst < 1.5


def test_answers_among_others_are_those_alone(server: Server) -> None:
    words = ["good", "bad", "great", "awful", "a dull film", "the dog runs in the park and it is a very good day"]
    alone = [server.ask("/v1/predict", one(word))[1]["answers"][0]["sst"]["probabilities"] for word in words]
    with ThreadPoolExecutor(24) as pool:
        among = list(pool.map(lambda word: server.ask("/v1/predict", one(word)), words * 20))
    for i, (status, said, _) in enumerate(among):
        assert status == 200
        assert said["answers"][0]["sst"]["probabilities"] == pytest.approx(alone[i % len(words)], abs=1.1e-5)


def test_a_client_that_leaves_harms_nobody(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps({"inputs": [{"text": " ".join(["film"] * 40)}] * 64}).encode()
    head = (
        f"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=10) as wire:
            wire.sendall(head.encode() + body)
    assert server.ask("/v1/predict", one("a good film"))[0] == 200
    assert 'path="/v1/predict",status="500"' not in server.get("/metrics")[1]


def test_sigterm_drains(tiny_run: Path) -> None:
    server = Server(tiny_run)
    body = {"inputs": [{"text": " ".join(["film"] * 40)}] * 64}
    found: list[int] = []

    def ask() -> None:
        found.append(server.ask("/v1/predict", body)[0])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.15)  # they are on their way
    code, _, said = server.stop()
    for thread in threads:
        thread.join()
    assert found == [200] * 3
    assert (code, said) == (0, "")


def overload(server: Server) -> list[tuple[int, Any, Any, float]]:
    """Send more requests than fit; return status, body, headers and seconds of each."""
    body = {"inputs": [{"text": " ".join(["film"] * 45)}] * 64}

    def ask(_: int) -> tuple[int, Any, Any, float]:
        began = time.monotonic()
        status, answer, headers = server.ask("/v1/predict", body)
        return status, answer, headers, time.monotonic() - began

    with ThreadPoolExecutor(40) as pool:
        return list(pool.map(ask, range(160)))


def test_requests_that_do_not_fit_are_refused_and_none_fails(tiny_run: Path) -> None:
    server = Server(tiny_run)
    responses = overload(server)
    assert {status for status, *_ in responses} == {200, 429}
    for status, answer, headers, _ in responses:
        if status == 429:
            assert int(headers["retry-after"]) >= 1
            assert answer == {"error": "there is no room now", "field": None}
    assert server.stop() == (0, "", "")


@pytest.mark.perf
def test_requests_that_do_not_fit_are_refused_at_once(tiny_run: Path) -> None:
    server = Server(tiny_run)
    assert max(seconds for status, *_, seconds in overload(server) if status == 429) < 5
    server.stop()


def test_a_key_is_asked_for_and_compared(tiny_run: Path) -> None:
    server = Server(tiny_run, key=KEY)
    for path, body in (("/v1/predict", one("a")), ("/v1/tasks", None), ("/metrics", None), ("/openapi.json", None)):
        status, said, headers = server.ask(path, body)
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert "asks for a key" in said["error"]
        assert server.ask(path, body, key="wrong")[0] == 401
        assert server.ask(path, body, key=KEY)[0] == 200
    assert server.get("/livez")[0] == 200
    server.stop()


@pytest.mark.parametrize(
    ("arguments", "key", "said"),
    [
        (
            ["--host", "0.0.0.0"],
            None,
            "--host 0.0.0.0: other machines can reach this address, so SWISSBERT_API_KEY must hold",
        ),
        (["--host", "0.0.0.0"], "short", "SWISSBERT_API_KEY has 5 characters"),
        (["--host", "192.0.2.1"], KEY, "192.0.2.1:8000: cannot be served on"),
        (["--port", "70000"], None, ""),
    ],
)
def test_what_cannot_be_served_is_said(tiny_run: Path, arguments: list[str], key: str | None, said: str) -> None:
    environment = {**CLEAN, **({"SWISSBERT_API_KEY": key} if key else {})}
    command = [sys.executable, "-m", "swissbert", "serve", str(tiny_run), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {said}") if said else "65535" in done.stderr
