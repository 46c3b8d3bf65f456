"""Which process of how many this one is, and the hardware that each takes."""

import pytest
import torch

from swissbert.config import TrainSettings
from swissbert.distributed.joining import joined
from swissbert.distributed.launch import Launch, is_first_process, launched
from swissbert.distributed.world import ALONE, World
from swissbert.errors import SwissbertError
from swissbert.threads import cores
from swissbert.training.run_hardware import run_hardware

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "29500",
}


def environment(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    for name, value in {**TORCHRUN, **changes}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def test_the_variables_of_torchrun_give_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch)
    assert launched() == Launch(3, 4, 1, 2)
    assert not is_first_process()
    environment(monkeypatch, RANK="0", LOCAL_RANK=None, LOCAL_WORLD_SIZE=None)
    assert launched() == Launch(0, 4, 0, 1)
    assert is_first_process()


@pytest.mark.parametrize("changes", [{"RANK": None}, {"WORLD_SIZE": None}, {"WORLD_SIZE": "1", "RANK": "0"}])
def test_other_processes_are_alone(monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None]) -> None:
    environment(monkeypatch, **changes)
    assert launched() is None
    assert is_first_process()
    with joined() as world:
        assert world is ALONE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"RANK": "4"}, "process 4 of 4"),
        ({"LOCAL_RANK": "2"}, "2 of 2 on its machine"),
        ({"RANK": "first"}, "RANK is 'first', but the number of this process, counted from 0, is expected"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE is '0', but the number of processes, at least 1, is expected"),
        ({"MASTER_ADDR": None}, "WORLD_SIZE is 4, but MASTER_ADDR is not set"),
    ],
)
def test_impossible_variables_are_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], message: str
) -> None:
    environment(monkeypatch, **changes)
    with pytest.raises(SwissbertError, match=message):
        launched()


class Two(World):
    size, local_size = 2, 2


def test_processes_share_the_cores_of_their_machine() -> None:
    assert run_hardware(TrainSettings(device="cpu"), Two()).threads == max(1, cores() // 2)
    assert run_hardware(TrainSettings(device="cpu", threads=3), Two()).threads == 3


def test_a_resumed_run_keeps_its_threads_only_with_as_many_processes() -> None:
    hardware = {"device": "cpu", "precision": "float32", "threads": 1, "processor": "x"}
    record = {"hardware": hardware, "processes": 2}
    assert run_hardware(TrainSettings(device="cpu"), Two(), record).threads == 1
    assert run_hardware(TrainSettings(device="cpu"), ALONE, record).threads == torch.get_num_threads()
    assert run_hardware(TrainSettings(device="cpu"), ALONE, {"hardware": hardware}).threads == 1


def test_devices_that_processes_cannot_share_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SwissbertError, match=r"train\.device is 'cuda:1', but 2 processes need a GPU each"):
        run_hardware(TrainSettings(device="cuda:1"), Two())
    monkeypatch.setattr("swissbert.device.is_available", lambda name: True)
    with pytest.raises(SwissbertError, match="processes cannot communicate on MPS"):
        run_hardware(TrainSettings(device="mps"), Two())
    monkeypatch.setattr(torch.distributed, "get_backend", lambda: "nccl")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(SwissbertError, match="2 processes were started on this machine, but it has 1 GPUs"):
        run_hardware(TrainSettings(device="cuda"), Two())
