"""The commands of the documents run as they are written, on few rows and with a tiny encoder."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from example_files import prepare
from pages import PAGES, commands, name_of, uses_engine

from campaign.served import Server
from forked import SHELL, swissbert

SHORT = ["train.max_steps=2", "data.limit=48", "train.tensorboard=false", "train.baseline=false"]
"""Settings that are added to commands that train."""
TRAINS = ("train", "distill", "sweep", "reproduce")
HELP = {
    "swissbert quickstart": "tests/e2e/test_documents.py runs it on two threads",
    "swissbert analyse": "tests/e2e/test_report_page.py runs it on a tiny model",
    "swissbert export mini --format onnx": "tests/unit/test_export.py runs it on a tiny model",
    "swissbert push": "tests/unit/test_hub.py runs it with a hub of its own",
    "swissbert serve": "curl below asks a server",
}
"""Commands that are slow, do not end or need a hub: of these the options are tried here."""
KEY = "SWISSBERT_API_KEY=... "
MAKERS = {
    match[1]: line
    for page in PAGES
    for line in commands(page)
    if "--resume" not in line and (match := re.search(r"--out (runs/\S+)", line))
}
"""The command of the documents that makes a run folder."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Create the folder in which the commands of a page run."""
    return prepare(tmp_path)


def run(line: str, place: Path, tiny: Path) -> None:
    """Run one command of a page; before it those that make the run folders that it reads."""
    line = line.removeprefix(KEY)
    if line.startswith(tuple(HELP)):
        words = [*shlex.split(line), "--help"]
    else:
        words = shlex.split(line)
        made = re.search(r"--out (\S+)", line)
        for folder in re.findall(r"runs/[\w-]+", line):
            makes = made and made[1] == folder and "--resume" not in line
            if not makes and not (place / folder).exists():
                run(MAKERS[folder], place, tiny)
    short = [word for setting in [*SHORT, f"encoder.name={tiny}"] for word in ("--set", setting)]
    if line.startswith("swissbert") and not SHELL & set(line):
        if words[1] in TRAINS and "--resume" not in words:
            words += short
        done = swissbert(*words[1:], cwd=place)
    else:
        line = shlex.join([*words, *short]) if line.startswith("torchrun") else line
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-ec", line], cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
    assert done.returncode == 0, f"{line}\n{done.stderr[-2000:]}"
    assert done.stdout or done.stderr or "--output" in line, f"{line} printed nothing"


def lacks(line: str, place: Path) -> bool:
    """Whether a command needs data or a program that this machine does not have."""
    if line.startswith("curl"):
        return shutil.which("curl") is None
    needed = {"own_tasks": "own_tasks", "swissbert submit": "cs224n/ids-sst-test-student.csv"}
    return any(words in line and not (place / path).exists() for words, path in needed.items())


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=name_of)
def test_the_commands_of_a_page_run_in_their_order(
    page: Path, place: Path, tiny: Path, tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left_out = []
    for line in commands(page):
        if lacks(line, place):
            left_out.append(line)
        elif line.startswith("curl"):
            with capsys.disabled():  # so that the new process writes where the server is read
                server = Server(tiny_run)
            try:
                run(line.replace("localhost:8000", f"localhost:{server.port}"), place, tiny)
            finally:
                server.stop()
        elif not (line.startswith("make ") or uses_engine(line)):
            run(line, place, tiny)
    if left_out:
        pytest.skip(f"no data or no program for {', '.join(left_out)}")


def test_commands_whose_options_alone_are_tried_are_in_the_documents() -> None:
    lines = [line.removeprefix(KEY) for page in PAGES for line in commands(page)]
    assert all(any(line.startswith(command) for line in lines) for command in HELP)
