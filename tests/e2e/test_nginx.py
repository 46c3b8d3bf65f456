"""The nginx example of the documents agrees with the server's bounds, and works."""

import http.client
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_server import Server, one

from conftest import ROOT
from swissbert.serving import connection, guard

EXAMPLE = re.findall(
    r"^```nginx\n(.*?)^```", (ROOT / "docs" / "serving.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)[0]


def number(directive: str) -> list[int]:
    """Return the numbers of a directive of the example."""
    found = re.search(rf"^ *{directive} ([^;]*);", EXAMPLE, re.MULTILINE)
    assert found, directive
    return [int(text) for text in re.findall(r"\d+", found[1])]


def test_the_example_has_the_bounds_of_the_server() -> None:
    count, size = number("large_client_header_buffers")
    assert count * size * 1024 == connection.MAX_HEAD_BYTES
    assert number("client_max_body_size") == [guard.MAX_BODY_BYTES // 1024]
    assert number("client_header_timeout") == [connection.CLIENT_SECONDS]
    assert number("client_body_timeout") == [guard.UPLOAD_SECONDS]
    assert number("send_timeout") == [connection.UNREAD_SECONDS]
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    assert f"| {guard.MAX_UPLOADS} |" in text
    assert f"{connection.MAX_HEADERS} headers" in text


@pytest.fixture
def port(tiny_run: Path, tmp_path: Path) -> Iterator[int]:
    """The port of nginx with the example, without TLS, before a server."""
    program = shutil.which("nginx")
    if program is None:
        pytest.skip("nginx is not installed")
    server = Server(tiny_run, "--allow-host", "nlp.example.org")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = re.sub(r"^ *ssl_.*\n", "", EXAMPLE, flags=re.MULTILINE).replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    site = site.replace("127.0.0.1:8000", server.url.removeprefix("http://"))
    paths = "".join(
        f"{name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    settings = tmp_path / "nginx.conf"
    settings.write_text(
        f"daemon off;\nmaster_process off;\npid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{site}}}\n"
    )
    process = subprocess.Popen(
        [program, "-p", tmp_path, "-e", "stderr", "-c", settings], stderr=subprocess.PIPE, text=True
    )
    for _ in range(100):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        time.sleep(0.05)
    yield port
    process.terminate()
    process.communicate(timeout=10)
    server.stop()


def ask(port: int, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Ask nginx under the name of the example."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    named = {"host": "nlp.example.org", "content-type": "application/json", **headers}
    client.request("GET" if body is None else "POST", path, body, named)
    response = client.getresponse()
    content = response.read()
    client.close()
    return response.status, content


def test_the_example_works(port: int) -> None:
    body = json.dumps(one("a good film")).encode()
    assert ask(port, "/v1/predict", body)[0] == 200
    assert ask(port, "/v1/predict", body, origin="https://nlp.example.org")[0] == 200
    assert ask(port, "/v1/predict", body, origin="https://evil.example")[0] == 403
    assert ask(port, "/")[0] == ask(port, "/livez")[0] == ask(port, "/metrics")[0] == 200
    assert ask(port, "/v1/predict", b" " * 600_000)[0] == 413
    assert ask(port, "/", x="a" * 40_000)[0] == 400
