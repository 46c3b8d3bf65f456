"""The running mean of the weights of several models."""

from torch import Tensor

Weights = dict[str, Tensor]
"""Parameters and buffers of a network by name."""


class Average:
    """The running mean of weights, summed in double precision, so that the mean of equal weights is exact.

    Attributes:
        count: Number of models in it.
    """

    def __init__(self, first: Weights) -> None:
        self.count = 1
        self._first = first
        self._sums = {name: tensor.double() for name, tensor in first.items() if tensor.is_floating_point()}

    def with_one_more(self, weights: Weights) -> Weights:
        """Return the mean with one more model, which is not kept."""
        sums = {name: total + weights[name].double() for name, total in self._sums.items()}
        return self._mean(sums, self.count + 1)

    def add(self, weights: Weights) -> None:
        """Keep one more model."""
        for name, total in self._sums.items():
            total += weights[name].double()
        self.count += 1

    def _mean(self, sums: Weights, count: int) -> Weights:
        return {
            name: (sums[name] / count).to(tensor.dtype) if name in sums else tensor
            for name, tensor in self._first.items()
        }
