"""Versions, machine and hardware that a run depends on besides its settings."""

import platform
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import torch

from swissbert.device import Hardware, cores, processor_abilities, resolve_hardware
from swissbert.version import __version__


def environment(hardware: Hardware | None = None) -> dict[str, str]:
    """Return versions, machine, device and precision, for provenance.

    Args:
        hardware: What a run uses; what ``auto`` selects here if left out.
    """
    hardware = hardware or resolve_hardware()
    device = hardware.device
    return {
        "swissbert": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "commit": source_commit() or "none: not run from a checkout",
        "machine": f"{platform.system()} {platform.machine()}, {processor()}, {cores()} cores",
        "device": f"{device}, {hardware.threads} threads"
        if device.type == "cpu"
        else torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else str(device),
        "precision": hardware.precision_name,
    }


def hardware_record(hardware: Hardware) -> dict[str, object]:
    """Return what ``run.json`` keeps of the hardware: processor, its abilities and kernels, device, precision and threads."""
    record: dict[str, object] = {
        "processor": processor(),
        **processor_abilities()._asdict(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
    }
    if hardware.device.type == "cuda":
        record["gpu"] = torch.cuda.get_device_name(hardware.device)
    return record | {
        "device": str(hardware.device),
        "precision": hardware.precision_name,
        "threads": hardware.threads,
    }


def software() -> dict[str, str]:
    """Return the versions that a run's losses depend on: swissbert, torch and numpy, which shuffles the rows."""
    return {"swissbert": __version__, "torch": str(torch.__version__), "numpy": np.__version__}


def processor() -> str:
    """Return the name of the processor."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    return name


@cache
def source_commit() -> str | None:
    """Return the commit that this package is checked out at, with ``+changes`` if it was edited; None outside git."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True, timeout=10)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "version.py")  # fails for a copy installed inside another project's checkout
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--", str(here)) else "")
    except (OSError, subprocess.SubprocessError):
        return None
