"""Memory of this process."""

from pathlib import Path


def memory(key: str) -> float:
    """Return a figure from /proc/self/status, ``VmRSS`` or ``VmHWM`` for instance, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return round(int(next(line for line in lines if line.startswith(f"{key}:")).split()[1]) / 1e3, 1)
