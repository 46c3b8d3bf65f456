"""A moving average of the weights of a network, kept as a second network."""

import copy

import torch
from torch import nn

from swissbert.model.multitask import MultitaskModel


class MovingAverage(nn.Module):
    """A copy of a network whose weights follow it slowly. It has no dropout and no gradient, whatever mode is asked for.

    Its weights are in its ``state_dict``, so that a checkpoint holds them.

    Args:
        network: The network that is followed; the average begins with its weights.

    Attributes:
        network: The network with the averaged weights.
    """

    def __init__(self, network: MultitaskModel) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self.train(False)

    def train(self, mode: bool = True) -> "MovingAverage":
        """Stay in evaluation mode."""
        super().train(False)
        return self

    def restart(self, network: MultitaskModel) -> None:
        """Take over the present weights of the network that is followed."""
        self.network.load_state_dict(network.state_dict())

    @torch.no_grad()
    def update(self, network: MultitaskModel, decay: float) -> None:
        """Set the average to ``decay * average + (1 - decay) * network``; weights that are not trained stay.

        Args:
            network: The network that is followed.
            decay: Share of the average that stays, from 0 to 1.
        """
        pairs = zip(self.network.parameters(), network.parameters(), strict=True)
        for average, weight in pairs:
            if weight.requires_grad:
                average.lerp_(weight, 1 - decay)


def average_decay(limit: float, step: int) -> float:
    """Return the decay of the average at a step, ``min(limit, (1 + step) / (10 + step))``: the first weights fade soon.

    Args:
        limit: The decay that is reached, ``train.ema``.
        step: Number of the step, from 0.
    """
    return min(limit, (1 + step) / (10 + step))
