"""The nginx examples of the documents and of deploy/ agree with the server's bounds, and work."""

import http.client
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_server import KEY, Server, one

from conftest import ROOT
from swissbert.serving import connection, guard

EXAMPLE = re.findall(
    r"^```nginx\n(.*?)^```", (ROOT / "docs" / "serving.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)[0]
IN_CONTAINERS = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
OF_THE_PLACE = ("listen", "server_name", "ssl_", "proxy_pass", "location", "allow", "deny", "return", "#", "}")
"""Beginnings of lines that say where nginx and the server are; all other lines are the same in both examples."""


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


def test_both_examples_have_the_same_bounds() -> None:
    documented, in_containers = (
        {line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith(OF_THE_PLACE)}
        for text in (EXAMPLE, IN_CONTAINERS)
    )
    assert documented == in_containers


@pytest.fixture(scope="module")
def server(tiny_run: Path) -> Iterator[Server]:
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    server = Server(tiny_run, "--allow-host", "nlp.example.org", key=KEY)
    yield server
    server.stop()


@contextmanager
def nginx(site: str, server: Server, folder: Path) -> Iterator[int]:
    """Run nginx with an example, without TLS, before a server; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = re.sub(r"^ *ssl_.*\n", "", site, flags=re.MULTILINE)
    site = re.sub(r"^( *)listen .*;", rf"\1listen 127.0.0.1:{port};", site, flags=re.MULTILINE)
    site = re.sub(r"proxy_pass http://(127.0.0.1|swissbert):8000", f"proxy_pass {server.url}", site)
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    settings = folder / "nginx.conf"
    settings.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{site}}}\n"
    )
    process = subprocess.Popen(
        ["nginx", "-p", folder, "-e", "stderr", "-c", settings], stderr=subprocess.PIPE, text=True
    )
    try:
        for _ in range(100):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=10)


def ask(port: int, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Ask nginx under the name of the example."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    named = {"host": "nlp.example.org", "content-type": "application/json", "authorization": f"Bearer {KEY}", **headers}
    client.request("GET" if body is None else "POST", path, body, named)
    response = client.getresponse()
    content = response.read()
    client.close()
    return response.status, content


@pytest.mark.parametrize(("site", "metrics"), [(EXAMPLE, 200), (IN_CONTAINERS, 404)], ids=["docs", "deploy"])
def test_the_examples_work(server: Server, tmp_path: Path, site: str, metrics: int) -> None:
    body = json.dumps(one("a good film")).encode()
    with nginx(site, server, tmp_path) as port:
        assert ask(port, "/v1/predict", body)[0] == 200
        assert ask(port, "/v1/predict", body, authorization="")[0] == 401
        assert ask(port, "/v1/predict", body, origin="https://nlp.example.org")[0] == 200
        assert ask(port, "/v1/predict", body, origin="https://evil.example")[0] == 403
        assert ask(port, "/")[0] == ask(port, "/livez")[0] == 200
        assert ask(port, "/metrics")[0] == metrics
        assert ask(port, "/v1/predict", b" " * 600_000)[0] == 413
        assert ask(port, "/", x="a" * 40_000)[0] == 400
