"""Eight-bit products: close to fp32, and of no text's neighbours."""

from pathlib import Path

import numpy as np
import pytest
import torch

from swissbert.data.batches import pack
from swissbert.data.tokens import Tokenizer
from swissbert.encoder import Bert
from swissbert.encoder.checkpoint import read_encoder
from swissbert.encoder.int8 import Int8Linear, has_int8, to_int8
from swissbert.errors import SwissbertError
from swissbert.model_folder import load_model

pytestmark = pytest.mark.skipif(not has_int8(), reason="this processor has no int8 products in torch")

TEXTS = [
    "A joy from start to finish.",
    "no",
    "It was the best of films, it was the worst of films, and nobody in the whole long row of seats could say which of the two it was.",
    "How do I keep basil alive indoors?",
    "Somebody fixes a bike.",
    "The man, who had never played a guitar before, plays one in the park; the dog sleeps.",
]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_a_product_is_within_the_steps_of_its_two_roundings(scale: float) -> None:
    torch.manual_seed(0)
    x, weight, bias = scale * torch.randn(37, 48), torch.randn(20, 48), scale * torch.randn(20)
    exact = x.double() @ weight.double().T + bias
    # an activation is off by half a step of its token, a weight by half a step of its output, and both may add up
    a, w = x.abs().amax(1) / 254, weight.abs().amax(1) / 126
    bound = a[:, None] * weight.abs().sum(1) + x.abs().sum(1)[:, None] * w + 48 * a[:, None] * w
    found = Int8Linear(weight, bias)(x)
    assert found.dtype == torch.float32
    assert bool(((found - exact).abs() <= 1.001 * bound).all())
    relative = (found - exact).norm() / (exact - bias).norm()
    assert relative < 0.02, "far better than the bound, since roundings cancel"


def test_zero_tokens_and_zero_weights_are_just_the_bias() -> None:
    bias = torch.tensor([1.0, -2.0])
    assert torch.equal(Int8Linear(torch.zeros(2, 8), bias)(torch.randn(3, 8)), bias.expand(3, 2))
    assert torch.equal(Int8Linear(torch.randn(2, 8), bias)(torch.zeros(3, 8)), bias.expand(3, 2))


def test_the_largest_numbers_do_not_overflow() -> None:
    """All products of one sign and full size: where AVX2 adds pairs in 16 bits, 8-bit weights would saturate here."""
    x, weight = torch.ones(4, 512), torch.ones(16, 512)
    torch.testing.assert_close(Int8Linear(weight, torch.zeros(16))(x), torch.full((4, 16), 512.0))
    torch.testing.assert_close(Int8Linear(weight, torch.zeros(16))(-x), torch.full((4, 16), -512.0))


@pytest.fixture(scope="module")
def encoders() -> tuple[Bert, Bert, Tokenizer]:
    plain, eight = (load_model("mini", "cpu", precision) for precision in ("fp32", "int8"))
    return plain.model.encoder, eight.model.encoder, plain.tokenizer


@torch.inference_mode()
def pooled(encoder: Bert, tokenizer: Tokenizer, texts: list[str]) -> torch.Tensor:
    batch = pack(tokenizer.encode(texts, None, together=False, max_length=64), np.arange(len(texts)))
    return encoder.pool(batch.input_ids, batch.token_type_ids, batch.lengths)


def test_a_real_encoder_stays_close_to_fp32(encoders: tuple[Bert, Bert, Tokenizer]) -> None:
    plain, eight, tokenizer = encoders
    a, b = pooled(plain, tokenizer, TEXTS), pooled(eight, tokenizer, TEXTS)
    assert not torch.equal(a, b)
    assert torch.nn.functional.cosine_similarity(a, b).min() > 0.995


def test_neighbours_change_nothing(encoders: tuple[Bert, Bert, Tokenizer]) -> None:
    _, eight, tokenizer = encoders
    words = " ".join(TEXTS).split()
    random = np.random.default_rng(0)
    texts = [*TEXTS, *(" ".join(random.choice(words, size)) for size in random.integers(1, 60, 30))]
    alone = torch.cat([pooled(eight, tokenizer, [text]) for text in texts])
    for size in (2, 3, 7, 36):
        order = random.permutation(36)[:size].tolist()
        together = pooled(eight, tokenizer, [texts[i] for i in order])
        torch.testing.assert_close(together, alone[order], rtol=0, atol=1e-6)


def test_first_tokens_alone_are_what_the_whole_last_layer_gives(encoders: tuple[Bert, Bert, Tokenizer]) -> None:
    _, eight, tokenizer = encoders
    batch = pack(tokenizer.encode(TEXTS, None, together=False, max_length=64), np.arange(6))
    with torch.inference_mode():
        whole = eight(batch.input_ids, batch.token_type_ids, batch.lengths).pooled
    torch.testing.assert_close(whole, pooled(eight, tokenizer, TEXTS), rtol=0, atol=1e-6)


def test_where_there_are_none_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tiny: Path) -> None:
    monkeypatch.setattr("swissbert.encoder.int8.has_int8", lambda: False)
    with pytest.raises(SwissbertError, match=r"^precision is 'int8', but this processor has no such products"):
        to_int8(read_encoder(tiny))
