"""Dev and test texts that train rows must not have, and the choice of rows of extra files."""

from pathlib import Path
from typing import Any

import pytest
from declared import Writer, declare, pairs

from swissbert.data.guard import HeldTexts, held_texts, normalised
from swissbert.data.memory import MemoryRows
from swissbert.data.row_filter import RowFilter, extra_filter
from swissbert.data.rows import Row
from swissbert.data.splits import Reading
from swissbert.errors import SwissbertError
from swissbert.tasks import Task


def held() -> HeldTexts:
    texts = HeldTexts()
    texts.add("sts", "A man plays.", "A dog runs!")
    texts.add("sst", "What a film", None)
    return texts


def row(text: str, pair: str | None = None, label: float = 1.0) -> Row:
    return Row(1, "1", text, pair, label)


@pytest.mark.parametrize(
    ("one", "two", "is_equal"),
    [
        ("It's  GREAT, really!", "its great really", True),
        ("Straße", "STRASSE", True),
        ("e\u0301t\u00e9", "\u00e9te\u0301", True),  # combined or not
        ("film", "films", False),
        ("été", "ete", False),
        ("?!", "! ?", False),
        (":-)", ":- )", True),
        ("की", "क", False),  # a vowel sign is no punctuation
    ],
)
def test_texts_are_compared_without_case_space_and_punctuation(one: str, two: str, is_equal: bool) -> None:
    assert (normalised(one) == normalised(two)) == is_equal


@pytest.mark.parametrize(
    ("given", "by_rows", "by_sentences"),
    [
        (row("a man plays", "A dog runs"), "sts", "sts"),
        (row("A dog runs", "a man, plays"), "sts", "sts"),
        (row("A man plays.", "A cat sleeps."), None, "sts"),
        (row("A cat sleeps.", "a MAN plays"), None, "sts"),
        (row("A man plays."), None, "sts"),
        (row("what a film!"), "sst", "sst"),
        (row("What a film", "What a plot"), None, "sst"),
        (row("A cat sleeps.", "A dog eats."), None, None),
        (row("What a film it is"), None, None),
    ],
)
def test_rows_are_ruled_out_in_both_orders_and_by_single_sentences(
    given: Row, by_rows: str | None, by_sentences: str | None
) -> None:
    assert held().owner(given, "rows") == by_rows
    assert held().owner(given, "sentences") == by_sentences
    for guard, owner in (("rows", by_rows), ("sentences", by_sentences)):
        choose = RowFilter(held(), guard)  # type: ignore[arg-type]
        assert choose(given) == (None if owner else given)


def collected(task: Task, source: Any) -> set[tuple[str, ...]]:
    lines: list[str] = []
    rows = held_texts([task], lambda _: source, lines.append).rows
    assert lines == []
    return set(rows)


def test_texts_are_those_of_dev_and_test_rows_whatever_the_labels_of_test_rows_are(write: Writer) -> None:
    write("text\tlabel\nOnly train\tbad\n", "train.tsv")
    write("text\tlabel\nIn dev\tgood\n", "dev.tsv")
    folder = write("text\tlabel\nIn test\tno label of this task\n", "test.tsv")
    task = declare(files={"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"})
    assert collected(task, folder) == {("indev",), ("intest",)}
    (folder / "test.tsv").write_text("text\nNo labels\n")
    assert collected(task, folder) == {("indev",), ("nolabels",)}
    (folder / "test.tsv").unlink()
    assert collected(task, folder) == {("indev",)}


def test_test_rows_that_cannot_be_read_are_named(write: Writer) -> None:
    write("text\tlabel\nIn dev\tgood\n", "dev.tsv")
    folder = write(b"\xff\xfe\x00", "test.parquet")
    task = declare(files={"train": "dev.tsv", "dev": "dev.tsv", "test": "test.parquet"})
    lines: list[str] = []
    assert held_texts([task], lambda _: folder, lines.append).rows == {("indev",): "mood"}
    assert len(lines) == 1
    assert "mood: train rows are not compared with its test rows, which cannot be read (" in lines[0]


def test_dev_rows_may_be_held_out_or_in_memory() -> None:
    train = [(f"text {number}", "good" if number % 2 else "bad") for number in range(40)]
    given = collected(declare(), MemoryRows(train, [("In memory", "good")]))
    assert given == {("inmemory",)}
    held_out = collected(declare(files={"train": "rows.tsv"}), MemoryRows(train))
    kept = {("text" + text.split()[1],) for text, _ in train}
    assert held_out < kept
    assert held_out


@pytest.mark.parametrize("header", ["a\tb\tlabel\tid", "a\tb\tid"])
def test_pairs_of_test_rows_are_read(write: Writer, header: str) -> None:
    cells = "One.\tTwo.\tgood\t1" if "label" in header else "One.\tTwo.\t1"
    write("a\tb\tlabel\tid\nThree\tFour\tgood\t1\n", "dev.tsv")
    folder = write(f"{header}\n{cells}\n", "test.tsv")
    task = pairs(files={"train": "dev.tsv", "dev": "dev.tsv", "test": "test.tsv"})
    assert collected(task, folder) == {("one", "two"), ("four", "three")}


def choose(task: Task, **extra: Any) -> RowFilter:
    table = task.model_dump(exclude_unset=True)
    task = Task.model_validate({**table, "extra": [{"file": "more.tsv", "rows": 5, **extra}]})
    return extra_filter(task, task.extra[0], held())


def test_short_texts_are_left_out() -> None:
    chosen = choose(declare(), min_words=3)
    assert [chosen(row(text)) is not None for text in ("one two", "one  two", "one two three", "a b c d")] == [
        0,
        0,
        1,
        1,
    ]
    assert chosen.notes("more.tsv") == ["2 rows of more.tsv left out: a text has fewer than 3 words"]
    paired = choose(pairs(), min_words=2)
    assert [paired(row(*texts)) is not None for texts in (("one two", "one"), ("one two", "three four"))] == [0, 1]


def test_labels_of_a_file_stand_for_those_of_the_task() -> None:
    chosen = choose(declare(), labels={"neg": "bad", "pos": "good", "neutral": ""})
    results = [chosen(row("a text", label=label)) for label in (0, 1, 2)]
    assert [None if one is None else one.label for one in results] == [0, 1, None]
    assert chosen.notes("more.tsv") == ["1 row of more.tsv left out: labels gives their label no meaning"]


def test_scores_of_another_range_become_those_of_the_task() -> None:
    task = declare(kind="regression", labels=[], range=[0, 5], loss="mse", metric="pearson")
    chosen = choose(task, range=[1, 5])
    results = [chosen(row("a text", label=score)) for score in (1.0, 3.0, 4.6, 5.0)]
    assert [one.label for one in results if one] == pytest.approx([0, 2.5, 4.5, 5])


def test_a_filter_has_another_fingerprint_wherever_it_chooses_otherwise() -> None:
    task = declare()
    more = held()
    more.add("sst", "Another film", None)
    filters = [
        choose(task),
        choose(task, min_words=2),
        choose(task, guard="rows"),
        choose(task, labels={"1": "bad", "0": "good"}),
        choose(task, labels={"1": "good", "0": "bad"}),
        RowFilter(more, "sentences"),
    ]
    assert len({one.fingerprint for one in filters}) == len(filters)
    assert choose(task).fingerprint == choose(task, share=None).fingerprint


def test_what_a_reading_leaves_out_is_counted_by_task_and_is_no_bad_row(write: Writer) -> None:
    lines = ["What a film\tgood", "A man plays\tgood", "A  dog runs\tbad", "New\tbad", "Odd\tno label"]
    folder = write("\n".join(["text\tlabel", *lines]) + "\n")
    reading = Reading(declare(), "train", folder, max_bad=0.3, choose=RowFilter(held(), "sentences"))
    assert [one.text for one in reading] == ["New"]
    assert len(reading.bad) == 1
    assert reading.source_notes == [
        "3 rows of rows.tsv left out: a text of theirs is in a dev or test file of sts (2) and sst (1)"
    ]


def test_a_file_of_which_no_row_is_left_is_refused(write: Writer) -> None:
    folder = write("text\tlabel\nWhat a film\tgood\n")
    reading = Reading(declare(), "train", folder, choose=RowFilter(held(), "rows"))
    with pytest.raises(SwissbertError) as error:
        list(reading)
    assert str(error.value) == (
        "rows.tsv: no row is left for task 'mood': 1 row of rows.tsv left out: their text is in a dev or test file of sst"
    )


def test_a_folder_without_test_files_is_no_error(tmp_path: Path, write: Writer) -> None:
    write("text\tlabel\nIn dev\tgood\n")
    assert collected(declare(), tmp_path) == {("indev",)}


def test_test_rows_without_the_column_of_texts_are_said_not_to_be_compared(write: Writer) -> None:
    write("text\tlabel\nIn dev\tgood\n", "dev.tsv")
    folder = write("body\nIn test\n", "test.tsv")
    task = declare(files={"train": "dev.tsv", "dev": "dev.tsv", "test": "test.tsv"})
    lines: list[str] = []
    assert held_texts([task], lambda _: folder, lines.append).rows == {("indev",): "mood"}
    assert lines == [
        "mood: train rows are not compared with its test rows, which cannot be read (test.tsv: no column 'text', which task "
        "'mood' reads (columns here: 'body'))"
    ]


def test_test_files_of_a_task_with_rows_in_memory_are_compared(write: Writer) -> None:
    folder = write("text\nIn test\n", "test.tsv")
    rows = MemoryRows([("In train", "good")], [("In memory", "good")])
    task = declare(files={"train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"})
    lines: list[str] = []
    held = held_texts([task], lambda _: rows, lines.append, folder)
    assert (set(held.rows), lines) == ({("inmemory",), ("intest",)}, [])
    without = declare(files={"train": "train.tsv"})
    assert set(held_texts([without], lambda _: rows, lines.append, folder).rows) == {("inmemory",)}


def test_a_second_reading_begins_to_count_anew(write: Writer) -> None:
    folder = write("text\tlabel\nWhat a film\tgood\nNew\tbad\n")
    chosen = RowFilter(held(), "rows")
    for _ in range(2):
        reading = Reading(declare(), "train", folder, choose=chosen)
        assert len(list(reading)) == reading.left_out == 1
        assert reading.source_notes == ["1 row of rows.tsv left out: their text is in a dev or test file of sst"]
