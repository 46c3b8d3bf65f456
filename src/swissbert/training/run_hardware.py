"""Device, precision and threads of a run: of one that begins, of one that is resumed, and of each of its processes."""

from collections.abc import Mapping
from typing import Any

import torch

from swissbert.config import TrainSettings
from swissbert.device import Hardware, has_bf16, is_available, pick_device, pick_precision, resolve_hardware
from swissbert.distributed.world import World
from swissbert.errors import SwissbertError
from swissbert.threads import cores
from swissbert.training.conditions import last_conditions


def run_hardware(
    train: TrainSettings, world: World, record: Mapping[str, Any] | None = None, step: int = 0
) -> Hardware:
    """Choose the hardware of a run.

    Args:
        train: Settings of the run.
        world: Its processes.
        record: Contents of ``run.json``, if it is resumed.
        step: Step of its last checkpoint.

    Raises:
        SwissbertError: If there is no such device, or not one for each process.
    """
    if record is not None and last_conditions(record, step)["processes"] == world.size:
        kept = kept_hardware(train, record, step)
        if not world.is_alone:
            _need_device_each(train, kept.device, world)
        return kept
    if world.is_alone:
        return resolve_hardware(train.device, train.precision, train.threads)
    return _shared_hardware(train, world)


def _shared_hardware(train: TrainSettings, world: World) -> Hardware:
    """Choose the hardware of one of several processes: its own GPU, or its share of the cores."""
    if train.device.startswith("cuda:"):
        raise SwissbertError(
            f"train.device is '{train.device}', but {world.size} processes need a GPU each; 'cuda' gives them one by one"
        )
    name = train.device
    if name == "auto" and not is_available("cuda"):
        name = "cpu"  # MPS cannot communicate
    device = pick_device(name, "train.device")
    _need_device_each(train, device, world)
    threads = train.threads or max(1, cores() // world.local_size)
    return Hardware(device, pick_precision(train.precision, device), threads)


def _need_device_each(train: TrainSettings, device: torch.device, world: World) -> None:
    """Raise SwissbertError if a device cannot be had by each process of this machine."""
    if device.type == "mps":
        raise SwissbertError(
            f"train.device is '{train.device}', but processes cannot communicate on MPS; train.device = 'cpu' can, and one "
            "process can use MPS"
        )
    if (
        device.type == "cuda"
        and world.local_size > torch.cuda.device_count()
        and torch.distributed.get_backend() != "gloo"
    ):
        raise SwissbertError(
            f"{world.local_size} processes were started on this machine, but it has {torch.cuda.device_count()} GPUs; start one "
            "for each GPU, or set train.device = 'cpu'"
        )


def kept_hardware(train: TrainSettings, record: Mapping[str, Any], step: int) -> Hardware:
    """Choose the hardware of a resumed run: what the settings name, else what it was trained on, else what there is.

    Args:
        train: Settings of the run.
        record: Contents of its ``run.json``.
        step: Step of its last checkpoint.
    """
    began = last_conditions(record, step)
    device, precision, threads = (began.get(name) for name in ("device", "precision", "threads"))
    if not (isinstance(device, str) and isinstance(threads, int) and precision in ("float32", "bfloat16")):
        return resolve_hardware(train.device, train.precision, train.threads)
    here = resolve_hardware(
        device if train.device == "auto" and is_available(device) else train.device,
        train.precision,
        train.threads or _kept_threads(threads),
    )
    if train.precision == "auto":
        keeps = precision == "float32" or has_bf16(here.device)
        return Hardware(here.device, getattr(torch, precision) if keeps else torch.float32, here.threads)
    return here


def _kept_threads(began: int) -> int:
    """Return the thread count of the record, or torch's own where there are fewer cores."""
    here = torch.get_num_threads()
    return began if began in range(1, max(cores(), here) + 1) else here
