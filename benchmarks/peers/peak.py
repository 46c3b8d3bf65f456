"""Rate of matrix products at the shapes of MiniLM-L6: an upper limit for the speed of training.

    python benchmarks/peers/peak.py [--threads 2]

Prints one JSON line with GFLOP/s in fp32 and bf16.
"""

import argparse
import json
import statistics
import time

import torch

ROWS, HIDDEN, INTERMEDIATE = 1024, 384, 1536


def rate(dtype: torch.dtype, repeats: int = 30, warmup: int = 5) -> float:
    """Return the median rate of ``[ROWS, HIDDEN] x [HIDDEN, INTERMEDIATE]`` in GFLOP/s."""
    inputs = torch.randn(ROWS, HIDDEN).to(dtype)
    weight = torch.randn(INTERMEDIATE, HIDDEN).to(dtype)
    seconds = []
    for _ in range(warmup + repeats):
        start = time.perf_counter()
        torch.nn.functional.linear(inputs, weight)
        seconds.append(time.perf_counter() - start)
    return 2 * ROWS * HIDDEN * INTERMEDIATE / statistics.median(seconds[warmup:]) / 1e9


def main() -> None:
    """Measure both precisions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    print(json.dumps({"gflops_fp32": round(rate(torch.float32)), "gflops_bf16": round(rate(torch.bfloat16))}))


if __name__ == "__main__":
    main()
