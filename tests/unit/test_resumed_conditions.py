"""What a resumed run compares with how it began: each difference is refused or said by name, and recorded."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from edited import rewrite
from lines import Lines
from swissbert import reading
from swissbert.config import RunConfig, make_config
from swissbert.errors import SwissbertError
from swissbert.training import code_fingerprint, step
from swissbert.training.code_fingerprint import code_fingerprints
from swissbert.training.loop import train
from swissbert.training.record import read_record, write_record
from swissbert.training.stored_settings import resumable_config


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Restore the number of threads, which a run sets."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


CHANGED = ("not the same run", "not compared")
"""Words of the lines about what differs in a resumed run."""


class Stopped(Exception):  # noqa: N818 (an exception of a user)
    pass


class Stop:
    """A callback that ends a run after a step."""

    def __init__(self, step: int | None = None) -> None:
        self.step = step

    def on_step(self, step: int, record: object) -> None:
        if step == self.step:
            raise Stopped


def config(tiny: Path, seed: int = 0, **settings: Any) -> RunConfig:
    table = {
        "seed": seed,
        "tasks": ["sst", "para"],
        "data": {"dir": "starter", "limit": 16},
        "encoder": {"name": str(tiny), "max_length": 16},
        "train": {
            "epochs": 2,
            "epoch_ends": 3,
            "batch_size": 4,
            "lr": 1e-3,
            "checkpoint_every": 2,
            "baseline": False,
            "device": "cpu",
            "precision": "fp32",
            "threads": 1,
            "tensorboard": False,
            **settings,
        },
    }
    return make_config(table, "here")


@pytest.fixture(scope="module")
def begun(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Begin a run that ends after step 5, with checkpoints of steps 3 and 4."""
    out = tmp_path_factory.mktemp("begun") / "run"
    with pytest.raises(Stopped):
        train(config(tiny), out, callbacks=[Stop(5)])
    return out


@pytest.fixture
def run(begun: Path, tmp_path: Path) -> Path:
    """Return a copy of the run."""
    return Path(shutil.copytree(begun, tmp_path / "run"))


def resumed(settings: RunConfig, out: Path) -> list[str]:
    """Resume a run; return its lines about changes."""
    display = Lines()
    train(settings, out, resume=True, display=display, callbacks=[Stop()])
    return display.about(*CHANGED)


def test_without_a_change_nothing_is_said(tiny: Path, run: Path) -> None:
    assert resumed(config(tiny, on_hardware_change="refuse"), run) == []
    assert "resumed" not in (read_record(run) or {})


def test_another_function_is_named_by_its_module_and_recorded(
    tiny: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step, "schedule_factor", lambda number, total, train: 0.5)
    with pytest.raises(SwissbertError) as caught:
        resumed(config(tiny, on_hardware_change="refuse"), run)
    assert str(caught.value) == (
        f"{run}: this run would not go on as the same run: the code of training.step differs; "
        "train.on_hardware_change = 'continue' allows that"
    )
    (line,) = resumed(config(tiny), run)
    assert line.startswith("from step 5 on this is not the same run: the code of training.step differs; ")
    (part,) = (read_record(run) or {})["resumed"]
    assert (part["after_step"], part["differing"]) == (4, ["the code of training.step differs"])


def test_an_environment_variable_that_libraries_compute_by_is_named(
    tiny: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # changes no number
    (line,) = resumed(config(tiny), run)
    assert line.startswith(
        "from step 5 on this is not the same run: the environment variable ONEDNN_MAX_CPU_ISA was none and is AVX2; its "
    )


def test_a_setting_of_torch_is_named(tiny: Path, run: Path) -> None:
    torch.set_float32_matmul_precision("high")
    try:
        (line,) = resumed(config(tiny), run)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert "the torch setting float32_matmul_precision was highest and is high" in line


def test_a_computation_that_gives_other_numbers_is_noticed_without_a_known_cause(
    tiny: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear = torch.nn.functional.linear

    def other(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return linear(rows, weight, bias) * (1 + 2**-20)

    monkeypatch.setattr(torch.nn.functional, "linear", other)
    (line,) = resumed(config(tiny), run)
    assert line.startswith(
        "from step 5 on this is not the same run: the gradient of the first step, which was computed again, differs; its "
    )


def test_the_record_of_a_run_is_read_once(run: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    regular_bytes = reading.regular_bytes

    def counted(path: Path, most: int) -> bytes:
        reads.append(path)
        return regular_bytes(path, most)

    monkeypatch.setattr(reading, "regular_bytes", counted)
    assert resumed(config(tiny), run) == []
    assert reads.count(run / "run.json") == 1


def test_a_setting_edited_by_hand_is_refused_by_name_and_allowed_by_name(run: Path) -> None:
    path = run / "config.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("lr = 0.001\n", "lr = 0.01\n", 1), encoding="utf-8")
    with pytest.raises(SwissbertError) as caught:
        resumed(resumable_config(run), run)
    assert str(caught.value) == (
        f"{run}: settings differ from those the run began with: train.lr (0.001 became 0.01); "
        "train.may_change = ['train.lr'] allows that"
    )
    allowed = resumable_config(run, ["train.may_change=['train.lr']"])
    (line,) = resumed(allowed, run)
    assert line.startswith(
        "from step 5 on this is not the same run: train.lr was 0.001 and is 0.01; its losses may differ"
    )
    record = read_record(run) or {}
    assert record["resumed"][0]["changed_settings"] == {"train.lr": [0.001, 0.01]}
    assert record["settings"]["train"]["lr"] == 0.01


def test_an_edited_record_is_refused_and_a_missing_one_is_said(tiny: Path, run: Path) -> None:
    path = run / "run.json"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"threads": 1', '"threads": 2'), encoding="utf-8")
    with pytest.raises(SwissbertError, match=r"run\.json: was changed since it was written .*, or remove it to resume"):
        resumed(config(tiny), run)
    path.unlink()
    display = Lines()
    with pytest.raises(SwissbertError, match=r"run\.json is missing, .*; put it back, or train\.on_hardware_change = "):
        train(config(tiny, on_hardware_change="refuse"), run, resume=True)
    train(config(tiny), run, resume=True, display=display)
    assert f"{run}: run.json is missing, so nothing is compared with how this run began" in "\n".join(display.lines)
    assert (read_record(run) or {})["resumed"][0]["after_step"] == 4
    assert (read_record(run) or {})["run"] == json.loads(text)["run"]


def test_the_layout_of_the_record_is_free(tmp_path: Path) -> None:
    table = write_record(tmp_path, {"rows": {}, "run": "a", "number": 0.1})
    stored = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "run.json").write_text(json.dumps(dict(reversed(stored.items()))), encoding="utf-8")
    assert read_record(tmp_path) == table


def test_a_checkpoint_or_a_model_of_another_run_is_refused(tiny: Path, run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    train(config(tiny, seed=5), other)
    shutil.copytree(other / "checkpoints" / "step-6", run / "checkpoints" / "step-6")
    with pytest.raises(
        SwissbertError, match=r"step-6: this checkpoint was written by another run than the run\.json beside"
    ):
        resumed(config(tiny), run)
    shutil.rmtree(run / "checkpoints" / "step-6")
    description = json.loads((run / "model" / "swissbert.json").read_text(encoding="utf-8"))
    rewrite(run / "model" / "swissbert.json", scores={**description["scores"], "overall": 0.123})
    with pytest.raises(
        SwissbertError, match=r"model: is not the best model of this run, of step 3 with overall .* 0\.123;"
    ):
        resumed(config(tiny), run)


def test_another_function_of_the_encoder_is_refused(tiny: Path, tmp_path: Path) -> None:
    encoder = Path(shutil.copytree(tiny, tmp_path / "encoder"))
    with pytest.raises(Stopped):
        train(config(encoder), tmp_path / "run", callbacks=[Stop(5)])
    path = encoder / "config.json"
    path.write_text(
        json.dumps({**json.loads(path.read_text(encoding="utf-8")), "hidden_act": "relu"}), encoding="utf-8"
    )
    with pytest.raises(
        SwissbertError, match=r"this run began otherwise: the encoder's activation was gelu and is relu; "
    ):
        resumed(config(encoder), tmp_path / "run")


def test_other_callbacks_are_named(tiny: Path, run: Path) -> None:
    display = Lines()
    train(config(tiny), run, resume=True, display=display)
    assert f"the list of callbacks lacks {__name__}.Stop" in display.about(*CHANGED)[0]


def module_of(source: str) -> ModuleType:
    module = ModuleType("swissbert.training.example")
    exec(source, module.__dict__)
    return module


def test_comments_docstrings_and_lines_are_not_code() -> None:
    def digest(source: str) -> str:
        return code_fingerprint._digest(code_fingerprint._module(module_of(source)))

    one = digest("RATE = 2\ndef f(x):\n    return x in {'a', 'b'}\n")
    assert one == digest("# comment\n\nRATE = 2\ndef f(x):\n    return x in {'a', 'b'}  # why\n")
    assert one != digest("RATE = 3\ndef f(x):\n    return x in {'a', 'b'}\n")
    assert one != digest("RATE = 2\ndef f(x):\n    return x in {'a', 'c'}\n")
    assert digest("def f(x):\n    '''One.'''\n    return x\n") == digest("def f(x):\n    '''Two.'''\n    return x\n")


def test_modules_that_are_imported_later_change_no_fingerprint_of_their_package() -> None:
    package = module_of("RATE = 2\n")
    before = code_fingerprint._digest(code_fingerprint._module(package))
    package.later = ModuleType("swissbert.training.example.later")  # type: ignore[attr-defined]
    assert code_fingerprint._digest(code_fingerprint._module(package)) == before


def test_all_modules_that_train_are_fingerprinted() -> None:
    names = code_fingerprints().keys()
    assert {"training.step", "training.optim", "encoder.bert", "data.batches", "mtl.gram", "device", "metrics"} <= names
    assert not {"training.log", "training.conditions", "cli.train"} & names
