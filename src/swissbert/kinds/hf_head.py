"""A head as the sequence classifiers of transformers have it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class HFHead:
    """A head as ``transformers.AutoModelForSequenceClassification`` has it.

    Attributes:
        weight: Weight of the linear layer, ``[outputs, H]``.
        bias: Bias of the linear layer, ``[outputs]``.
        labels: Name of each output.
        problem_type: The ``problem_type`` of the transformers configuration. The pipeline of transformers puts a
            softmax on ``single_label_classification`` and a sigmoid on ``multi_label_classification``.
        note: A sentence on how the pipeline's scores relate to swissBERT's answers, where they differ.
    """

    weight: "Tensor"
    bias: "Tensor"
    labels: list[str]
    problem_type: str
    note: str = ""
