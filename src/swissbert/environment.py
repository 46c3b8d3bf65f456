"""Versions, machine and hardware that a run depends on besides its settings."""

import os
import platform
import re
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from swissbert.device import Hardware, processor_abilities, resolve_hardware
from swissbert.threads import cores
from swissbert.version import __version__

VARIABLES = re.compile(
    r"(ATEN|ONEDNN|DNNL|MKL|OMP|KMP|GOMP|OPENBLAS|BLIS|CUBLAS|CUBLASLT|CUDNN)_\w+|NVIDIA_TF32_OVERRIDE|GLIBC_TUNABLES"
    r"|TORCH_(ALLOW_TF32|BLAS|CUDNN|LINALG)_\w+"
)
"""Environment variables by which libraries choose instructions, algorithms and rounding."""
WITHOUT_EFFECT = re.compile(
    r"(OMP|MKL|OPENBLAS)_NUM_THREADS|OMP_(WAIT_POLICY|PLACES|PROC_BIND|STACKSIZE|DISPLAY_\w+)|GOMP_(CPU_AFFINITY|SPINCOUNT)"
    r"|KMP_(AFFINITY|BLOCKTIME|DUPLICATE_LIB_OK|INIT_AT_FORK)|(ONEDNN|DNNL)_PRIMITIVE_CACHE_CAPACITY|\w+_VERBOSE"
)
"""Those that change no number. Numbers of threads do, but a run sets its own, which is recorded."""


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
    reported = torch.cpu.get_capabilities()
    record: dict[str, object] = {
        "processor": processor(),
        "instructions": sorted(name for name, value in reported.items() if value is True),
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
    """Return the versions that a run's numbers depend on; numpy shuffles the rows."""
    return {
        "swissbert": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "tokenizers": version("tokenizers"),
        "python": platform.python_version(),
    }


def numeric_variables() -> dict[str, str]:
    """Return the environment variables that may change what libraries compute."""
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if value and VARIABLES.fullmatch(name) and not WITHOUT_EFFECT.fullmatch(name)
    }


def torch_settings() -> dict[str, object]:
    """Return the global settings of torch that may change what it computes."""
    return {
        "default_dtype": str(torch.get_default_dtype()),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul_precision": _or_mixed(torch.get_float32_matmul_precision),
        "mkldnn.enabled": torch.backends.mkldnn.enabled,
        "mkldnn.deterministic": torch.backends.mkldnn.deterministic,
        "cudnn.enabled": torch.backends.cudnn.enabled,
        "cudnn.deterministic": torch.backends.cudnn.deterministic,
        "cudnn.benchmark": torch.backends.cudnn.benchmark,
        "cudnn.allow_tf32": _or_mixed(lambda: torch.backends.cudnn.allow_tf32),
    }


def _or_mixed(get: Callable[[], object]) -> object:
    """Return a setting of torch, or "mixed" where newer settings that it stands for differ, for which torch has no value."""
    try:
        return get()
    except RuntimeError:
        return "mixed"


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
