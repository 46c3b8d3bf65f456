"""Smoothness and proximal terms of SMART (Jiang et al., 2020, arXiv 1911.03437), added to the loss of each task.

The objective of a task becomes ``L + smoothness * R + proximal * D``. Both terms compare two answers to the same rows by
`Head.divergence`: the symmetric Kullback-Leibler divergence of probabilities, or the squared difference of scores.

*Smoothness.* R is the mean over rows of ``max l(f(x + d), f(x))`` over perturbations d of the embedding layer's output with
no value beyond ``epsilon``. Algorithm 1 of the paper approximates the maximum: d begins as Gaussian noise, and each step of
the ascent adds ``step_size`` times the gradient, divided by its largest value in the row, and cuts to ``epsilon``. All passes
of a batch have the same dropout masks, those of the embeddings included, so that R measures the perturbation and not dropout.
The perturbation is a constant in the backward pass of the objective, and the embeddings learn from both of its answers. The
gradient of the ascent is taken with respect to d alone, so no parameter receives any of it.

*Proximal.* D is the mean divergence between the answers and those of the anchor, a moving average of the weights: the
momentum Bregman proximal point method of the paper, with one gradient step for each proximal step. The anchor answers without
dropout and receives no gradient.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from swissbert.config import RegularisationSettings
from swissbert.data.batches import PackedBatch
from swissbert.device import Hardware
from swissbert.distributed.dealing import Part
from swissbert.errors import SettingsError
from swissbert.model.heads.base import Head
from swissbert.model.multitask import MultitaskModel
from swissbert.training.moving_average import MovingAverage
from swissbert.wording import counted

SHARE, LEAST_DECAY = 0.05, 0.5
"""Share of the run that the anchor averages over where its decay is left out, and the lowest such decay."""
COARSE = 1e-2
"""Relative size of the difference of two bfloat16 numbers, about: smaller perturbations are mostly rounded away."""


@dataclass(frozen=True)
class RegularisedLoss:
    """The loss of one batch and the terms that were added to it.

    Attributes:
        loss: Loss of the task alone, a scalar.
        objective: Loss with the terms times their factors, a scalar.
        terms: Divergences before their factors, scalars without gradient, by name: ``smoothness``, ``proximal``.
    """

    loss: Tensor
    objective: Tensor
    terms: dict[str, Tensor]


class Regulariser:
    """Adds the terms of ``[regularisation]`` to the losses of a network. All of its state is in `anchor`.

    Args:
        network: The network that is trained.
        settings: Factors and sizes; at least one factor is above 0.
        total: Number of steps of the run.
        seed: Seed of the run.

    Attributes:
        anchor: The moving average that the proximal term compares with; None if it is off.
        decay: Share of the anchor that stays at each step.
        start: Number of the step, from 0, at which the anchor starts.

    Raises:
        SwissbertError: If the answers of a task have no divergence.
    """

    def __init__(self, network: MultitaskModel, settings: RegularisationSettings, total: int, seed: int) -> None:
        self._network, self._settings, self._total, self._seed = network, settings, total, seed
        for task in network.tasks.values():
            if settings.applies_to(task.name):
                _need_divergence(network.head(task.name))
        given = settings.proximal_decay
        self.decay = max(LEAST_DECAY, 1 - 1 / max(1.0, SHARE * total)) if given is None else given
        self.start = round(settings.proximal_start * total)
        self.anchor = MovingAverage(network) if settings.proximal else None

    def before_step(self, step: int) -> None:
        """Start the anchor if its time has come. `step` is the number of the step, from 0, as below."""
        if self.anchor is not None and step == self.start:
            self.anchor.restart(self._network)

    def after_step(self, step: int) -> None:
        """Let the anchor follow the network that the optimizer has changed."""
        if self.anchor is not None and step >= self.start:
            self.anchor.update(self._network, self.decay)

    def __call__(
        self, batch: PackedBatch, name: str, step: int, number: int, part: Part | None = None
    ) -> RegularisedLoss:
        """Return the loss of one task over a labelled batch, with its terms.

        Args:
            batch: The batch, on the device of the network.
            name: The task.
            step: Number of the step, from 0.
            number: Number of the batch within the step, from 0; with it and the step the noise is determined.
            part: Where the tokens are in the batch of the step, if other processes have the others: the noise of a token
                is the same whichever process has it.
        """
        network, settings = self._network, self._settings
        if not settings.applies_to(name):
            loss = network.loss(batch, name)
            return RegularisedLoss(loss, loss, {})
        embedded = network.embed(batch)
        state = _random_state(embedded.device)
        logits = network.embedded_logits(embedded, batch, name)
        loss = objective = network.loss_of(logits, batch, name)
        terms: dict[str, Tensor] = {}
        if settings.smoothness:

            def answer(embeddings: Tensor) -> Tensor:
                _set_random_state(embedded.device, state)
                return network.embedded_logits(embeddings, batch, name)

            head, noise = network.head(name), self._noise(embedded, step, number, part)
            perturbation = self._ascent(answer, head, embedded.detach(), logits.detach(), noise, _rows(batch))
            term = head.divergence(answer(embedded + perturbation), logits)
            objective, terms["smoothness"] = objective + settings.smoothness * term, term.detach()
        if self.anchor is not None and step >= self.start:
            with torch.no_grad():
                others = self.anchor.network(batch, name)
            term = network.head(name).divergence(logits, others)
            objective, terms["proximal"] = objective + settings.proximal * term, term.detach()
        return RegularisedLoss(loss, objective, terms)

    def terms(self, name: str, step: int) -> list[str]:
        """Return the names of the terms that are added to the loss of a task at a step, in order."""
        if not self._settings.applies_to(name):
            return []
        has_anchor = self.anchor is not None and step >= self.start
        return ["smoothness"] * bool(self._settings.smoothness) + ["proximal"] * has_anchor

    def notes(self, hardware: Hardware) -> list[str]:
        """Say what was chosen, and what the precision of `hardware` makes of small perturbations; lines for a person."""
        settings, lines = self._settings, []
        if settings.smoothness:
            steps = counted(settings.ascent_steps, "step")
            lines.append(
                f"regularisation.smoothness {settings.smoothness:g}: embeddings are perturbed by up to {settings.epsilon:g}, found "
                f"in {steps} of ascent"
            )
        if self.anchor is not None:
            lines.append(
                f"regularisation.proximal: the anchor starts after step {self.start} of {self._total}, with a decay of "
                f"{self.decay:.4g}"
            )
        if settings.smoothness and hardware.precision == torch.bfloat16 and settings.epsilon < COARSE:
            lines.append(
                f"regularisation.epsilon is {settings.epsilon:g}, but bfloat16 rounds away what is below about {COARSE:g} of a "
                "value, so the smoothness term is mostly noise; train.precision = 'fp32' or a larger epsilon avoids that"
            )
        return lines

    def _noise(self, embedded: Tensor, step: int, number: int, part: Part | None) -> Tensor:
        """Return Gaussian noise in the shape of the embeddings, ``[T, H]``, the same on every device."""
        random = np.random.default_rng([self._seed, step, number + 1])
        tokens, width = embedded.shape
        noise = random.standard_normal((tokens if part is None else part.total, width), np.float32)
        if part is not None and part.tokens is not None:
            noise = noise[part.tokens]
        return torch.from_numpy(noise).to(embedded.device).mul_(self._settings.noise)

    def _ascent(
        self,
        answer: Callable[[Tensor], Tensor],
        head: Head,
        embedded: Tensor,
        logits: Tensor,
        noise: Tensor,
        rows: Tensor,
    ) -> Tensor:
        """Return the perturbation ``[T, H]`` that moves the answers most, as far as a few steps find it.

        Args:
            answer: Gives logits ``[B, outputs]`` of embeddings, with the dropout masks of `logits`.
            head: The head of the task.
            embedded: Embeddings ``[T, H]``, without gradient.
            logits: Their logits, without gradient.
            noise: The perturbation to begin with, ``[T, H]``.
            rows: Row of the batch that each token belongs to, int64 ``[T]``.
        """
        settings, perturbation = self._settings, noise
        for _ in range(settings.ascent_steps):
            perturbed = (embedded + perturbation).requires_grad_()
            distance = head.divergence(answer(perturbed), logits)
            # a backward pass keeps the types of its forward pass
            with torch.autocast(embedded.device.type, enabled=False):
                (gradient,) = torch.autograd.grad(distance, perturbed)
            perturbation = perturbation + settings.step_size * _in_unit(gradient, rows, len(logits))
            perturbation = perturbation.clamp(-settings.epsilon, settings.epsilon)
        return perturbation


def _need_divergence(head: Head) -> None:
    """Raise SwissbertError if it is not defined how far two answers of a head are from each other."""
    if head.has_divergence:
        return
    kind, name = head.task.kind, head.task.name
    owner = f"its head {type(head).__name__}" if kind.has_divergence else f"its kind '{kind.name}'"
    raise SettingsError(
        f"task '{name}' cannot be regularised: {owner} does not define the divergence of two answers; regularisation.tasks "
        "names the tasks that are"
    )


def _rows(batch: PackedBatch) -> Tensor:
    """Return the row of the batch that each token belongs to, int64 ``[T]``; two sentences of a pair are one row."""
    device = batch.input_ids.device
    rows = torch.arange(len(batch.lengths), device=device) % len(batch.labels)
    return rows.repeat_interleave(torch.tensor(batch.lengths, device=device))


def _in_unit(gradient: Tensor, rows: Tensor, count: int) -> Tensor:
    """Divide a gradient ``[T, H]`` by its largest absolute value in each of `count` rows; zeros stay zeros."""
    largest = gradient.new_zeros(count).scatter_reduce_(0, rows, gradient.abs().amax(1), "amax")
    return gradient / largest.clamp(min=torch.finfo(gradient.dtype).tiny)[rows, None]


def _random_state(device: torch.device) -> list[Tensor]:
    """Return the state of the generators that dropout on a device draws from."""
    states = [torch.get_rng_state()]
    if device.type == "cuda":
        states.append(torch.cuda.get_rng_state(device))
    elif device.type == "mps":
        states.append(torch.mps.get_rng_state())
    return states


def _set_random_state(device: torch.device, states: Sequence[Tensor]) -> None:
    """Put these generators back into a state; a pass that draws as much as another one then ends in the same state."""
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
    elif device.type == "mps":
        torch.mps.set_rng_state(states[1])
