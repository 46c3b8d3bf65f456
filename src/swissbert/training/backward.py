"""Forward and backward passes of one optimizer step, over the batches of all its tasks and the processes of a run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from swissbert.config import LossSettings, TrainSettings
from swissbert.data.batches import PackedBatch
from swissbert.device import Hardware
from swissbert.distributed.dealing import Part, part_of
from swissbert.distributed.reduction import Reduction
from swissbert.distributed.world import World
from swissbert.model.multitask import MultitaskModel
from swissbert.mtl.balancing import Balancer
from swissbert.mtl.gradients import TaskGradients
from swissbert.training.regularisation import RegularisedLoss, Regulariser
from swissbert.training.table_gradient import TableGradient


@dataclass(frozen=True)
class Computed:
    """What the passes of a step computed, besides gradients: of whole batches, whichever process had their rows.

    Attributes:
        losses: Loss, scaled objective and terms of regularisation of each batch by task, ``[batches, 2 + terms]``.
        terms: Names of these terms by task.
        tokens: Number of tokens.
    """

    losses: dict[str, np.ndarray]
    terms: dict[str, list[str]]
    tokens: int


class Backward:
    """Runs the passes of a step and leaves gradients in ``grad``, or task by task in `TaskGradients`.

    With several processes each computes the rows that `part_of` deals to it. Its loss is the sum over these rows divided by
    the number of rows of the whole batch, so that the sum over the processes is the mean over the batch, however uneven the
    parts are.

    Args:
        network: The network.
        weighting: The method that weights losses.
        regulariser: Adds terms to the losses; None without any.
        loss: Factors of the losses.
        train: Number of steps in which only heads learn.
        hardware: Device and precision.
        world: The processes.
    """

    def __init__(
        self,
        network: MultitaskModel,
        weighting: Balancer,
        regulariser: Regulariser | None,
        *,
        loss: LossSettings,
        train: TrainSettings,
        hardware: Hardware,
        world: World,
    ) -> None:
        self._network, self._weighting, self._regulariser = network, weighting, regulariser
        self._loss, self._train, self._hardware, self._world = loss, train, hardware, world
        self._reductions: dict[tuple[bool, bool], Reduction] = {}
        self._word_gradient = TableGradient(network.encoder.embeddings.word, are_kept=world.is_alone)

    def __call__(
        self, step: int, batches: Iterable[tuple[str, PackedBatch]], rounds: int, gradients: TaskGradients | None
    ) -> Computed:
        """Run the passes; arguments as for `TrainingStep`, and storage for the gradients of each task if they are kept.

        Raises:
            ValueError: If batches of one task do not follow each other.
            LostError: If another process has ended.
        """
        values: dict[str, list[Tensor]] = {}
        tokens, last = 0, None
        with self._hardware.shared_copies(), self._word_gradient.by_rows():
            for number, (task, batch) in enumerate(batches):
                if task != last and task in values:
                    raise ValueError(f"batches of task '{task}' do not follow each other within the step")
                if gradients is not None and values and task != last:
                    gradients.keep()
                if not values or (gradients is not None and task != last):
                    self._word_gradient.begin()
                last = task
                values.setdefault(task, []).append(self._batch(task, batch, step, number, rounds))
                tokens += batch.tokens
        if gradients is not None:
            gradients.keep()
        if not self._world.is_alone:
            self._add_up(gradients)
        return Computed(self._read(values), {task: self._terms(task, step) for task in values}, tokens)

    def _batch(self, task: str, batch: PackedBatch, step: int, number: int, rounds: int) -> Tensor:
        """Run both passes over one batch; return its loss, scaled objective and terms, ``[2 + terms]``."""
        part = part_of(batch, self._world.rank, self._world.size)
        if part.batch is None:
            self._backward(task, torch.zeros((), device=self._hardware.device), rounds)
            return torch.zeros(2 + len(self._terms(task, step)), device=self._hardware.device)
        with self._hardware.autocast():
            result = self._regularised(part, part.batch.to(self._hardware.device), task, step, number)
        scaled = result.objective * self._loss.scale.get(task, 1.0)
        loss, terms = result.loss.detach(), list(result.terms.values())
        if part.share != 1:
            scaled = scaled * part.share
            loss, terms = loss * part.share, [term * part.share for term in terms]
        self._backward(task, scaled, rounds)
        return torch.stack([loss, scaled.detach(), *terms])

    def _backward(self, task: str, scaled: Tensor, rounds: int) -> None:
        """Run the backward pass of the term that a task has in the objective.

        An own-loss method may be non-linear, so it receives the loss of the whole batch. With several processes the losses are
        added first, and the derivative of its term is passed on to the rows of each. The method's own parameters then
        have the same gradient in all processes.

        Args:
            task: The task.
            scaled: Its loss after ``loss.scale``, a scalar; of several processes the part of this one.
            rounds: Number of rounds of the step.
        """
        is_seen = self._weighting.needs == "own loss"
        if self._world.is_alone:
            term = self._weighting.term(task, scaled) if is_seen else scaled
        elif is_seen and type(self._weighting).term is not Balancer.term:
            whole = self._world.sum(scaled.detach().clone()).requires_grad_()
            (self._weighting.term(task, whole) / rounds).backward()  # type: ignore[no-untyped-call]
            if scaled.requires_grad and whole.grad is not None:
                scaled.backward(whole.grad)  # type: ignore[no-untyped-call]
            return
        else:
            term = scaled
        if term.requires_grad:  # a head without parameters learns nothing while the encoder is frozen
            (term / rounds).backward()  # type: ignore[no-untyped-call]

    def _regularised(self, part: Part, batch: PackedBatch, task: str, step: int, number: int) -> RegularisedLoss:
        """Return the loss of a task over a batch, with the terms that are added to it if there are any."""
        if self._regulariser is not None and step >= self._train.heads_first:
            return self._regulariser(batch, task, step, number, part)
        loss = self._network.loss(batch, task)
        return RegularisedLoss(loss, loss, {})

    def _terms(self, task: str, step: int) -> list[str]:
        """Return the names of the terms that `_regularised` adds."""
        if self._regulariser is None or step < self._train.heads_first:
            return []
        return self._regulariser.terms(task, step)

    def _add_up(self, gradients: TaskGradients | None) -> None:
        """Add the gradients of all processes, except those that are kept task by task and added there."""
        # which parameters learn differs between the first steps, where the encoder may be frozen, and later ones
        key = (gradients is not None, any(p.requires_grad for p in self._network.encoder.parameters()))
        if key not in self._reductions:
            kept = {id(parameter) for parameter in gradients.parameters} if gradients is not None else set()
            rest = [p for p in self._network.parameters() if p.requires_grad and id(p) not in kept]
            self._reductions[key] = Reduction(self._world, rest)
        self._reductions[key].reset()
        self._reductions[key].replace()

    def _read(self, values: dict[str, list[Tensor]]) -> dict[str, np.ndarray]:
        """Return the values of all batches, once all work is queued, so that the host does not wait between batches."""
        tables = {task: torch.stack(rows) for task, rows in values.items()}
        if self._world.is_alone:
            return {task: table.cpu().numpy() for task, table in tables.items()}
        return _split(self._world.sum(_joined(list(tables.values()))), tables)


def _joined(tables: Sequence[Tensor]) -> Tensor:
    """Return all values of some tables in one row, float64 on the CPU."""
    return torch.cat([table.reshape(-1) for table in tables]).cpu().double()


def _split(row: Tensor, like: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Return the values of one row as tables of the given shapes."""
    parts = torch.split(row, [table.numel() for table in like.values()])
    return {task: part.view(table.shape).numpy() for part, (task, table) in zip(parts, like.items(), strict=True)}
