"""Learning curves: shares of train rows, points that are kept, the page."""

import csv
from pathlib import Path
from typing import Any

import pytest

from swissbert.analysis import train_shares as module
from swissbert.analysis.learning_curve_page import curve_figure, curve_table
from swissbert.analysis.style import render
from swissbert.analysis.train_shares import POINTS, Point, learning_curve
from swissbert.config import make_config
from swissbert.data.rows import Row
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.reading import read_object
from swissbert.tasks import Task

pytestmark = pytest.mark.usefixtures("one_thread")


def config_of(tiny: Path, **train: Any) -> Any:
    settings = {"epochs": 1, "batch_size": 8, "device": "cpu", "precision": "fp32", "threads": 1, "tensorboard": False}
    table = {"tasks": ["sst", "sts"], "data": {"dir": "starter", "limit": 32}, "encoder": {"name": str(tiny)}}
    return make_config({**table, "train": {**settings, "baseline": False, **train}})


def test_points_are_trained_on_shares_and_kept(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "curve"
    page = learning_curve(config_of(tiny), [1.0, 0.5], [3], out)
    points = read_object(out / POINTS)["points"]
    assert [(point["fraction"], point["seed"]) for point in points] == [(0.5, 3), (1.0, 3)]
    assert [point["rows"] for point in points] == [{"sst": 16, "sts": 16}, {"sst": 32, "sts": 32}]
    assert not list(out.glob("runs/*/checkpoints"))
    with (page.parent / "tables" / "learning-curve.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["train rows"] for row in rows] == ["32", "64"]
    assert float(rows[1]["overall"]) == pytest.approx(points[1]["scores"]["overall"])
    assert "from 32 to 64 train rows of all tasks" in page.read_text(encoding="utf-8")

    def no_train(*_: Any, **__: Any) -> None:
        raise AssertionError("a finished point was trained again")

    monkeypatch.setattr(module, "train", no_train)
    assert learning_curve(config_of(tiny), [0.5, 1.0], [3], out) == page
    with pytest.raises(
        SwissbertError, match=r"points\.json: is of other settings, rows, encoder or teachers; choose another folder"
    ):
        learning_curve(config_of(tiny, lr=1e-4), [1.0], [3], out)


def test_smaller_shares_are_among_larger_ones_and_seeds_differ() -> None:
    rows = [Row(number, str(number), f"text {number}", None, 1.0) for number in range(40)]
    half, most = (module._share(rows, share, 3, "t") for share in (0.5, 0.8))
    assert (len(half), len(most)) == (20, 32)
    assert set(half) < set(most)
    assert half == sorted(half, key=lambda row: row.number)
    assert set(half) != set(module._share(rows, 0.5, 4, "t"))
    with pytest.raises(SwissbertError, match=r"0\.01 of the 40 train rows of task 't' is no row"):
        module._share(rows, 0.01, 0, "t")


def test_seeds_are_a_mean_and_a_deviation(tiny: Path) -> None:
    config = config_of(tiny)
    rows = {"sst": 8, "sts": 4}
    points = [
        Point(fraction=0.5, seed=seed, rows=rows, scores={"sst.accuracy": value, "overall": 0.1})
        for seed, value in enumerate((0.2, 0.4))
    ]
    ((share, count, seeds, mean, spread, *_, overall, same),) = curve_table(config, points)
    assert (share, count, seeds, overall, same) == (0.5, 12, 2, pytest.approx(0.1), pytest.approx(0))
    svg = render(curve_figure(config, points), "svg").decode()
    assert ">10<" in svg, "ticks are plain numbers"
    assert "mathdefault" not in svg
    assert (mean, spread) == (pytest.approx(0.3), pytest.approx(0.02**0.5))


def mood_task(folder: Path, **more: Any) -> dict[str, Any]:
    """A task whose labels are left out, of 12 train rows of which three are bad, and 6 dev rows."""
    rows = [f"text {number}\t{'good' if number % 2 else 'bad'}\n" for number in range(15)]
    (folder / "train.tsv").write_text("text\tmood\n" + "".join(rows[:9]) + "\tgood\n" * 3)
    (folder / "dev.tsv").write_text("text\tmood\n" + "".join(rows[9:]))
    files = {"train": "train.tsv", "dev": "dev.tsv"}
    return {
        "name": "mood",
        "kind": "classification",
        "columns": {"text": "text", "label": "mood"},
        "files": files,
        **more,
    }


def test_labels_are_taken_from_rows_and_bad_rows_are_limited(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = mood_task(tmp_path)
    data = {"dir": str(tmp_path), "cache": False}
    config = config_of(tiny).model_copy(update={"tasks": make_config({"tasks": [task]}).tasks})
    config = config.model_copy(update={"data": make_config({"tasks": ["sst"], "data": data}).data})
    with pytest.raises(SwissbertError, match=r"3 of 12 rows read for task 'mood' cannot be used"):
        learning_curve(config, [1.0], [0], tmp_path / "curve")
    config = config.model_copy(update={"data": config.data.model_copy(update={"max_bad": 0.5})})
    learning_curve(config, [1.0], [0], tmp_path / "curve", display=Display())
    assert "mood train: 9 rows from train.tsv, 3 bad" in capsys.readouterr().err
    assert read_object(tmp_path / "curve" / POINTS)["points"][0]["rows"] == {"mood": 9}


def test_a_curve_depends_on_the_contents_of_extra_files(tiny: Path, tmp_path: Path) -> None:
    checksums = []
    for text in ("one text", "another text", "one text"):
        (tmp_path / "more.tsv").write_text(f"id\tsentence\tsentiment\n1\t{text}\t3\n")
        task = {"base": "sst", "extra": [{"file": str(tmp_path / "more.tsv"), "share": 0.5}]}
        tasks = make_config({"tasks": [task]}).tasks
        checksums.append(module._checksum(config_of(tiny).model_copy(update={"tasks": tasks}), Display(quiet=True)))
    assert checksums[0] == checksums[2] != checksums[1]


def test_a_text_column_that_is_the_id_column_as_well_keeps_the_text() -> None:
    columns = {"text": "text", "label": "score", "id": "text", "weight": "score"}
    task = Task.model_validate({"name": "t", "kind": "regression", "range": (0, 5), "columns": columns})
    row = Row(1, "7", "a text", None, 2.0, weight=9.0)
    assert list(module._cells(task, [row])) == [{"text": "a text", "score": 2.0}]


@pytest.mark.parametrize("fraction", [0.0, 1.5, float("nan")])
def test_shares_out_of_range_are_refused(tiny: Path, tmp_path: Path, fraction: float) -> None:
    with pytest.raises(SwissbertError, match="but a share is above 0 and at most 1"):
        learning_curve(config_of(tiny), [fraction], [0], tmp_path / "out")
    assert not (tmp_path / "out").exists()
