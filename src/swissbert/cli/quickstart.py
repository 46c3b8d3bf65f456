"""The command ``quickstart``: train, score and predict on the corpus that ships."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from swissbert.cli.evaluate import score
from swissbert.cli.program import program_name
from swissbert.cli.train import run

EXAMPLES: list[tuple[str, str | tuple[str, str]]] = [
    ("sst", "A slow start, but the last half hour is wonderful."),
    ("para", ("How do I keep basil alive indoors?", "What helps a basil plant survive in a kitchen?")),
    ("sts", ("A man is repairing a bicycle.", "Somebody fixes a bike.")),
]


def quickstart(
    out: Annotated[Path, typer.Option(help="Run folder; a number is added if it exists.")] = Path("runs/quickstart"),
) -> None:
    """Train, score and predict on the corpus that ships.

    Three tasks at once, on a small corpus written for this: about two minutes on two cores.
    """
    from swissbert.cli.tables import scores_table
    from swissbert.config import load_config
    from swissbert.files import need_name
    from swissbert.inference import load

    need_name(out, "runs/quickstart")
    config = load_config("quickstart")
    folder, number = out, 2
    while folder.exists():
        folder, number = out.with_name(f"{out.name}-{number}"), number + 1
    model = load(run(config, folder, resume=False))
    print(scores_table(score(model, "dev", None)))
    print("\nPredictions")
    for name, text in EXAMPLES:
        answer = model.predict(name, text)
        words = answer.label_name or f"{answer.score:.2f} of 5"
        print(f"  {name:5} {words:18} {text if isinstance(text, str) else ' | '.join(text)}")
    print(f'\nYour own text:  {program_name()} predict {shlex.quote(str(folder))} --task sst "Not bad at all."')
