"""A tiny encoder and a short recipe on the starter data, with which a training run takes a second."""

import json
from pathlib import Path
from typing import Any

WORDS = "the of and to in it is was not very good bad film movie man woman dog cat how what why can"


def tiny_encoder(folder: Path, seed: int = 0, hidden: int = 32) -> Path:
    """Write an encoder folder of 2 layers with random weights, and return it."""
    import torch

    from swissbert.encoder import Bert, BertConfig
    from swissbert.encoder.checkpoint import write_encoder

    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(33, 127)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters), *WORDS.split()]
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    torch.manual_seed(seed)
    write_encoder(Bert(BertConfig(len(pieces), hidden, 2, 4, 2 * hidden, 128)), folder)
    return folder


def pickled_encoder(folder: Path, encoder: Path) -> Path:
    """Write a copy of an encoder folder with pickled weights, and return it."""
    import torch
    from safetensors.torch import load_file

    folder.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "vocab.txt"):
        (folder / name).write_bytes((encoder / name).read_bytes())
    torch.save(load_file(encoder / "model.safetensors"), folder / "pytorch_model.bin")
    return folder


def recipe(path: Path, encoder: Path, steps: int = 18, **train: Any) -> Path:
    """Write a recipe with three tasks, dropout, learned weights and gradient surgery, and return its path.

    Args:
        path: The file.
        encoder: Folder of the encoder.
        steps: Length of the run, in three epochs.
        train: Settings of ``[train]``.
    """
    settings = {
        "batch_size": 4,
        "epochs": 3,
        "epoch_ends": steps // 3,
        "lr": 1e-3,
        "threads": 1,
        "checkpoint_every": 1,
        "schedule": "linear",
        "clip": 1.0,
        **train,
    }
    lines = [
        'name = "my"',
        "seed = 1",
        'tasks = ["sst", "para", "sts"]',
        'data = { dir = "starter", limit = 24 }',
        f"encoder = {{ name = {json.dumps(str(encoder))}, dropout = 0.1, max_length = 32 }}",
        'model = { pooling = "pooler" }',  # which an export for transformers reads
        'loss = { weighting = "automatic", lr = 0.05, surgery = true }',
        "[train]",
        *(f"{key} = {json.dumps(value)}" for key, value in settings.items()),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
