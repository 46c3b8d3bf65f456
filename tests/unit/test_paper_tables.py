"""Declarations of the paper's tables: every row is valid and has the paper's settings and scores."""

import pytest

from swissbert.config import differences
from swissbert.errors import SwissbertError
from swissbert.experiments.declarations import Choices, ResultsTable, TableRow, find_table, table_names

TABLES = [name for name in table_names() if find_table(name).has_paper]
ROWS = [(name, row.name) for name in TABLES for row in find_table(name).rows]


def picked(table: str, row: str) -> tuple[ResultsTable, TableRow]:
    paper_table = find_table(table)
    return paper_table, paper_table.pick([row])[0]


def test_the_tables_have_the_papers_rows() -> None:
    assert TABLES == ["table1", "table2", "table3", "table4"]
    counts = {name: sum(bool(row.paper) for row in find_table(name).rows) for name in TABLES}
    assert counts == {"table1": 2, "table2": 12, "table3": 7, "table4": 1}
    assert [row.name for row in find_table("table2").rows if not row.paper] == [
        "single-task",
        "pair-annealed-automatic",
        "frozen-mean",
        "none-mean",
        "layer-sharing-mean",
        "cosine-mean",
        "pair-mean",
    ]


@pytest.mark.parametrize(("table", "row"), ROWS)
def test_scores_have_a_column_and_overall_is_their_mean(table: str, row: str) -> None:
    paper_table, one = picked(table, row)
    for figures in (one.paper, one.test):
        assert set(figures) in (set(paper_table.columns), set())
        if "overall" in figures:
            tasks = [value for name, value in figures.items() if name != "overall"]
            assert figures["overall"] == pytest.approx(sum(tasks) / 3, abs=0.0011)  # the paper rounds before and after


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize(("table", "row"), ROWS)
def test_settings_of_every_row(table: str, row: str, small: bool) -> None:
    paper_table, one = picked(table, row)
    configs = paper_table.configs(one, 3, Choices(small=small))
    paper = paper_table.declared_config(one)
    assert len(configs) == (len(paper.tasks) if one.apart else 1)
    assert paper_table.small is not None
    for config in configs:
        assert config.seed == 3
        assert config.encoder.name == ("minilm" if small else "google-bert/bert-base-uncased")
        assert config.train.epochs == (paper_table.small.epochs if small else paper.train.epochs)
        assert config.train.lr == pytest.approx(paper.train.lr * (paper_table.small.rates if small else 1), rel=1e-9)


def test_the_settings_are_those_of_the_paper() -> None:
    table, frozen = picked("table1", "sentiment-frozen")
    config = table.declared_config(frozen)
    assert (config.train.lr, config.train.epochs, config.train.batch_size, config.model.dropout) == (1e-3, 10, 64, 0.3)
    table, row = picked("table2", "pair-sampling-automatic")
    config = table.declared_config(row)
    assert (config.train.lr, config.train.epochs, config.train.batch_size, config.train.weight_decay) == (
        1e-5,
        20,
        32,
        0,
    )
    assert config.sampling.weights == {"sst": 1.0, "para": 1.7, "sts": 1.0}
    rates = [(r.name, table.declared_config(r).loss.lr) for r in table.rows if r.name.endswith("automatic")]
    assert [rate for _, rate in rates[:3]] == [1e-5, 1e-4, 1e-4]
    tuned = [
        (c.train.lr, c.model.dropout, c.train.weight_decay, c.loss.lr)
        for c in map(find_table("table3").declared_config, find_table("table3").rows)
    ]
    assert tuned == [
        (1e-5, 0.3, 0, 1e-5),
        (1e-4, 0.3, 1e-5, 1e-4),
        (1e-5, 0.3, 1e-5, 1e-4),
        (1e-5, 0.3, 1e-4, 1e-3),
        (1e-6, 0.3, 1e-5, 1e-4),
        (1e-5, 0.5, 1e-5, 1e-4),
        (1e-5, 0.1, 1e-5, 1e-4),
    ]


def test_a_row_of_two_tables_is_one_run() -> None:
    (two, row2), (three, row3) = picked("table2", "pair-automatic"), picked("table3", "pair-automatic")
    for choices in (Choices(), Choices(small=True)):
        assert differences(two.configs(row2, 0, choices)[0], three.configs(row3, 0, choices)[0]) == []
    assert row2.paper == row3.paper


def test_no_two_rows_of_a_table_are_the_same_run() -> None:
    for name in table_names():
        table = find_table(name)
        dumps = [[c.model_copy(update={"name": "x"}) for c in table.configs(row, 0, Choices())] for row in table.rows]
        assert all(a != b for i, a in enumerate(dumps) for b in dumps[:i])


def test_choices_take_precedence() -> None:
    table, row = picked("table3", "rate-high")
    choices = Choices(
        small=True, encoder="some/folder", overrides=["train.lr=0.5", "loss.weighting=learnable"], data="d"
    )
    (config,) = table.configs(row, 0, choices)
    assert (config.train.lr, config.encoder.name, config.loss.weighting) == (0.5, "some/folder", "learnable")
    assert str(config.data.dir).endswith("/d")
    assert config.train.weight_decay == 1e-5


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "train.epoch=3: unknown key 'train.epoch'"),
        ("model.pair_encoding=true", "model.pair_head = 'cosine' and model.pair_encoding = true exclude each other"),
    ],
)
def test_a_setting_that_does_not_fit_a_row_is_named(override: str, message: str) -> None:
    table, row = picked("table2", "cosine")
    with pytest.raises(SwissbertError) as caught:
        table.configs(row, 0, Choices(overrides=[override]))
    assert message in str(caught.value)


def test_unknown_names_suggest_the_nearest() -> None:
    with pytest.raises(SwissbertError, match="no table 'tabel2'; did you mean 'table2'"):
        find_table("tabel2")
    with pytest.raises(SwissbertError, match=r"^no row 'pairs'; did you mean 'pair'") as error:
        find_table("table2").pick(["frozen", "pairs"])
    assert error.value.argument == "rows"
    assert [row.name for row in find_table("table2").pick(["pair", "frozen"])] == ["frozen", "pair"]
