"""Weights of other types, sizes and values than a BERT has are refused, and nothing large is allocated first."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from edited import rewrite
from swissbert.encoder.checkpoint import read_encoder
from swissbert.encoder.stored import read_arrays
from swissbert.errors import SwissbertError
from swissbert.inference.loading import load

SIZES: dict[str, float] = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
    "C64": 8,
}
SIZES |= {"F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "U16": 2, "U64": 8, "F4": 0.5}


@pytest.fixture
def folder(tiny_run: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny_run / "model", tmp_path / "model"))
    rewrite(folder / "swissbert.json")  # as of a stranger who fits checksums to the files
    return folder


def with_type(file: Path, kind: str) -> None:
    """Write numbers of a type, which are not 0, in place of the tensors of a file."""
    head, size = {}, 0
    for name, tensor in load_file(file).items():
        length = int(tensor.numel() * SIZES[kind])
        head[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [size, size + length]}
        size += length
    text = json.dumps(head).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + b"\x3c" * size)  # 1.06 in fp16, 0.011 in fp32


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("file", ["model.safetensors", "heads.safetensors"])
def test_only_four_types_of_weights_are_read(folder: Path, file: str, kind: str) -> None:
    with_type(folder / file, kind)
    if kind in ("F64", "F32", "F16", "BF16"):
        load(folder)
        return
    with pytest.raises(
        SwissbertError, match=rf"{file}: .*is of the type {kind}, but BF16, F16, F32, F64 are read|not a re"
    ):
        load(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("file", ["model.safetensors", "heads.safetensors"])
def test_nan_and_infinity_are_refused_with_the_name_of_the_tensor(folder: Path, file: str, value: float) -> None:
    tensors = load_file(folder / file)
    name = max(tensors, key=lambda name: tensors[name].numel())
    tensors[name].view(-1)[3] = value
    save_file(tensors, folder / file, metadata={"format": "pt"})
    with pytest.raises(SwissbertError) as caught:
        load(folder)
    assert f"{file}: " in str(caught.value)
    assert name in str(caught.value)
    assert "holds NaN or infinity" in str(caught.value)


@pytest.mark.parametrize("read", [read_encoder, read_arrays])
@pytest.mark.parametrize(
    ("part", "value", "problem"),
    [
        ("embeddings.word_embeddings.weight", 0.0, "all numbers of"),
        ("embeddings.LayerNorm.weight", 0.0, "all numbers of"),
        ("encoder.layer.0.attention.self.key.weight", 0.0, "all numbers of"),
        ("encoder.layer.1.output.LayerNorm.weight", 0.0, "all numbers of"),
        ("encoder.layer.0.attention.self.query.weight", float("nan"), "holds NaN"),
        ("embeddings.token_type_embeddings.weight", 0.0, ""),
        ("embeddings.position_embeddings.weight", 0.0, ""),
        ("encoder.layer.0.attention.self.key.bias", 0.0, ""),
        ("encoder.layer.1.output.dense.weight", 0.0, ""),  # a layer that adds nothing
        ("pooler.dense.weight", 0.0, ""),
    ],
)
def test_a_weight_that_was_never_written_is_named_alone(
    folder: Path, part: str, value: float, problem: str, read: Callable[[Path], object]
) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors[part][:] = value
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    if not problem:
        read(folder)
        return
    with pytest.raises(SwissbertError, match=problem) as caught:
        read(folder)
    assert part in str(caught.value)
    assert str(caught.value).count(".weight") == 1


def test_very_large_weights_are_not_taken_for_infinite(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["embeddings.word_embeddings.weight"][:] = 3e38  # their sum is infinite, they are not
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    read_encoder(folder)


def test_heads_are_compared_with_the_file_before_they_are_made(folder: Path) -> None:
    table = json.loads((folder / "swissbert.json").read_text())
    table["tasks"][0] |= {"labels": [f"l{i}" for i in range(400_000)], "examples": []}
    (folder / "swissbert.json").write_text(json.dumps(table))
    with pytest.raises(SwissbertError, match=r"heads\.safetensors: .*but its tasks take at least"):
        load(folder)


def test_a_file_of_holes_is_refused(folder: Path) -> None:
    """Eight gigabytes of zeros that take no room on the disk."""
    head: dict[str, Any] = {}
    size = 0
    config = json.loads((folder / "config.json").read_text())
    rows = 2_000_000
    for name, tensor in load_file(folder / "model.safetensors").items():
        shape = [rows, tensor.shape[1]] if "word_embeddings" in name else list(tensor.shape)
        length = 4 * int(np.prod(shape))
        head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [size, size + length]}
        size += length
    text = json.dumps(head).encode()
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": rows}))
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + size)
    with pytest.raises(SwissbertError, match="more than half of the file is holes"):
        read_encoder(folder)


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        (b'{"a":' + b" " * 9_000_000 + b"}", "its header has 9,000,006 bytes, but at most 8,388,608 are read"),
        (
            json.dumps({"a." * 2000: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}).encode(),
            "a name of more than 500",
        ),
        (
            json.dumps(
                {f"{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(90_000)}
            ).encode(),
            "missing",
        ),
        (b'{"x":{"dtype":"F32","shape":[' + b"1," * 1_000_000 + b'1],"data_offsets":[0,4]}}', "safetensors: "),
    ],
    ids=["spaces", "name", "many", "dimensions"],
)
def test_a_header_without_end_is_refused(folder: Path, head: bytes, sentence: str) -> None:
    for file in ("heads.safetensors", "model.safetensors"):
        (folder / file).write_bytes(struct.pack("<Q", len(head)) + head)
        with pytest.raises(SwissbertError) as caught:
            load(folder)
        assert len(str(caught.value)) <= 600
    assert sentence in str(caught.value)


def test_foreign_tensors_beside_heads_are_refused_before_they_are_read(folder: Path) -> None:
    tensors = load_file(folder / "heads.safetensors") | {"foreign": torch.zeros(10, dtype=torch.int8)}
    save_file(tensors, folder / "heads.safetensors", metadata={"format": "pt"})
    with pytest.raises(SwissbertError, match=r"do not fit swissbert\.json: unknown foreign$"):
        load(folder)
