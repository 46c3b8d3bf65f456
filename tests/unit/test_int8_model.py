"""A loaded int8 model keeps nothing of its files or of the network that it was made from, and threads may share it."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from encoders import packed_ids, small_encoder
from swissbert.encoder.stored import read_arrays
from swissbert.errors import SwissbertError
from swissbert.inference.graph import attention_graph
from swissbert.inference.int8 import has_int8
from swissbert.inference.int8_model import Int8Model, int8_of_network
from swissbert.inference.loading import load
from swissbert.model.multitask import MultitaskModel
from swissbert.tasks import find_task
from swissbert.weight_files import need_finite, open_file

pytestmark = [
    pytest.mark.skipif(not has_int8(), reason="onnxruntime is not installed"),
    pytest.mark.usefixtures("one_thread"),
]

TEXTS = ["A joy from start to finish.", "Dull and far too long."]


def open_files() -> int:
    """Return the number of open file descriptors of this process."""
    return len(os.listdir("/dev/fd"))


@pytest.fixture
def folder(tiny_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_run / "model", tmp_path / "model"))


def test_answers_stay_when_the_files_are_overwritten_in_place(folder: Path) -> None:
    model = load(folder, "cpu", "int8")
    before, words = model.numbers("sst", TEXTS), model.encode(TEXTS)
    for file in folder.glob("*.safetensors"):
        with file.open("r+b") as opened:
            opened.write(bytes(file.stat().st_size))
    assert np.array_equal(model.numbers("sst", TEXTS), before)
    assert np.array_equal(model.encode(TEXTS), words)
    for file in folder.glob("*.safetensors"):
        os.truncate(file, 0)  # what is still mapped ends the process
    assert np.array_equal(model.numbers("sst", TEXTS), before)


def test_a_loaded_model_has_no_open_files(folder: Path) -> None:
    load(folder, "cpu", "int8").numbers("sst", TEXTS)  # what is opened once for good
    before = open_files()
    model = load(folder, "cpu", "int8")
    assert open_files() == before
    model.numbers("sst", TEXTS)


def test_a_file_is_mapped_once(folder: Path) -> None:
    before = open_files()
    encoder = read_arrays(folder)
    assert len(encoder.parameters) > 20
    assert open_files() <= before + 1


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_numbers_of_every_type_and_shape_are_arrays(kind: torch.dtype, tmp_path: Path) -> None:
    tensors = {"number": torch.tensor(0.75), "row": torch.tensor([0.5, -3.0]), "none": torch.empty(0, 4)}
    save_file({name: tensor.to(kind) for name, tensor in tensors.items()}, tmp_path / "few.safetensors")
    with open_file(tmp_path / "few.safetensors", "np") as weights:
        arrays = {name: weights.array(name) for name in weights.names}
    for name, tensor in tensors.items():
        assert isinstance(arrays[name], np.ndarray)
        assert arrays[name].dtype == np.float32
        assert arrays[name].shape == tuple(tensor.shape)
        assert np.array_equal(arrays[name], tensor.numpy())
        need_finite(arrays[name], name, tmp_path)


def test_a_single_bfloat16_nan_is_refused(folder: Path) -> None:
    tensors = load_file(folder / "heads.safetensors")
    file = folder / "nan.safetensors"
    save_file({**tensors, "threshold": torch.tensor(float("nan"), dtype=torch.bfloat16)}, file)
    with open_file(file, "np") as weights, pytest.raises(SwissbertError, match="threshold holds NaN or infinity"):
        need_finite(weights.array("threshold"), "threshold", file)


def test_training_the_network_goes_on_without_its_int8_model() -> None:
    network = MultitaskModel(small_encoder(), [find_task("sst")], pair_encoding=True, dropout=0.0).eval()
    model = int8_of_network(network)
    tokens = packed_ids(torch.tensor([5, 7, 9]), torch.zeros(3, dtype=torch.int64), [3])
    before = model.encoder.pool(tokens)
    with torch.no_grad():
        for parameter in network.encoder.parameters():
            parameter.add_(1.0)
    assert np.array_equal(model.encoder.pool(tokens), before)
    assert model.head("sst") is network.head("sst")


def test_threads_that_ask_for_the_network_get_the_same_one(folder: Path) -> None:
    model, together = load(folder, "cpu", "int8"), Barrier(4)

    def ask(_: int) -> MultitaskModel:
        together.wait()
        return model.network

    with ThreadPoolExecutor(4) as pool:
        networks = list(pool.map(ask, range(4)))
    assert all(network is networks[0] for network in networks)


def test_answers_go_on_while_the_graph_of_attention_is_built(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, begun, go_on = load(folder, "cpu", "int8"), Event(), Event()
    assert isinstance(model.engine, Int8Model)

    def slow(*arguments: object) -> bytes:
        begun.set()
        assert go_on.wait(20)
        return attention_graph(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("swissbert.inference.int8.attention_graph", slow)
    tokens = packed_ids(torch.tensor([5, 7, 9]), torch.zeros(3, dtype=torch.int64), [3])
    with ThreadPoolExecutor(2) as pool:
        attention = pool.submit(model.engine.encoder.attention, tokens)
        assert begun.wait(20)
        try:
            pool.submit(model.engine.encoder.pool, tokens).result(timeout=10)
            assert not attention.done()
        finally:
            go_on.set()
        assert attention.result(timeout=20).shape[-2:] == (3, 3)
