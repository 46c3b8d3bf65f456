"""The table of file formats, and formats from outside the package."""

import copy
import csv
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import swissbert.data
from swissbert.config import make_config
from swissbert.data import FORMATS, Format, ReadOptions, TextFormat, TokenTable, cached_split, read_split
from swissbert.data.formats import ENDINGS, NumberedCells, find_format, head, read_cells
from swissbert.data.formats.delimited import Delimited
from swissbert.data.rows import BadRow, Row
from swissbert.data.tokens import Tokenizer
from swissbert.errors import SwissbertError
from swissbert.inference import load
from swissbert.inference.inputs import read_inputs
from swissbert.tasks import Task, make_task
from swissbert.training.loop import train


def declaration(**changes: Any) -> dict[str, Any]:
    return {
        "name": "mood",
        "kind": "classification",
        "labels": ["bad", "good"],
        "loss": "cross_entropy",
        "metric": "accuracy",
        "columns": {"text": "text", "label": "label"},
        **changes,
    }


def declare(**changes: Any) -> Task:
    return make_task(declaration(**changes), "declaration")


class Blocks(TextFormat):
    """``key: value`` lines, with a blank line between rows."""

    name = "blocks"
    endings = (".blocks",)

    def parse(self, file: TextIO, where: str, options: ReadOptions) -> Iterator[NumberedCells]:
        number = 1
        for block in file.read().split("\n\n"):
            pairs = [line.partition(": ") for line in block.splitlines()]
            if all(separator for _, separator, _ in pairs):
                yield number, {key: value for key, _, value in pairs}
            else:
                yield number, "a line has no ': '"
            number += len(pairs) + 1


BLOCKS = "text: a good film\nlabel: good\n\ntext: dull\nlabel: bad\n\nno key\n\ntext: fine\nlabel: 1\n"


# The table


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_be_declared_by_name_and_is_serialized_by_name(name: str) -> None:
    task = declare(format=name)
    assert task.format is FORMATS[name]
    assert task.model_dump()["format"] == name
    assert make_task(json.loads(task.model_dump_json()), "again") == task
    assert FORMATS[name].name == name


@pytest.mark.parametrize("name", FORMATS)
def test_messages_list_every_format_and_ending(name: str) -> None:
    with pytest.raises(SwissbertError) as declared:
        declare(format="xlsx")
    with pytest.raises(SwissbertError) as read:
        find_format(Path("rows.xlsx"))
    with pytest.raises(SwissbertError) as named:
        find_format(Path("rows.tsv"), "xlsx")
    for error in (declared, read, named):
        assert name in str(error.value).replace(",", "").split()
    assert all(ending in str(read.value) for ending in FORMATS[name].endings)


def test_a_misspelt_format_is_answered_with_the_nearest_name() -> None:
    with pytest.raises(SwissbertError, match=r"format: 'parket' is not a file format; .*; did you mean 'parquet'\?$"):
        declare(format="parket")
    with pytest.raises(SwissbertError, match="format: 3 is not a file format"):
        declare(format=3)


def test_endings_are_those_of_the_formats_and_stand_for_one_format_each() -> None:
    assert {ending: format.name for ending, format in ENDINGS.items()} == {
        ".tsv": "tsv",
        ".csv": "csv",
        ".jsonl": "jsonl",
        ".ndjson": "jsonl",
        ".json": "jsonl",
        ".parquet": "parquet",
        ".txt": "text",
    }
    assert len(ENDINGS) == sum(len(format.endings) for format in FORMATS.values())


def test_formats_are_equal_by_class_and_attributes() -> None:
    assert all(copy.deepcopy(format) == format for format in FORMATS.values())
    assert len(set(FORMATS.values())) == len(FORMATS)
    assert Delimited("tsv", (".tsv",), "\t", quotes=False) == FORMATS["tsv"]
    assert Delimited("tsv", (".tsv",), "\t", quotes=True) != FORMATS["tsv"]
    task = declare(format="csv")
    assert pickle.loads(pickle.dumps(task)) == task


@pytest.mark.parametrize("module", ["swissbert.data", "swissbert.data.formats", "swissbert.data.memory"])
def test_formats_and_rows_import_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('torch', 'pyarrow', 'pandas', 'datasets') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_public_names_of_the_package_can_all_be_imported() -> None:
    assert set(swissbert.data.__all__) <= set(dir(swissbert.data))
    assert swissbert.data.TokenTable is TokenTable
    assert all(getattr(swissbert.data, name) is not None for name in swissbert.data.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        swissbert.data.nothing  # noqa: B018


# Plain text


def test_plain_text_is_read_as_a_test_split_without_labels(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("a good film\n\n\tdull  \n", encoding="utf-8")
    task = declare(files={"train": "rows.txt", "test": "rows.txt"}, columns={"text": "t", "label": "l", "id": "i"})
    rows = read_split(task, "test", tmp_path)
    assert rows.rows == [Row(1, "1", "a good film", None, None), Row(3, "3", "dull", None, None)]
    assert rows.bad == [BadRow("rows.txt", 2, "the text is empty")]
    with pytest.raises(SwissbertError, match=r"rows\.txt: no column 'l', which task 'mood' reads"):
        read_split(task, "train", tmp_path)


def test_plain_text_of_a_pair_task_has_a_tab_between_the_texts(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_bytes(b"one\ttwo\r\nonly one\nx\ty\tz\n\tb\ncaf\xe9\tb\n")
    task = declare(files={"test": "rows.txt"}, columns={"text": "a", "text_pair": "b", "label": "l"})
    rows = read_split(task, "test", tmp_path)
    assert rows.rows == [Row(1, "1", "one", "two", None)]
    assert [(row.number, row.reason) for row in rows.bad] == [
        (2, "1 text where a pair with a tab between is expected"),
        (3, "3 texts where a pair with a tab between is expected"),
        (4, "the text is empty"),
        (5, "the text has bytes that are not UTF-8"),
    ]


# Reading leaves the csv module as it was


@pytest.mark.parametrize("name", ["csv", "cs224n", "tsv"])
def test_cells_of_any_size_are_read_without_changing_the_limit_of_the_process(tmp_path: Path, name: str) -> None:
    before = csv.field_size_limit()
    long = "word " * 200_000 + "end"
    sign = "," if name == "csv" else "\t"
    quote = '"' if name != "tsv" else ""
    lines = [f"text{sign}label", f"{quote}{long}{quote}{sign}good", f"short{sign}bad", f'"open {long}{sign}bad']
    (tmp_path / "rows").write_text("\n".join(lines) + "\n", encoding="utf-8")
    limits = []
    texts = []
    for _, cells in read_cells(tmp_path / "rows", name):
        limits.append(csv.field_size_limit())
        texts.append(cells["text"] if isinstance(cells, dict) else cells)
    assert texts[:2] == [long, "short"]
    assert set(limits) == {before} == {csv.field_size_limit()}


def test_the_limit_of_the_process_is_restored_when_reading_is_abandoned(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    (tmp_path / "rows.csv").write_text(f'text,label\n"{"x" * 200_000}",1\na,1\n', encoding="utf-8")
    rows = read_cells(tmp_path / "rows.csv")
    next(rows)
    del rows
    assert csv.field_size_limit() == before


def test_the_importing_process_keeps_its_limit() -> None:
    code = "import csv; csv.field_size_limit(77); import swissbert.data.splits; print(csv.field_size_limit())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "77"


# Number of rows


def test_the_number_of_rows_is_known_of_parquet_alone(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", "b", "c"]}), tmp_path / "rows.parquet")
    (tmp_path / "rows.csv").write_text("text\na\n", encoding="utf-8")
    assert FORMATS["parquet"].count_rows(tmp_path / "rows.parquet") == 3
    assert FORMATS["csv"].count_rows(tmp_path / "rows.csv") is None


# A format from outside the package


def test_a_format_from_outside_is_used_as_an_object_and_serialized_by_name(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text(BLOCKS, encoding="utf-8")
    task = declare(format=Blocks(), files={"train": "rows.txt"}, holdout=0.01, stratify=False)
    rows = read_split(task, "train", tmp_path)
    assert [(row.number, row.text, row.label) for row in rows.rows] == [
        (1, "a good film", 1.0),
        (4, "dull", 0.0),
        (9, "fine", 1.0),
    ]
    assert rows.bad == [BadRow("rows.txt", 7, "a line has no ': '")]
    assert task.model_dump(mode="json")["format"] == "blocks"
    assert [row.number for row in read_inputs(str(tmp_path / "rows.txt"), task, Blocks())] == [1, 4, 7, 9]
    assert head(tmp_path / "rows.txt", 1, Blocks()) == [{"text": "a good film", "label": "good"}]


def test_a_format_from_outside_can_be_given_a_name() -> None:
    assert make_task(declaration(format="blocks"), "declaration", formats={"blocks": Blocks()}).format == Blocks()
    with pytest.raises(SwissbertError, match="'blocks' is not a file format"):
        declare(format="blocks")


def test_a_format_that_is_no_text_reads_a_path(tmp_path: Path) -> None:
    class Bytes(Format):
        name = "bytes"

        def cells(self, path: Path, options: ReadOptions, on_open: object = None) -> Iterator[NumberedCells]:
            for number, byte in enumerate(path.read_bytes(), 1):
                yield number, {"text": chr(byte), "label": byte % 2}

    (tmp_path / "rows").write_bytes(b"abc")
    rows = read_split(declare(format=Bytes(), files={"test": "rows"}), "test", tmp_path)
    assert [(row.text, row.label) for row in rows.rows] == [("a", 1.0), ("b", 0.0), ("c", 1.0)]
    with pytest.raises(SwissbertError, match=r"nowhere: cannot be read \(No such file or directory\)"):
        list(read_cells(tmp_path / "nowhere", Bytes()))


def test_data_of_a_format_from_outside_are_not_cached(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWISSBERT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "rows.txt").write_text(BLOCKS, encoding="utf-8")
    task = declare(format=Blocks(), files={"train": "rows.txt"}, holdout=0.01, stratify=False)
    assert len(cached_split(task, "train", tmp_path, Tokenizer(tiny), separate=False, max_length=16)) == 3
    assert not (tmp_path / "cache").exists()


def test_a_model_trains_on_a_format_from_outside_and_loads_without_it(tmp_path: Path, tiny: Path) -> None:
    block = "text: a good film {0}\nlabel: good\n\ntext: a dull film {0}\nlabel: bad"
    (tmp_path / "rows.blocks").write_text("\n\n".join(block.format(n) for n in range(8)), encoding="utf-8")
    task = declare(format=Blocks(), files={"train": "rows.blocks", "dev": "rows.blocks"})
    settings = {
        "tasks": [task],
        "data": {"dir": str(tmp_path)},
        "encoder": {"name": str(tiny), "max_length": 16},
        "train": {
            "epochs": 1,
            "max_steps": 2,
            "batch_size": 4,
            "precision": "fp32",
            "device": "cpu",
            "threads": 1,
            "tensorboard": False,
        },
    }
    train(make_config(settings, "here"), tmp_path / "run")
    model = load(tmp_path / "run" / "model")
    assert model.predict("mood", "a good film").label_name in ("bad", "good")
    stored = model.task("mood")
    assert stored.model_dump(mode="json")["format"] == "blocks"
    with pytest.raises(
        SwissbertError, match=r"rows\.blocks: the format 'blocks' of the task is not one of swissbert's"
    ):
        read_split(stored, "train", tmp_path)
    replaced = stored.model_copy(update={"format": Blocks()})
    assert len(read_split(replaced, "train", tmp_path)) == 16
