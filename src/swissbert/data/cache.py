"""Tokens of training data on disk, so that a second start reads no texts, and rows are mapped and not held in memory.

An entry is a folder named by a hash of everything its content depends on: the file's bytes and name, the declaration of the
task, split and limit, vocabulary and truncation, the program's own code that reads and cuts texts, and the libraries it does so with. It appears whole or not
at all, so two processes may build one at a time. Entries can be deleted whenever nobody is training.
"""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Unpack

import numpy as np

from swissbert import tasks
from swissbert.data import dataset, reader, tokens
from swissbert.data.dataset import SplitOptions, TaskData, Tokenizing, load_split, tokenizing
from swissbert.data.reader import refuse_bad, split_file
from swissbert.data.rows import BadRow
from swissbert.data.tokens import Tokenizer, TokenTable
from swissbert.errors import SwissbertError
from swissbert.files import read_object, sha256
from swissbert.tasks import Split, Task

ARRAYS = {"ids": np.int32, "first": np.int32, "offsets": np.int64, "labels": np.float64}
KEPT = 60 * 24 * 3600
"""Seconds after its last use when an entry is cleared away."""


def cache_folder() -> Path | None:
    """Where entries lie: ``SWISSBERT_CACHE``, or in the user's cache folder; None where there is no such place."""
    if chosen := os.environ.get("SWISSBERT_CACHE"):
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "swissbert" / "tokens"
    except RuntimeError:  # there is no home folder
        return None


def cached_split(
    task: Task, split: Split, directory: Path | None, tokenizer: Tokenizer, **options: Unpack[SplitOptions]
) -> TaskData:
    """`load_split` by way of the cache: the same data, memory-mapped. Data of a hub, which has a cache of its own, is not kept.

    Raises SwissbertError as `load_split` does. Where nothing can be written it loads into memory.
    """
    folder = cache_folder()
    if folder is None or task.hub is not None:
        return load_split(task, split, directory, tokenizer, **options)
    path = split_file(task, split, directory)
    decisive = {"separate": options["separate"], "max_length": options["max_length"], "limit": options.get("limit")}

    def key() -> str:
        parts = [sha256(path), path.name, task.model_dump_json(), split, decisive, tokenizer.fingerprint, _program()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    name = key()
    entry = folder / name
    damaged = entry.exists()  # if it cannot be opened though it is there
    found = _opened(entry, task)
    if found is None:
        parts = tokenizing(task, split, directory, tokenizer, **options)
        with suppress(OSError):
            if damaged:
                shutil.rmtree(entry, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            _clear(folder)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=folder, ignore_cleanup_errors=True) as new:
                made = Path(new) / name
                made.mkdir()
                _write(made, parts)
                if key() == name:  # the file is still what it was before it was read
                    with suppress(OSError):  # another process was first, with the same
                        made.rename(entry)
            found = _opened(entry, task)
    if found is None:
        return load_split(task, split, directory, tokenizer, **options)
    if options.get("refuse"):
        refuse_bad(found.bad)
    return found


def _write(entry: Path, parts: Tokenizing) -> None:
    """Fill a folder, chunk by chunk."""
    total, per_row = 0, 1
    with ExitStack() as stack:
        files = {name: stack.enter_context((entry / f"{name}.bin").open("wb")) for name in ARRAYS}
        np.zeros(1, np.int64).tofile(files["offsets"])
        for table, labels in parts:
            table.ids.tofile(files["ids"])
            table.first.tofile(files["first"])
            (table.offsets[1:] + total).tofile(files["offsets"])
            labels.tofile(files["labels"])
            total, per_row = total + len(table.ids), table.per_row
        for file in files.values():
            file.flush()
            os.fsync(file.fileno())
    told = {
        "source": parts.reading.source,
        "per_row": per_row,
        "rows_digest": parts.rows_digest(),
        "bytes": {name: (entry / f"{name}.bin").stat().st_size for name in ARRAYS},
        "bad": [bad._asdict() for bad in parts.reading.bad],
    }
    (entry / "about.json").write_text(json.dumps(told), encoding="utf-8")


def _opened(entry: Path, task: Task) -> TaskData | None:
    """The data of an entry, or None where there is none that is whole."""
    try:
        about = read_object(entry / "about.json")
        paths = {name: entry / f"{name}.bin" for name in ARRAYS}
        if {name: path.stat().st_size for name, path in paths.items()} != about["bytes"]:
            return None
        arrays = {name: np.asarray(np.memmap(path, ARRAYS[name], "r")) for name, path in paths.items()}
        table = TokenTable(arrays["ids"], arrays["first"], arrays["offsets"], int(about["per_row"]))
        bad = [BadRow(**each) for each in about["bad"]]
        data = TaskData(task, str(about["source"]), bad, table, arrays["labels"], str(about["rows_digest"]))
        with suppress(OSError):
            os.utime(entry / "about.json")
    except (SwissbertError, OSError, ValueError, TypeError, KeyError):
        return None
    return data


def _clear(folder: Path) -> None:
    """Take away entries that nobody has used for long, and what killed processes left."""
    for entry in folder.iterdir():
        if not re.fullmatch(r"[0-9a-f]{64}|\.new-\w+", entry.name):  # not of this cache
            continue
        with suppress(OSError):
            about = entry / "about.json"
            if time.time() - (about if about.exists() else entry).stat().st_mtime > KEPT:
                shutil.rmtree(entry, ignore_errors=True)


@cache
def _program() -> str:
    """A hash of what decides what an entry holds: code of this program, and versions."""
    versions = [version("tokenizers"), version("pyarrow"), sys.version]
    digest = hashlib.sha256(json.dumps(versions).encode())
    for file in (__file__, *(str(module.__file__) for module in (reader, dataset, tokens, tasks))):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()
