"""Stored settings of the first release, converted when they are read."""

import json
from pathlib import Path

import pytest
import tomli_w

from swissbert.config import RunConfig, dump_config, load_config, make_config
from swissbert.errors import SwissbertError
from swissbert.model_folder import layout
from swissbert.model_folder.description import FORMAT, read_description, read_table
from swissbert.older_settings import upgraded_task, upgraded_tasks
from swissbert.task_files import FirstOf
from swissbert.training.record import RUN_FORMAT
from swissbert.training.resume import check_settings
from swissbert.training.stored_settings import stored_config


def old(task: dict[str, object]) -> dict[str, object]:
    """Return a task as the first release stored it: alternatives are a plain list."""
    files = task["files"]
    assert isinstance(files, dict)
    return {
        **task,
        "files": {split: names["first_of"] if isinstance(names, dict) else names for split, names in files.items()},
    }


def test_a_list_of_files_becomes_alternatives_and_new_settings_have_their_old_meaning() -> None:
    task = {"name": "mood", "files": {"train": ["a.tsv", "b.tsv"], "dev": "c.tsv"}}
    assert upgraded_task(task)["files"] == {"train": {"first_of": ["a.tsv", "b.tsv"]}, "dev": "c.tsv"}
    assert task["files"] == {"train": ["a.tsv", "b.tsv"], "dev": "c.tsv"}
    assert upgraded_tasks([task, "sst", 3]) == [upgraded_task(task), "sst", 3]
    assert upgraded_tasks("nonsense") == "nonsense"
    assert upgraded_task({"files": 3}) == {"files": 3, "stratify": False}
    assert upgraded_task({"kind": "regression"}) == {"kind": "regression", "stratify": False, "scale": "labels"}
    assert upgraded_task({"kind": "regression", "scale": "unit", "stratify": True})["scale"] == "unit"


@pytest.mark.parametrize(
    ("train", "trackers"),
    [
        ({}, ["tensorboard"]),
        ({"tensorboard": True}, ["tensorboard"]),
        ({"tensorboard": False}, []),
        ({"tensorboard": False, "trackers": ["tensorboard", "wandb"]}, ["wandb"]),
        ({"tensorboard": False, "trackers": ["wandb"]}, ["wandb"]),
        ({"tensorboard": True, "trackers": "wandb"}, ["tensorboard", "wandb"]),
        ({"tensorboard": True, "trackers": ["wandb", "tensorboard"]}, ["wandb", "tensorboard"]),
    ],
)
def test_the_setting_tensorboard_is_an_entry_of_trackers(train: dict[str, object], trackers: list[str]) -> None:
    config = make_config({"tasks": ["sst"], "train": train}, "here")
    assert config.train.trackers == trackers
    assert "tensorboard =" not in dump_config(config)


def test_the_setting_tensorboard_is_true_or_false() -> None:
    with pytest.raises(SwissbertError, match=r"^override: train\.tensorboard is 'maybe', but it is true or false$"):
        make_config({"tasks": ["sst"], "train": {"tensorboard": "maybe"}}, "here", {"train.tensorboard": "override"})


FIRST = Path(__file__).parents[1] / "stored" / "model-0.1.0.json"
"""The description of the model that version 0.1.0 shipped."""


def test_a_model_folder_of_format_1_has_alternatives(tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    (first / layout.DESCRIPTION).write_bytes(FIRST.read_bytes())
    table = json.loads(FIRST.read_text())
    assert (table["format"], table["tasks"][0]["files"]["train"]) == (1, ["ids-sst-train.csv", "sst-train.tsv"])
    description = read_description(first)
    assert description.format == FORMAT
    assert description.tasks[0].files["train"] == FirstOf(first_of=["ids-sst-train.csv", "sst-train.tsv"])
    assert description.tasks[0].files["test"] == "ids-sst-test-student.csv"
    del table["checksums"]
    table["format"] = FORMAT  # the same list in a folder of today
    (tmp_path / layout.DESCRIPTION).write_text(json.dumps(table))
    assert read_description(tmp_path).tasks[0].files["train"] == ["ids-sst-train.csv", "sst-train.tsv"]
    assert read_table(tmp_path) == table


@pytest.fixture
def config() -> RunConfig:
    return load_config("quickstart", ["model.pooling=pooler"], data="starter")


@pytest.mark.parametrize("record", [{"rows": {}}, {"rows": {}, "torch": "2.13.0"}])
def test_a_run_of_the_first_release_is_resumed_with_its_files(
    tmp_path: Path, config: RunConfig, record: dict[str, object]
) -> None:
    table = config.model_dump(mode="json", exclude_none=True)
    stored = {**table, "tasks": [old(task) for task in table["tasks"]]}
    del stored["model"]["pooling"]
    (tmp_path / layout.RUN_CONFIG).write_text(tomli_w.dumps(stored))
    (tmp_path / layout.RUN_RECORD).write_text(json.dumps(record))
    assert stored_config(tmp_path).tasks == config.tasks
    check_settings(config, tmp_path, resume=True)


def test_lists_of_a_run_of_today_stay_lists(tmp_path: Path, config: RunConfig) -> None:
    changed = config.tasks[0].model_copy(update={"files": {"train": ["a.tsv", "b.tsv"], "dev": "c.tsv"}})
    today = make_config({**config.model_dump(), "tasks": [changed, *config.tasks[1:]]})
    (tmp_path / layout.RUN_CONFIG).write_text(dump_config(today))
    (tmp_path / layout.RUN_RECORD).write_text(json.dumps({"format": RUN_FORMAT, "rows": {}}))
    assert stored_config(tmp_path) == today
