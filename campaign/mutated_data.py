"""Mutated data files: every reader of rows ends well or in one short sentence, within 2 s and 1 GB."""

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from campaign.frame import Outcome, Setting
from campaign.mutations import Target, mutated, try_all, written

LABELS = ("low", "normal", "high", "0", "2")
NAMES = ("id", "message", "other", "level")
ROWS = [
    (
        f"i{number}",
        f'text number {number}, with "quotes"' if number % 3 else "naïve 中文\nline",
        "other",
        LABELS[number % len(LABELS)],
    )
    for number in range(12)
]
PLAIN = b"id,message,other,level\n" + b"".join(f"{i},words {i},more,low\n".encode() for i in range(12))
TABS = PLAIN.replace(b",", b"\t")
DECLARED = {
    "name": "urgency",
    "kind": "classification",
    "labels": ["low", "normal", "high"],
    "columns": {"text": "message", "text_pair": "other", "label": "level", "id": "id"},
}


def _table(delimiter: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(NAMES)
    writer.writerows(ROWS)
    return out.getvalue().encode()


def _objects() -> list[dict[str, str]]:
    return [dict(zip(NAMES, row, strict=True)) for row in ROWS]


def _json_lines() -> bytes:
    return b"".join(
        json.dumps(row, ensure_ascii=number % 2 == 0).encode() + b"\n" for number, row in enumerate(_objects())
    )


def _json_files() -> list[bytes]:
    """Return the shapes of JSON beside an object on each line."""
    rows = _objects()
    shapes = [rows, {"version": 1, "data": rows}, {str(number): row for number, row in enumerate(rows)}]
    texts = [json.dumps(shape, indent=indent) for shape in shapes for indent in (None, 2)]
    return [text.encode() for text in [*texts, "\n".join(json.dumps(row, indent=1) for row in rows)]]


def _parquet_files() -> list[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [row[number] for row in ROWS] for number, name in enumerate(NAMES)}
    typed = {
        **columns,
        "when": pa.array([1, 2**40, None] * 4, pa.timestamp("us", "UTC")),
        "numbers": pa.array([[1, 2], None] * 6),
        "object": pa.array([{"a": 1}] * 12),
    }

    def file(columns: dict[str, Any], **options: Any) -> bytes:
        out = io.BytesIO()
        pq.write_table(pa.table(columns), out, **options)
        return out.getvalue()

    return [
        file(columns),
        file(columns, compression="gzip"),
        file(columns, use_dictionary=False, compression="none", version="1.0"),
        file(typed, compression="zstd"),
    ]


def _zipped(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return out.getvalue()


def _zstd(data: bytes) -> bytes:
    import pyarrow as pa

    return bytes(pa.compress(data, "zstd", asbytes=True))


def _read(name: str, format: str = "auto", **options: Any) -> Callable[[], Sequence[str]]:
    """Return a function that reads a file as for training or testing, as for predictions, and as the list of other files does."""
    from swissbert.data.check import _columns_of
    from swissbert.data.rows import BadRow
    from swissbert.data.splits import Reading
    from swissbert.errors import SwissbertError
    from swissbert.inference.inputs import open_inputs
    from swissbert.tasks import make_task

    files = {"train": name, "test": name}
    task = make_task({**DECLARED, **options, "files": files, "format": format}, "here")
    here, splits = Path(), tuple(task.files)

    def read() -> Sequence[str]:
        messages: list[str] = []
        refused: list[SwissbertError] = []
        split = splits[(here / name).stat().st_size % len(splits)]  # the same for the same bytes
        try:
            reading = Reading(task, split, here)
            for _ in reading:
                pass
            messages += [*map(str, reading.bad), reading.label_notes.other_spellings()]
        except SwissbertError as error:
            refused.append(error)
        try:
            for row in open_inputs(name, [task]):
                messages += [reading.reason for reading in row.rows if isinstance(reading, BadRow)]
        except SwissbertError as error:
            refused.append(error)
        _columns_of(here / name)
        return messages + list(map(str, refused))

    return read


def _read_labels() -> Callable[[], Sequence[str]]:
    """Return a function that reads texts and the file of their labels."""
    from swissbert.data.splits import Reading
    from swissbert.tasks import make_task

    columns = {"text": "message", "label": "level"}
    table = {**DECLARED, "columns": columns, "files": {"train": "texts.csv"}, "label_files": {"train": "labels.txt"}}
    task = make_task(table, "here")

    def read() -> Sequence[str]:
        Path("texts.csv").write_bytes(PLAIN)
        reading = Reading(task, "train", Path())
        for _ in reading:
            pass
        return [str(row) for row in reading.bad]

    return read


def _declare() -> Callable[[], Sequence[str]]:
    """Return a function that infers a task from a file."""
    from swissbert.data.declare import declare

    return lambda: [one.why for one in declare(Path("declared.csv"), "message", ["level"])]


def targets() -> dict[str, Target]:
    """Return the readers by name."""
    objects, lines, tables = _json_files(), _json_lines(), (_table(","), PLAIN)
    tabs = (_table("\t"), TABS)
    packed = {
        "gz": gzip.compress(tables[0], 6),
        "bz2": bz2.compress(tables[0]),
        "xz": lzma.compress(tables[0]),
        "zst": _zstd(tables[0]),
        "zip": _zipped("a.csv", tables[0]),
    }

    def of(name: str, *originals: bytes, share: float = 1, **options: Any) -> Target:
        return Target(mutated(*originals), written(Path(name), _read(name, **options)), share)

    return {
        "CSV": of("a.csv", *tables),
        "TSV": of("a.tsv", *tabs),
        "cs224n": of("b.tsv", *tabs, format="cs224n"),
        "CSV without a header": of(
            "c.csv", *tables, share=0.5, header=False, columns={"text": 2, "text_pair": 3, "label": 4}
        ),
        "CSV in UTF-16": of("d.csv", _table(",").decode().encode("utf-16"), share=0.5),
        "JSON lines": of("a.jsonl", lines),
        "JSON": of("a.json", *objects),
        "Parquet": of("a.parquet", *_parquet_files()),
        "text": of("a.txt", *tabs, share=0.5),
        **{ending: of(f"z.csv.{ending}", data, share=0.5) for ending, data in packed.items()},
        "label file": Target(
            mutated(b"low\nhigh\n0\n" * 4, b"level\n" + b"low\nhigh\n0\n" * 4),
            written(Path("labels.txt"), _read_labels()),
            0.5,
        ),
        "inferred task": Target(mutated(*tables), written(Path("declared.csv"), _declare()), 0.5),
    }


def readers(setting: Setting) -> Outcome:
    """Mutate files of every format."""
    return try_all(setting, "mutated data files", targets(), setting.number(28_500, 40))


TRIALS = {"readers": readers}
