"""Extra train files of a task: how many rows an epoch draws, which ones, and that they are those of the file."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lines import Lines
from more_rows import MORE, PHRASES, mood, near, settings, write_rows
from swissbert.cli.tables import check_text
from swissbert.config import RunConfig, make_config
from swissbert.data.check import check_directory
from swissbert.data.passes import Passes
from swissbert.data.tokens import Tokenizer
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.model.heads.linear import LinearHead
from swissbert.model_folder.description import without_paths
from swissbert.tasks import make_task
from swissbert.training import Prepared
from swissbert.training.coverage import coverage_lines
from swissbert.training.preparation import prepare
from swissbert.training.split_rows import SplitRows

pytestmark = pytest.mark.usefixtures("one_thread")
OWN = 40
"""Own train rows of ``mood``."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_rows(tmp_path)
    return tmp_path


@pytest.fixture
def ready(tiny: Path, folder: Path) -> Callable[..., Prepared]:
    """Return a function that prepares a run of ``mood`` with extra files."""

    def _ready(*extra: dict[str, Any], display: Display | None = None, **tables: Any) -> Prepared:
        return prepare(settings(tiny, folder, [mood(extra=list(extra))], **tables), display)

    return _ready


def drawn(prepared: Prepared, epoch: int = 0, turn: int = 0, **options: Any) -> np.ndarray:
    """Return the row numbers of a pass, sorted."""
    batches = Passes(prepared.train["mood"]).batches(8, 5, [3, 1, epoch, turn], **options)
    return np.sort(np.concatenate(batches))


@pytest.mark.parametrize(
    ("shares", "numbers"), [([0.5], [40]), ([0.2], [10]), ([0.3], [17]), ([0.25, 0.25], [20, 20]), ([0.01], [1])]
)
def test_a_share_is_that_of_the_rows_of_an_epoch(
    ready: Callable[..., Prepared], folder: Path, shares: list[float], numbers: list[int]
) -> None:
    (folder / "phrases-2.tsv").write_bytes((folder / "phrases.tsv").read_bytes())
    files = ["phrases.tsv", "phrases-2.tsv"]
    prepared = ready(*({**PHRASES, "file": file, "share": share} for file, share in zip(files, shares, strict=False)))
    rows = drawn(prepared)
    assert len(rows) == len(set(rows)) == OWN + sum(numbers)
    assert (rows < OWN).sum() == OWN
    counts = [((rows >= OWN + 60 * n) & (rows < OWN + 60 * (n + 1))).sum() for n in range(len(shares))]
    assert counts == numbers
    assert prepared.total == 3 * -(-(OWN + sum(numbers)) // 8)


def test_rows_are_drawn_anew_in_each_pass_and_by_the_seed(ready: Callable[..., Prepared]) -> None:
    prepared = ready({**PHRASES, "rows": 15})
    passes = [drawn(prepared, epoch, turn).tolist() for epoch, turn in ((0, 0), (1, 0), (0, 1), (2, 0))]
    assert len({tuple(rows) for rows in passes}) == 4
    assert drawn(prepared).tolist() == passes[0]
    often = np.bincount(np.concatenate([drawn(prepared, epoch)[OWN:] - OWN for epoch in range(400)]), minlength=60)
    assert often.sum() == 400 * 15
    assert abs(often - 100).max() < 50  # 60 rows, each drawn with probability 1/4


def test_the_batches_of_a_run_have_the_own_and_the_drawn_rows_of_each_epoch(ready: Callable[..., Prepared]) -> None:
    prepared = ready({**PHRASES, "rows": 16})
    loader, seen = prepared.batches(), []
    for epoch, steps in enumerate(prepared.plan.epochs()):
        rows = np.concatenate([loader.rows(task, epoch, number) for step in steps for task, number in step])
        assert len(rows) == len(set(rows)) == OWN + 16
        seen.append(set(rows[rows >= OWN]))
    assert len(set.union(*seen)) > 30


def test_a_row_has_the_tokens_and_the_label_of_its_line(ready: Callable[..., Prepared], folder: Path) -> None:
    prepared = ready({**PHRASES, "rows": 16})
    lines = (folder / "phrases.tsv").read_text().splitlines()[1:]
    passes = Passes(prepared.train["mood"])
    for number in (0, 7, 59):
        text, _, grade = lines[number].partition("\t")
        batch = passes.batch(np.array([OWN + number]))
        table = prepared.tokenizer.encode([text], None, together=True, max_length=24)
        assert batch.input_ids.tolist() == table.ids.tolist()
        assert batch.labels.tolist() == [float(grade)]
    own = prepared.train["mood"].batch(np.array([3, 5]))
    assert passes.batch(np.array([3, 5])).input_ids.tolist() == own.input_ids.tolist()


def test_labels_may_be_drawn_in_the_proportions_of_the_own_rows(ready: Callable[..., Prepared]) -> None:
    prepared = ready({**PHRASES, "rows": 24, "match_labels": True})  # own rows: 10 bad, 10 fine, 20 good
    labels = Passes(prepared.train["mood"]).rows.labels
    for epoch in range(3):
        rows = drawn(prepared, epoch)
        assert np.bincount(labels[rows[rows >= OWN]].astype(int)).tolist() == [6, 6, 12]


def test_a_rare_label_limits_the_rows_and_that_is_said(ready: Callable[..., Prepared], folder: Path) -> None:
    lines = (folder / "phrases.tsv").read_text().splitlines()
    few = [line for number, line in enumerate(lines) if not line.endswith("2") or number < 40]  # 13 of the label good
    (folder / "phrases.tsv").write_text("\n".join(few) + "\n")
    prepared = ready({**PHRASES, "rows": 50, "match_labels": True})
    (extra,) = prepared.train["mood"].extra
    assert extra.quotas is not None
    assert extra.quotas.tolist() == [7, 6, 13]
    assert "26 of 53 rows" in extra.line()
    assert "50 were to be drawn, but its rarest label allows no more" in extra.line()
    without = [line for line in few if not line.endswith("1")]
    (folder / "phrases.tsv").write_text("\n".join(without) + "\n")
    with pytest.raises(SwissbertError, match="no usable row has the label 'fine' of task 'mood'"):
        ready({**PHRASES, "rows": 50, "match_labels": True})


def test_a_file_with_too_few_rows_gives_all_of_them_and_that_is_said(ready: Callable[..., Prepared]) -> None:
    prepared = ready({**PHRASES, "share": 0.9})
    assert drawn(prepared).tolist() == list(range(OWN + 60))
    line, *_ = coverage_lines(prepared.config, prepared.train, prepared.plan)
    assert line == ("mood: an epoch has all 60 rows of phrases.tsv; 360 were to be drawn, but it has no more")


def test_rows_with_dev_and_test_texts_of_any_task_are_left_out_and_counted(tiny: Path, folder: Path) -> None:
    dev, test = ((folder / f"mood-{split}.tsv").read_text().splitlines()[1] for split in ("dev", "test"))
    sentence = (folder / "near-dev.tsv").read_text().splitlines()[1].split("\t")[1]
    leaks = [dev.partition("\t")[0].upper(), f"{test} !", sentence]
    with (folder / "phrases.tsv").open("a") as file:
        file.write("".join(f"{text}\t1\n" for text in leaks))
    for guard, left in (("sentences", 60), ("rows", 61)):
        display = Lines()
        extra = {**PHRASES, "share": 0.5, "guard": guard}
        prepared = prepare(settings(tiny, folder, [mood(extra=[extra]), near()]), display)
        assert len(prepared.train["mood"].extra[0].data) == left
        owners = "mood" if guard == "rows" else "mood (2) and near (1)"
        assert any(
            f"{63 - left} rows of phrases.tsv left out: " in line and line.endswith(owners) for line in display.lines
        )


@pytest.mark.parametrize("cache", [True, False])
def test_changed_test_texts_are_noticed_in_spite_of_the_cache(tiny: Path, folder: Path, cache: bool) -> None:
    config = settings(tiny, folder, [mood(extra=[{**PHRASES, "rows": 5}])], data={"cache": cache})

    def usable() -> tuple[int, bool]:
        display = Lines()
        rows = prepare(config, display).train["mood"].extra[0].data
        return len(rows), any("left out" in line for line in display.lines)

    assert [usable(), usable()] == [(60, False)] * 2
    text = (folder / "phrases.tsv").read_text().splitlines()[5].partition("\t")[0]
    (folder / "mood-test.tsv").write_text(f"text\n{text}\n")
    assert [usable(), usable()] == [(59, True)] * 2  # also said where tokens come from the cache


def test_own_train_rows_may_be_compared_with_dev_and_test_rows_too(tiny: Path, folder: Path) -> None:
    leak = (folder / "near-dev.tsv").read_text().splitlines()[1].split("\t")
    with (folder / "near-train.tsv").open("a") as file:
        file.write(f"{leak[1]}!\t{leak[0]}\t1\n")
    kept = {guard: len(prepare(settings(tiny, folder, [near(guard=guard)])).train["near"]) for guard in ("off", "rows")}
    assert kept == {"off": 31, "rows": 30}


def test_weights_of_an_extra_file_alone_need_losses_of_rows_too(tiny: Path, folder: Path) -> None:
    class OwnLoss(LinearHead):
        def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return super().loss(logits, labels) * 2

    lines = (folder / "more.tsv").read_text().splitlines()
    weighted = [f"{line}\t{3 if number else 'w'}" for number, line in enumerate(lines)]
    (folder / "more.tsv").write_text("\n".join(weighted) + "\n")
    extra = {**MORE, "rows": 20, "columns": {**MORE["columns"], "weight": "w"}}
    with pytest.raises(
        SwissbertError, match=r"columns\.weight of extra file 'more\.tsv' of task 'near' needs losses of single"
    ):
        prepare(settings(tiny, folder, [near(extra=[extra])]), heads={"near": OwnLoss})
    prepare(settings(tiny, folder, [near(extra=[{**extra, "columns": MORE["columns"]}])]), heads={"near": OwnLoss})


def test_scores_of_pairs_are_rescaled_and_weights_are_on_one_scale(tiny: Path, folder: Path) -> None:
    lines = (folder / "more.tsv").read_text().splitlines()
    weighted = [f"{line}\t{3 if number else 'w'}" for number, line in enumerate(lines)]
    (folder / "more.tsv").write_text("\n".join(weighted) + "\n")
    extra = {**MORE, "rows": 20, "range": [1, 5], "columns": {**MORE["columns"], "weight": "w"}}
    prepared = prepare(settings(tiny, folder, [near(extra=[extra])]))
    passes = Passes(prepared.train["near"])
    batch = passes.batch(np.array([0, 30, 31, 34]))
    assert batch.labels.tolist() == [0.0, 0.0, 1.25, 5.0]
    assert batch.weights is not None
    assert batch.weights.tolist() == [1.0, 3.0, 3.0, 3.0]


def test_rows_of_extra_files_are_among_the_fingerprints(ready: Callable[..., Prepared], folder: Path) -> None:
    before = ready({**PHRASES, "rows": 5})
    assert before.counts() == {"mood.train": 40, "mood.dev": 10, "mood.extra1": 60}
    text = (folder / "phrases.tsv").read_text()
    (folder / "phrases.tsv").write_text(text.replace("great fun\t2", "great fun\t1", 1))
    after = ready({**PHRASES, "rows": 5})
    differing = {key for key, value in before.fingerprints().items() if after.fingerprints()[key] != value}
    assert differing == {"mood.extra1"}


def test_without_extra_files_nothing_is_read_or_drawn(
    tiny: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swissbert.training.train_rows.held_texts", lambda *_: pytest.fail("reads test rows"))
    monkeypatch.setattr("swissbert.data.passes.joined_rows", lambda *_: pytest.fail("copies rows"))
    prepared = prepare(settings(tiny, folder, [mood(), near()]))
    next(prepared.batches()(0))
    assert Passes(prepared.train["mood"]).rows is prepared.train["mood"]


def test_rows_in_memory_may_be_joined_by_an_extra_file(tiny: Path, folder: Path) -> None:
    rows = [(f"text {number}", ("bad", "good", "fine")[number % 3]) for number in range(12)]
    config = settings(tiny, folder, [mood(extra=[{**PHRASES, "share": 0.5}])])
    prepared = prepare(config, data={"mood": (rows, [("a film fine", "bad"), ("the film runs", "good")])})
    assert prepared.counts() == {"mood.train": 12, "mood.dev": 2, "mood.extra1": 59}
    assert len(drawn(prepared)) == 24


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({}, "neither share nor rows is given"),
        ({"share": 0.5, "rows": 3}, "share and rows are both given"),
        ({"share": 1.0}, "less than 1"),
        (
            {"rows": 5, "labels": {"0": "badd"}},
            "labels has 'badd', but the labels are bad, fine, good; did you mean 'bad'",
        ),
        ({"rows": 5, "range": [0, 1]}, "range is given, but the task has labels"),
        ({"rows": 5, "format": "tvs"}, "'tvs' is not a file format"),
        ({"rows": 5, "columns": {"text_pair": "b"}}, "columns.text_pair is given, but the task takes single texts"),
        ({"rows": 5, "minwords": 3}, "unknown key"),
        ({"rows": 5, "delimiter": ";;"}, "delimiter is"),
    ],
)
def test_declarations_that_fit_nothing_are_refused(extra: dict[str, Any], message: str) -> None:
    with pytest.raises(SwissbertError, match=message):
        make_task(mood(extra=[{"file": "more.tsv", **extra}]), "here")


def test_shares_leave_room_for_own_rows_and_scores_have_no_proportions() -> None:
    halves = [{"file": name, "share": 0.5} for name in ("one.tsv", "two.tsv")]
    with pytest.raises(SwissbertError, match="the shares of the extra files add up to 1, but they must leave rows"):
        make_task(mood(extra=halves), "here")
    with pytest.raises(SwissbertError, match=r"extra file 'one\.tsv' is named twice"):
        make_task(mood(extra=[{"file": "one.tsv", "rows": 5}] * 2), "here")
    with pytest.raises(SwissbertError, match="match_labels is true, but rows of a regression task"):
        make_task(near(extra=[{"file": "one.tsv", "rows": 5, "match_labels": True}]), "here")


def test_settings_with_extra_files_are_written_and_read_back(tiny: Path, folder: Path) -> None:
    from swissbert.config import dump_config
    from swissbert.setting_tables import differences
    from swissbert.settings import parse_toml

    config = settings(
        tiny, folder, [mood(extra=[{**PHRASES, "share": 0.5}, {**PHRASES, "file": "two.tsv", "rows": 3}])]
    )
    again: RunConfig = make_config(parse_toml(dump_config(config), "there"), "there")
    assert again == config
    other = settings(tiny, folder, [mood(extra=[{**PHRASES, "share": 0.4}, {**PHRASES, "file": "two.tsv", "rows": 3}])])
    assert differences(config, other) == ["tasks[mood].extra[1].share (0.5 became 0.4)"]
    json.dumps(config.model_dump(mode="json"))


def test_extra_files_are_no_other_files_of_a_folder_and_a_missing_one_is_a_problem(tiny: Path, folder: Path) -> None:
    tasks = [make_task(mood(extra=[{**PHRASES, "rows": 5}, {**PHRASES, "file": "phrase.tsv", "rows": 5}]), "here")]
    report = check_directory(folder, tasks, Tokenizer(tiny))
    assert set(report.other) == {"more.tsv", "near-train.tsv", "near-dev.tsv"}
    (problem,) = report.problems
    assert "phrase.tsv is not in" in problem.sentence
    assert "did you mean 'phrases.tsv'" in problem.sentence


def test_an_optional_file_may_be_missing_which_is_shown(
    tiny: Path, folder: Path, ready: Callable[..., Prepared]
) -> None:
    absent = {**PHRASES, "file": "more/absent.tsv", "share": 0.5, "optional": True}
    display = Lines()
    prepared = ready(absent, {**PHRASES, "rows": 5, "optional": True}, display=display)
    (line,) = display.about("optional")
    assert "mood: the optional extra file more/absent.tsv does not exist" in line
    assert [extra.file for extra in prepared.config.tasks[0].extra] == ["phrases.tsv"]
    with pytest.raises(SwissbertError, match=r"more/absent\.tsv is not in"):
        ready({**absent, "optional": False})
    report = check_directory(folder, [make_task(mood(extra=[absent]), "here")], Tokenizer(tiny))
    assert not report.problems
    assert "more/absent.tsv does not exist" in check_text(report)


def test_a_description_has_no_extra_files() -> None:
    task = make_task(mood(extra=[{**PHRASES, "file": "/home/me/phrases.tsv", "rows": 5}]), "here")
    clean = without_paths({"tasks": [task.model_dump(mode="json")]})
    assert "extra" not in clean["tasks"][0]


@pytest.mark.parametrize("cache", [False, True])
def test_rows_that_are_left_out_count_as_usable_with_and_without_the_cache(
    tiny: Path, folder: Path, cache: bool
) -> None:
    usable = [f"a {number} film\t0" for number in range(30)]
    others = [f"a {number} plot\t1" for number in range(60)]
    (folder / "phrases.tsv").write_text("\n".join(["phrase\tgrade", *usable, *others, *["\t0"] * 6]) + "\n")
    extra = {**PHRASES, "labels": {"0": "bad", "1": ""}, "rows": 5}
    for _ in range(2):  # the second time from the cache
        prepared = prepare(settings(tiny, folder, [mood(extra=[extra])], data={"cache": cache}))
        (rows,) = prepared.train["mood"].extra
        assert (len(rows.data), len(rows.data.bad)) == (30, 6)  # 6 of 96 rows, which data.max_bad allows


def test_labels_of_an_unlabelled_file_are_not_read(tiny: Path, folder: Path) -> None:
    lines = (folder / "phrases.tsv").read_text().splitlines()
    odd = [
        f"{line.partition(chr(9))[0]}\t{('hidden', '', '?')[n % 3] if n else 'label'}" for n, line in enumerate(lines)
    ]
    (folder / "phrases.tsv").write_text("\n".join(odd) + "\n")
    extra = {"file": "phrases.tsv", "columns": {"text": "phrase"}, "rows": 5, "unlabelled": True}
    config = settings(tiny, folder, [mood(extra=[extra])], distillation={"teachers": ["teacher"]})
    source = SplitRows(config, {}, Lines())
    rows = source.load_extra(config.tasks[0], 0, Tokenizer(tiny), separate=False, max_length=24)
    assert (len(rows), len(rows.bad), np.isnan(rows.labels).all()) == (60, 0, True)


def test_weights_of_an_extra_file_need_losses_of_single_rows(tiny: Path, folder: Path) -> None:
    lines = (folder / "phrases.tsv").read_text().splitlines()
    (folder / "phrases.tsv").write_text("\n".join(f"{x}\t{3 if n else 'w'}" for n, x in enumerate(lines)) + "\n")
    extra = {**PHRASES, "rows": 5, "columns": {**PHRASES["columns"], "weight": "w"}}
    config = settings(tiny, folder, [mood(extra=[extra])])

    class OwnLoss(LinearHead):
        def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return super().loss(logits, labels) * 2

    with pytest.raises(
        SwissbertError, match=r"columns\.weight of extra file 'phrases\.tsv' of task 'mood' needs losses"
    ):
        prepare(config, heads={"mood": OwnLoss})
    prepare(config)


def test_a_file_is_not_read_twice(ready: Callable[..., Prepared], folder: Path) -> None:
    own = {"file": "mood-tr*.tsv", "rows": 5}
    with pytest.raises(
        SwissbertError, match=r"extra file 'mood-tr\*\.tsv' .* mood-train\.tsv is among the own train files"
    ):
        ready(own)
    twice = [{**PHRASES, "rows": 5}, {**PHRASES, "file": str(folder / "phr*.tsv"), "rows": 5}]
    with pytest.raises(SwissbertError, match=r"phrases\.tsv is among those of extra file 'phrases\.tsv' already"):
        ready(*twice)
    (folder / "link.tsv").symlink_to("mood-train.tsv")
    with pytest.raises(SwissbertError, match=r"link\.tsv is among the own train files"):
        ready({"file": "link.tsv", "rows": 5})


@pytest.mark.parametrize("data", [{}, {"bad_rows": "refuse"}])
def test_labels_that_are_not_named_may_be_left_out_and_that_is_said(
    ready: Callable[..., Prepared], data: dict[str, Any]
) -> None:
    with pytest.raises(SwissbertError, match=r"label '1' is not one of .* \"1\" = \"\" leaves its rows out"):
        ready({**PHRASES, "labels": {"0": "bad", "2": "good"}, "rows": 5}, data=data)


def test_each_extra_file_is_reported_with_the_rows_that_it_leaves_out(tiny: Path, folder: Path) -> None:
    test_text = (folder / "mood-test.tsv").read_text().splitlines()[1]
    with (folder / "phrases.tsv").open("a") as file:
        file.write(f"{test_text} !\t1\n\t1\nodd\tno label\n")
    wrong = {**MORE, "file": "more.tsv", "rows": 5, "columns": {"text": "x", "text_pair": "z"}}
    tasks = [
        make_task(mood(extra=[{**PHRASES, "rows": 5, "labels": {"0": "bad", "1": "fine", "2": ""}}]), "here"),
        make_task(near(extra=[wrong]), "here"),
    ]
    report = check_directory(folder, tasks, Tokenizer(tiny))
    assert [(split.task, split.split) for split in report.splits] == [
        *(("mood", split) for split in ("train", "dev", "test", "extra")),
        *(("near", split) for split in ("train", "dev")),
    ]
    extra = report.splits[3]
    assert (extra.file, extra.rows, len(extra.bad), extra.left_out) == ("phrases.tsv", 40, 2, 21)
    assert extra.balance == {"bad": 0.5, "fine": 0.5, "good": 0.0}
    assert [line.partition(" of ")[0] for line in extra.source_notes] == ["20 rows", "1 row"]
    assert "dev or test file of mood" in extra.source_notes[1]
    (problem,) = report.problems
    assert (problem.task, problem.split) == ("near", "extra")
    assert "more.tsv: no column 'z'" in problem.sentence
    assert re.search(r"extra +phrases\.tsv +40 +2 ", check_text(report))
    assert "dev or test file of mood" in check_text(report)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"tasks": [mood(extra=["f.tsv"])]},
            "is 'f.tsv'; a table is expected, such as { file = \"more.tsv\", share = 0.5 }",
        ),
        ({"tasks": ["sst"], "stages": ["a"]}, "is 'a'; a table is expected, such as { name = \"first\", share = 0.5 }"),
        ({"tasks": ["sst"], "train": 3}, "is 3; a table is expected"),
    ],
)
def test_a_text_in_place_of_a_table_is_refused_with_an_example(table: dict[str, Any], message: str) -> None:
    with pytest.raises(SwissbertError) as error:
        make_config(table, "here")
    assert str(error.value).endswith(message)


def test_test_files_are_compared_where_train_rows_are_in_memory(tiny: Path, folder: Path) -> None:
    text = (folder / "phrases.tsv").read_text().splitlines()[5].partition("\t")[0]
    (folder / "mood-test.tsv").write_text(f"text\n{text}\n")
    rows = [(f"text {number}", ("bad", "good", "fine")[number % 3]) for number in range(12)]
    config = settings(tiny, folder, [mood(extra=[{**PHRASES, "rows": 5}])])
    prepared = prepare(config, data={"mood": (rows, rows[:2])})
    assert prepared.counts()["mood.extra1"] == 59
