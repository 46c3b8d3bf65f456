"""Outcome of tables: scores beside the paper's, differences of settings, escaped HTML, committed results."""

import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from swissbert.experiments.declarations import Choices, ResultsTable, SmallBudget, TableRow, find_table
from swissbert.experiments.outcome import outcome
from swissbert.experiments.outcome_files import as_markdown, write_outcome
from swissbert.experiments.outcome_page import as_html
from swissbert.experiments.records import Evaluation, RowRecord, RunRecord, anonymous, write_record

RESULTS = Path(__file__).parents[2] / "results" / "minilm"
SCORES = {"sst.accuracy": 0.5, "para.accuracy": 0.8, "sts.pearson": -0.1, "overall": 0.4}


def finish(out: Path, table: ResultsTable, row: TableRow, scores: dict[str, float], seed: int = 0) -> None:
    runs = [
        RunRecord(
            config=anonymous(config),
            rows={"sst.train": "0"},
            train_rows={"sst": 8544},
            steps=10,
            best_step=10,
            tokens=1000,
            seconds=2.0,
            wall_seconds=3.0,
            resumed=False,
            scores=scores,
            evaluations=[Evaluation(step=10, scores=scores)],
            provenance={"commit": "0123456789abcdef+changes", "machine": "a <b> machine"},
        )
        for config in table.configs(row, seed, Choices(small=True))
    ]
    write_record(out, RowRecord(row=row.name, seed=seed, scores=scores, runs=runs))


def test_scores_are_beside_those_of_the_paper(tmp_path: Path) -> None:
    table = find_table("table2")
    finish(tmp_path, table, table.pick(["pair"])[0], SCORES)
    finish(tmp_path, table, table.pick(["single-task"])[0], SCORES | {"overall": 0.6})
    lines = as_markdown(outcome(table, tmp_path)).splitlines()
    cells = {
        parts[1].strip(): [part.strip() for part in parts[2:-1]] for line in lines if (parts := line.split("|"))[1:]
    }
    assert cells["pair encoding"][:3] == ["0.506", "**0.500**", "−0.006"]
    assert cells["pair encoding"][6:] == ["0.842", "**−0.100**", "−0.942", "0.734", "0.400", "−0.334"]
    assert cells["three models, one for each task (pair encoding), 189 steps an epoch each"][-3:] == [
        "",
        "**0.600**",
        "",
    ]
    assert cells["cosine similarity"][:3] == ["0.482", "not run", ""]
    widths = {len(line) for line in lines[4 : 4 + 2 + len(table.rows)]}
    assert len(widths) == 1, "columns are aligned"


def test_the_best_overall_is_one_of_the_same_tasks(tmp_path: Path) -> None:
    table = find_table("table2")
    pairs_alone = {name: score for name, score in SCORES.items() if name != "sst.accuracy"}
    for name, scores in (
        ("pair", SCORES),
        ("cosine", SCORES | {"overall": 0.3}),
        ("frozen", SCORES | {"tweets.accuracy": 0.9, "overall": 0.7}),
        ("none", pairs_alone | {"sts.pearson": 0.2, "overall": 0.9}),
    ):
        finish(tmp_path, table, table.pick([name])[0], scores)
    shown = as_markdown(outcome(table, tmp_path))
    assert "**0.400**" in shown
    assert "**0.200**" in shown, "a score of a task is compared with those of all rows"
    assert "**0.700**" not in shown
    assert "**0.900**" not in shown


def test_the_caption_lists_different_settings(tmp_path: Path) -> None:
    table = find_table("table2")
    for name in ("pair", "pair-automatic"):
        finish(tmp_path, table, table.pick([name])[0], SCORES)
    caption = " ".join(outcome(table, tmp_path).caption)
    assert "encoder.name (google-bert/bert-base-uncased → minilm)" in caption
    assert "train.epochs (20 → 3)" in caption
    assert "train.lr (1e-05 → 0.0001);" in caption
    assert "loss.lr (1e-05 → 0.0001) in pair-automatic" in caption
    assert "sst 8,544" in caption
    assert "checkpoint_every" not in caption
    assert "One seed (0)" in caption


def test_several_seeds_are_a_mean_and_a_deviation(tmp_path: Path) -> None:
    table = find_table("table2")
    for seed, value in enumerate([0.4, 0.5, 0.6]):
        finish(tmp_path, table, table.pick(["pair"])[0], SCORES | {"overall": value}, seed)
    result = outcome(table, tmp_path)
    assert "0.500 ± 0.100" in as_markdown(result)
    assert "Seeds 0, 1, 2" in " ".join(result.caption)
    assert as_markdown(result).count("0123456789+changes") == 3


class Text(HTMLParser):
    """Tags and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not {"src", "href"} & {name for name, _ in attrs}, "the page loads nothing"

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_html_is_escaped(tmp_path: Path) -> None:
    table = ResultsTable(
        title="<script>alert(1)</script>",
        columns={"sst.accuracy": "a & b"},
        settings={"tasks": ["sst"]},
        small=SmallBudget(encoder="minilm", epochs=1, rates=1),
        rows=[TableRow(name="one", title='"<i>one</i>"', paper={"sst.accuracy": 0.25})],
    )
    finish(tmp_path, table, table.rows[0], {"sst.accuracy": 0.5})
    page = Text()
    page.feed(as_html(outcome(table, tmp_path)))
    assert "script" not in page.tags
    assert "i" not in page.tags
    assert {'"<i>one</i>"', "a & b", "0.250", "0.500", "+0.250"} <= set(page.text)


def test_a_table_without_records_has_the_papers_scores(tmp_path: Path) -> None:
    text = as_markdown(outcome(find_table("table4"), tmp_path))
    assert text.count("not run") == 8
    assert "0.754" in text
    assert "Runs" not in text


@pytest.mark.parametrize("name", ["table1", "table2", "table3", "table4"])
def test_every_table_has_a_page(name: str, tmp_path: Path) -> None:
    text = as_html(outcome(find_table(name), tmp_path))
    page = Text()
    page.feed(text)
    assert page.tags.count("tr") == 1 + len(find_table(name).rows) + sum(
        bool(row.test) for row in find_table(name).rows
    )
    assert "<details open>" in text, "rows that are not run are not folded where there are no others"


def test_rows_that_are_not_run_are_folded(tmp_path: Path) -> None:
    table = find_table("table2")
    rows = [row.model_copy(update={"test": {"overall": 0.5}}) for row in table.rows]  # a line of its own for each
    table = table.model_copy(update={"rows": rows})
    finish(tmp_path, table, table.pick(["pair"])[0], SCORES)
    shown, _, folded = as_html(outcome(table, tmp_path)).partition("<details>")
    assert folded.startswith(f"<summary>{len(table.rows) - 1} rows are not run</summary>")
    assert '<th role="rowheader" scope="row">pair encoding</th>' in shown
    assert "Bold" not in shown, "one row has no best"
    assert '<th role="rowheader" scope="row">no extension</th>' in folded


@pytest.mark.parametrize("name", ["table1", "table2", "table3", "table4"])
def test_committed_records_give_the_committed_tables(name: str, tmp_path: Path) -> None:
    """Records that earlier versions wrote are still read, and their tables are the same to the byte."""
    for part in ("rows", "predictions"):
        shutil.copytree(RESULTS / part, tmp_path / part)
    for path in write_outcome(name, outcome(find_table(name), tmp_path), tmp_path):
        assert path.read_bytes() == (RESULTS / path.name).read_bytes(), path.name
