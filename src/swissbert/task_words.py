"""What a declaration tells people about its task: title, help, words for the ends of a scale, and examples."""

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from swissbert.settings import Settings

if TYPE_CHECKING:
    from swissbert.tasks import Task

WORDS = frozenset({"title", "help", "ends", "examples"})
"""Keys of a declaration that no answer and no loss depends on."""
MOST_EXAMPLES = 20
"""Examples of a declaration."""

Title = Annotated[str, Field(max_length=80)]
Help = Annotated[str, Field(max_length=500)]
End = Annotated[str, Field(min_length=1, max_length=40)]


class Example(Settings):
    """A text, or a pair of texts, that shows what a task is about.

    Attributes:
        text: The text, or the first text of a pair.
        text_pair: The second text of a pair.
        label: The right answer, as a label cell of a data file; may be left out.
    """

    text: str = Field(min_length=1, max_length=1000)
    text_pair: str | None = Field(default=None, min_length=1, max_length=1000)
    label: str | float | list[str] | None = None


def title_and_name(task: "Task") -> str:
    """Return what a task is called for people, with its name in parentheses; the name alone if it has no title."""
    return f"{task.title} ({task.name})" if task.title not in ("", task.name) else task.name


def check_words(task: "Task") -> None:
    """Check the ends of the scale and the examples of a declaration.

    Raises:
        ValueError: Names the key, the value and what is allowed.
    """
    if task.ends is not None and task.kind.has_labels:
        raise ValueError(
            f"ends is given, but a {task.kind.name} task has labels; only the scale of a regression has ends"
        )
    for number, example in enumerate(task.examples, 1):
        if (example.text_pair is not None) != task.is_pair:
            wrong = (
                "has no text_pair, but the task takes pairs"
                if task.is_pair
                else "has a text_pair, but the task takes single texts"
            )
            raise ValueError(f"example {number} of examples {wrong}")
        if example.label is not None and task.is_complete:
            try:
                task.parse_label(example.label)
            except ValueError as error:
                raise ValueError(f"example {number} of examples: label {error}") from error
