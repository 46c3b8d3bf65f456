"""Training settings that are chosen from the encoder and the number of rows where a recipe leaves them out."""

from collections.abc import Mapping
from typing import Any

from swissbert.config import RunConfig, TrainSettings

RATES = ((512, 2e-4), (768, 3e-5))
"""Learning rate of encoders up to a hidden size; larger encoders have `LOWEST_RATE`."""
LOWEST_RATE = 1e-5
HEAD_FACTOR = 10
"""The rate of new heads, as a multiple of the encoder's rate where that is chosen."""
SMALL = 2000
"""Number of rows below which a batch has 16 rows rather than 32."""
STEPS = 400
"""Optimizer steps that a run should have at least: fewer leave a new head half trained."""
EPOCHS = (3, 25)
"""Least and largest number of epochs."""
DEVIATION = 0.4
"""Standard deviation of one row's score, about that of a share of right answers of 0.8."""


def choose_settings(
    config: RunConfig, rows: Mapping[str, int], dev_rows: int, hidden_size: int
) -> tuple[RunConfig, str]:
    """Fill in what a recipe leaves out.

    ``lr`` follows from the size of the encoder; with it ``head_lr`` is ten times as high, and the schedule falls
    linearly after a warm-up of a tenth. ``batch_size`` and ``epochs`` follow from the number of rows. Where the epochs
    are chosen, training stops after half of them without a better score (at least 4), and of scores within one standard
    error of the best (``tie``) the latest model is kept: with few dev rows the highest score is mostly chance, and
    later models have learned longer. With stages ``epochs`` are chosen only if one of them has a share of the steps, and
    ``patience`` is not, since it would end a stage that was asked for. The best epoch of a single regression is that of the lowest RMSE.

    Args:
        config: The settings of a run.
        rows: Number of train rows by task.
        dev_rows: Number of dev rows of all tasks.
        hidden_size: Width of the encoder.

    Returns:
        Settings in which every key is given, and a line that names what was chosen; empty if nothing was.
    """
    train = config.train
    given = train.model_fields_set
    chosen: dict[str, Any] = {}
    if "lr" not in given:
        chosen["lr"] = next((rate for size, rate in RATES if hidden_size <= size), LOWEST_RATE)
        chosen |= {
            key: value
            for key, value in {"head_lr": HEAD_FACTOR * chosen["lr"], "schedule": "linear", "warmup": 0.1}.items()
            if key not in given
        }
    if "batch_size" not in given:
        chosen["batch_size"] = 16 if min(rows.values()) < SMALL else 32
    if chosen and "best_by" not in given and len(config.tasks) == 1 and config.tasks[0].kind.selection_metric:
        chosen["best_by"] = f"{config.tasks[0].name}.{config.tasks[0].kind.selection_metric}"
    has_length = not config.stages or any(stage.share is not None for stage in config.stages)
    if "epochs" not in given and has_length:
        steps = _steps_of_epoch(train, rows, chosen.get("batch_size", train.batch_size))
        low, high = EPOCHS
        chosen["epochs"] = min(high, max(low, -(-STEPS // steps)))
        if "patience" not in given and not config.stages:
            chosen["patience"] = min(chosen["epochs"], max(4, -(-chosen["epochs"] // 2)))
        if "tie" not in given and "best_by" not in chosen and train.best_by == "overall":
            chosen["tie"] = round(DEVIATION / max(1, dev_rows) ** 0.5, 3)
    complete = {**train.model_dump(), **chosen}
    return config.model_copy(update={"train": TrainSettings.model_validate(complete)}), _in_words(chosen, rows)


def unused_epochs(config: RunConfig) -> str:
    """Say that ``train.epochs`` is given without effect, because stages say how long a run is; else return nothing."""
    has_share = any(stage.share is not None for stage in config.stages)
    if not config.stages or has_share or "epochs" not in config.train.model_fields_set:
        return ""
    return f"train.epochs = {config.train.epochs} is ignored: it counts only where a stage has a share"


def adopt_choices(config: RunConfig, stored: RunConfig) -> RunConfig:
    """Return settings that have the values of a stored run wherever they leave out what is chosen automatically.

    Args:
        config: Settings of a run that is resumed.
        stored: Settings that the run began with.
    """
    left_out = {
        key: getattr(stored.train, key)
        for key in ("lr", "head_lr", "schedule", "warmup", "batch_size", "epochs", "patience", "best_by", "tie")
        if key not in config.train.model_fields_set
    }
    update: dict[str, Any] = {"train": config.train.model_copy(update=left_out)}
    if config.model.pooling is None:
        update["model"] = config.model.model_copy(update={"pooling": stored.model.pooling})
    if "max_length" not in config.encoder.model_fields_set:
        update["encoder"] = config.encoder.model_copy(update={"max_length": stored.encoder.max_length})
    return config.model_copy(update=update)


def fit_length(config: RunConfig, limit: int) -> tuple[RunConfig, str]:
    """Lower ``encoder.max_length`` to what an encoder takes, if a recipe leaves it out.

    Args:
        config: The settings of a run.
        limit: Number of positions of the encoder.

    Returns:
        The settings, and a line that says what was lowered; empty if nothing was.
    """
    if "max_length" in config.encoder.model_fields_set or config.encoder.max_length <= limit:
        return config, ""
    encoder = config.encoder.model_copy(update={"max_length": limit})
    return config.model_copy(update={"encoder": encoder}), f"encoder.max_length {limit}, the positions of this encoder"


def choose_pooling(config: RunConfig, own: tuple[str, str] | None) -> tuple[RunConfig, str]:
    """Take the encoder's own way to pool, if a recipe leaves ``model.pooling`` out.

    Args:
        config: The settings of a run.
        own: Result of `swissbert.model_folder.pooling.own_pooling`; None if the settings name a pooling.

    Returns:
        The settings, and a line that says what was taken and why; empty if nothing was.
    """
    if own is None:
        return config, ""
    name, reason = own
    model = config.model.model_copy(update={"pooling": name})
    return config.model_copy(update={"model": model}), f"model.pooling {name}: {reason}"


def _steps_of_epoch(train: TrainSettings, rows: Mapping[str, int], batch_size: int) -> int:
    """Estimate the optimizer steps of an epoch in which each step has a batch of every task."""
    if isinstance(train.epoch_ends, int):
        return train.epoch_ends
    size = min(rows.values()) if train.epoch_ends == "shortest" else max(rows.values())
    return max(1, size // (batch_size * train.accumulation))


def _in_words(chosen: Mapping[str, Any], rows: Mapping[str, int]) -> str:
    """Name the chosen settings and what they depend on."""
    if not chosen:
        return ""
    values = ", ".join(f"{key} {value}" for key, value in chosen.items())
    fewest, most = min(rows.values()), max(rows.values())
    sizes = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    return f"chosen for {sizes} train rows and this encoder: {values} (settings such as train.epochs choose otherwise)"
