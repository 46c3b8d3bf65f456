"""The command that gives a trained model to others through the Hugging Face hub."""

from typing import Annotated

import typer

from swissbert.cli.program import ModelArgument, app


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
    from swissbert.hub import push as run
    from swissbert.model_folder import load_model

    folder = load_model(model, "cpu").folder  # what does not load is not worth sending
    print(run(folder, name, private, Display().say))
