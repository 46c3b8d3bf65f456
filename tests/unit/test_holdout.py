"""Dev rows held out of the train rows, where no dev split is declared."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swissbert.data.holdout import held_out_by_label, text_key
from swissbert.data.rows import Rows
from swissbert.data.splits import read_split
from swissbert.errors import SwissbertError
from swissbert.holdouts import with_stratify
from swissbert.kinds import KINDS
from swissbert.task_files import Columns
from swissbert.tasks import Split, Task, make_task

SIDES: tuple[Split, ...] = ("train", "dev")


def read(directory: Path, texts: list[str], **more: object) -> dict[str, Rows]:
    (directory / "t.csv").write_text(
        "text,label\n" + "".join(f"{text},{i % 2}\n" for i, text in enumerate(texts)) + ",1\n"
    )
    task = Task(
        name="t", kind=KINDS["binary"], labels=["no", "yes"], loss="binary_cross_entropy", metric="accuracy",
        columns=Columns(text="text", label="label"), files={"train": "t.csv"}, **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return {split: read_split(task, split, directory) for split in ("train", "dev")}


def test_every_row_is_in_one_split_and_the_share_is_about_right(tmp_path: Path) -> None:
    splits = read(tmp_path, [f"sentence {n}" for n in range(2000)])
    train, dev = ({row.text for row in splits[split].rows} for split in ("train", "dev"))
    assert not train & dev
    assert len(train) + len(dev) == 2000
    assert 150 < len(dev) < 250
    assert 550 < len(read(tmp_path, [f"sentence {n}" for n in range(2000)], holdout=0.3)["dev"]) < 650


def test_repeats_with_other_case_or_space_stay_in_the_same_split(tmp_path: Path) -> None:
    splits = read(tmp_path, [text for n in range(300) for text in (f"a film {n}", f"A  FILM {n}")])
    train, dev = ({text_key(row) for row in splits[split].rows} for split in ("train", "dev"))
    assert not train & dev
    assert len(dev) > 10


def test_the_choice_does_not_depend_on_order_or_on_other_rows(tmp_path: Path) -> None:
    texts = [f"sentence {n}" for n in range(400)]
    more = [*reversed(texts), *(f"new {n}" for n in range(100))]
    before = {row.text for row in read(tmp_path, texts, stratify=False)["dev"].rows}
    after = {row.text for row in read(tmp_path, more, stratify=False)["dev"].rows}
    assert before == {text for text in after if text.startswith("sentence")}


def test_a_bad_row_is_reported_once(tmp_path: Path) -> None:
    splits = read(tmp_path, [f"sentence {n}" for n in range(100)])
    assert (len(splits["train"].bad), len(splits["dev"].bad)) == (1, 0)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=1, max_size=120),
    st.floats(0.01, 0.99),
)
def test_each_label_gives_its_share_and_keeps_a_text(rows: list[tuple[int, int]], share: float) -> None:
    hashes, classes = np.array(rows).T
    chosen = held_out_by_label(hashes.astype(np.uint64), classes, share)
    assert sorted(set(chosen.tolist())) == chosen.tolist()
    lowest: dict[int, int] = {}  # a text with several labels counts for the lowest
    for text, label in rows:
        lowest[text] = min(label, lowest.get(text, label))
    for label in set(lowest.values()):
        texts = sorted(text for text, own in lowest.items() if own == label)
        count = min(max(1, round(share * len(texts))), len(texts) - 1)
        assert [text for text in texts if text in set(chosen.tolist())] == texts[:count]
    shuffled = np.random.default_rng(0).permutation(len(rows))
    assert (held_out_by_label(hashes[shuffled].astype(np.uint64), classes[shuffled], share) == chosen).all()


def test_a_rare_label_is_on_both_sides_and_rows_stay_in_order(tmp_path: Path) -> None:
    lines = [f"quiet {n},0" for n in range(200)] + [f"alarm {n},1" for n in range(3)] + ["ALARM  0,0"]
    (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    task = make_task(
        {
            "name": "t",
            "kind": "classification",
            "labels": ["0", "1"],
            "columns": {"text": "text", "label": "label"},
            "files": {"train": "t.csv"},
        },
        "here",
    )
    train, dev = (read_split(task, split, tmp_path).rows for split in SIDES)
    assert len(train) + len(dev) == 204
    assert all(any(row.label == 1 for row in rows) for rows in (train, dev))
    assert len(dev) == 21 + sum(row.text == "ALARM  0" for row in dev)
    assert {text_key(row) for row in train} & {text_key(row) for row in dev} == set()
    for rows in (train, dev):
        assert [row.number for row in rows] == sorted(row.number for row in rows)


def table(name: str, kind: str = "classification", **more: Any) -> Task:
    labels = {} if kind == "regression" else {"labels": ["a", "b"]}
    scored = {"range": [0, 1]} if kind == "regression" else {}
    columns = {"text": "text", "label": name}
    return make_task({"name": name, "kind": kind, "columns": columns, **labels, **scored, **more}, "here")


def test_stratify_is_automatic_where_no_other_task_reads_the_same_rows() -> None:
    one: dict[str, Any] = {"files": {"train": "a.csv"}}
    two: dict[str, Any] = {"files": {"train": "b.csv"}}
    cases = [
        ([table("x", **one)], [True]),
        ([table("x", **one), table("y", **two)], [True, True]),
        ([table("x", **one), table("y", **one)], [False, False]),
        ([table("x"), table("y")], [False, False]),  # both in memory
        ([table("x", "regression", **one)], [False]),
        ([table("x", files={"train": "a.csv", "dev": "d.csv"})], [False]),
        ([table("x", **one, stratify=True), table("y", **one)], [True, False]),
    ]
    for tasks, expected in cases:
        assert [task.stratify for task in with_stratify(tasks)] == expected


def test_stratify_needs_one_label_per_row() -> None:
    with pytest.raises(
        SwissbertError, match="stratify is true, but rows of a regression task do not have one label each"
    ):
        table("x", "regression", stratify=True)
