"""The server as a process: sockets, signals, clients that disconnect, and invalid requests."""

import gzip
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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from swissbert.inference.int8 import has_int8

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "SWISSBERT_API_KEY"}
KEY = "a-key-of-more-than-sixteen-characters"


class Server:
    """`swissbert serve` in a process of its own, on a free port."""

    def __init__(
        self,
        model: Path,
        *arguments: str,
        key: str | None = None,
        program: Sequence[str] = (sys.executable, "-m", "swissbert"),
        **more: str,
    ) -> None:
        environment = {**ENVIRONMENT, "OMP_NUM_THREADS": "1", **more} | ({"SWISSBERT_API_KEY": key} if key else {})
        command = [*program, "serve", str(model), "--port", "0", *arguments]
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
        raise AssertionError("the server does not become ready")

    def ask(self, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any, dict[str, str]]:
        """POST a body (bytes unchanged, all else as JSON), or GET without one; return status, content and headers."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, text, received = response.status, response.read().decode(), dict(response.headers)
        except urllib.error.HTTPError as error:
            status, text, received = error.code, error.read().decode(), dict(error.headers)
        is_json = received.get("content-type", "").startswith("application/json")
        return status, json.loads(text) if is_json else text, received

    def get(self, path: str, key: str | None = None) -> tuple[int, Any, dict[str, str]]:
        return self.ask(path, None, key)

    def stop(self, kind: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
        """Stop the process; return its exit code, output and errors."""
        self.process.send_signal(kind)
        output, errors = self.process.communicate(timeout=30)
        return self.process.returncode, output, errors


@pytest.fixture(scope="module")
def server(tiny_run: Path) -> Iterator[Server]:
    server = Server(tiny_run)
    yield server
    assert server.stop() == (0, "", ""), "nothing is logged"


def one(text: str, pair: str | None = None) -> dict[str, Any]:
    """The body of a request with one input."""
    return {"inputs": {"text": text} | ({"text_pair": pair} if pair else {})}


def test_one_or_many_inputs_and_tasks(server: Server) -> None:
    status, content, _ = server.ask("/v1/predict", one("a good film") | {"tasks": "sst"})
    assert status == 200
    assert set(content["answers"][0]["sst"]) == {"label", "label_name", "probabilities"}
    status, content, _ = server.ask("/v1/predict", one("a good film", "a bad film"))
    assert [set(answer) for answer in content["answers"]] == [{"para", "sts"}]
    assert set(content["answers"][0]["sts"]) == {"score"}
    many = {"inputs": [{"text": "a"}, {"text": "b", "text_pair": "c"}, {"text": "d"}]}
    status, content, _ = server.ask("/v1/predict", many)
    assert [set(answer) for answer in content["answers"]] == [{"sst"}, {"para", "sts"}, {"sst"}]
    named = one("a good film", "a bad film") | {"tasks": ["sts", "para", "sts"]}
    status, content, _ = server.ask("/v1/predict", named)
    assert [list(answer) for answer in content["answers"]] == [["sts", "para"]], "in the order of the request"


def test_tasks_attention_health_and_metrics(server: Server) -> None:
    tasks = {task["name"]: task for task in server.get("/v1/tasks")[1]}
    assert (tasks["sts"]["pair"], tasks["sts"]["range"], tasks["sst"]["labels"][0]) == (True, [0, 5], "negative")
    status, content, _ = server.ask("/v1/attention", {"text": "a good film", "text_pair": "it is"})
    assert status == 200
    assert content["tokens"] == ["[CLS]", "a", "good", "film", "[SEP]", "it", "is", "[SEP]"]
    assert content["boundary"] == 5
    assert [len(content["weights"]), len(content["weights"][0]), len(content["weights"][0][0])] == [2, 4, 8]
    status, content, _ = server.ask("/v1/attention", {"text": "a good film", "layer": 1, "head": 2})
    assert [len(content["weights"]), len(content["weights"][0]), content["boundary"]] == [1, 1, None]
    assert server.get("/livez")[:2] == (200, {"status": "alive"})
    assert server.get("/readyz")[:2] == (200, {"status": "ready"})
    # a request that the metrics can count, whichever tests ran before
    assert server.ask("/v1/predict", {"inputs": "a good film", "tasks": "sst"})[0] == 200
    text = server.get("/metrics")[1]
    for name in ("requests_total", "request_seconds_bucket", "queue_inputs", "batch_tokens_sum", "rejected_total"):
        assert f"swissbert_{name}" in text
    assert 'path="/v1/predict"' in text
    assert server.get("/openapi.json")[1]["paths"].keys() >= {"/v1/predict", "/v1/attention", "/v1/tasks"}


def test_an_explanation_is_about_words_and_agrees_with_predictions(server: Server) -> None:
    texts = {"text": "A good film 🎈 isn't dull", "text_pair": "It is good."}
    status, content, _ = server.ask("/v1/explain", texts)
    assert status == 200
    assert set(content["tasks"]) == {"para", "sts"}
    for word in content["words"]:
        assert texts[word["field"]][word["start"] : word["end"]] == word["text"]
    assert [word["text"] for word in content["words"]][:5] == ["A", "good", "film", "🎈", "isn't"]
    whole = server.ask("/v1/predict", {"inputs": texts})[1]["answers"][0]["sts"]["score"]
    assert content["tasks"]["sts"]["value"] == pytest.approx(whole, abs=2e-4)
    changed = {**texts, "text": "A good   🎈 isn't dull"}
    score = server.ask("/v1/predict", {"inputs": changed})[1]["answers"][0]["sts"]["score"]
    assert content["tasks"]["sts"]["without"][2] == pytest.approx(score, abs=2e-4)
    assert content["tasks"]["sts"]["label"] is None
    status, content, _ = server.ask("/v1/explain", {**texts, "tasks": "sst"})
    assert (status, content["error"]) == (422, "text: task 'sst' takes one text, not a pair; leave out text_pair")
    status, content, _ = server.ask("/v1/explain", {"text": "a " * 4000, "tasks": ["sst"]})
    assert status == 200
    assert content["tasks"]["sst"]["answer"]["cut"]
    assert len(content["words"]) == 46, "tokens that are read"


def test_the_model_and_its_examples(server: Server) -> None:
    status, content, _ = server.get("/v1/model")
    assert status == 200
    assert content["name"] == "run"
    assert content["max_tokens"] == 48
    assert content["precision"] == ("int8" if has_int8() else "fp32")
    assert {example["task"] for example in content["examples"]} == {"sst", "para", "sts"}
    assert not any(example["is_row"] for example in content["examples"])
    assert "/" not in content["encoder"]
    tasks = {task["name"]: task for task in server.get("/v1/tasks")[1]}
    assert tasks["sts"]["ends"] == ["unrelated", "same meaning"]
    assert tasks["sst"]["title"] == "Sentiment of a film review"


INVALID: list[tuple[Any, int, str]] = [
    (one(""), 422, "inputs.text: "),
    (one("   "), 422, "inputs.text: the text is empty"),
    (one("a\0b"), 422, "inputs.text: the text has a NUL character"),
    (b'{"inputs": {"text": "\\ud800"}}', 422, "inputs.text: "),
    (one("x" * 10_001), 422, "inputs.text: at most 10000 characters are allowed"),
    ({"inputs": {"text": 3}}, 422, "inputs.text: a text is expected"),
    (one("a") | {"tasks": 3}, 422, "tasks: the name of a task, or a list of names, is expected"),
    ({"inputs": []}, 422, "inputs: 0 items, but at least 1 is needed"),
    ({"inputs": [{"text": "a"}] * 1025}, 422, "inputs: 1025 items, but at most 1024 are allowed"),
    ({"inputs": [{"text": "a"}, {"text": "b", "text_pair": " "}]}, 422, "inputs.1.text_pair: the text is empty"),
    (one("a") | {"tasks": "sts"}, 422, "inputs: task 'sts' takes a pair of texts, not one text; add text_pair"),
    (one("a", "b") | {"tasks": ["para", "sst"]}, 422, "inputs: task 'sst' takes one text, not a pair; leave out"),
    ({"inputs": [{"text": "a", "text_pair": "b"}, {"text": "a"}], "tasks": "sts"}, 422, "inputs.1: task 'sts' takes"),
    (one("a") | {"tasks": "parra"}, 422, "tasks: there is no task 'parra'; did you mean 'para'?"),
    (b'{"inputs": {"text": "a"}, "tasks": ["\\ud800"]}', 422, "tasks.0: "),
    (one("a") | {"tasks": "x" * 81}, 422, "tasks: at most 80 characters are allowed"),
    ({"inputs": 3}, 422, "inputs: a text, an object with a text, or a list of them is expected"),
    ({"inputs": [["a", "b", "c"]]}, 422, "inputs.0: a text, a pair of texts or an object with a text is expected"),
    ({"instances": ["a"]}, 422, 'inputs: field required; a body is for instance {"inputs": ["a text", '),
    ({"inputs": "a", "parameters": {}}, 422, "parameters: there is no such field; a body is for instance {"),
    ({"inputs": [{"text": "x" * 9000}] * 20}, 422, "inputs: 180,000 characters in all"),
    (one("a") | {"k\n" * 50: 1}, 422, "k\\nk"),
    (one("a") | {"tasks": []}, 422, "tasks: 0 items, but at least 1 is needed"),
    (one("a") | {"task": "sst"}, 422, "task: "),
    (b'{"inputs": {"text": NaN}}', 422, "inputs.text: a text is expected"),
    (b"{", 400, "the body is not valid JSON (Expecting property name enclosed in double quotes at character 2)"),
    (b"\xff\xfe", 400, "the body is not valid JSON"),
    (b"[" * 100_000, 400, "the body is not valid JSON"),
    (b"", 422, 'the body: it is empty; a body is for instance {"inputs": ['),
    (b'["a"]', 422, 'the body: an object is expected; a body is for instance {"inputs": ['),
    (b"x" * (1024 * 1024 + 1), 413, "the body is larger than 524,288 bytes"),
]


@pytest.mark.parametrize(("body", "expected", "message"), INVALID, ids=range(len(INVALID)))
def test_an_invalid_body_gets_one_sentence_that_names_the_field(
    server: Server, body: Any, expected: int, message: str
) -> None:
    status, content, headers = server.ask("/v1/predict", body)
    assert status == expected, content
    assert content["error"].startswith(message), content
    assert "\n" not in content["error"]
    assert headers["x-content-type-options"] == "nosniff"
    assert server.ask("/v1/predict", one("a good film"))[0] == 200


def test_other_paths_and_methods(server: Server) -> None:
    status, content, _ = server.get("/health")
    assert status == 404
    assert content["error"].startswith("there is no such path; /livez and /readyz tell whether the server runs")
    assert server.get("/v1/predict")[:2] == (405, {"error": "GET is not allowed here; send POST", "field": None})


def test_attention_that_is_not_available(server: Server) -> None:
    status, content, _ = server.ask("/v1/attention", {"text": " ".join(["film"] * 100)})
    assert (status, content["field"]) == (422, "text")
    assert content["error"] == "text: 102 tokens; attention is available for at most 64"
    status, content, _ = server.ask("/v1/attention", {"text": "a", "layer": 9})
    assert content == {"error": "layer: 9 is out of range; this model has 0 to 1", "field": "layer"}


def test_a_body_without_a_declared_length_is_limited_too(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        try:
            for _ in range(400):
                connection.sendall(chunk)
        except OSError:
            pass  # the server has answered and closed the connection
        assert b" 413 " in connection.recv(200)


def test_other_content_types_are_rejected(server: Server) -> None:
    request = urllib.request.Request(server.url + "/v1/predict", b"{}", {"content-type": "text/plain"})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=10)
    assert error.value.code == 415
    assert json.loads(error.value.read())["error"] == "send the header content-type: application/json"
    error.value.close()


@pytest.mark.perf
def test_health_is_answered_while_long_texts_are_tokenized(server: Server) -> None:
    slow = {"inputs": [{"text": ("qzj" * 33 + " ") * 15}] * 64}
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(server.ask, "/v1/predict", slow) for _ in range(3)]
        while not all(response.done() for response in waiting):
            assert server.get("/livez")[0] == 200
        assert {response.result()[0] for response in waiting} <= {200, 429}


def test_answers_under_load_equal_answers_alone(server: Server) -> None:
    words = ["good", "bad", "great", "awful", "a dull film", "the dog runs in the park and it is a very good day"]
    alone = [server.ask("/v1/predict", one(word))[1]["answers"][0]["sst"]["probabilities"] for word in words]
    with ThreadPoolExecutor(24) as pool:
        responses = list(pool.map(lambda word: server.ask("/v1/predict", one(word)), words * 20))
    for i, (status, content, _) in enumerate(responses):
        assert status == 200
        probabilities = content["answers"][0]["sst"]["probabilities"]
        assert probabilities == pytest.approx(alone[i % len(words)], abs=1.1e-5)


def test_clients_that_disconnect_cause_no_error(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    body = json.dumps({"inputs": [{"text": " ".join(["film"] * 40)}] * 64}).encode()
    head = f"POST /v1/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(head.encode() + body)
    assert server.ask("/v1/predict", one("a good film"))[0] == 200
    assert 'path="/v1/predict",status="500"' not in server.get("/metrics")[1]


def test_sigterm_finishes_requests_in_progress(tiny_run: Path) -> None:
    server = Server(tiny_run)
    body = {"inputs": [{"text": " ".join(["film"] * 40)}] * 64}
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(server.ask("/v1/predict", body)[0])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.15)  # the requests are in progress
    code, _, errors = server.stop()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 3
    assert (code, errors) == (0, "")


def overload(server: Server) -> list[tuple[int, Any, Any, float]]:
    """Send more requests than the queue has room for; return status, content, headers and seconds of each."""
    body = {"inputs": [{"text": " ".join(["film"] * 45)}] * 64}

    def ask(_: int) -> tuple[int, Any, Any, float]:
        start = time.monotonic()
        status, content, headers = server.ask("/v1/predict", body)
        return status, content, headers, time.monotonic() - start

    with ThreadPoolExecutor(40) as pool:
        return list(pool.map(ask, range(160)))


def test_requests_beyond_the_limits_are_rejected_and_none_fails(tiny_run: Path) -> None:
    server = Server(tiny_run)
    responses = overload(server)
    assert {status for status, *_ in responses} == {200, 429}
    for status, content, headers, _ in responses:
        if status == 429:
            assert int(headers["retry-after"]) >= 1
            assert content == {"error": "the server is overloaded; try again later", "field": None}
    assert server.stop() == (0, "", "")


@pytest.mark.perf
def test_requests_beyond_the_limits_are_rejected_at_once(tiny_run: Path) -> None:
    server = Server(tiny_run)
    assert max(seconds for status, *_, seconds in overload(server) if status == 429) < 5
    server.stop()


def test_the_api_key_is_required_and_compared(tiny_run: Path) -> None:
    server = Server(tiny_run, key=KEY)
    for path, body in (("/v1/predict", one("a")), ("/v1/tasks", None), ("/metrics", None), ("/openapi.json", None)):
        status, content, headers = server.ask(path, body)
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert "requires an API key" in content["error"]
        assert server.ask(path, body, key="wrong")[0] == 401
        assert server.ask(path, body, key=KEY)[0] == 200
    assert server.get("/livez")[0] == 200
    server.stop()


@pytest.mark.parametrize(
    ("arguments", "key", "message"),
    [
        (["--host", "0.0.0.0"], None, "host '0.0.0.0' is reachable from other machines, so an API key is required"),
        (["--host", "0.0.0.0"], "short", "SWISSBERT_API_KEY has 5 characters; at least 16 are required"),
        (["--host", "192.0.2.1"], KEY, "192.0.2.1:8000: cannot listen on this address"),
        (["--port", "70000"], None, ""),
    ],
)
def test_addresses_and_keys_that_cannot_be_used(
    tiny_run: Path, arguments: list[str], key: str | None, message: str
) -> None:
    environment = {**ENVIRONMENT, **({"SWISSBERT_API_KEY": key} if key else {})}
    command = [sys.executable, "-m", "swissbert", "serve", str(tiny_run), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: {message}") if message else "65535" in result.stderr


def test_a_compressed_body_is_named_as_such(server: Server) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    request = urllib.request.Request(server.url + "/v1/predict", gzip.compress(b'{"inputs": "a"}'), headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == 415
    assert json.loads(refused.value.read())["error"].startswith("the body is encoded as 'gzip'; send it as it is")
