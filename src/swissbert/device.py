"""Where tensors live and how wide their numbers are."""

import torch

from swissbert.errors import SwissbertError


def pick_device(name: str = "auto") -> torch.device:
    """``auto`` is CUDA, else MPS, else the CPU. Raises SwissbertError where the named device is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if not there[name.split(":")[0]]:
        raise SwissbertError(f"train.device is '{name}', but there is no such device here; 'auto' takes what there is")
    return torch.device(name)


def pick_precision(name: str, device: torch.device) -> torch.dtype:
    """``auto`` is bf16 where the hardware multiplies it natively, else fp32, which is faster there."""
    if name == "auto":
        if device.type == "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            can = torch.cpu.get_capabilities()
            native = device.type == "cpu" and any(can.get(key, False) for key in ("amx_bf16", "avx512_bf16", "bf16"))
        return torch.bfloat16 if native else torch.float32
    return torch.bfloat16 if name == "bf16" else torch.float32
