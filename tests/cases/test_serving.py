"""The server as people reach it: folders ``h``, and long texts over HTTP (``i05``)."""

import http.client
import json
import runpy
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from swissbert.inference import load
from swissbert.serving import make_app

ORIGIN = "https://a.example"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server of ``mini`` in a thread of this process."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    app = make_app(load("mini", device="cpu"), cors_origins=[f"{ORIGIN}/"])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", ws="none", proxy_headers=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)
    torch.set_num_threads(threads)


class Answer:
    """A response, read to its end."""

    def __init__(self, port: int, method: str, path: str, body: Any = None, **headers: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, {"content-type": "application/json", **named} if body else named)
        response = connection.getresponse()
        self.status, self.content, self.headers = response.status, response.read(), response.headers
        connection.close()

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@pytest.fixture(scope="module")
def proxy(port: int) -> Iterator[int]:
    """The port of a proxy that serves everything under ``/nlp/``, strips it and speaks HTTP/1.0, as nginx does."""

    class Proxy(BaseHTTPRequestHandler):
        def forward(self) -> None:
            if not self.path.startswith("/nlp/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {"x-forwarded-prefix": "/nlp", "x-forwarded-proto": "https", "content-type": "application/json"}
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
            connection.request(self.command, self.path.removeprefix("/nlp"), body or None, headers)
            response = connection.getresponse()
            content = response.read()
            self.send_response(response.status)
            self.send_header("content-type", response.headers["content-type"])
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = forward  # noqa: N815 (names of the base class)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_page_and_api_work_behind_a_proxy_that_strips_a_prefix(proxy: int) -> None:
    import re
    from urllib.parse import urljoin

    for page in ("/nlp/", "/nlp/docs"):
        answer = Answer(proxy, "GET", page)
        assert answer.status == 200
        links = [link for link in re.findall(r'(?:href|src)="([^"]+)"', answer.content.decode()) if "data:" not in link]
        assert len(links) >= 3
        for link in links:
            assert Answer(proxy, "GET", urljoin(page, link)).status == 200, link
    document = Answer(proxy, "GET", "/nlp/openapi.json").json
    assert document["servers"] == [{"url": "/nlp"}]
    answer = Answer(proxy, "POST", "/nlp/v1/predict", {"inputs": "A fine day."})
    assert answer.json["answers"][0]["sst"]["label_name"] == "somewhat positive"


def test_the_description_has_a_prefix_only_where_a_proxy_names_one(port: int) -> None:
    for prefix, servers in [("/a/b/", [{"url": "/a/b"}]), ("//evil.example", None), ("javascript:alert(1)", None)]:
        assert Answer(port, "GET", "/openapi.json", x_forwarded_prefix=prefix).json.get("servers") == servers
    assert "servers" not in Answer(port, "GET", "/openapi.json").json


def test_bodies_without_a_declared_length_are_read(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    parts = iter([b'{"inputs": ', b'"A fine day."}'])
    connection.request("POST", "/v1/predict", parts, {"content-type": "application/json"}, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize("case", ["h02-clients-that-leave"], indirect=True)
def test_the_work_of_clients_that_left_is_dropped(
    case: Path, port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["try.py", str(port)])
    began = time.monotonic()
    runpy.run_path("try.py", run_name="__main__")
    assert capsys.readouterr().out.startswith("200 after ")
    metrics = Answer(port, "GET", "/metrics").content.decode()
    (dropped,) = (line.split()[1] for line in metrics.splitlines() if line.startswith("swissbert_dropped_total "))
    (queued,) = (line.split()[1] for line in metrics.splitlines() if line.startswith("swissbert_queue_inputs "))
    assert float(dropped) > 0
    assert float(queued) == 0
    assert time.monotonic() - began < 20, "400 texts of 300 words would take far longer"


@pytest.mark.parametrize("case", ["h03-bodies-of-other-servers"], indirect=True)
def test_bodies_of_other_servers_are_taken_or_shown_the_form(case: Path, port: int) -> None:
    bodies = [json.loads(line) for line in (case / "bodies.jsonl").read_text().splitlines()]
    answers = [Answer(port, "POST", "/v1/predict", body) for body in bodies]
    assert [answer.status for answer in answers] == [200, 200, 422, 422, 422, 422]
    assert len(answers[0].json["answers"]) == 1
    assert len(answers[1].json["answers"]) == 2
    assert answers[0].json["answers"][0] == answers[1].json["answers"][0]
    for answer in answers[2:5]:
        assert 'a body is for instance {"inputs": ["a text", "another text"]' in answer.json["error"]
    assert "leave text_pair out of a single text" in answers[5].json["error"]


def test_lists_of_texts_pairs_and_objects_give_the_same_answers(port: int) -> None:
    plain = {"inputs": ["A fine day.", ["A dog.", "A cat."], {"text": "A dog.", "text_pair": "A cat."}]}
    single, pair, same = Answer(port, "POST", "/v1/predict", plain).json["answers"]
    assert list(single) == ["sst"]
    assert list(pair) == ["para", "sts"]
    assert pair == same


def test_limits_can_be_learnt_and_errors_name_them(port: int) -> None:
    limits = Answer(port, "GET", "/v1/limits").json
    assert limits["tokens_per_text"] == 512
    for count in (64, 65, 1000):
        answer = Answer(port, "POST", "/v1/predict", {"inputs": ["Fine."] * count, "tasks": "sst"})
        assert len(answer.json["answers"]) == count
    assert Answer(port, "POST", "/v1/predict", {"inputs": "x" * limits["characters_per_text"]}).status == 200
    for inputs, limit in [
        (["Fine."] * (limits["inputs"] + 1), limits["inputs"]),
        ("x" * (limits["characters_per_text"] + 1), limits["characters_per_text"]),
        (["x" * 9000] * 12, f"{limits['characters']:,}"),
        (["1 " * 40] * 1000, f"{limits['tokens']:,}"),
    ]:
        answer = Answer(port, "POST", "/v1/predict", {"inputs": inputs})
        assert answer.status == 422
        assert f"at most {limit}" in answer.json["error"]


@pytest.mark.parametrize("case", ["i05-long-texts"], indirect=True)
def test_texts_that_were_cut_are_marked_over_http(case: Path, port: int) -> None:
    texts = (case / "texts.txt").read_text().splitlines()
    long, short = Answer(port, "POST", "/v1/predict", {"inputs": texts}).json["answers"]
    assert long["sst"]["cut"] is True
    assert "cut" not in short["sst"]


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/openapi.json", "/page/page.js", "/v1/tasks", "/v1/limits", "/livez", "/readyz", "/metrics"],
)
def test_head_is_answered_like_get_without_a_body(port: int, path: str) -> None:
    get, head = Answer(port, "GET", path), Answer(port, "HEAD", path)
    assert (head.status, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    if path != "/metrics":
        assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.content))
    assert Answer(port, "HEAD", "/v1/predict").status == 405


def test_pages_of_named_origins_may_call_the_server(port: int) -> None:
    asked = {"access_control_request_method": "POST", "access_control_request_headers": "authorization,content-type"}
    allowed = Answer(port, "OPTIONS", "/v1/predict", origin=ORIGIN, **asked)
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    other = Answer(port, "OPTIONS", "/v1/predict", origin="https://b.example", **asked)
    assert "access-control-allow-origin" not in other.headers
    for body, status in (({"inputs": "Fine."}, 200), ({"inputs": 3}, 422)):
        answer = Answer(port, "POST", "/v1/predict", body, origin=ORIGIN)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, ORIGIN)


def test_the_api_page_loads_nothing_from_elsewhere(port: int) -> None:
    for path in ("/docs", "/page/docs.js", "/page/docs.css", "/page/page.css"):
        answer = Answer(port, "GET", path)
        assert answer.status == 200
        text = answer.content.decode().replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text
        assert "connect-src 'self'" in answer.headers["content-security-policy"]
