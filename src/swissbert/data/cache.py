"""Token cache: tokens and labels of training data on disk, memory-mapped, so that a later run reads no texts.

An entry of `swissbert.data.cache_entries` is named by a hash of everything that its content depends on (see `_key`).
"""

import hashlib
import json
import os
import sys
from collections import Counter
from contextlib import ExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Unpack

import numpy as np

from swissbert.checksums import DamagedError, check_all, recorded, sealed, warn
from swissbert.data.bad_rows import refuse_bad, refuse_many_bad
from swissbert.data.cache_entries import (
    NEW,
    RECORD,
    cache_folder,
    is_there,
    make_private,
    place_entry,
    prepare_folder,
)
from swissbert.data.dataset import SplitOptions, TaskData, Tokenizing, load_split, tokenizing
from swissbert.data.formats import FORMATS, Format
from swissbert.data.memory import MemoryRows
from swissbert.data.rows import BadRow, BadRows, LabelNotes
from swissbert.data.source_files import file_name, label_files, split_files
from swissbert.data.splits import Source
from swissbert.data.token_table import TokenTable
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError
from swissbert.files import settle, temporary_folder
from swissbert.kinds import KINDS
from swissbert.reading import read_object, sha256
from swissbert.task_words import WORDS
from swissbert.tasks import Split, Task

VERSION = 7
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
UNREAD = {"extra", "guard", "symmetric", *WORDS}
"""Keys of a declaration that decide nothing about the content of an entry."""


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
    opened, is_damaged, problem = None, False, None
    try:
        if is_there(entry):
            make_private(folder)
            opened = _open(entry, task, tokenizer)
            is_damaged = opened is None
        if opened is None:
            parts = tokenizing(task, split, source, tokenizer, **options)
            prepare_folder(folder)
            with temporary_folder(folder, NEW) as new:
                _write(new, parts)
                settle(new, entry)
                if _key(source, task, split, tokenizer, options) == name:  # the file did not change while it was read
                    place_entry(new, entry, replaces=is_damaged)
            opened = _open(entry, task, tokenizer)
    except OSError as error:
        problem = f"tokens are not kept: the cache {folder} cannot be used ({error.strerror or error})"
    if opened is None:
        data = load_split(task, split, source, tokenizer, **options)
        if problem is not None:
            data.source_notes.append(problem)
        return data
    data, left_out = opened
    if options.get("refuse"):
        refuse_bad(data.bad)
    refuse_many_bad(data.bad, len(data) + left_out, options.get("max_bad"), task.name)
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
    if (labelled := options.get("labelled")) is not None:
        parts["labelled"] = labelled
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
        "left_out": parts.reading.left_out,
        "unlabelled": parts.reading.label_notes.unlabelled,
        "spellings": [[*pair, count] for pair, count in parts.reading.label_notes.spellings.items()],
        "source_notes": parts.reading.source_notes,
    }
    with_sums = sealed(record, RECORD, [entry / f"{name}.bin" for name in ARRAYS])
    (entry / RECORD).write_text(json.dumps(with_sums), encoding="utf-8")


def _open(entry: Path, task: Task, tokenizer: Tokenizer) -> tuple[TaskData, int] | None:
    """Map the data of an entry, with the number of usable rows left out of it; None if it is missing or damaged."""
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
        table = TokenTable(ids, first, offsets, int(record["per_row"]), separators=tokenizer.separators)
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
        left_out = int(record["left_out"])
        with suppress(OSError):
            os.utime(entry / RECORD)
    except (SwissbertError, OSError, ValueError, TypeError, LookupError, ArithmeticError) as error:
        if entry.exists():
            reason = str(error).partition(";")[0]
            named = reason if isinstance(error, SwissbertError) else f"{entry}: {reason}"
            warn(f"{named}; this entry of the token cache is made again")
        return None
    return data, left_out


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
