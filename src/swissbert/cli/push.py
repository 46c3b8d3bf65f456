"""The command ``push``: upload a model to the Hugging Face hub."""

from typing import Annotated

import typer

from swissbert.cli.program import ModelArgument
from swissbert.cli.results import load_model, next_steps


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

    loaded = load_model(model, "cpu")  # a model that does not load is not uploaded
    display = Display()
    with display.waiting(f"uploading to {name}"):
        from swissbert.model_folder.push import push as upload

        url = upload(loaded.folder, name, private, display.say)
    print(url)
    pair = all(task.is_pair for task in loaded.tasks.values())
    next_steps("push", name=name, texts=["TEXT", "SECOND_TEXT"] if pair else ["TEXT"])
