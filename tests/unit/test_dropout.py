"""Dropout: rate, mean, independence, seeds and gradients."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from swissbert.encoder.dropout import dropout


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.3, 0.5, 0.9])
def test_the_rate_and_the_mean_are_kept(rate: float) -> None:
    """Within five standard deviations of a binomial count."""
    torch.manual_seed(0)
    count = 2_000_003  # not a multiple of the four masks that one random number gives
    dropped = dropout(torch.ones(count), rate, True)
    deviation = (rate * (1 - rate) / count) ** 0.5
    assert abs((dropped == 0).double().mean().item() - rate) < 5 * deviation + 2**-17
    assert abs(dropped.double().mean().item() - 1) < 5 * deviation / (1 - rate) + 1e-4
    kept = dropped[dropped != 0]
    assert kept.min() == kept.max()
    assert abs(kept[0].item() * (1 - rate) - 1) < 1e-4


def test_positions_and_calls_are_independent() -> None:
    torch.manual_seed(0)
    masks = torch.stack([(dropout(torch.ones(200_000), 0.3, True) == 0).double() for _ in range(4)])
    rows = torch.cat([masks, masks.roll(1, 1), masks.roll(4, 1)])
    correlations = np.corrcoef(rows.numpy()) - np.eye(len(rows))
    assert np.abs(correlations).max() < 5 / 200_000**0.5


def test_masks_depend_on_the_seed_of_torch_only() -> None:
    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        np.random.seed(1)  # must have no effect
        return dropout(torch.ones(64), 0.5, True)

    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))
    torch.manual_seed(3)
    first = dropout(torch.ones(64), 0.5, True)
    assert not torch.equal(first, dropout(torch.ones(64), 0.5, True)), "a second call draws another mask"


@pytest.mark.parametrize(("rate", "training"), [(0.0, True), (0.5, False), (0.0, False)])
def test_without_a_rate_or_outside_training_the_input_is_returned(rate: float, training: bool) -> None:
    x = torch.randn(5, 7)
    state = torch.get_rng_state()
    assert dropout(x, rate, training) is x
    assert torch.equal(torch.get_rng_state(), state), "a random number was drawn"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dropped_values_have_no_gradient_and_others_are_rescaled(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    x, upstream = torch.randn(40, 9, dtype=dtype, requires_grad=True), torch.randn(40, 9, dtype=dtype)
    output = dropout(x, 0.4, True)
    assert output.dtype == dtype
    (gradient,) = torch.autograd.grad(output, x, upstream)
    dropped = output == 0
    assert 0.2 < dropped.float().mean() < 0.6
    assert torch.equal(gradient == 0, dropped)
    torch.testing.assert_close(gradient[~dropped].float(), upstream[~dropped].float() / 0.6, rtol=1e-2, atol=0)


def test_other_devices_use_the_dropout_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    monkeypatch.setattr(F, "dropout", lambda _, rate: rates.append(rate))
    dropout(torch.ones(3, device="meta"), 0.25, True)
    assert rates == [0.25]
