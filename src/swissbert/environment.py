"""What a run depends on beside its settings: versions, machine, device and precision."""

import os
import platform
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch

from swissbert.device import pick_device, pick_precision
from swissbert.version import __version__


def environment(device: torch.device | None = None, precision: torch.dtype | None = None) -> dict[str, str]:
    """Versions, machine, device and precision; by default those that ``auto`` takes here."""
    device = device or pick_device("auto")
    precision = precision or pick_precision("auto", device)
    return {
        "swissbert": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "commit": source_commit() or "none: not run from a checkout",
        "machine": f"{platform.system()} {platform.machine()}, {processor()}",
        "device": f"{device}, {torch.get_num_threads()} threads"
        if device.type == "cpu"
        else torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else str(device),
        "precision": str(precision).removeprefix("torch."),
    }


def processor() -> str:
    """The processor's name and how many of its cores this process may use."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"


@cache
def source_commit() -> str | None:
    """The commit that this program's own source is checked out at, ``+changes`` where it was edited; else None."""
    here = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True, timeout=10)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "version.py")  # an installed copy may lie inside another project's checkout
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--", str(here)) else "")
    except (OSError, subprocess.SubprocessError):
        return None
