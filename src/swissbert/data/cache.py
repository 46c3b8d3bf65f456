"""Token cache: tokens and labels of training data on disk, memory-mapped, so that a later run reads no texts.

An entry is a folder named by a hash of everything that its content depends on (see `_key`). Entries are created
atomically, so several processes may build the same one, and only their owner can read them. They can be deleted
whenever no run is using them.
"""

import errno
import hashlib
import json
import os
import re
import stat
import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Unpack

import numpy as np

from swissbert.checksums import DamagedError, check_all, recorded, sealed, warn
from swissbert.data.bad_rows import refuse_bad, refuse_many_bad
from swissbert.data.dataset import SplitOptions, TaskData, Tokenizing, load_split, tokenizing
from swissbert.data.formats import FORMATS, Format
from swissbert.data.memory import MemoryRows
from swissbert.data.rows import BadRow, BadRows, LabelNotes
from swissbert.data.source_files import file_name, label_files, split_files
from swissbert.data.splits import Source
from swissbert.data.tokens import Tokenizer, TokenTable
from swissbert.errors import SwissbertError
from swissbert.exclusive import discard_as, is_own
from swissbert.files import make_folder, settle, sync_folder, temporary_folder
from swissbert.kinds import KINDS
from swissbert.reading import read_object, sha256
from swissbert.tasks import Split, Task

VERSION = 3
"""Part of every key. Raise it with any change to how files are read, rows are checked, labels are parsed, dev rows are
held out, texts are tokenized and cut, or entries are laid out: it makes entries of earlier versions unused."""
ARRAYS = {
    "ids": np.int32,
    "first": np.int32,
    "offsets": np.int64,
    "labels": np.float64,
    "keys": np.uint64,
    "weights": np.float64,
}
"""Files of an entry, ``NAME.bin``, and their types. Labels are ``[N]`` or ``[N, C]``; weights are empty without any."""
UNREAD = {"extra", "guard", "symmetric", "swap"}
"""Keys of a declaration that decide nothing about the content of an entry."""
RECORD = "about.json"
"""File of an entry with everything but arrays; its modification time is when the entry was last used."""
KEPT = 60 * 24 * 3600
"""Seconds after its last use when an entry is deleted."""
NEW = ".new-"
"""Beginning of the names of folders that are not, or no longer, entries."""
ENTRY = re.compile(r"[0-9a-f]{64}|\.new-\w+|\.\.new-\w+\.writing")
"""Names in the folder of the cache."""
OTHERS = 0o077
"""Permissions of others than the owner."""


def cache_folder() -> Path | None:
    """Return the folder of entries: ``SWISSBERT_CACHE``, else in the user's cache folder; None without a home folder."""
    if chosen := os.environ.get("SWISSBERT_CACHE"):
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "swissbert" / "tokens"
    except RuntimeError:  # there is no home folder
        return None


def cached_split(
    task: Task, split: Split, source: Source, tokenizer: Tokenizer, **options: Unpack[SplitOptions]
) -> TaskData:
    """Load a split through the cache: the same data as `load_split`, memory-mapped.

    Rows in memory, hub data sets (which the datasets library caches), and data whose format or kind is not one of
    swissbert's are not cached, nor is anything if the cache folder cannot be used, which is said in the notes on the
    source.

    Args:
        task: The task.
        split: Which split.
        source: Where its rows come from.
        tokenizer: The encoder's tokenizer.
        **options: See `SplitOptions`.

    Raises:
        SwissbertError: As `load_split`.
    """
    folder = cache_folder()
    if folder is None or isinstance(source, MemoryRows) or task.hub is not None:
        return load_split(task, split, source, tokenizer, **options)
    is_shipped = not isinstance(task.format, Format) or task.format in FORMATS.values()
    if not is_shipped or task.kind not in KINDS.values():
        return load_split(task, split, source, tokenizer, **options)
    name = _key(source, task, split, tokenizer, options)
    entry = folder / name
    data, is_damaged, problem = None, False, None
    try:
        if _is_there(entry):
            _make_private(folder)
            data = _open(entry, task, tokenizer)
            is_damaged = data is None
        if data is None:
            parts = tokenizing(task, split, source, tokenizer, **options)
            _prepare(folder)
            with temporary_folder(folder, NEW) as new:
                _write(new, parts)
                settle(new, entry)
                if _key(source, task, split, tokenizer, options) == name:  # the file did not change while it was read
                    if is_damaged:
                        _delete(entry)
                    with suppress(OSError):  # another process has created the same entry
                        new.rename(entry)
                        sync_folder(folder)
            data = _open(entry, task, tokenizer)
    except OSError as error:
        problem = f"tokens are not kept: the cache {folder} cannot be used ({error.strerror or error})"
    if data is None:
        data = load_split(task, split, source, tokenizer, **options)
        if problem is not None:
            data.source_notes.append(problem)
        return data
    if options.get("refuse"):
        refuse_bad(data.bad)
    refuse_many_bad(data.bad, len(data), options.get("max_bad"), task.name)
    return data


def _key(directory: Path | None, task: Task, split: Split, tokenizer: Tokenizer, options: SplitOptions) -> str:
    """Return the name of an entry: a hash of all that decides its content.

    That is the bytes and names of the files with texts and labels, the declaration of the task with its label shape,
    split, truncation and limit, the tokenizer, `VERSION`, and the versions of the libraries that read and tokenize.
    """
    paths = [*split_files(task, split, directory), *label_files(task, split, directory)]
    parts = {
        "version": VERSION,
        "files": [(file_name(path, directory), sha256(path)) for path in paths],
        "task": task.model_dump_json(exclude=UNREAD),
        "label_shape": task.kind.label_shape(task),
        "split": split,
        "separate": options["separate"],
        "max_length": options["max_length"],
        "limit": options.get("limit"),
        "tokenizer": tokenizer.fingerprint,
        "python": sys.version_info[:2],
        "tokenizers": version("tokenizers"),
        "pyarrow": version("pyarrow"),
    }
    if (choose := options.get("choose")) is not None:
        parts["choose"] = choose.fingerprint
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _write(entry: Path, parts: Tokenizing) -> None:
    """Fill a new folder, chunk by chunk."""
    total, per_row = 0, 1
    task = parts.reading.task
    with ExitStack() as stack:
        files = {name: stack.enter_context((entry / f"{name}.bin").open("wb")) for name in ARRAYS}
        np.zeros(1, np.int64).tofile(files["offsets"])
        for table, labels, keys, weights in parts:
            table.ids.tofile(files["ids"])
            table.first.tofile(files["first"])
            (table.offsets[1:] + total).tofile(files["offsets"])
            labels.tofile(files["labels"])
            keys.tofile(files["keys"])
            weights.tofile(files["weights"])
            total, per_row = total + len(table.ids), table.per_row
        for file in files.values():
            file.flush()
            os.fsync(file.fileno())
    record = {
        "source": parts.reading.source,
        "per_row": per_row,
        "label_shape": task.kind.label_shape(task),
        "rows_digest": parts.rows_digest(),
        "bytes": {name: (entry / f"{name}.bin").stat().st_size for name in ARRAYS},
        "bad": [bad._asdict() for bad in parts.reading.bad],
        "bad_rows": len(parts.reading.bad),
        "unlabelled": parts.reading.label_notes.unlabelled,
        "spellings": [[*pair, count] for pair, count in parts.reading.label_notes.spellings.items()],
        "source_notes": parts.reading.source_notes,
    }
    with_sums = sealed(record, RECORD, [entry / f"{name}.bin" for name in ARRAYS])
    (entry / RECORD).write_text(json.dumps(with_sums), encoding="utf-8")


def _open(entry: Path, task: Task, tokenizer: Tokenizer) -> TaskData | None:
    """Map the data of an entry, or return None if it is missing or damaged."""
    try:
        check_all(entry / RECORD)
        record = read_object(entry / RECORD)
        if recorded(record, entry / RECORD).keys() != {RECORD, *(f"{name}.bin" for name in ARRAYS)}:
            raise DamagedError(f"{entry / RECORD}: lacks checksums")
        paths = {name: entry / f"{name}.bin" for name in ARRAYS}
        if {name: path.stat().st_size for name, path in paths.items()} != record["bytes"]:
            return None
        maps = {name: np.memmap(path, ARRAYS[name], "r") for name, path in paths.items() if record["bytes"][name]}
        ids, first, offsets, keys = (np.asarray(maps[name]) for name in ("ids", "first", "offsets", "keys"))
        weights = np.asarray(maps["weights"]) if "weights" in maps else None
        table = TokenTable(ids, first, offsets, int(record["per_row"]))
        labels = np.asarray(maps["labels"].reshape(len(table), *map(int, record["label_shape"])))
        _check_table(table, tokenizer)
        if len(keys) != len(table) or (weights is not None and len(weights) != len(table)):
            raise ValueError("arrays differ in length")
        bad = BadRows((BadRow(**row) for row in record["bad"]), record["bad_rows"])
        spellings = Counter({(str(cell), str(name)): int(count) for cell, name, count in record["spellings"]})
        notes = LabelNotes(int(record["unlabelled"]), spellings)
        data = TaskData(
            task,
            str(record["source"]),
            bad,
            table,
            labels,
            str(record["rows_digest"]),
            keys,
            weights,
            label_notes=notes,
            source_notes=list(record["source_notes"]),
        )
        with suppress(OSError):
            os.utime(entry / RECORD)
    except (SwissbertError, OSError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        if entry.exists():
            reason = str(error).partition(";")[0]
            named = reason if isinstance(error, SwissbertError) else f"{entry}: {reason}"
            warn(f"{named}; this entry of the token cache is made again")
        return None
    return data


def _check_table(table: TokenTable, tokenizer: Tokenizer) -> None:
    """Raise ValueError for numbers that would lead outside the arrays. Checksums do not protect from those who write them."""
    offsets, ids, first = table.offsets, table.ids, table.first
    is_ordered = offsets[0] == 0 and offsets[-1] == len(ids) and bool((offsets[1:] >= offsets[:-1]).all())
    if (
        table.per_row not in (1, 2)
        or (len(offsets) - 1) % table.per_row
        or len(first) != len(offsets) - 1
        or not is_ordered
    ):
        raise ValueError("offsets do not fit the tokens")
    if len(ids) and int(ids.view(np.uint32).max()) >= tokenizer.size:  # as unsigned, negative ones are large
        raise ValueError("ids are not in the vocabulary")


def _is_there(entry: Path) -> bool:
    """Return whether there is an entry.

    Raises:
        OSError: If it belongs to another user, whose tokens are not trusted, or the cache cannot be read.
    """
    try:
        entry.lstat()
    except FileNotFoundError:
        return False
    if not is_own(entry):
        raise PermissionError(errno.EPERM, "it has an entry of another user")
    return True


def _prepare(folder: Path) -> None:
    """Create the folder of the cache, for its owner alone, and delete entries that were not used for `KEPT` seconds.

    Raises:
        OSError: If the folder cannot be used.
    """
    make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    for entry in folder.iterdir():
        if ENTRY.fullmatch(entry.name):  # else it is not of this cache
            with suppress(OSError):
                record = entry / RECORD
                if time.time() - (record if record.exists() else entry).stat().st_mtime > KEPT:
                    _delete(entry)
    _make_private(folder)


def _make_private(folder: Path) -> None:
    """Take away what earlier versions let others read: entries, and the folder if nothing else is in it.

    A folder that users share, which has the sticky or the set-group-ID bit, stays as it is.
    """
    mode = folder.stat().st_mode
    if not mode & OTHERS:
        return
    found = list(folder.iterdir())
    entries = [path for path in found if ENTRY.fullmatch(path.name) and is_own(path) and not path.is_symlink()]
    with suppress(OSError):  # on a read-only file system, for instance
        for entry in entries:
            if entry.is_dir() and entry.stat().st_mode & OTHERS:
                for file in entry.iterdir():
                    file.chmod(0o600)
                entry.chmod(0o700)
        if len(entries) == len(found) and is_own(folder) and not mode & (stat.S_ISVTX | stat.S_ISGID):
            folder.chmod(0o700)


def _delete(entry: Path) -> None:
    """Delete an entry."""
    discard_as(entry, entry.with_name(f"{NEW}{os.urandom(8).hex()}"))
