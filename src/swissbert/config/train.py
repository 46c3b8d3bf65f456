"""Settings of the training loop."""

from collections.abc import Mapping
from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from swissbert.config.fields import Count, Probability, Rate
from swissbert.errors import nearest
from swissbert.older_settings import with_trackers
from swissbert.settings import Settings
from swissbert.tracking import TRACKERS

MayChange = Literal[
    "seed",
    "train.lr",
    "train.head_lr",
    "train.weight_decay",
    "train.schedule",
    "train.warmup",
    "train.clip",
    "train.tie",
    "train.precision",
    "train.device",
    "train.threads",
    "loss.lr",
    "loss.scale",
    "model.dropout",
    "encoder.dropout",
]
"""Settings that a resumed run may change if ``train.may_change`` names them: its checkpoints fit with any value."""
MAY_CHANGE = get_args(MayChange)

DEFAULT_TRACKERS = ["tensorboard"]


class TrainSettings(Settings):
    """The training loop. Lengths are in optimizer steps unless stated otherwise.

    What is left out of `epochs`, `batch_size`, `lr`, `head_lr`, `schedule`, `warmup`, `patience` and `tie` is chosen from the
    encoder and the number of rows when training starts (see `swissbert.training.automatic`), shown, and written into
    the run.

    Attributes:
        epochs: Number of epochs.
        batch_size: Rows of a batch.
        epoch_ends: ``shortest`` (the paper: when any task is exhausted), ``longest`` (shorter tasks start over), or a
            number of steps.
        max_steps: Upper limit for the steps of the run.
        lr: Learning rate of the encoder.
        layer_decay: Ratio of the learning rates of an encoder layer and the layer above it, above 0 and up to 1 (one rate
            for all): layer l of L has the rate ``lr * layer_decay ** (L - l)``, the embeddings ``lr * layer_decay ** L``,
            top layer and pooler `lr`. See `swissbert.training.optim.layer_factors`.
        head_lr: Learning rate of heads. Left out it is `lr`, or ten times the rate that is chosen where `lr` is left out.
        heads_first: Number of steps at the beginning in which only heads learn: the encoder keeps its parameters and runs
            without dropout. Methods that need the losses of all tasks or their gradients begin after these steps; until
            then losses are summed. The schedule spans these steps too.
        weight_decay: Weight decay, except of norms, biases and the parameters of balancing methods.
        schedule: Course of the learning rates after the warm-up. It and `warmup` are chosen only where `lr` is.
        warmup: Share of all steps in which the rates rise linearly.
        clip: Upper limit for the norm of the gradient.
        ema: Decay of an exponential moving average of the weights, above 0 and below 1, such as 0.99; step t of the run,
            from 0, has the lower decay (1 + t) / (10 + t) while that is smaller. The average is what is scored on dev
            rows and saved as the model. Left out, the weights themselves are.
        accumulation: Rounds of batches per step; the last step of an epoch takes those that are left.
        bucket: Number of batches in each stretch of shuffled rows that is sorted by length.
        precision: Precision of the encoder's products: ``auto`` is bf16 where the hardware has it natively, else fp32.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        threads: Thread count of torch; its own default if left out.
        on_hardware_change: What a resumed run does if the device, precision, thread count, processor, environment
            variables, versions or code are not those that it was trained with: ``continue``, which is said and recorded,
            or ``refuse``.
        may_change: Settings that a resumed run may change although its losses depend on them, such as ``["train.lr"]``.
        best_by: The score on dev rows that decides which model is kept: ``overall``, ``overall_normalised``,
            ``task.metric`` (``metric`` alone where one task has it), ``task.loss``, or ``loss``, the sum of the losses of
            the tasks times ``loss.scale``.
        patience: Number of evaluations without a new best after which the run stops; chosen only where `epochs` is. Of a
            run in stages the evaluations of the last stage count.
        tie: Values of `best_by` within this much of the best count as equal, and of these the latest model is kept. With 0
            it is the first one.
        checkpoint_every: Steps between checkpoints; one is written after each epoch anyway.
        keep: Number of checkpoints that are kept.
        baseline: Whether the scores are compared with chance and with TF-IDF and a linear model at the end.
        trackers: Programs and services that get the numbers of the run: a name, or a list of names, of
            `swissbert.tracking.TRACKERS`. Errors are logged once and never stop the run, and one that is not installed is left out. ``tensorboard = true`` or ``false``, as in earlier
            releases, adds or removes that entry.
    """

    epochs: Count = 3
    batch_size: Count = 32
    epoch_ends: Literal["shortest", "longest"] | Count = "shortest"
    max_steps: Count | None = None
    lr: Rate = 1e-5
    layer_decay: Rate = 1.0
    head_lr: Rate | None = None
    heads_first: int = Field(default=0, ge=0, le=10**9, strict=True)
    weight_decay: Probability = 0.0
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: Probability = 0.0
    clip: float | None = Field(default=None, gt=0, strict=True)
    ema: float | None = Field(default=None, gt=0, lt=1, strict=True)
    accumulation: Count = 1
    bucket: Count = 50
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$",
        description="auto, cpu, mps, cuda or cuda:N is expected",
    )
    threads: int | None = Field(default=None, ge=1, le=1024, strict=True)
    on_hardware_change: Literal["continue", "refuse"] = "continue"
    may_change: list[MayChange] = Field(default=[])
    best_by: str = "overall"
    patience: Count | None = None
    tie: float = Field(default=0.0, ge=0, strict=True)
    checkpoint_every: Count | None = None
    keep: Count = 2
    baseline: bool = True
    trackers: list[str] = Field(default=DEFAULT_TRACKERS)

    @model_validator(mode="before")
    @classmethod
    def _with_trackers(cls, table: object) -> object:
        return with_trackers(table, DEFAULT_TRACKERS) if isinstance(table, Mapping) else table

    @field_validator("trackers", mode="before")
    @classmethod
    def _one_or_more(cls, names: object) -> object:
        return [names] if isinstance(names, str) else names

    @field_validator("trackers")
    @classmethod
    def _known_trackers(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in TRACKERS:
                raise ValueError(
                    f"train.trackers names '{name}', but trackers are {', '.join(TRACKERS)}{nearest(name, TRACKERS)}"
                )
            if names.count(name) > 1:
                raise ValueError(f"train.trackers names '{name}' twice")
        return names
