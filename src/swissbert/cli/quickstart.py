"""The command ``quickstart``: train, score and predict on the corpus that ships."""

from pathlib import Path
from typing import Annotated

import typer

from swissbert.cli.evaluate import score
from swissbert.cli.results import load_model, next_steps, result_table, waiting
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
    from swissbert.files import need_name

    with waiting("reading the recipe"):
        from swissbert.config import load_config

    need_name(out, "runs/quickstart")
    config = load_config("quickstart")
    folder, number = out, 2
    while folder.exists():
        folder, number = out.with_name(f"{out.name}-{number}"), number + 1
    run(config, folder, resume=False)
    from swissbert.cli.tables import scores_table

    model = load_model(folder)
    print(scores_table(score(model, "dev", None)))
    rows = []
    for name, text in EXAMPLES:
        answer = model.predict(name, text)
        words = answer.label_name or f"{answer.score:.2f} of 5"
        rows.append([name, words, text if isinstance(text, str) else " | ".join(text)])
    print(f"\n{result_table('Predictions', ['task', 'answer', 'text'], rows, left=3)}")
    next_steps("quickstart", run=folder)
