"""Greedy soup: the mean of the weights of fine-tuned models, as far as each raises the dev score.

Wortsman et al. (2022), Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
inference time.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from swissbert.config import data_path
from swissbert.device import Hardware, pick_device
from swissbert.display import Display
from swissbert.environment import environment
from swissbert.errors import SwissbertError
from swissbert.evaluation import Scores
from swissbert.files import need_free
from swissbert.kinds import Kind
from swissbert.metrics import shown
from swissbert.model.heads.base import Head
from swissbert.model.multitask import MultitaskModel
from swissbert.model_folder.description import FORMAT, Description
from swissbert.model_folder.load import read_model
from swissbert.model_folder.origin import data_directory
from swissbert.model_folder.save import save_model
from swissbert.selection import is_better_higher
from swissbert.settings import shown as shown_value
from swissbert.training.soup_average import Average, Weights
from swissbert.training.soup_ingredients import Ingredient, choose_score, read_ingredients, same_start_line
from swissbert.training.soup_judge import Judge


@dataclass(frozen=True)
class Trial:
    """A model that was tried as a part of the soup.

    Attributes:
        name: The model.
        given: The name or path that it was given by.
        score: Its own score on dev rows.
        mean_score: The score of the mean of it and the models kept before it.
        kept: Whether it is a part of the soup.
        weight: Its share in the mean; 0 if it was not kept.
        fingerprint: Checksum of all that its answers depend on.
    """

    name: str
    given: str
    score: float
    mean_score: float
    kept: bool
    weight: float
    fingerprint: str


@dataclass(frozen=True)
class Soup:
    """The outcome of `soup`.

    Attributes:
        model: Folder of the mean.
        best_by: The score that decided.
        scores: Dev scores of the mean, by dotted name.
        trials: All models in the order in which they were tried.
    """

    model: Path
    best_by: str
    scores: dict[str, float]
    trials: list[Trial]

    def as_json(self) -> dict[str, object]:
        """Return plain dictionaries and lists."""
        return {**asdict(self), "model": str(self.model)}


def soup(
    models: Sequence[str | Path],
    out: str | Path,
    data: str | Path | None = None,
    *,
    best_by: str | None = None,
    device: str = "auto",
    heads: Mapping[str, type[Head]] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    display: Display | None = None,
) -> Soup:
    """Average the weights of models greedily by their score on dev rows, and write the mean as a model folder.

    The models are tried from the highest score to the lowest; each is kept if the score of the mean does not fall
    (Wortsman et al., 2022). They must have the same tasks, encoder size, tokenizer and heads, and should be runs from
    the same weights with the same seed. Thresholds of heads are fitted anew on train rows; without these their means
    are taken.

    Args:
        models: Two or more names of models: run folders, model folders (full or compact) or hub ids.
        out: Folder to create.
        data: Directory with the tasks' files, or ``starter``; that of the first model's run if left out.
        best_by: The score that decides, as ``train.best_by``; that of the runs if left out, else ``overall``.
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        heads: Head classes from outside the package, by task name.
        kinds: Kinds from outside the package, by name.
        display: Receives progress; nothing is shown if left out.

    Raises:
        SwissbertError: If models cannot be read, are the same or do not fit together, rows are missing, or the folder
            exists.

    Example::

        result = swissbert.soup(["runs/a", "runs/b", "runs/c"], "soups/abc", "cs224n")
        result.scores["overall"]
    """
    out, display = Path(out), display or Display(quiet=True)
    if isinstance(models, str | Path) or len(models) < 2:
        raise SwissbertError("a soup takes at least two models", argument="models")
    if (wrong := next((name for name in models if not isinstance(name, str | Path)), None)) is not None:
        raise SwissbertError(
            f"a model of a soup is {shown_value(wrong)}, but it is a name or a path", argument="models"
        )
    need_free(out, "soup")
    target = pick_device(device)
    with display.waiting(f"reading {len(models)} models"):
        first, ingredients = read_ingredients(models, heads, kinds)
    best_by = choose_score(ingredients, best_by, first)
    if line := same_start_line(ingredients):
        display.say(line)
    network = first.network.to(target)
    directory = data_path(str(data)) if data is not None else data_directory(first.folder)
    judge = Judge(first, network, directory, best_by, _loss_scale(ingredients, best_by), display)
    candidates = []
    for ingredient in ingredients:
        network.load_state_dict(_weights(ingredient, heads, kinds))
        scores = judge.scores()
        candidates.append((ingredient, scores))
        display.say(f"{ingredient.name}: {best_by} {shown(scores.by_name(best_by), 4)}")
    candidates.sort(key=lambda one: _rank(one[1].by_name(best_by), best_by))
    trials, scores = _greedy(network, candidates, judge, lambda one: _weights(one, heads, kinds))
    best = read_model(candidates[0][0].given, heads=heads, kinds=kinds).description
    description = _description(best, best_by, scores, trials, target)
    save_model(out, network, first.tokenizer, description)
    return Soup(out, best_by, scores.flat(), trials)


def _greedy(
    network: MultitaskModel,
    candidates: Sequence[tuple[Ingredient, Scores]],
    judge: Judge,
    weights_of: Callable[[Ingredient], Weights],
) -> tuple[list[Trial], Scores]:
    """Try the models in their order, and leave the mean of those that were kept in the network.

    Args:
        network: The network that `judge` scores.
        candidates: Models with their scores, the best one first.
        judge: Scores the network.
        weights_of: Returns the weights of a model.

    Returns:
        The trials, and the scores of the mean.
    """
    best, scores = candidates[0]
    average = Average(weights_of(best))
    network.load_state_dict(kept_weights := weights_of(best))
    value = scores.by_name(judge.best_by)
    if math.isnan(value):
        raise SwissbertError(f"{judge.best_by} of every model is undefined on these dev rows, so nothing can be chosen")
    outcomes = [(value, True)]
    for ingredient, _ in candidates[1:]:
        weights = weights_of(ingredient)
        network.load_state_dict(average.with_one_more(weights))
        judge.fit()
        tried = judge.scores()
        mean_score = tried.by_name(judge.best_by)
        keeps = _rank(mean_score, judge.best_by) <= _rank(value, judge.best_by)
        if keeps:
            average.add(weights)
            value, scores = mean_score, tried
            kept_weights = {name: tensor.cpu().clone() for name, tensor in network.state_dict().items()}
        outcomes.append((mean_score, keeps))
    network.load_state_dict(kept_weights)
    trials = [
        Trial(
            one.name,
            str(one.given),
            own.by_name(judge.best_by),
            mean_score,
            kept,
            kept / average.count,
            one.fingerprint,
        )
        for (one, own), (mean_score, kept) in zip(candidates, outcomes, strict=True)
    ]
    return trials, scores


def _weights(
    ingredient: Ingredient, heads: Mapping[str, type[Head]] | None, kinds: Mapping[str, Kind] | None
) -> Weights:
    """Read the weights of a model again, fp32 on the CPU, so that only a few models are in memory at a time.

    Raises:
        SwissbertError: If it is another model than before.
    """
    stored = read_model(ingredient.given, heads=heads, kinds=kinds)
    if stored.fingerprint != ingredient.fingerprint:
        raise SwissbertError(f"{stored.folder}: was replaced by another model while the soup was made; start again")
    return dict(stored.network.state_dict())


def _rank(value: float, best_by: str) -> float:
    """Return a number that is lower for a better score; an undefined score is the worst."""
    return math.inf if math.isnan(value) else -value if is_better_higher(best_by) else value


def _loss_scale(ingredients: Sequence[Ingredient], best_by: str) -> Mapping[str, float] | None:
    """Return the factors of the losses if a loss decides; else None, and no losses are computed."""
    return ingredients[0].loss_scale if best_by.rpartition(".")[2] == "loss" else None


def _description(
    best: Description, best_by: str, scores: Scores, trials: Sequence[Trial], device: torch.device
) -> Description:
    """Return the description of the mean: that of the best model with new scores, and which models it consists of."""
    kept = {key: best.provenance[key] for key in KEPT_PROVENANCE if key in best.provenance}
    parts = [
        {"name": t.name, "weight": t.weight, "score": defined_or_none(t.score), "model": t.fingerprint}
        for t in trials
        if t.kept
    ]
    tried = [
        {"name": t.name, "score": defined_or_none(t.score), "mean_score": defined_or_none(t.mean_score), "kept": t.kept}
        for t in trials
    ]
    return Description(
        format=FORMAT,
        tasks=best.tasks,
        encoder=best.encoder,
        model=best.model,
        scores=scores.flat(),
        notes={name: task.notes for name, task in scores.tasks.items() if task.notes} or None,
        provenance={
            **environment(Hardware(device, torch.float32, torch.get_num_threads())),
            **kept,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "soup": {"best_by": best_by, "ingredients": parts, "trials": tried},
        },
    )


KEPT_PROVENANCE = ("recipe", "encoder", "encoder_sha256", "data", "license", "heads")
"""What the provenance of the best model says of the mean too."""


def defined_or_none(value: float) -> float | None:
    """Return a score for JSON, which has no NaN."""
    return None if math.isnan(value) else value
