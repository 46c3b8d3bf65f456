"""Peer: optimizer steps of a plain transformers training loop on SST, Quora and STS, 32 rows of each a step.

    python benchmarks/peers/train_step.py --data DIR [--precision bf16] [--group-by-length] [--steps 15] [--threads 2]

Pairs are encoded together, batches are tokenised and padded as they are needed, attention is SDPA, and the optimizer is
AdamW at 1e-5. With --group-by-length rows are sorted by length within groups of 50 batches, as the length-grouped sampler
of transformers does. Prints one JSON line.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from data import Row, encoder_folder, read_rows
from peak import rate
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

BATCH = 32
GROUP = 50 * BATCH
OUTPUTS = {"sst": 5, "para": 1, "sts": 1}


def loss(task: str, logits: Tensor, labels: Tensor) -> Tensor:
    """Return the usual loss of each task: cross-entropy, binary cross-entropy or squared error."""
    if task == "sst":
        return F.cross_entropy(logits, labels.long())
    function = F.binary_cross_entropy_with_logits if task == "para" else F.mse_loss
    return function(logits[:, 0], labels)


class Loop:
    """Encoder, heads, optimizer and batches.

    Args:
        data: Folder with the course's files.
        bf16: Whether to run the encoder and heads under autocast to bf16.
        group: Whether to group rows by length.
        rows: Rows of each task.
    """

    def __init__(self, data: Path, *, bf16: bool, group: bool, rows: int) -> None:
        self.bf16 = bf16
        self.tokenizer = AutoTokenizer.from_pretrained(encoder_folder())
        self.encoder = AutoModel.from_pretrained(encoder_folder(), attn_implementation="sdpa").train()
        width = self.encoder.config.hidden_size
        self.heads = nn.ModuleDict({task: nn.Linear(width, count) for task, count in OUTPUTS.items()})
        self.optimizer = torch.optim.AdamW([*self.encoder.parameters(), *self.heads.parameters()], lr=1e-5)
        self.batches = {
            task: self._batches(read_rows(data, task, "train", shuffle=0)[:rows], group) for task in OUTPUTS
        }

    def _batches(self, rows: list[Row], group: bool) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        """Yield tokenised and padded batches with their labels."""
        if group:
            parts = [rows[start : start + GROUP] for start in range(0, len(rows), GROUP)]
            rows = [row for part in parts for row in sorted(part, key=lambda row: -sum(map(len, row.texts)))]
        batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        random.Random(1).shuffle(batches)
        for batch in batches:
            texts = [list(column) for column in zip(*(row.texts for row in batch), strict=True)]
            tokens = self.tokenizer(*texts, padding=True, truncation=True, max_length=512, return_tensors="pt")
            yield dict(tokens), torch.tensor([row.label for row in batch])

    def step(self) -> tuple[int, int]:
        """Run one optimizer step over a batch of each task; return the real tokens and the tokens with padding."""
        real = padded = 0
        for task, batches in self.batches.items():
            tokens, labels = next(batches)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                logits = self.heads[task](self.encoder(**tokens).pooler_output)
            loss(task, logits.float(), labels).backward()  # type: ignore[no-untyped-call]
            real += int(tokens["attention_mask"].sum())
            padded += tokens["attention_mask"].numel()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return real, padded


def main() -> None:
    """Time the steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--group-by-length", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    count = options.warmup + options.steps
    loop = Loop(options.data, bf16=options.precision == "bf16", group=options.group_by_length, rows=BATCH * count)
    for _ in range(options.warmup):
        loop.step()
    start = time.perf_counter()
    tokens = [loop.step() for _ in range(options.steps)]
    seconds = time.perf_counter() - start
    real, padded = (sum(counts) for counts in zip(*tokens, strict=True))
    weights = sum(weight.numel() for weight in loop.encoder.encoder.parameters())
    peak = rate(torch.bfloat16 if loop.bf16 else torch.float32)
    figures = {
        "program": f"transformers {options.precision}{', grouped' if options.group_by_length else ''}",
        "sequences_per_s": round(len(OUTPUTS) * BATCH * options.steps / seconds, 1),
        "real_tokens_per_s": round(real / seconds),
        "padding": round(padded / real, 2),
        "useful_over_peak": round(6 * weights * real / seconds / 1e9 / peak, 3),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
