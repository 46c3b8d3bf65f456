"""What could run code of others: calls in the sources, pickles read by `datasets`, pins without hashes, temporary files."""

import ast
import json
import os
import pickle
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from campaign.frame import Outcome, Setting, Trial

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "swissbert"

MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "yaml",
    "jsonpickle",
    "subprocess",
}
CALLS = {"eval", "exec", "compile", "__import__", "torch.load", "torch.hub.load", "np.load", "os.system", "os.popen"}
ALLOWED = {
    "model_folder/unpickle.py": {"torch.load"},  # `swissbert convert`, in a process that may do nothing else
    "model_folder/convert.py": {"subprocess"},  # starts that process
    "model_folder/minilm.py": {"subprocess"},  # starts pip or uv, by a list of arguments
    "environment.py": {"subprocess"},  # asks git for the commit, by a list of arguments
}
"""What a file may import or call although it could run what it is given."""

TEMPORARY = re.compile(r"tempfile\.mktemp\b|/tmp\b|/var/tmp\b")


class Trap:
    """An object whose pickle creates a file when it is read.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Return what is called when the pickle is read."""
        return os.mkdir, (str(self.path),)


READING = """
import json, sys
events = []
sys.addaudithook(lambda event, args: events.append(f"{args[0]}.{args[1]}") if event == "pickle.find_class" else None)
import datasets
start, form, files = len(events), sys.argv[1], sys.argv[2:]
try:
    table = datasets.load_dataset(form, **({"data_files": {"train": files}} if files else {}), split="train")
    rows = sum(1 for _ in table)
except Exception as error:
    rows = type(error).__name__
print(json.dumps([rows, events[start:]]))
"""
"""A program that loads a data set and prints its number of rows, or an error, and the classes that pickles named."""


def sources(setting: Setting) -> Outcome:
    """Look in all sources for what runs data, and for temporary files with names that others can guess."""
    outcome = Outcome("source files without calls that run data")
    for path in sorted(SOURCES.rglob("*.py")):
        name, text = path.relative_to(SOURCES).as_posix(), path.read_text(encoding="utf-8")
        wrong = set(_suspects(ast.parse(text))) - ALLOWED.get(name, set()) | set(TEMPORARY.findall(text))
        outcome.count(f"{name}: {', '.join(sorted(wrong))}" if wrong else None)
    return outcome


def _suspects(tree: ast.Module) -> Iterator[str]:
    """Yield what a module imports or calls that could run what it is given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from MODULES.intersection(name.partition(".")[0] for name in names)
        elif isinstance(node, ast.Call):
            yield from CALLS.intersection([ast.unparse(node.func)])
            for keyword in node.keywords:
                if (
                    keyword.arg in ("shell", "trust_remote_code", "allow_pickle")
                    and ast.unparse(keyword.value) != "False"
                ):
                    yield keyword.arg


def hashes(setting: Setting) -> Outcome:
    """Compare the pins with the file that has their hashes."""
    outcome = Outcome("pins with the hashes of their files")
    entries = re.findall(r"^(\S+) \\\n    --hash=sha256:[0-9a-f]{64}", (ROOT / "hashes.txt").read_text(), re.MULTILINE)
    pins = re.findall(r"^[^#\s].*$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    for pin in pins:
        name, _, version = pin.partition("==")
        has_hash = f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}" in entries
        outcome.count(None if has_hash else f"{pin}: has no hash in hashes.txt")
    if len(entries) != len(pins):
        outcome.count(f"hashes.txt has {len(entries)} entries, but there are {len(pins)} pins")
    return outcome


def pickles(setting: Setting) -> Outcome:
    """Load data sets that hold pickles and scripts, as `data.hub` does, and see whether any of them runs."""
    outcome, ran = Outcome("data sets with pickles and scripts"), setting.folder / "ran"
    rows = setting.folder / "train.jsonl"
    rows.write_text("".join(json.dumps({"text": f"words {n}", "label": n % 2}) + "\n" for n in range(20)))
    trap = pickle.dumps(Trap(ran))
    script, pandas = setting.folder / "script", setting.folder / "pandas"
    for folder in (script, pandas):
        folder.mkdir()
    (script / "script.py").write_text(f"import os; os.mkdir({str(ran)!r})")
    (script / "train.jsonl").write_bytes(rows.read_bytes())
    (pandas / "train.pkl").write_bytes(trap)
    archives = []
    for ending in ("pickle", "pt", "npy"):
        archives.append(setting.folder / f"{ending}.tar")
        with tarfile.open(archives[-1], "w") as archive:
            for data, name in ((trap, f"0.{ending}"), (b'{"text": "x"}', "0.json")):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, BytesIO(data))
    attempts: list[tuple[object, ...]] = [("json", rows), (script,), (pandas,)]
    attempts += [("webdataset", archive) for archive in archives]
    for attempt in attempts[: 2 if setting.short else None]:
        environment = {**os.environ, "HF_HOME": str(setting.folder / "home"), "HF_DATASETS_OFFLINE": "1"}
        command = [sys.executable, "-c", READING, *map(str, attempt)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        fault = None
        if done.returncode:
            fault = f"exit status {done.returncode}: {done.stderr[-300:]}"
        elif (read := json.loads(done.stdout))[1]:
            fault = f"reads pickles of {', '.join(read[1][:3])}"
        elif ran.exists():
            fault = "code of the data set ran"
            ran.rmdir()
        elif attempt[0] == "json" and read[0] != 20:
            fault = f"20 rows are read as {read[0]}"
        outcome.count(f"{attempt[-1]}: {fault}" if fault else None)
    return outcome


TRIALS: dict[str, Trial] = {"sources": sources, "hashes": hashes, "pickles": pickles}
