"""The command that gives a trained model to others through the Hugging Face hub."""

import os.path
from typing import Annotated

import typer

from swissbert.cli.program import ModelArgument, app
from swissbert.errors import SwissbertError


@app.command()
def push(
    model: ModelArgument,
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="What the model is called on the hub.")],
    private: Annotated[bool, typer.Option("--private", help="A new one is only for you and whom you let in.")] = False,
) -> None:
    """Put a model on the Hugging Face hub.

    Its folder in one commit; every MODEL here may then be OWNER/NAME. Log in with 'hf auth login', or set HF_TOKEN.
    """
    from swissbert.display import Display
    from swissbert.inference.model import load
    from swissbert.model_folder.hub import push as run

    trained = load(model, "cpu")  # what does not load is not worth sending
    folder, encoder = trained.folder, trained.description.encoder.name
    if trained.description.compact is not None and os.path.isdir(encoder):
        raise SwissbertError(
            f"{folder}: a compact folder needs its encoder where it is loaded, and '{encoder}' is a folder of this machine only"
        )
    print(run(folder, name, private, Display().say))
