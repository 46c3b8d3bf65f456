"""Accuracy at lower precision: dev scores of a short run in bf16, or of the shipped model with eight-bit products.

    python benchmarks/accuracy.py --train bf16 --seed 1
    python benchmarks/accuracy.py --data DIR --answer int8

A run is the recipe quickstart on the starter corpus. On a processor without bf16, products of bf16 matrices are computed as
one with bf16 computes them: exact products, sums in fp32, one rounding. All other operations are unchanged. The emulation of
torch gives results as close to fp32, but takes at least ten times as long. Prints one JSON line.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import swissbert
from swissbert.device import has_bf16

aten = torch.ops.aten
PRODUCTS = {aten.mm.default, aten.addmm.default, aten.bmm.default}
SCORES = ("sst.accuracy", "para.accuracy", "sts.pearson", "overall")


class ProductsInFp32(TorchDispatchMode):
    """Compute products of bf16 matrices in fp32 and round once, in the thread that enters.

    Attributes:
        count: Number of products so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        """Replace the products; all other operations run as they are."""
        if func in PRODUCTS and args[-1].dtype == torch.bfloat16:
            self.count += 1
            return func(*(tensor.float() for tensor in args), **(kwargs or {})).bfloat16()
        return func(*args, **(kwargs or {}))


def train(precision: str, seed: int) -> dict[str, float]:
    """Return the dev scores after a short run."""
    settings = [f"seed={seed}", "train.device=cpu", f"train.precision={precision}", "train.threads=2"]
    emulation = ProductsInFp32() if precision == "bf16" and not has_bf16(torch.device("cpu")) else None
    with tempfile.TemporaryDirectory() as folder, emulation or nullcontext():
        scores = swissbert.train(swissbert.load_config("quickstart", settings), folder).scores
    if emulation is not None and not emulation.count:
        raise RuntimeError("no product of bf16 matrices was computed")
    return scores


def answer(data: Path, precision: str) -> dict[str, float]:
    """Return the dev scores of the shipped model."""
    return swissbert.evaluate(swissbert.load("mini", "cpu", precision), data).flat()  # type: ignore[arg-type]


def main() -> None:
    """Score one training or one precision of answers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("starter"), help="for --answer")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--train", choices=["fp32", "bf16"])
    what.add_argument("--answer", choices=["fp32", "int8"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    scores = train(options.train, options.seed) if options.train else answer(options.data, options.answer)
    figures = {name: round(scores[name], 4) for name in SCORES}
    print(json.dumps({"precision": options.train or options.answer, "seed": options.seed, **figures}))


if __name__ == "__main__":
    main()
