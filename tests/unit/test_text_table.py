"""Tables as text and lines of bars: what they do where there is little room."""

import io
from itertools import pairwise

import pytest
from rich.cells import cell_len

from swissbert import terminal
from swissbert.bars import Bar
from swissbert.text_table import folded, table

HEADER = ["task", "file", "rows", "no label", "tokens: median / 95 % / longest"]
ROWS = [
    ["para", "a-rather-long-name-of-a-file.tsv", "14,015", "0", "25 / 34 / 49"],
    ["sst", "b.tsv", "8", "3", "1 / 2 / 3"],
]


def test_a_table_without_a_width_keeps_every_cell_on_one_line() -> None:
    title, head, rule, *rows = table("Data", HEADER, ROWS, left=2).splitlines()
    assert title == "Data"
    assert head.split()[-1] == "longest"
    assert set(rule.strip()) == {"─"}
    assert [row.split()[1] for row in rows] == ["a-rather-long-name-of-a-file.tsv", "b.tsv"]


@pytest.mark.parametrize("width", [120, 100, 80, 70, 60])
def test_a_table_fits_and_its_numbers_are_never_cut(width: int) -> None:
    lines = table("Data", HEADER, ROWS, left=2, width=width).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert sum("25 / 34 / 49" in line for line in lines) == 1
    assert sum("14,015" in line for line in lines) == 1
    assert any(line.startswith(" para ") for line in lines), "it is still a table"


@pytest.mark.parametrize("width", [100, 80, 72])
def test_words_stay_whole_where_there_is_room(width: int) -> None:
    header = ["task", "label column", "kind", "labels or range", "metric", "reason", "rows"]
    row = ["level", "level", "classification", "3 labels: high, low, normal", "accuracy", "3 different labels", "120"]
    lines = table("Data", header, [row], left=6, width=width).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert sorted(" ".join(lines[1:]).replace("─", "").split()) == sorted(" ".join([*header, *row]).split())


def test_a_table_that_cannot_fit_becomes_a_block_for_each_row() -> None:
    lines = table(
        "Scores", ["row", *(f"column {n}" for n in range(20))], [["one", *"0" * 20], ["two", *"1" * 20]], width=40
    )
    assert max(map(cell_len, lines.splitlines())) <= 40
    assert "one\n  column 0   0\n  column 1   0" in lines


def test_wide_characters_count_twice() -> None:
    lines = table("表", ["名前", "数"], [["漢字" * 30, "1"]], width=50).splitlines()
    assert max(map(cell_len, lines)) <= 50
    assert "".join(lines).count("漢字") >= 25


def test_a_line_is_wrapped_at_spaces_and_a_path_stays_whole() -> None:
    path = "/a/" + "b" * 70
    lines = folded(f"  the folder of this run is {path} and nothing else is there", 60)
    assert any(path in line for line in lines)
    assert all(cell_len(line) <= 60 for line in lines if path not in line)
    assert " ".join(" ".join(lines).split()) == f"the folder of this run is {path} and nothing else is there"


def drawn(bar: Bar, width: int) -> list[str]:
    return [line.plain for line in bar.lines(width, is_ascii=False)]


def training_bar(tasks: int) -> Bar:
    bar = Bar("training")
    bar.share, bar.count, bar.left, bar.rate = 0.1, "12,345/123,456", "11:22:33 left", "12,345 tokens/s"
    bar.parts = [f"a_task_{number} {number / 7:.3f}" for number in range(tasks)]
    return bar


@pytest.mark.parametrize("tasks", [1, 3, 20])
@pytest.mark.parametrize("width", [79, 99, 119])
def test_a_training_bar_keeps_step_and_time_left_whatever_the_number_of_tasks(width: int, tasks: int) -> None:
    line, losses = drawn(training_bar(tasks), width)
    assert max(cell_len(line), cell_len(losses)) <= width
    for part in ("training", "━", "12,345/123,456", "11:22:33 left"):
        assert part in line
    shown = losses.count("a_task_")
    assert losses.startswith("  a_task_0 0.000")
    assert (f"and {tasks - shown} more" in losses) == (shown < tasks)
    assert shown >= min(tasks, 3)


def test_the_narrower_a_bar_the_less_it_shows_but_never_less_than_count_and_time() -> None:
    bar = training_bar(3)
    lengths = [cell_len(drawn(bar, width)[0]) for width in range(32, 120)]
    assert all(length <= width for length, width in zip(lengths, range(32, 120), strict=True))
    assert all(before <= after for before, after in pairwise(["tokens/s" in drawn(bar, w)[0] for w in range(32, 120)]))
    assert all("12,345/123,456  11:22:33 left" in drawn(bar, width)[0] for width in range(32, 120))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "on_terminal", "on_pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_colour_follows_the_two_variables(
    variables: dict[str, str], on_terminal: bool, on_pipe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert terminal.has_colour(Terminal()) is on_terminal
    assert terminal.has_colour(io.StringIO()) is on_pipe


def test_only_a_terminal_has_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert terminal.width_of(Terminal()) == 100
    assert terminal.width_of(io.StringIO()) is None
    monkeypatch.setenv("COLUMNS", "0")
    assert terminal.width_of(Terminal()) == terminal.USUAL
