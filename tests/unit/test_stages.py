"""Stages: which tasks and rows each step reads, and that the plan is the same whenever it is made."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lines import Lines
from more_rows import MORE, PHRASES, mood, near, settings, write_rows
from swissbert.errors import SwissbertError
from swissbert.mtl.sampling import sampled
from swissbert.training import plan as plan_module
from swissbert.training.coverage import coverage_lines
from swissbert.training.preparation import Prepared, prepare

pytestmark = pytest.mark.usefixtures("one_thread")
OWN = {"mood": 40, "near": 30}
THREE: list[dict[str, Any]] = [
    {"name": "phrases", "tasks": ["mood"], "rows": "extra", "epochs": 2},
    {"name": "everything", "steps": 9},
    {"name": "own", "rows": "own", "epochs": 1},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_rows(tmp_path)
    return tmp_path


def tasks() -> list[dict[str, Any]]:
    return [mood(extra=[{**PHRASES, "rows": 24}]), near(extra=[{**MORE, "share": 0.25}])]


def run(tiny: Path, folder: Path, stages: list[dict[str, Any]], **tables: Any) -> Prepared:
    return prepare(settings(tiny, folder, tasks(), stages=stages, **tables))


def rows_of_epochs(prepared: Prepared) -> list[dict[str, list[int]]]:
    """Return the rows of each task in each epoch."""
    loader, epochs = prepared.batches(), []
    for epoch, steps in enumerate(prepared.plan.epochs()):
        rows: dict[str, list[int]] = {}
        for step in steps:
            for task, number in step:
                rows.setdefault(task, []).extend(loader.rows(task, epoch, number).tolist())
        epochs.append(rows)
    return epochs


def test_each_stage_reads_its_tasks_and_rows(tiny: Path, folder: Path) -> None:
    prepared = run(tiny, folder, THREE)
    plan = prepared.plan
    # mood: 24 extra rows, so 3 batches of 8; everything: 64 and 40 rows, 8 and 5 batches; own: 5 and 4 batches
    assert plan.ends == [3, 6, 11, 15, 19]
    assert [(part.name, part.end, part.round_draws) for part in plan.parts] == [
        ("phrases", 6, 1),
        ("everything", 15, 2),
        ("own", 19, 2),
    ]
    assert [plan.rounds(step) for step in range(19)] == [1] * 19
    epochs = rows_of_epochs(prepared)
    for rows in epochs[:2]:
        assert rows.keys() == {"mood"}
        assert len(set(rows["mood"])) == 24
        assert min(rows["mood"]) >= OWN["mood"]
    assert epochs[0] != epochs[1]
    assert len(epochs[2]["near"]) == 40  # 30 own rows and 10 others
    assert (np.array(epochs[2]["near"]) >= OWN["near"]).sum() == 10
    for task, rows_of_task in epochs[4].items():
        assert max(rows_of_task) < OWN[task]
    assert len(epochs[4]["near"]) == len(set(epochs[4]["near"])) == 30


def test_without_stages_a_plan_has_none_and_all_rows_are_read(tiny: Path, folder: Path) -> None:
    prepared = prepare(settings(tiny, folder, tasks()))
    assert prepared.plan.parts == ()
    assert prepared.plan.counted_evaluations(5) is None
    assert prepared.plan.origin(0) == "all"
    one = run(tiny, folder, [{"name": "one", "epochs": 3}])
    assert (one.plan.steps, one.plan.ends) == (prepared.plan.steps, prepared.plan.ends)
    assert rows_of_epochs(one) == rows_of_epochs(prepared)


@pytest.mark.parametrize("method", ["round_robin", "square_root"])
def test_shares_are_those_of_a_run_without_stages_or_of_max_steps(tiny: Path, folder: Path, method: str) -> None:
    stages = [{"name": "first", "share": 0.6, "rows": "own"}, {"name": "last", "share": 0.4}]
    sampling = {"method": method}
    whole = prepare(settings(tiny, folder, tasks(), sampling=sampling)).total
    plan = run(tiny, folder, stages, sampling=sampling).plan
    assert [part.end for part in plan.parts] == [round(0.6 * whole), round(0.6 * whole) + round(0.4 * whole)]
    short = run(tiny, folder, stages, sampling=sampling, train={"max_steps": 10}).plan
    assert [part.end for part in short.parts] == [6, 10]
    assert short.ends[-1] == 10


def test_max_steps_ends_a_run_within_a_stage(tiny: Path, folder: Path) -> None:
    plan = run(tiny, folder, THREE, train={"max_steps": 8}).plan
    assert (len(plan.steps), plan.ends, plan.is_cut) == (8, [3, 6, 8], True)
    assert [part.name for part in plan.parts] == ["phrases", "everything"]
    assert plan.steps == run(tiny, folder, THREE).plan.steps[:8]


def test_accumulation_counts_rounds_of_the_tasks_of_the_stage(tiny: Path, folder: Path) -> None:
    plan = run(tiny, folder, THREE, train={"accumulation": 2}).plan
    assert [plan.rounds(step) for step in range(plan.ends[1])] == [2, 1] * 2  # 3 batches of one task
    assert plan.rounds(plan.ends[1]) == 2
    assert len(plan.steps[plan.ends[1]]) == 4


def test_evaluations_of_the_last_stage_are_counted(tiny: Path, folder: Path) -> None:
    plan = run(tiny, folder, [*THREE[:2], {"name": "own", "rows": "own", "epochs": 3}]).plan
    assert plan.ends == [3, 6, 11, 15, 19, 23, 27]
    assert [plan.counted_evaluations(step) for step in (3, 14, 15, 18, 19, 27)] == [0, 0, 0, 0, 1, 3]


def test_stages_are_shown_with_their_steps(tiny: Path, folder: Path) -> None:
    prepared = run(tiny, folder, THREE)
    assert coverage_lines(prepared.config, prepared.train, prepared.plan)[2:] == [
        "stage phrases: steps 1 to 6 in 2 epochs, mood, rows of extra files",
        "stage everything: steps 7 to 15 in 2 epochs, mood and near, all rows",
        "stage own: steps 16 to 19 in 1 epoch, mood and near, rows of their own files",
        "the whole run reads all rows",
    ]


def test_what_a_run_in_stages_does_not_read_is_said(tiny: Path, folder: Path) -> None:
    prepared = run(tiny, folder, [{"name": "one", "steps": 2, "tasks": ["mood"], "rows": "own"}])
    (*_, line) = coverage_lines(prepared.config, prepared.train, prepared.plan)
    assert line == "the whole run reads 16 of 40 rows of mood (40 %) and 0 of 30 rows of near (0 %)"


def test_stages_that_max_steps_leaves_out_are_named(tiny: Path, folder: Path) -> None:
    for most, text in ((3, "stages everything and own"), (8, "stage own"), (19, None)):
        prepared = run(tiny, folder, THREE, train={"max_steps": most})
        lines = [
            line for line in coverage_lines(prepared.config, prepared.train, prepared.plan) if "ends the run" in line
        ]
        assert lines == ([f"train.max_steps = {most} ends the run before {text}"] if text else [])


def test_a_stage_never_draws_with_the_seeds_of_another_one(tiny: Path, folder: Path) -> None:
    seeds: list[int] = []
    config = settings(
        tiny,
        folder,
        [mood(), near()],
        stages=[{"name": "one", "epochs": 12}, {"name": "two", "steps": 2}, {"name": "three", "epochs": 2}],
        sampling={"method": "weighted", "draws": 2},
        train={"batch_size": 30},  # one or two batches of a task, so that many epochs are empty
    )
    prepared = prepare(config)

    def noted(*arguments: Any) -> Any:
        seeds.append(arguments[-1][1])
        return sampled(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "sampled", noted)
        plan = plan_module.plan_steps(config, prepared.train)
    assert len(seeds) > len(plan.ends)  # some epochs have no step
    assert seeds == list(range(len(seeds)))


@pytest.mark.parametrize("stages", [[{"name": "one", "steps": 2}], [{"name": "one", "share": 0.5}]])
def test_a_number_of_epochs_that_counts_for_no_stage_is_said(
    tiny: Path, folder: Path, stages: list[dict[str, Any]]
) -> None:
    display = Lines()
    prepare(settings(tiny, folder, tasks(), stages=stages), display)
    has_share = "share" in stages[0]
    assert ("train.epochs = 3 is ignored: it counts only where a stage has a share" in display.lines) != has_share


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([{"name": "one"}], "stage 'one': no length is given; give one of epochs, steps and share"),
        ([{"name": "one", "epochs": 1, "share": 0.5}], "stage 'one': epochs and share are given; give one"),
        ([{"name": "one", "epochs": 1}] * 2, "stages: the name 'one' is used twice"),
        (
            [{"name": "one", "epochs": 1, "tasks": ["moods"]}],
            "names 'moods', but the tasks are mood, near; did you mean",
        ),
        ([{"name": "one", "share": 0.7}, {"name": "two", "share": 0.4}], "the shares add up to more than 1"),
        ([{"name": "one", "epochs": 0}], "greater than or equal to 1"),
        ([{"name": "one", "epochs": 1, "rows": "others"}], "'all', 'own' or 'extra'"),
    ],
)
def test_stages_that_fit_nothing_are_refused(
    tiny: Path, folder: Path, stages: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(SwissbertError, match=message):
        settings(tiny, folder, tasks(), stages=stages)


def test_a_stage_of_extra_rows_has_tasks_with_extra_files(tiny: Path, folder: Path) -> None:
    stages = [{"name": "one", "epochs": 1, "rows": "extra"}]
    mixed = settings(tiny, folder, [tasks()[0], near()], stages=stages)
    assert mixed.stage_tasks(mixed.stages[0]) == ["mood"]
    with pytest.raises(SwissbertError, match="rows = 'extra', but task 'near' has no extra files"):
        settings(tiny, folder, [tasks()[0], near()], stages=[{**stages[0], "tasks": ["near"]}])
    with pytest.raises(SwissbertError, match="rows = 'extra', but no task has extra files"):
        settings(tiny, folder, [mood(), near()], stages=stages)


@pytest.mark.parametrize("named", [{}, {"tasks": ["mood", "near"]}])
def test_a_stage_of_extra_rows_needs_one_of_its_optional_files(
    tiny: Path, folder: Path, named: dict[str, list[str]]
) -> None:
    absent = {**PHRASES, "file": "absent.tsv", "rows": 24, "optional": True}
    both = [mood(extra=[absent]), near(extra=[{**MORE, "share": 0.25}]) if named else near()]
    stages = [{"name": "phrases", "epochs": 1, "rows": "extra", **named}]
    with pytest.raises(SwissbertError, match=r"stage 'phrases' .* task 'mood', .* none exists \(absent\.tsv\)"):
        prepare(settings(tiny, folder, both, stages=stages))


def test_a_stage_of_extra_rows_goes_without_a_task_whose_optional_files_are_absent(tiny: Path, folder: Path) -> None:
    absent = {**PHRASES, "file": "absent.tsv", "rows": 24, "optional": True}
    stages = [{"name": "more", "epochs": 1, "rows": "extra"}]
    prepared = prepare(
        settings(tiny, folder, [mood(extra=[absent]), near(extra=[{**MORE, "share": 0.25}])], stages=stages)
    )
    assert [part.tasks for part in prepared.plan.parts] == [["near"]]


def test_annealed_sampling_has_no_stages(tiny: Path, folder: Path) -> None:
    with pytest.raises(SwissbertError, match=r"stages and sampling\.method = 'annealed' exclude each other"):
        settings(tiny, folder, tasks(), stages=THREE, sampling={"method": "annealed"})
