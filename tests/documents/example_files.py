"""The folder in which the examples of the documents run."""

from pathlib import Path

from pages import blocks

from conftest import ROOT, SHARED, STARTER

ROWS = 65
"""Lines of each data file that are copied."""


def prepare(folder: Path) -> Path:
    """Fill a folder with the files that the documents name: the first rows of data sets, and small tables.

    Where the course's data are missing, rows of the corpus that ships stand for them.
    """
    for name, source in (("cs224n", SHARED / "data" / "cs224n"), ("own_tasks", SHARED / "data" / "own_tasks")):
        if not source.is_dir():
            if name == "own_tasks":
                continue
            source = STARTER
        (folder / name).mkdir()
        for file in source.iterdir():
            lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
            (folder / name / file.name).write_text("".join(lines[:ROWS]), encoding="utf-8")
    levels = ["low", "normal", "high"]
    texts = [f"{'please' if n % 2 else 'now'} look at number {n}" for n in range(90)]
    (folder / "mydata").mkdir()
    (folder / "mydata" / "messages.csv").write_text(
        "message,level\n" + "".join(f"{text},{levels[n % 3]}\n" for n, text in enumerate(texts))
    )
    (folder / "messages.csv").write_text(
        "ticket,body\n" + "".join(f"T-{n},{text}\n" for n, text in enumerate(texts[:9]))
    )
    (folder / "pairs.tsv").write_text("text\ttext_pair\nA dog runs.\tA dog is running.\nIt rains.\tThe sun shines.\n")
    (folder / "space.toml").write_text(blocks(ROOT / "docs" / "training" / "sweeps.md", "toml space")[0])
    return folder
