"""Dev scores of one short run, to see whether bf16 costs accuracy, or of the shipped model, to see whether int8 does.

    python benchmarks/accuracy.py --train bf16 --seed 1
    python benchmarks/accuracy.py --data DIR --answer int8

A run is the recipe quickstart, on the corpus that ships. Where a processor does not multiply bf16 itself,
products of bf16 matrices are made as one that does makes them: exact factors, sums in fp32, one rounding. The rest of the
program is as it is. torch's own emulation comes as near to fp32 and takes ten times as long or more.
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
from swissbert.device import pick_device, pick_precision
from swissbert.evaluation import evaluate
from swissbert.inference.model import Precision, load_model

aten = torch.ops.aten
PRODUCTS = {aten.mm.default, aten.addmm.default, aten.bmm.default}


class Products(TorchDispatchMode):
    """Products of bf16 matrices through fp32, in the thread that enters. `count` says how many there were."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        """Whatever is not such a product stays as it is."""
        if func in PRODUCTS and args[-1].dtype == torch.bfloat16:
            Products.count += 1
            return func(*(each.float() for each in args), **(kwargs or {})).bfloat16()
        return func(*args, **(kwargs or {}))


def short_run(precision: str, seed: int) -> dict[str, float]:
    """Dev scores after a short run."""
    settings = [
        f"seed={seed}",
        f"train.precision={precision}",
        "train.threads=2",
    ]
    native = pick_precision("auto", pick_device("cpu")) == torch.bfloat16
    emulated = precision == "bf16" and not native
    with tempfile.TemporaryDirectory() as folder, Products() if emulated else nullcontext():
        scores = swissbert.train(swissbert.load_config("quickstart", settings), Path(folder)).scores
    assert not emulated or Products.count, "no product was met"
    return scores


def shipped(data: Path, precision: Precision) -> dict[str, float]:
    """Dev scores of the shipped model."""
    trained = load_model("mini", "cpu", precision)
    return evaluate(trained.model, trained.labelled_splits("dev", data)).flat()


def main() -> None:
    """One line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="starter", help="for --answer")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--train", choices=["fp32", "bf16"])
    what.add_argument("--answer", choices=["fp32", "int8"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    scores = short_run(options.train, options.seed) if options.train else shipped(Path(options.data), options.answer)
    kept = {name: round(scores[name], 4) for name in ("sst.accuracy", "para.accuracy", "sts.pearson", "overall")}
    print(json.dumps({"precision": options.train or options.answer, "seed": options.seed, **kept}))


if __name__ == "__main__":
    main()
