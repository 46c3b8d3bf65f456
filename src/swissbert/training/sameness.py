"""Numbers that stand for what all processes of a run must have alike."""

import hashlib
import zlib
from collections.abc import Iterable

import torch
from torch import nn

from swissbert.training.preparation import Prepared


def state_number(modules: nn.Module) -> int:
    """Return a checksum of all parameters and buffers, below 2**32."""
    number = 0
    for tensor in modules.state_dict().values():
        number = zlib.crc32(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data, number)
    return number


def learning_number(modules: nn.Module) -> int:
    """Return a checksum of the names of the parameters that learn, below 2**32."""
    return zlib.crc32("\n".join(name for name, p in modules.named_parameters() if p.requires_grad).encode())


def start_number(prepared: Prepared) -> int:
    """Return a checksum of rows, settings, plan, encoder and precision of a run, below 2**62."""
    config = prepared.config.model_dump_json(
        exclude={"data": {"dir"}, "encoder": {"name"}, "distillation": {"teachers"}}
    )
    parts: Iterable[str] = (
        config,
        str(sorted(prepared.fingerprints().items())),
        str(prepared.plan.steps),
        prepared.encoder_fingerprint(),
        prepared.hardware.precision_name,
    )
    return int(hashlib.sha256("\n".join(parts).encode()).hexdigest()[:15], 16)
