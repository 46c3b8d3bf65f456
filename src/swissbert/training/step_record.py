"""What an optimizer step reports."""

from dataclasses import asdict, dataclass

BY_LAYER_EVERY = 20
"""Steps between two records of the cosines of task gradients layer by layer, for methods that need the Gram matrix."""
ORDER = (
    "loss",
    "smoothness",
    "proximal",
    "weight",
    "cosine",
    "conflicts",
    "cosine_by_layer",
    "teacher_share",
    "tokens",
)
"""Order of the entries of a step in ``metrics.jsonl``, before ``seconds``."""


@dataclass(frozen=True)
class StepRecord:
    """What a step reports; ``metrics.jsonl`` holds the same. With several processes it is about the whole step.

    Attributes:
        loss: Mean loss of each task in the step, without the terms of regularisation.
        smoothness: Mean smoothness term of each task that has one, before its factor.
        proximal: Mean proximal term of each task that has one, before its factor.
        weight: Factor of each task's loss, ``loss.scale`` included.
        tokens: Number of tokens read.
        seconds: Duration.
        cosine: For a Gram method: cosine of each pair of task gradients.
        conflicts: For a Gram method: under ``share``, the share of pairs with a negative cosine.
        cosine_by_layer: Cosines within each part of the encoder, every `BY_LAYER_EVERY` steps.
        teacher_share: With distillation: share of the teachers in the targets.
    """

    loss: dict[str, float]
    weight: dict[str, float]
    tokens: int
    seconds: float
    cosine: dict[str, float] | None = None
    conflicts: dict[str, float] | None = None
    cosine_by_layer: dict[str, dict[str, float]] | None = None
    smoothness: dict[str, float] | None = None
    proximal: dict[str, float] | None = None
    teacher_share: float | None = None

    def log_entry(self) -> dict[str, object]:
        """Return the entry of ``metrics.jsonl``, without its ``step``."""
        entry = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: entry[name] for name in ORDER if name in entry} | {"seconds": round(self.seconds, 4)}
