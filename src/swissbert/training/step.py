"""One optimizer step: forward and backward passes, balancing, clipping, update."""

import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swissbert.config import LossSettings, TrainSettings
from swissbert.data.batches import PackedBatch
from swissbert.device import Hardware
from swissbert.errors import SwissbertError
from swissbert.model.multitask import MultitaskModel
from swissbert.mtl.balancing import Balancers, StepView, checked_coefficients
from swissbert.mtl.gradients import TaskGradients
from swissbert.mtl.gram import conflicts, pair_cosines, weighted_gram
from swissbert.training.optim import make_optimizer, schedule_factor, set_rates

BY_LAYER_EVERY = 20
"""Steps between two records of the cosines of task gradients layer by layer, for methods that need the Gram matrix."""


@dataclass(frozen=True)
class StepRecord:
    """What a step reports; ``metrics.jsonl`` holds the same.

    Attributes:
        loss: Mean loss of each task in the step.
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
    teacher_share: float | None = None

    def log_entry(self) -> dict[str, object]:
        """Return the entry of ``metrics.jsonl``, without its ``step``."""
        entry = {name: value for name, value in asdict(self).items() if value is not None}
        order = ("loss", "weight", "cosine", "conflicts", "cosine_by_layer", "teacher_share", "tokens")
        return {name: entry[name] for name in order if name in entry} | {"seconds": round(self.seconds, 4)}


class TrainingStep:
    """Trains a network step by step. A run, a benchmark and an experiment use the same steps.

    Everything random in a step depends on seed and step number alone. The network is left in its mode: call
    ``network.train()`` before the first step.

    Args:
        network: The network, on ``hardware.device``.
        balancers: Methods that balance the tasks, from `make_balancers`.
        loss: Factors of the losses and learning rate of the methods.
        train: Learning rates, schedule, accumulation and clipping.
        total: Number of steps of the run, for the schedule.
        seed: Seed of the run.
        hardware: Device and precision.

    Attributes:
        optimizer: The optimizer of network and balancers.
        modules: All modules with state, for checkpoints.

    Example::

        prepared = prepare(load_config("quickstart"))
        step = prepared.training_step()
        record = step(0, prepared.batches()(0))
    """

    def __init__(
        self,
        network: MultitaskModel,
        balancers: Balancers,
        *,
        loss: LossSettings,
        train: TrainSettings,
        total: int,
        seed: int,
        hardware: Hardware,
    ) -> None:
        self.network, self.total, self.seed, self.hardware = network, total, seed, hardware
        self.weighting, self.surgery = balancers
        self._loss, self._train = loss, train
        if self.weighting.needs == "own loss":
            self.weighting.to(hardware.device)
        methods: dict[str, nn.Module] = {"weighting": self.weighting}
        if self.surgery is not None:
            methods["surgery"] = self.surgery
        self.modules = nn.ModuleDict({"model": network, **methods})
        self.optimizer = make_optimizer(
            network.encoder.parameters(),
            network.head_parameters(),
            nn.ModuleDict(methods).parameters(),
            train,
            loss,
        )
        self._gradients = self._task_gradients()

    def _task_gradients(self) -> TaskGradients | None:
        """Return storage for the gradients of each task, if a method needs more than a task's own loss."""
        weighted = self.weighting.needs == "all losses"
        if not weighted and self.surgery is None:
            return None
        shared = self.network.shared_parameters()
        if self.surgery is not None and not shared:
            raise SwissbertError(
                f"{type(self.surgery).__name__} combines gradients of parameters that tasks share, but with "
                "encoder.freeze = true no such parameter learns"
            )
        known = {id(parameter) for parameter in shared}
        own = [p for p in self.network.parameters() if p.requires_grad and id(p) not in known] if weighted else []
        return TaskGradients(shared, own, self.network.shared_parts())

    def __call__(self, step: int, batches: Iterable[tuple[str, PackedBatch]], rounds: int | None = None) -> StepRecord:
        """Run one optimizer step.

        Args:
            step: Number of the step, from 0 to below `total`.
            batches: Tasks and their labelled batches; batches of one task follow each other. Each is moved to the
                device when its turn comes.
            rounds: Number of rounds that the batches are; the gradient is the mean over them. ``train.accumulation``
                if left out.

        Raises:
            SwissbertError: If a loss, a gradient or a coefficient is NaN or infinite; parameters are then unchanged.
            ValueError: If batches of one task do not follow each other.
        """
        began = time.perf_counter()
        rounds = rounds or self._train.accumulation
        torch.manual_seed(self.seed * 1_000_003 + step + 1)  # dropout depends on nothing but seed and step
        set_rates(self.optimizer, schedule_factor(step, self.total, self._train))
        try:
            pairs, tokens = self._backward(batches, rounds)
            # read once all work is queued, so that the host does not wait for the device between batches
            losses = {task: torch.stack(rows).cpu().numpy() for task, rows in pairs.items()}
            _refuse_infinite(losses, step)
            weights = self._own_weights(list(losses))
            gradients: dict[str, Any] = {}
            if self._gradients is not None:
                weights = self._combine(self._gradients, step, losses, rounds, weights, gradients)
            self._clip(step)
            self.optimizer.step()
        finally:
            self.optimizer.zero_grad(set_to_none=True)
            if self._gradients is not None:
                self._gradients.clear()
        return StepRecord(
            loss={task: float(rows[:, 0].mean(dtype=np.float64)) for task, rows in losses.items()},
            weight={task: self._loss.scale.get(task, 1.0) * weight for task, weight in weights.items()},
            tokens=tokens,
            seconds=time.perf_counter() - began,
            **gradients,
        )

    def _backward(self, batches: Iterable[tuple[str, PackedBatch]], rounds: int) -> tuple[dict[str, list[Tensor]], int]:
        """Run forward and backward passes; gradients are then in ``grad``, or kept task by task.

        Returns:
            The loss and the scaled loss of each batch, ``[2]``, by task; and the number of tokens.
        """
        losses: dict[str, list[Tensor]] = {}
        tokens, last = 0, None
        for task, batch in batches:
            if task != last and task in losses:
                raise ValueError(f"batches of task '{task}' do not follow each other within the step")
            if self._gradients is not None and losses and task != last:
                self._gradients.keep()
            last = task
            with self.hardware.autocast():
                loss = self.network.loss(batch.to(self.hardware.device), task)
            scaled = loss * self._loss.scale.get(task, 1.0)
            term = self.weighting.term(task, scaled) if self.weighting.needs == "own loss" else scaled
            (term / rounds).backward()  # type: ignore[no-untyped-call]
            losses.setdefault(task, []).append(torch.stack([loss.detach(), scaled.detach()]))
            tokens += batch.tokens
        if self._gradients is not None:
            self._gradients.keep()
        return losses, tokens

    def _own_weights(self, tasks: list[str]) -> dict[str, float]:
        """Return the factors that losses have at the backward pass: those of an own-loss method, else 1."""
        if self.weighting.needs != "own loss":
            return dict.fromkeys(tasks, 1.0)
        return {task: self.weighting.weight(task) for task in tasks}

    def _combine(
        self,
        gradients: TaskGradients,
        step: int,
        losses: dict[str, np.ndarray],
        rounds: int,
        weights: dict[str, float],
        record: dict[str, Any],
    ) -> dict[str, float]:
        """Combine the kept gradients of the tasks to the update.

        Args:
            gradients: Storage with the gradients of all tasks of the step.
            step: Number of the step.
            losses: Loss and scaled loss of each batch by task, ``[batches, 2]``.
            rounds: Number of rounds of the step.
            weights: Factors that the gradients have from the backward pass.
            record: Receives cosines and conflicts.

        Returns:
            The factors of the losses in the update, before surgery.
        """
        tasks = tuple(losses)
        sums = torch.tensor([float(rows[:, 1].sum(dtype=np.float64)) for rows in losses.values()], dtype=torch.float64)
        sums /= rounds
        factors = None
        if self.weighting.needs == "all losses":
            factors = checked_coefficients(self.weighting, StepView(tasks, sums, None, step, self.seed))
            weights = dict(zip(tasks, factors.tolist(), strict=True))
        if self.surgery is None:
            assert factors is not None
            gradients.combine(factors, factors)
            return weights
        grams = gradients.grams()
        gram = torch.stack(list(grams.values())).sum(0)
        if not gram.isfinite().all():
            raise SwissbertError(
                f"the gradient of a task overflows float32 at step {step + 1}; a smaller train.lr or loss.scale may help"
            )
        record["cosine"] = pair_cosines(gram, tasks)
        record["conflicts"] = {"share": conflicts(gram)[1]}
        if step % BY_LAYER_EVERY == 0:
            record["cosine_by_layer"] = {part: pair_cosines(matrix, tasks) for part, matrix in grams.items()}
        weighted = gram if factors is None else weighted_gram(gram, factors)
        sums = sums * torch.tensor(list(weights.values()), dtype=torch.float64)
        coefficients = checked_coefficients(self.surgery, StepView(tasks, sums, weighted, step, self.seed))
        gradients.combine(coefficients if factors is None else coefficients * factors, factors)
        return weights

    def _clip(self, step: int) -> None:
        """Check the norm of the gradient, and limit it to ``train.clip``."""
        gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if not math.isfinite(norm.item()):
            raise SwissbertError(
                f"the gradient at step {step + 1} has norm {norm.item()}; a smaller train.lr or loss.scale may help"
            )
        if self._train.clip is not None:
            nn.utils.clip_grads_with_norm_(self.network.parameters(), self._train.clip, norm)


def _refuse_infinite(losses: dict[str, np.ndarray], step: int) -> None:
    """Raise SwissbertError for a scaled loss that is NaN or infinite."""
    for task, rows in losses.items():
        worst = next((value for value in rows[:, 1].tolist() if not math.isfinite(value)), None)
        if worst is not None:
            raise SwissbertError(
                f"the loss of task '{task}' is {worst} at step {step + 1}; a smaller train.lr or train.clip = 1.0 may help"
            )
