"""Mean pooling for a classifier that reads the first token alone: one more layer of BERT, which writes the logits there.

A classifier of transformers reads the pooler, a layer with tanh on the first token. Here one layer is put on top of the encoder:

- its attention has queries of zero, so that every token, the first one too, gets the mean of all values;
- its values are the logits z of the head without their bias, so that mean is the head's answer to the mean over the tokens;
- its output is so much larger than the residual that the residual is lost, and beside z and -z it has large numbers of known
  size, so that the layer norm divides by a number that z does not change in single precision;
- the second half of the layer adds nothing, and the pooler's tanh is given numbers so small that it is linear.

What is left is a factor, which the classifier's weights undo. Errors are about 1e-5 of the logits in single precision, and as usual in
bfloat16; the large numbers are beyond float16.
"""

import torch
from torch import Tensor

from swissbert.kinds import HFHead

LARGE, SMALL = 2.0**34, 2.0**24
"""Size of the numbers beside the logits, and the factor of the logits, before the layer norm."""
LINEAR = 2.0**-4
"""Factor before the tanh of the pooler."""


def mean_layer(head: HFHead, *, hidden: int, intermediate: int, layer: int) -> dict[str, Tensor]:
    """Return the tensors of the layer, the pooler and the classifier, by their names in `BertForSequenceClassification`.

    Args:
        head: The head, with K labels, 2 K of at most ``hidden - 2``.
        hidden: H, the width.
        intermediate: Width of the feed-forward part.
        layer: Number of the layer.
    """
    weight, bias = head.weight.detach().float().cpu(), head.bias.detach().float().cpu()
    count = len(bias)
    values = torch.zeros(hidden, hidden)
    values[:count] = weight
    spread = torch.zeros(hidden, hidden)  # logits as z and -z, so that the layer norm subtracts nothing
    numbers = torch.arange(count)
    spread[numbers, numbers], spread[count + numbers, numbers] = SMALL, -SMALL
    beside = torch.zeros(hidden)
    rest = (hidden - 2 * count) // 2 * 2
    beside[2 * count : 2 * count + rest] = LARGE * torch.tensor([1.0, -1.0]).repeat(rest // 2)
    scale = (
        SMALL / LARGE * (hidden / rest) ** 0.5
    )  # of z after the layer norm, whose deviation is LARGE * sqrt(rest / H)
    pooler = torch.zeros(hidden, hidden)
    pooler[numbers, numbers] = LINEAR
    output = torch.zeros(count, hidden)
    output[numbers, numbers] = 1 / (LINEAR * scale)
    zeros, ones, square = torch.zeros(hidden), torch.ones(hidden), torch.zeros(hidden, hidden)
    parts = {
        "attention.self.query": (square, zeros),
        "attention.self.key": (square, zeros),
        "attention.self.value": (values, zeros),
        "attention.output.dense": (spread, beside),
        "attention.output.LayerNorm": (ones, zeros),
        "intermediate.dense": (torch.zeros(intermediate, hidden), torch.zeros(intermediate)),
        "output.dense": (torch.zeros(hidden, intermediate), zeros),
        "output.LayerNorm": (ones, zeros),
    }
    named = {f"bert.encoder.layer.{layer}.{name}": part for name, part in parts.items()}
    named |= {"bert.pooler.dense": (pooler, zeros), "classifier": (output, bias)}
    return {
        f"{name}.{kind}": tensor.clone()
        for name, part in named.items()
        for kind, tensor in zip(("weight", "bias"), part, strict=True)
    }
