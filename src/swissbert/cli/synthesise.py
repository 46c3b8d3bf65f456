"""The command ``synthesise``: further train rows for the types of error that reports find."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swissbert.cli.program import report_bad_rows
from swissbert.cli.results import fitted, waiting

if TYPE_CHECKING:
    from swissbert.data.synthesis import RuleRows, Synthesis

EXAMPLES = 2
"""Rows of each rule that are shown."""
TEXT_SHOWN = 90
"""Characters of a text that are shown."""
HEADER = ("rule", "bucket", "label", "rows", "dropped")


def synthesise(
    task: Annotated[
        str, typer.Argument(metavar="TASK", help="para, sts or sst, or a declaration of one with other files (TOML).")
    ],
    data: Annotated[
        str, typer.Option("--data", help="Directory with the task's files, or 'starter' for the corpus that ships.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    rules: Annotated[
        str | None, typer.Option(help="Names of rules with commas between them; all of the task if not given.")
    ] = None,
    rows: Annotated[int, typer.Option(help="Largest number of rows of each rule.")] = 1000,
    seed: Annotated[int, typer.Option(help="Which train rows are changed, and how.")] = 0,
) -> None:
    """Make train rows for types of error.

    Rules change train rows so that the label of the new row is certain, or nearly so: another number, a negation, two
    phrases exchanged. Writes a file TASK-RULE.tsv for each rule, and shows the table of a recipe that reads them.
    """
    with waiting("starting"):
        from swissbert.config import data_path
        from swissbert.data.synthesis import recipe_lines, write_rows
        from swissbert.data.synthesis import synthesise as make
    from swissbert.files import locked

    names = None if rules is None else [name.strip() for name in rules.split(",") if name.strip()]
    with waiting(f"making rows for {task}"):
        synthesis = make(task, data_path(data) or Path(data), names, rows, seed)
    with locked(out):
        paths = write_rows(synthesis, out)
    report_bad_rows(synthesis.source, synthesis.bad)
    print(rules_table(synthesis))
    for result in synthesis.by_rule:
        print(_examples(result))
    if paths:
        name = synthesis.task.name
        print(f"\nin a recipe, in place of the task '{name}':\n\n{recipe_lines(synthesis, paths, task)}")


def rules_table(synthesis: "Synthesis") -> str:
    """Return the table of the rules: bucket, label, and numbers of rows and dropped rows; it is at most 80 wide."""
    from swissbert.cli.results import result_table
    from swissbert.wording import joined

    task = synthesis.task
    cells = []
    for result in synthesis.by_rule:
        rule = result.rule
        is_score = task.kind.name == "regression"
        label = "as before" if rule.label is None else f"{rule.label:g}" if is_score else task.labels[int(rule.label)]
        cells.append([rule.name, rule.bucket, label, f"{len(result.rows):,}", f"{result.shared:,}"])
    checked = joined(synthesis.checked) if synthesis.checked else "no other split, as there is none"
    made_rows = result_table(f"{task.name}: rows made of {synthesis.source}", HEADER, cells, left=3)
    return f"{made_rows}\n'dropped': rows with a text of {checked}"


def _examples(result: "RuleRows") -> str:
    """Return a rule's description and its first rows."""
    from swissbert.errors import clipped
    from swissbert.wording import one_line

    lines = [f"\n{result.rule.name}: {one_line(' '.join(result.rule.description.split()))}"]
    for row in result.rows[:EXAMPLES]:
        texts = [clipped(text, TEXT_SHOWN) for text in (row.text, row.text_pair) if text]
        lines.append(f"  {one_line(' | '.join(texts))}")
    if result.real:
        lines.append(f"  of the train rows that are like this, {result.agreeing:,} of {result.real:,} have this label")
    return "\n".join(map(fitted, lines if result.rows else [*lines, "  no train row fits"]))
