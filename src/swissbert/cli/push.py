"""The command ``push``: upload a model to the Hugging Face hub."""

from typing import Annotated

import typer

from swissbert.cli.program import ModelArgument


def push(
    model: ModelArgument,
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="Name of the repository on the hub.")],
    private: Annotated[bool, typer.Option("--private", help="Create a private repository.")] = False,
) -> None:
    """Upload a model to the Hugging Face hub.

    The model folder is uploaded in one commit; OWNER/NAME is then valid wherever a MODEL is. Log in with
    'hf auth login', or set HF_TOKEN.
    """
    from swissbert.display import Display
    from swissbert.inference import load
    from swissbert.model_folder.push import push as upload

    loaded = load(model, "cpu")  # a model that does not load is not uploaded
    print(upload(loaded.folder, name, private, Display().say))
