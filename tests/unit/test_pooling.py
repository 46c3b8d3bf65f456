"""Pooling: what each way computes, and sentence vectors in other libraries."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders import SMALL, encode, int8_encoder, packed_ids, pool, random_sequences, small_encoder
from swissbert.config import load_config
from swissbert.encoder import PaddedLayout
from swissbert.encoder.checkpoint import read_pretrained, write_encoder
from swissbert.encoder.pooling import POOLINGS
from swissbert.errors import SwissbertError
from swissbert.inference import load
from swissbert.training import train

LENGTHS = [7, 1, 20, 3]


@pytest.mark.parametrize("name", POOLINGS)
def test_the_pooled_output_is_that_of_the_hidden_states(name: str) -> None:
    encoder, sequences = small_encoder(), random_sequences(SMALL, LENGTHS)
    encoder.set_pooling(name)
    with torch.no_grad():
        encoded = encode(encoder, sequences)
        parts = torch.split(encoded.hidden, LENGTHS)
        first, mean = torch.stack([part[0] for part in parts]), torch.stack([part.mean(0) for part in parts])
        expected = {
            "pooler": torch.tanh(encoder.pooler(first)),
            "cls": first,
            "mean": mean,
            "cls_mean": torch.cat([first, mean], dim=1),
        }[name]
        padded = encode(encoder, sequences, PaddedLayout(sequences.padded[2]))
    assert expected.shape[1] == encoder.width
    for pooled in (encoded.pooled, pool(encoder, sequences), padded.pooled):
        torch.testing.assert_close(pooled, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["mean", "cls_mean"])
def test_neighbours_of_the_same_length_do_not_change_a_bit_of_a_mean(name: str) -> None:
    encoder, sequences = small_encoder(), random_sequences(SMALL, [9, 9, 9])
    encoder.set_pooling(name)
    ids = sequences.packed[0]
    with torch.no_grad():
        one = encoder.pool(ids, torch.zeros_like(ids), [9, 9, 9])
        other = encoder.pool(torch.cat([ids[:9], ids[18:], ids[9:18]]), torch.zeros_like(ids), [9, 9, 9])
    assert torch.equal(one[0], other[0])


@pytest.mark.parametrize("name", POOLINGS)
def test_int8_products_pool_alike(name: str) -> None:
    encoder, sequences = small_encoder(), random_sequences(SMALL, LENGTHS)
    encoder.set_pooling(name)
    with torch.inference_mode():
        exact = pool(encoder, sequences)
    rounded = torch.from_numpy(int8_encoder(encoder).pool(packed_ids(*sequences.packed, sequences.lengths)))
    assert rounded.shape == exact.shape
    assert torch.nn.functional.cosine_similarity(rounded, exact).min() > 0.99


@pytest.mark.parametrize("name", POOLINGS)
def test_only_a_pooler_that_is_used_is_trained(name: str) -> None:
    encoder = small_encoder()
    encoder.set_pooling(name)
    assert encoder.pooler.weight.requires_grad == (name == "pooler")
    torch.autograd.backward(encoder.pool(*_tokens()).sum())
    missing = [
        name for name, parameter in encoder.named_parameters() if parameter.requires_grad and parameter.grad is None
    ]
    assert not missing


def _tokens() -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    ids = torch.arange(1, 8)
    return ids, torch.zeros_like(ids), [4, 3]


def test_an_unknown_pooling_is_refused_by_name() -> None:
    with pytest.raises(SwissbertError, match=r"model.pooling is 'max', but it is one of pooler, cls, mean, cls_mean"):
        load_config("quickstart", ["model.pooling=max"])


@pytest.mark.parametrize("name", POOLINGS)
def test_sentence_transformers_gives_the_vectors_of_an_export(tiny: Path, tmp_path: Path, name: str) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from swissbert.export import export_sentence_vectors

    folder = shutil.copytree(tiny, tmp_path / "encoder")
    encoder = read_pretrained(folder).encoder
    encoder.pooler.bias.data.uniform_(-1, 1)
    write_encoder(encoder, folder)
    overrides = [
        f"encoder.name={folder}",
        f"model.pooling={name}",
        "train.max_steps=1",
        "data.limit=8",
        "encoder.max_length=16",
    ]
    train(load_config("quickstart", overrides), tmp_path / "run")
    model = load(tmp_path / "run")
    assert model.network.encoder.pooling == name
    out = export_sentence_vectors(model, tmp_path / "export")
    texts = ["a good film", "the dog plays in the park", "bad " * 40]
    theirs = sentence_transformers.SentenceTransformer(str(out), device="cpu").encode(texts)
    np.testing.assert_allclose(model.encode(texts), theirs, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(theirs, axis=1), 1, atol=1e-5)


def test_vectors_take_one_text_or_several_and_refuse_others() -> None:
    model = load()
    one, several = model.encode("A dog runs."), model.encode(["A dog runs.", "The market fell."])
    assert one.shape == (384,)
    np.testing.assert_allclose(several[0], one, atol=1e-6)
    assert model.encode([]).shape == (0, 384)
    raw = model.encode("A dog runs.", normalise=False)
    np.testing.assert_allclose(raw / np.linalg.norm(raw), one, atol=1e-6)
    with pytest.raises(SwissbertError, match="input 2: the text is empty"):
        model.encode(["a", " "])
    with pytest.raises(SwissbertError, match="input 1: a text is expected, not 3"):
        model.encode([3])  # type: ignore[list-item]
