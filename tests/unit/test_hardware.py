"""Device, precision and threads: how they are chosen, recorded and kept by a resumed run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from edited import rewrite, without_name
from lines import Lines
from swissbert.config import RunConfig, TrainSettings, dump_config, make_config
from swissbert.device import Hardware, is_available, pick_device, processor_abilities, resolve_hardware
from swissbert.display import Display
from swissbert.environment import environment, hardware_record, software
from swissbert.errors import SwissbertError
from swissbert.training import run_hardware
from swissbert.training.conditions import compare, last_conditions
from swissbert.training.loop import train
from swissbert.training.record import write_record
from swissbert.training.result import Result
from swissbert.training.run_hardware import kept_hardware

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Restore the number of threads, which a run sets."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


HARDWARE = ("not the same run", "no record")
"""Words of the lines about what differs in a resumed run."""


def config(tiny: Path, **settings: Any) -> RunConfig:
    """Return a config of 4 steps on the CPU that leaves precision and threads to the machine."""
    table = {
        "tasks": ["sst", "para"],
        "data": {"dir": "starter", "limit": 16},
        "encoder": {"name": str(tiny), "max_length": 16},
        "train": {
            "epochs": 1,
            "batch_size": 4,
            "checkpoint_every": 2,
            "device": "cpu",
            "tensorboard": False,
            **settings,
        },
    }
    return make_config(table, "here")


class Interrupted(Exception):  # noqa: N818 (an exception of a user)
    pass


class StopAfterThree:
    """A callback that ends a run the first time."""

    def __init__(self, *, stops: bool = True) -> None:
        self.stops = stops

    def on_step(self, step: int, record: object) -> None:
        if step == 3 and self.stops:
            raise Interrupted


def resume(settings: RunConfig, out: Path, display: Display | None = None) -> Result:
    """Resume a run with the same callback."""
    return train(settings, out, resume=True, display=display, callbacks=[StopAfterThree(stops=False)])


def interrupted(tiny: Path, out: Path, **settings: Any) -> dict[str, Any]:
    """Begin a run that ends with an exception after its first checkpoint; return its record."""
    with pytest.raises(Interrupted):
        train(config(tiny, **settings), out, callbacks=[StopAfterThree()])
    record: dict[str, Any] = json.loads((out / "run.json").read_text(encoding="utf-8"))
    return record


def record_name(out: Path) -> str:
    """Return the name of a run in its record."""
    return str(json.loads((out / "run.json").read_text(encoding="utf-8"))["run"])


def losses(out: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


# --- choice


@pytest.mark.parametrize(("override", "precision"), [("plain", torch.float32), ("bf16", torch.bfloat16)])
def test_automatic_precision_follows_the_override_of_the_processor(
    monkeypatch: pytest.MonkeyPatch, override: str, precision: torch.dtype
) -> None:
    monkeypatch.setenv("SWISSBERT_CPU", override)
    assert processor_abilities().bf16 == (override == "bf16")
    assert resolve_hardware("cpu") == Hardware(CPU, precision, 1)
    assert resolve_hardware("cpu", "fp32").precision == torch.float32
    assert resolve_hardware("cpu", "bf16", 3) == Hardware(CPU, torch.bfloat16, 3)


def test_the_override_plain_hides_all_abilities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        torch.cpu, "get_capabilities", lambda: {"amx_tile": True, "avx512_vnni": True, "amx_bf16": True}
    )
    monkeypatch.delenv("SWISSBERT_CPU", raising=False)
    assert processor_abilities() == (True, True, True)
    monkeypatch.setenv("SWISSBERT_CPU", "plain")
    assert processor_abilities() == (False, False, False)


def test_without_an_override_the_processor_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SWISSBERT_CPU", raising=False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx_vnni": True, "avx2": True})
    assert processor_abilities() == (False, True, False)
    assert resolve_hardware("cpu").precision == torch.float32
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert resolve_hardware("cpu").precision == torch.bfloat16


def test_an_unknown_override_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWISSBERT_CPU", "fast")
    with pytest.raises(SwissbertError, match=r"^SWISSBERT_CPU is 'fast', but 'plain' or 'bf16' is expected$"):
        processor_abilities()


def test_devices_are_checked_by_kind_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [is_available(name) for name in ("cpu", "cuda", "cuda:1", "cuda:2")] == [True, True, True, False]
    with pytest.raises(SwissbertError, match=r"^device is 'cuda:2', but there is no such device here; 'auto' takes"):
        pick_device("cuda:2")


def test_the_text_and_the_record_name_device_precision_and_threads() -> None:
    hardware = Hardware(CPU, torch.bfloat16, 2)
    assert str(hardware) == "bfloat16 on cpu, 2 threads"
    record = hardware_record(hardware)
    assert record.keys() == {
        *("processor", "instructions", "bf16", "vnni", "amx", "kernels", "device", "precision", "threads")
    }
    assert (record["device"], record["precision"], record["threads"]) == ("cpu", "bfloat16", 2)
    about = environment(hardware)
    assert (about["device"], about["precision"]) == ("cpu, 2 threads", "bfloat16")


# --- the record, and a resume on the same machine


@pytest.mark.parametrize(("override", "precision"), [("plain", "float32"), ("bf16", "bfloat16")])
def test_a_run_shows_and_records_its_hardware_and_a_resume_keeps_it(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, override: str, precision: str
) -> None:
    monkeypatch.setenv("SWISSBERT_CPU", override)
    display = Lines()
    train(config(tiny), tmp_path / "whole", display=display)
    assert "4 steps in 1 epoch (sst + para, 4 rows a batch), " + f"{precision} on cpu, 1 thread" in display.lines
    record = interrupted(tiny, tmp_path / "run")
    assert record["hardware"] == hardware_record(resolve_hardware("cpu"))
    assert record["hardware"]["precision"] == precision
    resumed = Lines()
    resume(config(tiny), tmp_path / "run", resumed)
    assert resumed.about(*HARDWARE) == []
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_a_run_that_began_in_fp32_stays_in_fp32_on_a_processor_with_bf16(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWISSBERT_CPU", "plain")
    train(config(tiny), tmp_path / "whole")
    interrupted(tiny, tmp_path / "run")
    monkeypatch.setenv("SWISSBERT_CPU", "bf16")
    display = Lines()
    resume(config(tiny), tmp_path / "run", display)
    assert display.about(*HARDWARE) == []
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_the_number_of_threads_is_kept(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_hardware, "cores", lambda: 2)
    torch.set_num_threads(2)
    assert interrupted(tiny, tmp_path / "run", precision="fp32")["hardware"]["threads"] == 2
    torch.set_num_threads(1)
    display = Lines()
    resume(config(tiny, precision="fp32"), tmp_path / "run", display)
    assert torch.get_num_threads() == 1, "the caller's number of threads is restored"
    assert display.about(*HARDWARE) == []
    assert "resumed" not in json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))


# --- what cannot be kept


def test_a_bf16_run_continues_in_fp32_with_one_line_on_a_processor_without_bf16(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWISSBERT_CPU", "bf16")
    interrupted(tiny, tmp_path / "run")
    monkeypatch.setenv("SWISSBERT_CPU", "plain")
    display = Lines()
    result = resume(config(tiny), tmp_path / "run", display)
    (line,) = display.about(*HARDWARE)
    assert line == (
        "from step 3 on this is not the same run: the precision was bfloat16 and is float32; the gradient of the first step, "
        "which was computed again, differs; its losses may differ from those of an uninterrupted run "
        "(train.on_hardware_change = 'refuse' stops instead)"
    )
    assert result.progress.step == 4
    description = json.loads((tmp_path / "run" / "model" / "swissbert.json").read_text(encoding="utf-8"))
    assert description["provenance"]["precision"] == "float32"
    written = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert (written["hardware"]["precision"], written["resumed"][-1]["precision"]) == ("bfloat16", "float32")


def test_a_run_of_the_first_release_keeps_its_precision_on_a_processor_with_bf16(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWISSBERT_CPU", "plain")
    old = interrupted(tiny, tmp_path / "run")
    del old["hardware"]
    write_record(tmp_path / "run", old)
    monkeypatch.setenv("SWISSBERT_CPU", "bf16")
    display = Lines()
    resume(config(tiny), tmp_path / "run", display)
    unknown = ["list of the processor's instructions, choice of torch's kernels"]
    assert [line.partition("compared: ")[2] for line in display.about(*HARDWARE)] == unknown
    written = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert written["resumed"][-1]["precision"] == "float32"


def test_a_bf16_run_is_refused_if_the_setting_says_so_and_changing_the_setting_continues_it(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWISSBERT_CPU", "bf16")
    interrupted(tiny, tmp_path / "run", on_hardware_change="refuse")
    before = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    monkeypatch.setenv("SWISSBERT_CPU", "plain")
    with pytest.raises(SwissbertError) as caught:
        resume(config(tiny, on_hardware_change="refuse"), tmp_path / "run")
    assert str(caught.value).startswith(
        f"{tmp_path / 'run'}: this run would not go on as the same run: the precision was bfloat16 and is float32; "
    )
    assert str(caught.value).endswith("train.on_hardware_change = 'continue' allows that")
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == before
    assert resume(config(tiny), tmp_path / "run").progress.step == 4


def test_a_precision_that_the_settings_name_is_kept_on_any_processor(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWISSBERT_CPU", "bf16")
    settings = {"precision": "bf16", "threads": 1, "on_hardware_change": "refuse"}
    train(config(tiny, **settings), tmp_path / "whole")
    interrupted(tiny, tmp_path / "run", **settings)
    monkeypatch.setenv("SWISSBERT_CPU", "plain")
    resume(config(tiny, **settings), tmp_path / "run")
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def record(**changes: Any) -> dict[str, Any]:
    """Return a record of this machine with changes in its hardware."""
    return {
        "torch": str(torch.__version__),
        "hardware": {**hardware_record(Hardware(CPU, torch.float32, 1)), **changes},
    }


def test_a_gpu_that_is_gone_is_one_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setenv("SWISSBERT_CPU", "plain")
    began = record(device="cuda", precision="bfloat16", gpu="NVIDIA H100")
    hardware = kept_hardware(TrainSettings(), began, 1)
    assert hardware == Hardware(CPU, torch.float32, 1)
    differing = compare(last_conditions(began, 1), hardware_record(hardware)).differing
    assert differing == ["the device was cuda and is cpu", "the precision was bfloat16 and is float32"]


def test_more_threads_than_cores_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_hardware, "cores", lambda: 2)
    assert kept_hardware(TrainSettings(device="cpu"), record(threads=16), 1).threads == 1
    assert kept_hardware(TrainSettings(device="cpu", threads=16), record(threads=16), 1).threads == 16


@pytest.mark.parametrize(
    ("began", "phrase"),
    [
        ({"processor": "Old Processor"}, "the processor was Old Processor and is "),
        ({"kernels": "AVX2-old"}, "the choice of torch's kernels was AVX2-old and is "),
        ({"instructions": ["avx9"]}, "the list of the processor's instructions lacks avx9 and has "),
        ({"torch": "2.10.0"}, "the version of torch was 2.10.0 and is "),
        ({"numpy": "2.0.1"}, "the version of numpy was 2.0.1 and is "),
        ({"tokenizers": "0.1"}, "the version of tokenizers was 0.1 and is "),
        ({"swissbert": "0.0.9"}, "the version of swissbert was 0.0.9 and is "),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("is_resumed", [False, True])
def test_another_library_or_processor_is_named(began: dict[str, Any], phrase: str, is_resumed: bool) -> None:
    before = {**record(), **software()}
    if is_resumed:
        before["resumed"] = [{**before["hardware"], **began, "after_step": 3}]
    else:
        versions = {name: value for name, value in began.items() if name in before}
        before |= {**versions, "hardware": {**before["hardware"], **began}}
    now = {**hardware_record(Hardware(CPU, torch.float32, 1)), **software()}
    (line,) = compare(last_conditions(before, 4), now).differing
    assert line.startswith(phrase)
    if is_resumed:  # no step of that part of the run is kept
        assert compare(last_conditions(before, 3), now).differing == []


@pytest.mark.parametrize("hardware", [None, "cpu"])
def test_an_old_run_without_a_record_of_its_hardware_resumes_with_one_line(
    tiny: Path, tmp_path: Path, hardware: object
) -> None:
    settings = {"precision": "fp32", "threads": 1}
    train(config(tiny, **settings), tmp_path / "whole")
    interrupted(tiny, tmp_path / "run", **settings)
    rewrite(tmp_path / "run" / "run.json", "hardware", **({} if hardware is None else {"hardware": hardware}))
    without_name(tmp_path / "run")
    display = Lines()
    resume(config(tiny, **settings), tmp_path / "run", display)
    (line,) = display.about(*HARDWARE)
    assert line.startswith("this run has no record of some things, which are not compared: ")
    assert ("device, precision, number of threads" in line) == (hardware is not None)  # 0.1.0 has it in words
    assert "list of the processor's instructions" in line
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")
    again = Lines()
    resume(config(tiny, **settings), tmp_path / "run", again)
    assert again.about(*HARDWARE) == [], "what was not known is recorded since"


def test_other_settings_that_differ_are_still_refused(tiny: Path, tmp_path: Path) -> None:
    interrupted(tiny, tmp_path / "run", precision="fp32", threads=1)
    with pytest.raises(
        SwissbertError, match=r"settings differ .*: train\.threads \(1 became 2\); train\.may_change = "
    ):
        resume(config(tiny, precision="fp32", threads=2), tmp_path / "run")
    assert "refuse" in dump_config(config(tiny, on_hardware_change="refuse"))
