"""One optimizer step: forward and backward passes, balancing, clipping, update."""

import math
import time
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn

from swissbert.config import LossSettings, RegularisationSettings, TrainSettings
from swissbert.data.batches import PackedBatch
from swissbert.device import Hardware
from swissbert.distributed.world import ALONE, World
from swissbert.errors import SettingsError
from swissbert.model.multitask import MultitaskModel, part_of
from swissbert.mtl.balancing import Balancers, StepView, checked_coefficients
from swissbert.mtl.gradients import TaskGradients
from swissbert.mtl.gram import conflicts, pair_cosines, weighted_gram
from swissbert.training.backward import Backward
from swissbert.training.moving_average import MovingAverage, average_decay
from swissbert.training.optim import make_optimizer, schedule_factor, set_rates
from swissbert.training.regularisation import Regulariser
from swissbert.training.step_record import BY_LAYER_EVERY, StepRecord


class TrainingStep:
    """Trains a network step by step. A run, a benchmark and an experiment use the same steps.

    Everything random in a step depends on seed and step number alone. The network is left in its mode: call
    ``network.train()`` before the first step.

    With several processes each computes a part of the rows of every batch. What follows is computed from the losses and
    gradients of all of them, in each process alike, so that their parameters stay equal. The masks of dropout depend on the
    process too, so they are not those of one process; everything else is, up to rounding.

    Args:
        network: The network, on ``hardware.device``.
        balancers: Methods that balance the tasks, from `make_balancers`.
        loss: Factors of the losses and learning rate of the methods.
        train: Learning rates, schedule, accumulation, clipping, and the number of steps in which only heads learn.
        total: Number of steps of the run, for the schedule.
        seed: Seed of the run.
        hardware: Device and precision.
        regularisation: Terms that are added to the losses of the tasks; none if left out.
        world: The processes that share the rows out; this one alone if left out.

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
        world: World = ALONE,
    ) -> None:
        self.network, self.total, self.seed, self.hardware = network, total, seed, hardware
        self.weighting, self.surgery = balancers
        self._loss, self._train, self._world = loss, train, world
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
        self._backward = Backward(
            network, self.weighting, self.regulariser, loss=loss, train=train, hardware=hardware, world=world
        )

    def _task_gradients(self) -> TaskGradients | None:
        """Return storage for the gradients of each task, if a method needs more than a task's own loss."""
        weighted = self.weighting.needs == "all losses"
        if not weighted and self.surgery is None:
            return None
        shared = self.network.shared_parameters()
        if self.surgery is not None and not shared:
            raise SettingsError(
                f"{type(self.surgery).__name__} combines gradients of parameters that tasks share, but with "
                "encoder.freeze = true no such parameter learns"
            )
        known = {id(parameter) for parameter in shared}
        own = [p for p in self.network.parameters() if p.requires_grad and id(p) not in known] if weighted else []
        return TaskGradients(shared, own, self.network.shared_parts(), self._world)

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
            LostError: If another process has ended.
            ValueError: If batches of one task do not follow each other.
        """
        began = time.perf_counter()
        rounds = rounds or self._train.accumulation
        torch.manual_seed(dropout_seed(self.seed, step, self._world.rank))
        set_rates(self.optimizer, schedule_factor(step, self.total, self._train))
        heads_alone = step < self._train.heads_first
        task_gradients = None if heads_alone else self._gradients  # tasks share nothing that learns in these steps
        try:
            if self.regulariser is not None:
                self.regulariser.before_step(step)
            with self.network.encoder_frozen() if heads_alone else nullcontext():
                computed = self._backward(step, batches, rounds, task_gradients)
            losses = computed.losses
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
            tokens=computed.tokens,
            seconds=time.perf_counter() - began,
            **gradients,
            **_mean_terms(losses, computed.terms),
        )

    def _follow(self, step: int) -> None:
        """Move the averages of the weights towards the weights that the optimizer has left."""
        if self.regulariser is not None:
            self.regulariser.after_step(step)
        if self.average is not None and self._train.ema is not None:
            self.average.update(self.network, average_decay(self._train.ema, step))

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
        self._world.copy_first([gram])  # equal already, unless the processors differ
        if not gram.isfinite().all():
            raise SettingsError(
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
            raise SettingsError(
                f"the gradient at step {step + 1} has norm {norm.item()}; a smaller train.lr or loss.scale may help"
            )
        if self._train.clip is not None:
            nn.utils.clip_grads_with_norm_(self.network.parameters(), self._train.clip, norm)


def dropout_seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of the masks of a step; dropout depends on nothing but seed, step and process.

    The generator of a CPU reads the lower half of its 64 bits only, so other processes have seeds that differ there.
    """
    if rank == 0:
        return seed * 1_000_003 + step + 1
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0])


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
            raise SettingsError(
                f"the {what} of task '{task}' is {worst[1]} at step {step + 1}; a smaller train.lr or train.clip = 1.0 may help"
            )
