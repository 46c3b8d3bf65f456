"""Int8 products: an encoder of rounded numbers, close to fp32, whose answers do not depend on neighbours."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from encoders import int8_encoder, packed_ids
from swissbert.data.packing import packed_arrays
from swissbert.data.tokens import Tokenizer
from swissbert.encoder import Bert, BertConfig, attention
from swissbert.encoder.activations import ACTIVATIONS
from swissbert.encoder.bert import Layer
from swissbert.encoder.pooling import POOLINGS
from swissbert.errors import SwissbertError
from swissbert.inference.graph import attention_graph, pooling_graph, round_parameters
from swissbert.inference.int8 import Int8Encoder, distance_buckets, has_int8, need_int8
from swissbert.inference.int8_model import Int8Model
from swissbert.inference.loading import load
from swissbert.inference.model import Model

pytestmark = [
    pytest.mark.skipif(not has_int8(), reason="onnx and onnxruntime are not installed"),
    pytest.mark.usefixtures("one_thread"),
]

TEXTS = [
    "A joy from start to finish.",
    "no",
    "It was the best of films, it was the worst of films, and nobody in the whole long row of seats could say which of the two it was.",
    "How do I keep basil alive indoors?",
    "Somebody fixes a bike.",
    "The man, who had never played a guitar before, plays one in the park; the dog sleeps.",
]


def rounded(x: Tensor, steps: int) -> Tensor:
    """Round each row to multiples of its largest absolute value divided by `steps`."""
    scale = x.abs().amax(1, keepdim=True).clamp(min=1e-12) / steps
    return (x / scale).round() * scale


def layers(encoder: Bert) -> list[Layer]:
    return [layer for layer in encoder.layers if isinstance(layer, Layer)]


def reference(encoder: Bert, hidden: Tensor, lengths: list[int]) -> Tensor:
    """Reference in float64: one sequence at a time, with weights and activations rounded beforehand."""

    def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return rounded(x, 127) @ rounded(weight.double(), 63).T + bias.double()

    def norm(x: Tensor, by: torch.nn.LayerNorm) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], by.weight.double(), by.bias.double(), by.eps)

    pooled = []
    for x in torch.split(hidden.double(), lengths):
        for layer in layers(encoder):
            qkv = linear(x, layer.qkv.weight, layer.qkv.bias)
            q, k, v = qkv.view(len(x), 3, layer.heads, -1).permute(1, 2, 0, 3)
            context = F.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1) @ v
            context = context.transpose(0, 1).reshape(len(x), -1)
            x = norm(x + linear(context, layer.attention_out.weight, layer.attention_out.bias), layer.attention_norm)
            wide = layer.activation(linear(x, layer.up.weight, layer.up.bias))
            x = norm(x + linear(wide, layer.down.weight, layer.down.bias), layer.norm)
        pooled.append(torch.tanh(x[:1] @ encoder.pooler.weight.double().T + encoder.pooler.bias.double()))
    return torch.cat(pooled)


@torch.inference_mode()
def both(encoder: Bert, lengths: list[int]) -> tuple[Tensor, Tensor]:
    """Pooled outputs of int8 products for random tokens, and those of the reference."""
    ids = torch.randint(encoder.config.vocab_size, (sum(lengths),), generator=torch.Generator().manual_seed(0))
    types = torch.arange(sum(lengths)) % 2
    actual = torch.from_numpy(int8_encoder(encoder).pool(packed_ids(ids, types, lengths)))
    hidden = encoder.eval().embed(ids, types, lengths)
    assert actual.dtype == torch.float32
    return actual, reference(encoder, hidden, lengths).float()


@pytest.mark.parametrize("lengths", [[1], [5], [3, 1, 9], [40, 2, 2, 17, 64]])
def test_pooled_outputs_are_those_of_rounded_numbers(lengths: list[int]) -> None:
    """The last digit of a number may decide how it is rounded, so a few values of many differ by one step."""
    torch.manual_seed(0)
    encoder = Bert(
        BertConfig(vocab_size=9, hidden_size=48, layers=2, heads=4, intermediate_size=96, initializer_range=0.2)
    )
    actual, expected = both(encoder, lengths)
    assert (actual - expected).abs().median() < 1e-5
    assert (actual - expected).abs().max() < 0.03


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_every_activation_is_that_of_the_encoder(activation: str) -> None:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=9,
        hidden_size=48,
        layers=2,
        heads=4,
        intermediate_size=96,
        initializer_range=0.2,
        activation=activation,
    )
    actual, expected = both(Bert(config), [3, 1, 9])
    assert (actual - expected).abs().median() < 1e-5
    assert (actual - expected).abs().max() < 0.03


def test_nan_in_one_text_does_not_reach_another() -> None:
    torch.manual_seed(0)
    encoder = Bert(BertConfig(vocab_size=9, hidden_size=48, layers=2, heads=4, intermediate_size=96))
    with torch.no_grad():
        encoder.embeddings.word.weight[8] = float("nan")
    rounded, ids = int8_encoder(encoder), torch.tensor([8, 1, 2, 8, 4, 5, 6, 1, 2, 3, 4, 5])
    types = torch.zeros_like(ids)
    alone = rounded.pool(packed_ids(ids[7:9], types[7:9], [2]))
    together = rounded.pool(packed_ids(ids, types, [7, 2, 3]))
    assert np.isnan(together[0]).any()
    assert np.array_equal(together[1:2], alone)


def test_the_largest_numbers_do_not_overflow() -> None:
    """Products of one sign and full size: 8-bit weights would overflow the 16 bits of AVX2 here."""
    encoder = Bert(BertConfig(vocab_size=9, hidden_size=32, layers=1, heads=2, intermediate_size=64))
    layer = layers(encoder)[0]
    with torch.no_grad():
        layer.up.weight.zero_()
        layer.up.bias.fill_(5.0)
        layer.down.weight.fill_(1.0)
        layer.down.weight[:16] *= -1  # 64 * 5 of either sign, because the norm would hide equal values
        layer.down.weight[8] = 0.5
    actual, expected = both(encoder, [3, 4])
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


def test_zero_tokens_and_zero_weights_give_the_bias() -> None:
    encoder = Bert(BertConfig(vocab_size=9, hidden_size=32, layers=1, heads=2, intermediate_size=64))
    with torch.no_grad():
        for parameter in encoder.layers.parameters():
            parameter.zero_()
        layers(encoder)[0].norm.bias.copy_(torch.linspace(-1, 1, 32))
    actual, expected = both(encoder, [3, 4])
    assert actual.isfinite().all()
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)


@pytest.fixture(scope="module")
def encoders() -> tuple[Model, Int8Encoder, Tokenizer]:
    plain, eight = (load("mini", "cpu", precision) for precision in ("fp32", "int8"))
    assert isinstance(eight.engine, Int8Model)
    return plain, eight.engine.encoder, plain.tokenizer


def pooled(encoder: Int8Encoder, tokenizer: Tokenizer, texts: list[str]) -> torch.Tensor:
    table = tokenizer.encode(texts, None, together=False, max_length=64)
    return torch.from_numpy(encoder.pool(packed_arrays(table, np.arange(len(texts)))))


def test_a_real_encoder_stays_close_to_fp32(encoders: tuple[Model, Int8Encoder, Tokenizer]) -> None:
    plain, eight, tokenizer = encoders
    a = torch.from_numpy(plain.encode(TEXTS, normalise=False))
    b = pooled(eight, tokenizer, TEXTS)
    assert not torch.equal(a, b)
    assert torch.nn.functional.cosine_similarity(a, b).min() > 0.995


def test_neighbours_do_not_change_an_answer(encoders: tuple[Model, Int8Encoder, Tokenizer]) -> None:
    _, eight, tokenizer = encoders
    words = " ".join(TEXTS).split()
    random = np.random.default_rng(0)
    texts = [*TEXTS, *(" ".join(random.choice(words, size)) for size in random.integers(1, 60, 30))]
    alone = torch.cat([pooled(eight, tokenizer, [text]) for text in texts])
    for size in (2, 3, 7, 36):
        order = random.permutation(36)[:size].tolist()
        together = pooled(eight, tokenizer, [texts[i] for i in order])
        torch.testing.assert_close(together, alone[order], rtol=0, atol=1e-6)


@pytest.mark.parametrize("count", [16, 32])
def test_distances_fall_into_the_buckets_of_the_encoder(count: int) -> None:
    expected = attention.distance_buckets(512, count, torch.device("cpu"))
    assert np.array_equal(distance_buckets(512, count), expected.numpy())


def test_the_graph_is_the_one_that_the_package_onnx_reads() -> None:
    onnx = pytest.importorskip("onnx")
    config = BertConfig(vocab_size=9, hidden_size=48, layers=2, heads=4, intermediate_size=96, norm_eps=1e-12)
    encoder = Bert(config)
    rounded = round_parameters({name: tensor.detach().numpy() for name, tensor in encoder.state_dict().items()})
    for graph in (pooling_graph(config, POOLINGS["pooler"], rounded), attention_graph(config, rounded)):
        model = onnx.load_from_string(graph)
        onnx.checker.check_model(model)
        assert model.SerializeToString(deterministic=True) == graph
        tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        assert np.array_equal(tensors["layers.0.up.int8"], rounded["layers.0.up.int8"])
        assert tensors["step"] == np.float32(1 / 127)
        norm = next(node for node in model.graph.node if node.op_type == "LayerNormalization")
        options = {option.name: onnx.helper.get_attribute_value(option) for option in norm.attribute}
        assert options == {"axis": -1, "epsilon": pytest.approx(1e-12)}


def test_without_onnxruntime_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swissbert.inference.int8.has_int8", lambda: False)
    with pytest.raises(
        SwissbertError,
        match=r"^precision 'int8' needs onnxruntime, which is not installed: pip install 'swissbert\[int8\]'",
    ):
        load("mini", "cpu", "int8")


def test_without_torch_too_it_does_not_offer_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    for missing in ("has_int8", "has_torch"):
        monkeypatch.setattr(f"swissbert.inference.int8.{missing}", lambda: False)
    with pytest.raises(SwissbertError, match=r"^precision 'int8' needs .* not installed: pip install onnxruntime$"):
        need_int8()
