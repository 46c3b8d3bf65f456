"""Page and files of the report, with texts that look like markup, formulas or code."""

import csv
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

import swissbert
from edited import rewrite
from swissbert.analysis.page import MARK, Section, Table, write_page
from swissbert.analysis.report import analyse
from swissbert.errors import SwissbertError
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.tasks import find_task

STARTER = Path(swissbert.__file__).parent / "data" / "starter"
ODD = ['<script>alert("x")</script> & "quoted"', "שלום עולם", "🎈 emoji & 日本", "$x^2$ costs $5", "=1+1"]

pytestmark = pytest.mark.usefixtures("one_thread")


def loaded(folder: Path) -> Model:
    return load(folder, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first rows of the starter corpus, with unusual texts in half of the dev rows."""
    folder = tmp_path_factory.mktemp("data")
    for source in STARTER.glob("*.tsv"):
        lines = source.read_text(encoding="utf-8").splitlines()[:61]
        if "dev" in source.name:
            for i in range(1, len(lines), 2):
                cells = lines[i].split("\t")
                lines[i] = "\t".join([cells[0], *(f"{ODD[i // 2 % 5]} {text}" for text in cells[1:-1]), cells[-1]])
            cells = lines[2].split("\t")  # a row that is short enough for an attention heat map
            lines[2] = "\t".join([cells[0], *(["the dog runs in the park"] * (len(cells) - 2)), cells[-1]])
        (folder / source.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def report(tiny_run: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "report"
    return analyse(loaded(tiny_run), data, out, against=loaded(tiny_run))


class Page(HTMLParser):
    """Ids, links, scripts, figures and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.anchors: list[str] = []
        self.scripts = self.svgs = 0
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids += [values["id"]] if "id" in values else []
        self.scripts += tag == "script"
        self.svgs += tag == "svg"
        for name in ("src", "href", "xlink:href"):
            if name in values:
                assert values[name].startswith(("#", "data:image/png")), "the page loads nothing"
                self.anchors += [values[name][1:]] if tag == "a" else []

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_is_complete_and_texts_are_escaped(report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    assert page.scripts == 1, "the script of the page only"
    assert page.svgs == len(list(report.parent.glob("figures/*.svg"))) == len(list(report.parent.glob("figures/*.png")))
    assert page.svgs >= 20
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    assert set(page.anchors) <= set(page.ids)
    shown = " ".join(page.text)
    for text in ODD:
        assert text in shown
    assert (report.parent / MARK).is_file()
    assert str(report.parent.parent) not in report.read_text(encoding="utf-8")


def test_all_sections_figures_and_titles(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles == [
        "Summary",
        "Scores",
        "Two models",
        "Errors: sst",
        "Errors: para",
        "Errors: sts",
        "Attention",
        "Training",
        "Architecture",
        "Labels and lengths",
        "Origin",
    ]
    names = {path.stem for path in report.parent.glob("figures/*.svg")}
    for task in ("sst", "para", "sts"):
        assert {f"labels-{task}", f"buckets-{task}", f"attention-{task}"} <= names
    assert {
        "thresholds-para",
        "scores",
        "scatter-sts",
        "overlap-sts",
        "overlap-para",
        "confusion-sst",
        "calibration-para",
    } <= names
    assert {
        "training",
        "weights",
        "conflicts",
        "gradients",
        "architecture",
        "attention-between-sentences",
        "versus",
    } <= names


def test_tables_as_csv_files(report: Path) -> None:
    with (report.parent / "tables" / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    declared = {"sst": "accuracy", "para": "accuracy", "sts": "pearson"}
    assert [(row["task"], row["metric"]) for row in rows] == [
        (task, metric + (" *" if metric == declared[task] else ""))
        for task in declared
        for metric in find_task(task).kind.metrics
    ]
    rows = [row for row in rows if row["score"] != "undefined"]
    assert all(float(row["from"]) <= float(row["score"]) <= float(row["to"]) for row in rows)
    with (report.parent / "tables" / "versus.csv").open(encoding="utf-8", newline="") as file:
        assert {row["difference"] for row in csv.DictReader(file)} - {""} == {"0.0"}


def test_a_folder_that_is_no_report_is_kept(tiny_run: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SwissbertError, match="not empty and not a report; choose another folder"):
        analyse(loaded(tiny_run), data, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_an_earlier_report_is_replaced(tmp_path: Path) -> None:
    one = Section("one", "One", "Text.", [Table("a", "A", ["n"], [[1], [2.5], ["<b>"]])])
    write_page(tmp_path / "report", "first", [], [one])
    (tmp_path / "report" / "old.txt").write_text("old")
    page = write_page(tmp_path / "report", "second", [("fact", "<i>")], [one]).read_text(encoding="utf-8")
    assert not (tmp_path / "report" / "old.txt").exists()
    assert "second" in page
    assert "&lt;i&gt;" in page
    assert "&lt;b&gt;" in page


def test_a_model_alone_without_train_rows_or_a_run(tiny_run: Path, data: Path, tmp_path: Path) -> None:
    """A copied model folder without its run, and dev rows only."""
    import shutil

    shutil.copytree(tiny_run / "model", tmp_path / "model")
    dev = tmp_path / "dev"
    dev.mkdir()
    for source in data.glob("*-dev.tsv"):
        shutil.copy(source, dev)
    text = analyse(loaded(tmp_path / "model"), dev, tmp_path / "report").read_text(encoding="utf-8")
    assert "There is no metrics.jsonl beside this model" in text
    assert (
        "The gradients of the tasks cannot be compared: task &#39;sst&#39;: ids-sst-train.csv or sst-train.tsv" in text
    )


def test_rows_without_labels_are_an_error(tiny_run: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match=r"ids-sst-test-student\.csv is not in"):
        analyse(loaded(tiny_run), data, tmp_path / "report", split="test")
    (tmp_path / "ids-sst-test-student.csv").write_text("id\tsentence\tsentiment\na\tfine\t\n")
    with pytest.raises(SwissbertError, match="the test rows of task 'sst' have no labels to score against"):
        analyse(loaded(tiny_run), tmp_path, tmp_path / "report", split="test")
    with pytest.raises(SwissbertError, match="is not the name of a folder to create"):
        analyse(loaded(tiny_run), data, Path())
    assert not (tmp_path / "report").exists()


def test_another_model_must_have_the_same_tasks(tiny_run: Path, data: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(tiny_run / "model", tmp_path / "model")
    path = tmp_path / "model" / "swissbert.json"
    tasks = json.loads(path.read_text(encoding="utf-8"))["tasks"]
    tasks[0]["metric"] = "macro_f1"
    rewrite(path, tasks=tasks)
    with pytest.raises(
        SwissbertError,
        match=r"task 'sst' is missing or declared differently than in .*; only models with the same tasks",
    ):
        analyse(loaded(tiny_run), data, tmp_path / "report", against=loaded(tmp_path / "model"))
