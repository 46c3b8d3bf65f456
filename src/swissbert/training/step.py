"""One optimizer step: forward and backward passes, balancing, clipping, update."""

import math
import time
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from swissbert.config import LossSettings, RegularisationSettings, TrainSettings
from swissbert.data.batches import PackedBatch
from swissbert.device import Hardware
from swissbert.errors import SwissbertError
from swissbert.model.multitask import MultitaskModel, part_of
from swissbert.mtl.balancing import Balancers, StepView, checked_coefficients
from swissbert.mtl.gradients import TaskGradients
from swissbert.mtl.gram import conflicts, pair_cosines, weighted_gram
from swissbert.training.moving_average import MovingAverage, average_decay
from swissbert.training.optim import make_optimizer, schedule_factor, set_rates
from swissbert.training.regularisation import RegularisedLoss, Regulariser

BY_LAYER_EVERY = 20
"""Steps between two records of the cosines of task gradients layer by layer, for methods that need the Gram matrix."""


@dataclass(frozen=True)
class StepRecord:
    """What a step reports; ``metrics.jsonl`` holds the same.

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
        order = (
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
        return {name: entry[name] for name in order if name in entry} | {"seconds": round(self.seconds, 4)}


class TrainingStep:
    """Trains a network step by step. A run, a benchmark and an experiment use the same steps.

    Everything random in a step depends on seed and step number alone. The network is left in its mode: call
    ``network.train()`` before the first step.

    Args:
        network: The network, on ``hardware.device``.
        balancers: Methods that balance the tasks, from `make_balancers`.
        loss: Factors of the losses and learning rate of the methods.
        train: Learning rates, schedule, accumulation, clipping, and the number of steps in which only heads learn.
        total: Number of steps of the run, for the schedule.
        seed: Seed of the run.
        hardware: Device and precision.
        regularisation: Terms that are added to the losses of the tasks; none if left out.

    Attributes:
        optimizer: The optimizer of network and balancers.
        regulariser: What adds these terms; None without any.
        average: The moving average of the weights; None without ``train.ema``.
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
        regularisation: RegularisationSettings | None = None,
    ) -> None:
        self.network, self.total, self.seed, self.hardware = network, total, seed, hardware
        self.weighting, self.surgery = balancers
        self._loss, self._train = loss, train
        if self.weighting.needs == "own loss":
            self.weighting.to(hardware.device)
        methods: dict[str, nn.Module] = {"weighting": self.weighting}
        if self.surgery is not None:
            methods["surgery"] = self.surgery
        self.regulariser: Regulariser | None = None
        if regularisation is not None and (regularisation.smoothness or regularisation.proximal):
            self.regulariser = Regulariser(network, regularisation, total, seed)
        self.average = MovingAverage(network) if train.ema is not None else None
        anchor = self.regulariser.anchor if self.regulariser else None
        followers = {name: one for name, one in (("anchor", anchor), ("average", self.average)) if one is not None}
        self.modules = nn.ModuleDict({"model": network, **methods, **followers})
        self.optimizer = make_optimizer(
            network.encoder.parameters(),
            network.head_parameters(),
            nn.ModuleDict(methods).parameters(),
            train,
            loss,
            parts=[part_of(name) for name, _ in network.encoder.named_parameters()],
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
        heads_alone = step < self._train.heads_first
        task_gradients = None if heads_alone else self._gradients  # tasks share nothing that learns in these steps
        try:
            if self.regulariser is not None:
                self.regulariser.before_step(step)
            with self.network.encoder_frozen() if heads_alone else nullcontext():
                computed, terms, tokens = self._backward(step, batches, rounds, task_gradients)
            # read once all work is queued, so that the host does not wait for the device between batches
            losses = {task: torch.stack(rows).cpu().numpy() for task, rows in computed.items()}
            _refuse_infinite(losses, step)
            weights = self._own_weights(list(losses))
            gradients: dict[str, Any] = {}
            if task_gradients is not None:
                weights = self._combine(task_gradients, step, losses, rounds, weights, gradients)
            self._clip(step)
            self.optimizer.step()
            self._follow(step)
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
            **_mean_terms(losses, terms),
        )

    def _follow(self, step: int) -> None:
        """Move the averages of the weights towards the weights that the optimizer has left."""
        if self.regulariser is not None:
            self.regulariser.after_step(step)
        if self.average is not None and self._train.ema is not None:
            self.average.update(self.network, average_decay(self._train.ema, step))

    def _backward(
        self, step: int, batches: Iterable[tuple[str, PackedBatch]], rounds: int, gradients: TaskGradients | None
    ) -> tuple[dict[str, list[Tensor]], dict[str, list[str]], int]:
        """Run forward and backward passes; gradients are then in ``grad``, or kept task by task in `gradients`.

        Returns:
            The loss, the scaled objective and the terms of regularisation of each batch, ``[2 + terms]``, by task; the
            names of these terms by task; and the number of tokens.
        """
        losses: dict[str, list[Tensor]] = {}
        terms: dict[str, list[str]] = {}
        tokens, last = 0, None
        for number, (task, batch) in enumerate(batches):
            if task != last and task in losses:
                raise ValueError(f"batches of task '{task}' do not follow each other within the step")
            if gradients is not None and losses and task != last:
                gradients.keep()
            last = task
            with self.hardware.autocast():
                result = self._regularised(batch.to(self.hardware.device), task, step, number)
            scaled = result.objective * self._loss.scale.get(task, 1.0)
            term = self.weighting.term(task, scaled) if self.weighting.needs == "own loss" else scaled
            if term.requires_grad:  # a head without parameters learns nothing while the encoder is frozen
                (term / rounds).backward()  # type: ignore[no-untyped-call]
            values = [result.loss.detach(), scaled.detach(), *result.terms.values()]
            losses.setdefault(task, []).append(torch.stack(values))
            terms[task] = list(result.terms)
            tokens += batch.tokens
        if gradients is not None:
            gradients.keep()
        return losses, terms, tokens

    def _regularised(self, batch: PackedBatch, task: str, step: int, number: int) -> RegularisedLoss:
        """Return the loss of a task over a batch, with the terms that are added to it if there are any."""
        if self.regulariser is not None and step >= self._train.heads_first:
            return self.regulariser(batch, task, step, number)
        loss = self.network.loss(batch, task)
        return RegularisedLoss(loss, loss, {})

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
            losses: Loss and scaled objective of each batch by task, the first two columns of ``[batches, 2 or more]``.
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


def _mean_terms(losses: dict[str, np.ndarray], terms: dict[str, list[str]]) -> dict[str, Any]:
    """Return the mean of each term of regularisation over the batches of a task, by name and task."""
    means: dict[str, Any] = {}
    for task, names in terms.items():
        for column, name in enumerate(names, 2):
            means.setdefault(name, {})[task] = float(losses[task][:, column].mean(dtype=np.float64))
    return means


def _refuse_infinite(losses: dict[str, np.ndarray], step: int) -> None:
    """Raise SwissbertError for a scaled objective that is NaN or infinite."""
    for task, rows in losses.items():
        worst = next((row for row in rows.tolist() if not math.isfinite(row[1])), None)
        if worst is not None:
            what = "regularised loss" if math.isfinite(worst[0]) and len(worst) > 2 else "loss"
            raise SwissbertError(
                f"the {what} of task '{task}' is {worst[1]} at step {step + 1}; a smaller train.lr or train.clip = 1.0 may help"
            )
