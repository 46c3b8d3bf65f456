"""Tables of our own: no figures of the paper, further train rows, teachers, soups, seeds of rows, intervals, time."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

import swissbert
from swissbert.config import differences, load_config, make_config
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.evaluation import overall_samples
from swissbert.experiments.declarations import Choices, ResultsTable, find_table
from swissbert.experiments.outcome import outcome
from swissbert.experiments.outcome_text import as_text
from swissbert.experiments.records import RowRecord, read_record
from swissbert.experiments.runner import render, reproduce
from swissbert.settings import validated

STARTER = Path(swissbert.__file__).parent / "data" / "starter"
QUIET = Display(quiet=True)
MORE = [{"base": "sst", "extra": [{"file": "../more/phrases.tsv", "share": 0.5, "columns": {"text": "phrase"}}]}, "sts"]
ROWS: list[dict[str, Any]] = [
    {"name": "plain", "title": "labels alone", "seeds": [0, 1]},
    {"name": "more", "title": "more rows", "set": {"tasks": MORE, "stages": [{"name": "all", "epochs": 1}]}},
    {"name": "student", "title": "a student", "teachers": ["plain.seed-1", "more"]},
    {"name": "mean", "title": "a soup", "soup": ["plain", "more"]},
]


def declared(rows: list[dict[str, Any]], **settings: Any) -> dict[str, Any]:
    train = {"epochs": 2, "max_steps": 3, "batch_size": 4, "lr": 1e-3, "threads": 1, "tensorboard": False}
    return {
        "title": "Ours",
        "columns": {"sst.accuracy": "SST", "overall": "overall"},
        "settings": {
            "tasks": ["sst", "sts"],
            "encoder": {"max_length": 24},
            "train": train | {"device": "cpu", "precision": "fp32", "baseline": False},
            **settings,
        },
        "rows": rows,
    }


def data_folder(folder: Path) -> Path:
    """The first rows of the starter corpus, and beside it a folder with further rows."""
    for name in ("data", "more"):
        (folder / name).mkdir()
    for source in STARTER.glob("s*.tsv"):
        rows = source.read_text(encoding="utf-8").splitlines(keepends=True)[:20]
        (folder / "data" / source.name).write_text("".join(rows), encoding="utf-8")
    phrases = "".join(f"{number}\ta dull thing of kind {number}\t{number % 5}\n" for number in range(12))
    (folder / "more" / "phrases.tsv").write_text(f"id\tphrase\tsentiment\n{phrases}", encoding="utf-8")
    return folder / "data"


@pytest.fixture(scope="module")
def finished(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ResultsTable, Choices, str]:
    """A finished table: folder, declaration, choices and Markdown."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "ours.toml").write_text(tomli_w.dumps(declared(ROWS) | {"compare": "plain"}), encoding="utf-8")
    table = find_table(str(folder / "ours.toml"))
    choices = Choices(encoder=str(tiny), data=str(data_folder(folder)))
    out = folder / "out"
    return out, table, choices, reproduce("ours", table, table.pick(["student", "mean"]), [0], choices, out, QUIET)


def record_of(out: Path, row: str, seed: int = 0) -> RowRecord:
    record = read_record(out, row, seed)
    assert record is not None
    return record


def test_rows_come_with_those_whose_models_they_take(finished: Any) -> None:
    _, table, _, _ = finished
    assert [row.name for row in table.pick(["student"])] == ["plain", "more", "student"]
    assert [row.name for row in table.pick(["mean"])] == ["plain", "more", "mean"]


def test_a_row_learns_from_rows_above_it(finished: Any) -> None:
    out, _, _, _ = finished
    (run,) = record_of(out, "student").runs
    assert run.config.distillation.teachers == ["plain.seed-1", "more.seed-0"]
    assert str(run.provenance["distilled_from"]).count("xxh3:") == 2
    assert str(out) not in (out / "rows" / "student.seed-0.json").read_text()


def test_a_soup_is_made_of_rows_above_it_and_trains_nothing(finished: Any) -> None:
    out, _, _, text = finished
    record = record_of(out, "mean")
    assert record.runs == []
    assert record.soup is not None
    assert {model.name for model in record.soup.models} == {"plain.seed-0", "more.seed-0"}
    best = max(record_of(out, name).scores["overall"] for name in ("plain", "more"))
    assert record.scores["overall"] >= best - 1e-9
    assert "| mean | " in text.partition("## Soups")[2]


def test_further_rows_lie_beside_the_data_folder(finished: Any) -> None:
    out, _, _, _ = finished
    (run,) = record_of(out, "more").runs
    assert [file.file for file in run.config.tasks[0].extra] == ["../more/phrases.tsv"]
    assert [stage.name for stage in run.config.stages] == ["all"]


def test_the_table_has_intervals_and_time_and_no_paper(finished: Any) -> None:
    out, table, _, text = finished
    assert "paper" not in text
    cells = {
        parts[1].strip(): [part.strip(" *") for part in parts[2:-1]]
        for line in text.splitlines()
        if (parts := line.split("|"))[1:]
    }
    header = ["SST", "overall", "95 % interval of overall", "difference, 95 % interval", "seconds of training"]
    assert cells[""] == header
    values = [record_of(out, "plain", seed).scores["overall"] for seed in (0, 1)]
    assert cells["labels alone"][1] == f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}".replace("-", "−")
    result = outcome(table, out)
    shown = as_text(result, None)
    assert "Their seconds of training" in shown
    assert all(f" {np.mean(line.seconds):,.0f}\n" in shown for line in result.lines if line.seconds)
    heads = shown.splitlines()[1].split("overall")[-1]
    assert " ".join(heads.split()) == "difference, 95 % interval seconds of training"
    for line in result.lines:
        assert line.interval is not None
        assert line.interval[0] <= np.mean(line.ours["overall"]) <= line.interval[1]
    assert cells["a soup"][4] == "0"
    assert cells["labels alone"][3] == ""
    assert "without those of these models" in text
    assert "encoder.name" in text.partition("Other than declared: ")[2].partition(". ")[0]


def test_a_row_is_compared_with_another_on_the_same_samples(finished: Any) -> None:
    out, table, _, _ = finished
    plain = np.mean([record_of(out, "plain", seed).overall_samples for seed in (0, 1)], axis=0)
    student = np.array(record_of(out, "student").overall_samples)
    low, high = np.quantile(student - plain, [0.025, 0.975])
    mean = record_of(out, "student").scores["overall"] - np.mean(
        [record_of(out, "plain", seed).scores["overall"] for seed in (0, 1)]
    )
    (line,) = [line for line in outcome(table, out).lines if line.title == "a student"]
    assert line.difference == pytest.approx((mean, low, high))


def test_finished_rows_are_kept_and_rendered_again(finished: Any, tmp_path: Path) -> None:
    out, table, choices, text = finished
    before = {path.name: path.stat().st_mtime_ns for path in (out / "rows").iterdir()}
    assert reproduce("ours", table, table.rows, [0], choices, out, QUIET) == text
    assert {path.name: path.stat().st_mtime_ns for path in (out / "rows").iterdir()} == before
    (tmp_path / "rows").mkdir()
    for path in (out / "rows").iterdir():
        (tmp_path / "rows" / path.name).write_bytes(path.read_bytes())
    assert render("ours", table, tmp_path, QUIET) == text


def test_a_model_that_is_gone_is_one_sentence_before_anything_is_trained(finished: Any, tmp_path: Path) -> None:
    out, _, choices, _ = finished
    (tmp_path / "rows").mkdir()
    for seed in (0, 1):
        path = out / "rows" / f"plain.seed-{seed}.json"
        (tmp_path / "rows" / path.name).write_bytes(path.read_bytes())
    table = validated(ResultsTable, declared([ROWS[0], {"name": "pupil", "title": "p", "teachers": ["plain"]}]), "t")
    with pytest.raises(
        SwissbertError, match=r"row 'pupil': takes the model of plain\.seed-0, but .* is gone; remove .*"
    ):
        reproduce("ours", table, table.rows, [0], choices, tmp_path, QUIET)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"teachers": ["plane"]}, r"'plane' names no row above it; did you mean 'plain'"),
        ({"teachers": ["last"]}, r"'last' names no row above it"),
        ({"soup": ["plain", "more"], "apart": True}, r"soup trains nothing, so it excludes apart"),
        ({"soup": ["plain"]}, r"soup names one model, but at least two"),
        ({"soup": ["plain", "both"]}, r"'both' has a model for each task"),
        ({"teachers": ["plain.seed-x"]}, r"'plain\.seed-x' has no seed after"),
        ({"like": "plain.seed-1"}, r"'plain\.seed-1' names no row above it"),
        ({"like": "last"}, r"'last' names no row above it"),
        ({"soup": ["plain", "more"], "like": "plain"}, r"soup trains nothing, so it excludes like"),
        ({"seeds": []}, r"seeds"),
        ({"seeds": [1, 1]}, r"seeds names a seed twice"),
    ],
)
def test_rows_that_cannot_be_are_refused(row: dict[str, Any], words: str) -> None:
    rows = [*ROWS[:2], {"name": "both", "title": "b", "apart": True}, {"name": "last", "title": "l", **row}]
    with pytest.raises(SwissbertError, match=words):
        validated(ResultsTable, declared(rows), "table")


def test_a_comparison_with_no_row_is_refused() -> None:
    with pytest.raises(SwissbertError, match=r"compare: 'plian' is no row; did you mean 'plain'"):
        validated(ResultsTable, declared(ROWS) | {"compare": "plian"}, "table")


def test_a_seed_that_a_row_lacks_is_refused_and_a_small_budget_that_is_not_declared() -> None:
    table = validated(ResultsTable, declared([ROWS[0], {"name": "p", "title": "p", "teachers": ["plain.seed-7"]}]), "t")
    with pytest.raises(SwissbertError, match=r"row 'p': takes 'plain\.seed-7', but the seeds of 'plain' are 0, 1"):
        table.models_of(table.rows[1], 0, [0])
    with pytest.raises(SwissbertError, match="this table has no small budget"):
        table.configs(table.rows[0], 0, Choices(small=True))


def test_samples_of_overall_have_the_spread_of_theory() -> None:
    (task,) = make_config({"tasks": ["para"]}).tasks
    labels = np.array([1.0, 0.0] * 200)
    answers = np.stack([1 - labels, labels], 1).astype(np.float32)
    answers[::4] = answers[::4, ::-1]  # a quarter is wrong
    samples = overall_samples([task], {"para": labels}, {"para": answers})
    assert np.mean(samples) == pytest.approx(0.75, abs=0.005)
    assert np.std(samples) == pytest.approx((0.75 * 0.25 / 400) ** 0.5, rel=0.1)
    assert overall_samples([task], {"para": labels}, {"para": answers}, 5) == samples[:5]


def test_records_have_the_samples_on_one_line(finished: Any) -> None:
    out, _, _, _ = finished
    text = (out / "rows" / "plain.seed-0.json").read_text()
    assert len(json.loads(text)["overall_samples"]) == 1000
    assert max(len(line) for line in text.splitlines()) > 5000


def test_a_row_begins_with_the_settings_of_another() -> None:
    first = {"name": "first", "title": "f", "set": {"train": {"ema": 0.9, "lr": 1e-3}}, "seeds": [4]}
    second = {"name": "second", "title": "s", "like": "first", "set": {"train": {"lr": 1e-4}}}
    third = {"name": "third", "title": "t", "like": "second", "set": {"data": {"swap_pairs": True}}}
    table = validated(ResultsTable, declared([first, second, third]), "table")
    config = table.declared_config(table.row("third"))
    assert (config.train.ema, config.train.lr, config.data.swap_pairs) == (0.9, 1e-4, True)
    assert table.row("third").seeds is None
    assert [row.name for row in table.pick(["third"])] == ["third"]


@pytest.mark.parametrize(("recipe", "row"), [("minilm", "one-run"), ("minilm-best", "best")])
def test_a_recipe_is_the_row_that_its_scores_come_from(recipe: str, row: str) -> None:
    table = find_table("beyond")
    expected = table.declared_config(table.row(row))
    given = load_config(recipe).model_copy(update={"name": row, "distillation": expected.distillation})
    changes = differences(expected, given)
    assert [change for change in changes if ".optional (False became True)" not in change] == []
