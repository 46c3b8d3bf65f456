"""The models that a soup is made of: read, compared with each other, and what is known of how they began."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swissbert.errors import SwissbertError
from swissbert.kinds import Kind
from swissbert.model.heads.base import Head
from swissbert.model_folder import layout
from swissbert.model_folder.load import Stored, read_model
from swissbert.reading import read_object
from swissbert.selection import full_name
from swissbert.settings import read_toml, shown
from swissbert.wording import distinct_names, joined


@dataclass(frozen=True)
class Ingredient:
    """A model that may become a part of a soup.

    Attributes:
        name: What it is called in tables and provenance: the name of its run folder, else of its model folder, and as
            many folders above it as tell the models apart.
        given: The name that it was given by, for `swissbert.model_folder.load.read_model`.
        folder: The model folder.
        fingerprint: A checksum of all that its answers depend on.
        encoder: Checksum of the encoder's weights before training, from ``run.json``; None if it is not known.
        seed: Seed of the run, which decides the parameters that heads begin with; None if it is not known.
        best_by: The score that the run kept its best model by; None if there is no run.
        loss_scale: The factors of the tasks' losses in the run.
    """

    name: str
    given: str | Path
    folder: Path
    fingerprint: str
    encoder: str | None
    seed: int | None
    best_by: str | None
    loss_scale: Mapping[str, float]


def read_ingredients(
    models: Sequence[str | Path], heads: Mapping[str, type[Head]] | None, kinds: Mapping[str, Kind] | None
) -> tuple[Stored, list[Ingredient]]:
    """Read all models of a soup, one after the other, and compare each with the first one.

    Args:
        models: Names of models, for `swissbert.model_folder.load.read_model`.
        heads: Head classes from outside the package, by task name.
        kinds: Kinds from outside the package, by name.

    Returns:
        The first model, and what is known of each.

    Raises:
        SwissbertError: If a model cannot be read or is given twice, or a mean with the first one would have no meaning.
    """
    first = read_model(models[0], heads=heads, kinds=kinds)
    ingredients = [_ingredient(models[0], first)]
    for name in models[1:]:
        stored = read_model(name, heads=heads, kinds=kinds)
        check_alike(first, stored)
        ingredients.append(_ingredient(name, stored))
        _refuse_repeated(ingredients)
    names = distinct_names([layout.run_folder(one.folder) or one.folder for one in ingredients])
    return first, [replace(one, name=name) for one, name in zip(ingredients, names, strict=True)]


def _refuse_repeated(ingredients: Sequence[Ingredient]) -> None:
    """Refuse the last of these models if it is one of those before it."""
    *before, last = ingredients
    same = next((one for one in before if one.fingerprint == last.fingerprint), None)
    if same is not None:
        raise SwissbertError(
            f"models: '{same.given}' and '{last.given}' are the same model; each counts once in the mean",
            argument="models",
        )


def _ingredient(name: str | Path, stored: Stored) -> Ingredient:
    run = layout.run_folder(stored.folder)
    record: dict[str, Any] = {}
    config: dict[str, Any] = {}
    if run is not None:
        with suppress(SwissbertError):
            record = read_object(run / layout.RUN_RECORD)
        with suppress(SwissbertError):
            config = read_toml(run / layout.RUN_CONFIG)
    encoder = record.get("encoder_weights")
    seed = config.get("seed", stored.description.provenance.get("seed"))
    best_by, scale = _table(config, "train").get("best_by"), _table(config, "loss").get("scale")
    return Ingredient(
        name=(run or stored.folder).name,
        given=name,
        folder=stored.folder,
        fingerprint=stored.fingerprint,
        encoder=encoder if isinstance(encoder, str) else None,
        seed=seed if isinstance(seed, int) else None,
        best_by=best_by if isinstance(best_by, str) else None,
        loss_scale=scale if isinstance(scale, dict) else {},
    )


def _table(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    part = table.get(key)
    return part if isinstance(part, dict) else {}


def check_alike(first: Stored, other: Stored) -> None:
    """Check that the weights of two models stand for the same things, so that their mean has a meaning.

    Tasks may differ in their files and in settings of training, such as ``label_smoothing``; so may dropout.

    Raises:
        SwissbertError: Names the first thing that differs.
    """
    before, after = _traits(first), _traits(other)
    for name, value in before.items():
        if after[name] != value:
            both = "" if name in CHECKSUMS else f": {shown(after[name])} and {shown(value)}"
            raise SwissbertError(
                f"{other.folder}: differs from {first.folder} in {name}{both}; models of a soup have the same tasks, "
                "encoder size, tokenizer and heads"
            )


CHECKSUMS = ("the tokenizer",)
"""Traits whose values say nothing to a reader."""


def _traits(stored: Stored) -> dict[str, Any]:
    """Return what models of a soup must have in common, by a phrase that names it."""
    description, network = stored.description, stored.network
    traits: dict[str, Any] = {"tasks": [task.name for task in description.tasks]}
    for task in description.tasks:
        traits |= {
            f"kind of task '{task.name}'": task.kind.name,
            f"labels of task '{task.name}'": task.labels,
            f"range of task '{task.name}'": task.range,
            f"output of task '{task.name}'": task.output,
            f"metric of task '{task.name}'": task.metric,
            f"whether task '{task.name}' reads pairs": task.is_pair,
            f"the head of task '{task.name}'": type(network.head(task.name)).__name__,
        }
    sizes = {key: value for key, value in vars(network.encoder.config).items() if not key.endswith("dropout")}
    traits |= {f"the encoder's {name}": value for name, value in sizes.items()}
    traits["encoder.max_length"] = description.encoder.max_length
    for name, value in description.model.model_dump().items():
        if name != "dropout":
            traits[f"model.{name}"] = value
    traits["the tokenizer"] = stored.tokenizer.fingerprint
    traits["the parameters of heads"] = {
        name: list(tensor.shape) for name, tensor in network.state_dict().items() if not name.startswith("encoder.")
    }
    return traits


def same_start_line(ingredients: Sequence[Ingredient]) -> str:
    """Say that models did not begin with the same weights, or that this is not known; empty if they did.

    Fine-tuned models can be averaged because they stay in one basin of the loss around the weights that they share.
    """
    because = "a mean of models with different beginnings is mostly worse than each of them"
    differing = []
    if len({one.encoder for one in ingredients} - {None}) > 1:
        differing.append("in the encoder's weights")
    seeds = {one.name: one.seed for one in ingredients if one.seed is not None}
    if len(set(seeds.values())) > 1:
        listed = ", ".join(f"{name} {seed}" for name, seed in seeds.items())
        differing.append(f"in the seed, by which heads begin ({listed})")
    if differing:
        return f"these models did not all begin with the same weights: they differ {joined(differing)}; {because}"
    if unknown := [one.name for one in ingredients if one.encoder is None or one.seed is None]:
        return f"whether all began with the same weights is not known of {joined(unknown)}, without a run folder; {because}"
    return ""


def choose_score(ingredients: Sequence[Ingredient], best_by: str | None, first: Stored) -> str:
    """Return the full name of the score that decides: `best_by`, else that of the runs, else ``overall``.

    Raises:
        SwissbertError: If there is no such score, or the runs chose their models by different ones.
    """
    chosen = {one.best_by: one.name for one in ingredients if one.best_by is not None}
    if best_by is None and len(chosen) > 1:
        listed = joined([f"{score} ({name})" for score, name in chosen.items()])
        raise SwissbertError(
            f"these runs kept their best models by different scores, {listed}; best_by names the one that decides",
            argument="best_by",
        )
    name = best_by or next(iter(chosen), "overall")
    try:
        return full_name(name, first.description.tasks)
    except ValueError as error:
        raise SwissbertError(str(error).replace("train.best_by", "best_by"), argument="best_by") from None
