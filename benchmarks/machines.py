"""The machine that figures belong to: its processor and the abilities that decide on speed."""

import re

import torch

from swissbert.device import processor_abilities
from swissbert.environment import processor
from swissbert.threads import cores


def abilities() -> str:
    """Return the vector instructions that torch uses, and whether the processor has bf16, eight-bit and matrix products."""
    has = processor_abilities()
    extra = [name for name, there in (("bf16", has.bf16), ("VNNI", has.vnni), ("AMX", has.amx)) if there]
    return ", ".join([torch.backends.cpu.get_cpu_capability(), *extra])


def slug() -> str:
    """Return a file name for the figures of this machine: those of another machine are not overwritten."""
    words = f"{processor()} {cores()} cores {abilities()}".lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")
