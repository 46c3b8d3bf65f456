"""Objects from outside the package: balancers, rows in memory, heads and callbacks given to `train`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ordinal import stars_task
from torch import Tensor, nn

import swissbert
from lines import Lines
from swissbert.config import RunConfig, dump_config, make_config
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.evaluation import Scores
from swissbert.model.heads import Head
from swissbert.model.heads.cosine import CosineHead
from swissbert.model.heads.linear import LinearHead
from swissbert.mtl import Balancer, StepView
from swissbert.tasks import Task
from swissbert.training import Callback, Result, Run, StepRecord, build, load_splits, plan_steps, train
from swissbert.training.state import checkpoints

TASKS = ["sst", "para", "sts"]


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Restore the number of threads, which a run sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def config(tiny: Path, **changes: Any) -> RunConfig:
    """Return a config of 6 steps on pinned hardware."""
    table: dict[str, Any] = {
        "tasks": TASKS,
        "data": {"dir": "starter", "limit": 24},
        "encoder": {"name": str(tiny), "max_length": 16},
        "train": {
            "epochs": 1,
            "batch_size": 4,
            "checkpoint_every": 2,
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "tensorboard": False,
        },
    }
    return make_config({**table, **changes}, "here")


def losses(out: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


class InverseLoss(Balancer):
    needs = "all losses"

    def coefficients(self, step: StepView) -> Tensor:
        return 1 / (step.losses + 1e-8)


class OtherLoss(InverseLoss):
    pass


class Doubled(Balancer):
    needs = "gram"

    def coefficients(self, step: StepView) -> Tensor:
        return torch.full((len(step.tasks),), 2.0, dtype=torch.float64)


class Failing(Exception):  # noqa: N818 (an exception of a user)
    pass


# --- balancers


def test_a_balancer_is_used_and_its_class_is_recorded(tiny: Path, tmp_path: Path) -> None:
    train(config(tiny), tmp_path / "run", balancer=[Doubled(), InverseLoss()])
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    first = lines[0]
    assert first["weight"] == pytest.approx({task: 1 / loss for task, loss in first["loss"].items()}, rel=1e-5)
    assert first["cosine"].keys() == {"sst-para", "sst-sts", "para-sts"}
    names = [f"{__name__}.Doubled", f"{__name__}.InverseLoss"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["balancer"] == names
    description = json.loads((tmp_path / "run" / "model" / "swissbert.json").read_text())
    assert description["provenance"]["balancer"] == names
    assert swissbert.load(tmp_path / "run").predict("sst", "a good film").label_name


@pytest.mark.parametrize(("first", "second"), [(InverseLoss, OtherLoss), (InverseLoss, None), (None, InverseLoss)])
def test_a_resume_with_another_balancer_is_refused(tiny: Path, tmp_path: Path, first: Any, second: Any) -> None:
    train(config(tiny), tmp_path / "run", balancer=first and first())
    with pytest.raises(SwissbertError) as caught:
        train(config(tiny), tmp_path / "run", balancer=second and second(), resume=True)
    before = f"{__name__}.{first.__name__}" if first else "none"
    after = f"{__name__}.{second.__name__}" if second else "none"
    assert str(caught.value) == (
        f"{tmp_path / 'run'}: this run began otherwise: the balancer was {before} and is {after}; "
        "pass an object of the same class"
    )
    assert train(config(tiny), tmp_path / "run", balancer=first and first(), resume=True).progress.step == 6


# --- rows in memory


SST = [(f"a {word} film", label) for label, word in enumerate(["awful", "bad", "fine", "good", "great"])] * 4
SST_DEV = [("a dull film", 1), ("a very good film", 3)]


def test_rows_in_memory_train_as_the_same_rows_in_a_file(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for split, rows in (("train", SST), ("dev", SST_DEV)):
        lines = [f"{number}\t{text}\t{label}\n" for number, (text, label) in enumerate(rows, 1)]
        header = "id\tsentence\tsentiment\n"
        (folder / f"sst-{split}.tsv").write_text(header + "".join(lines), encoding="utf-8")
    columns = {"text": "sentence", "label": "sentiment", "id": "id"}
    task: dict[str, Any] = {"name": "sst", "kind": "classification", "labels": list("abcde")}
    task["columns"] = columns
    task |= {"loss": "cross_entropy", "metric": "accuracy"}
    task["files"] = {split: f"sst-{split}.tsv" for split in ("train", "dev")}
    settings = {"tasks": [task], "data": {"dir": str(folder)}}
    train(config(tiny, **settings), tmp_path / "files")
    train(config(tiny, tasks=[task]), tmp_path / "memory", data={"sst": (SST, SST_DEV)})
    assert losses(tmp_path / "memory") == losses(tmp_path / "files")
    assert len(losses(tmp_path / "memory")) == 5


def test_only_the_named_task_comes_from_memory_and_a_resume_compares_its_rows(tiny: Path, tmp_path: Path) -> None:
    stream_lines = Lines()
    result = train(config(tiny), tmp_path / "run", data={"sst": (SST, SST_DEV)}, display=stream_lines)
    assert result.progress.step == 5
    assert any(line.startswith("sst train: 20 rows from ") for line in stream_lines.lines)
    assert any(line.startswith("para train: 24 rows from para-train.tsv") for line in stream_lines.lines)
    again = train(config(tiny), tmp_path / "run", data={"sst": (SST, SST_DEV)}, resume=True)
    assert again == result
    with pytest.raises(SwissbertError, match=r"the rows of sst\.train differ"):
        train(config(tiny), tmp_path / "run", data={"sst": (SST[::-1], SST_DEV)}, resume=True)


def test_train_rows_alone_hold_out_dev_rows(tiny: Path, tmp_path: Path) -> None:
    rows = [(f"{text} number {number}", label) for number, (text, label) in enumerate(SST * 5)]
    result = train(config(tiny), tmp_path / "run", data={"sst": rows})
    assert 0 <= result.scores["sst.accuracy"] <= 1


# --- heads


class Offset(Head):
    """A linear layer that starts at zero, with a constant of its own."""

    def __init__(self, task: Task, width: int, dropout: float) -> None:
        super().__init__(task, width, dropout)
        self.linear = nn.Linear(width, task.outputs)
        nn.init.zeros_(self.linear.weight)

    def logits(self, features: Tensor) -> Tensor:
        result: Tensor = self.linear(features) + 0.25
        return result


def test_a_head_from_outside_is_trained_and_recorded(tiny: Path, tmp_path: Path) -> None:
    heads = {"sts": Offset}
    plain = train(config(tiny), tmp_path / "plain")
    result = train(config(tiny), tmp_path / "run", heads=heads)
    assert result.scores != plain.scores
    assert json.loads((tmp_path / "run" / "run.json").read_text())["heads"] == {"sts": f"{__name__}.Offset"}
    with pytest.raises(SwissbertError, match=r"the head of task sts was \S+\.Offset and is none; pass"):
        train(config(tiny), tmp_path / "run", resume=True)


@pytest.mark.parametrize("argument", ["data", "heads"])
def test_an_entry_for_an_unknown_task_is_one_sentence(tiny: Path, tmp_path: Path, argument: str) -> None:
    tables: dict[str, Any] = {argument: {"stss": [("a", 1)]}}
    with pytest.raises(SwissbertError) as caught:
        train(config(tiny), tmp_path / "run", **tables)
    assert str(caught.value) == (
        f"{argument} has an entry for 'stss', but the tasks are sst, para, sts; did you mean 'sts'?"
    )
    assert not (tmp_path / "run").exists()


# --- callbacks


class Recorder(Callback):
    """Keeps the calls that it gets."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.records: list[StepRecord] = []

    def on_start(self, run: Run) -> None:
        assert run.network.training
        assert (run.total, run.training_step.total) == (6, 6)
        self.calls.append(("start", run.progress.step))

    def on_step(self, step: int, record: StepRecord) -> None:
        self.calls.append(("step", step))
        self.records.append(record)

    def on_evaluation(self, step: int, scores: Scores) -> None:
        self.calls.append(("evaluation", (step, scores.flat())))

    def on_end(self, result: Result) -> None:
        self.calls.append(("end", result))


def test_callbacks_are_called_in_order_with_the_logged_numbers(tiny: Path, tmp_path: Path) -> None:
    one, other = Recorder(), Recorder()
    result = train(config(tiny), tmp_path / "run", callbacks=[one, other])
    expected = [("start", 0), *(("step", n) for n in range(1, 7)), ("evaluation", (6, result.scores)), ("end", result)]
    assert one.calls == other.calls == expected
    assert [record.loss for record in one.records] == losses(tmp_path / "run")
    assert sum(record.tokens for record in one.records) == result.progress.tokens


def test_an_object_with_some_of_the_functions_is_a_callback(tiny: Path, tmp_path: Path) -> None:
    class Steps:
        count = 0

        def on_step(self, step: int, record: StepRecord) -> None:
            self.count += 1

    steps = Steps()
    train(config(tiny), tmp_path / "run", callbacks=[steps, Callback()])
    assert steps.count == 6


def test_an_exception_in_a_callback_ends_the_run_unchanged_and_the_run_resumes(tiny: Path, tmp_path: Path) -> None:
    class Fails(Callback):
        def on_step(self, step: int, record: StepRecord) -> None:
            if step == 5:
                raise Failing("of the user")

    train(config(tiny), tmp_path / "whole")
    with pytest.raises(Failing, match=r"^of the user$"):
        train(config(tiny), tmp_path / "run", callbacks=[Fails()])
    assert checkpoints(tmp_path / "run" / "checkpoints") == [2, 4]
    recorder = Recorder()
    train(config(tiny), tmp_path / "run", resume=True, callbacks=[recorder])
    assert recorder.calls[:2] == [("start", 4), ("step", 5)]
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


# --- what config and out may be, and the parts of prepare


def test_config_may_be_a_path_and_out_a_string(tiny: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(dump_config(config(tiny)), encoding="utf-8")
    result = train(str(recipe), str(tmp_path / "run"))
    assert result.model == tmp_path / "run" / "model"
    assert train(recipe, tmp_path / "run", resume=True) == result


def test_a_recipe_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match="no recipe 'quickstrat'; did you mean 'quickstart'"):
        train("quickstrat", tmp_path / "run")


def test_the_parts_of_prepare_work_by_themselves(tiny: Path) -> None:
    settings = config(tiny)
    network, tokenizer, *_ = build(settings)
    again = build(settings).network
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    rows, dev = load_splits(settings, tokenizer, Display(quiet=True))
    assert (list(rows), [data.task.name for data in dev]) == (TASKS, TASKS)
    assert np.isfinite(rows["sts"].labels).all()
    assert len(plan_steps(settings, rows).steps) == 6


def test_rows_from_iterators_are_read_once_for_train_and_dev(tiny: Path, tmp_path: Path) -> None:
    from_iterators = train(config(tiny), tmp_path / "run", data={"sst": (iter(SST), iter(SST_DEV))})
    assert from_iterators.scores == train(config(tiny), tmp_path / "again", data={"sst": (SST, SST_DEV)}).scores


def test_a_run_with_a_kind_from_outside_resumes(tiny: Path, tmp_path: Path) -> None:
    rows = [{"text": f"a {word} film {n}", "label": label} for n in range(8) for word, label in WORDS]
    settings = config(tiny, tasks=[stars_task()])

    class Interrupted(Exception):  # noqa: N818
        pass

    class StopAfterThree:
        def on_step(self, step: int, record: StepRecord) -> None:
            if step == 3:
                raise Interrupted

    data = {"stars": (rows, rows)}
    with pytest.raises(Interrupted):
        train(settings, tmp_path / "run", data=data, callbacks=[StopAfterThree()])
    train(settings, tmp_path / "run", data=data, resume=True)
    train(settings, tmp_path / "whole", data=data)
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


WORDS = [("bad", "poor"), ("fine", "fair"), ("great", "good")]


def test_a_head_that_does_not_fit_its_task_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SwissbertError, match="task 'sst' cannot have the head CosineHead: a cosine needs two sentences"
    ):
        train(config(tiny), tmp_path / "run", heads={"sst": CosineHead})


def test_a_model_with_a_head_from_outside_is_not_loaded_without_it(tiny: Path, tmp_path: Path) -> None:
    result = train(config(tiny), tmp_path / "run", heads={"sst": Doubling})
    with pytest.raises(SwissbertError, match=r"task 'sst' was trained with the head .*Doubling"):
        swissbert.load(result.model, "cpu")
    with pytest.raises(SwissbertError, match="heads has an entry for 'nope', but the tasks are sst, para, sts"):
        swissbert.load(result.model, "cpu", heads={"sst": Doubling, "nope": Doubling})
    assert swissbert.load(result.model, "cpu", heads={"sst": Doubling}).predict("sst", "fine").label is not None


class Doubling(LinearHead):
    """Tensors of the linear head, other logits."""

    def logits(self, features: Tensor) -> Tensor:
        return 2 * super().logits(features)
