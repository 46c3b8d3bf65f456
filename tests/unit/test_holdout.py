"""Dev rows held out of the train rows, where no dev split is declared."""

from pathlib import Path

from swissbert.data.holdout import text_key
from swissbert.data.rows import Rows
from swissbert.data.splits import read_split
from swissbert.kinds import KINDS
from swissbert.tasks import Columns, Task


def read(directory: Path, texts: list[str], **more: object) -> dict[str, Rows]:
    (directory / "t.csv").write_text(
        "text,label\n" + "".join(f"{text},{i % 2}\n" for i, text in enumerate(texts)) + ",1\n"
    )
    task = Task(
        name="t", kind=KINDS["binary"], labels=["no", "yes"], loss="binary_cross_entropy", metric="accuracy",
        columns=Columns(text="text", label="label"), files={"train": "t.csv"}, **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return {split: read_split(task, split, directory) for split in ("train", "dev")}


def test_every_row_is_in_one_split_and_the_share_is_about_right(tmp_path: Path) -> None:
    splits = read(tmp_path, [f"sentence {n}" for n in range(2000)])
    train, dev = ({row.text for row in splits[split].rows} for split in ("train", "dev"))
    assert not train & dev
    assert len(train) + len(dev) == 2000
    assert 150 < len(dev) < 250
    assert 550 < len(read(tmp_path, [f"sentence {n}" for n in range(2000)], holdout=0.3)["dev"]) < 650


def test_repeats_with_other_case_or_space_stay_in_the_same_split(tmp_path: Path) -> None:
    splits = read(tmp_path, [text for n in range(300) for text in (f"a film {n}", f"A  FILM {n}")])
    train, dev = ({text_key(row) for row in splits[split].rows} for split in ("train", "dev"))
    assert not train & dev
    assert len(dev) > 10


def test_the_choice_does_not_depend_on_order_or_on_other_rows(tmp_path: Path) -> None:
    texts = [f"sentence {n}" for n in range(400)]
    before = {row.text for row in read(tmp_path, texts)["dev"].rows}
    after = {row.text for row in read(tmp_path, [*reversed(texts), *(f"new {n}" for n in range(100))])["dev"].rows}
    assert before == {text for text in after if text.startswith("sentence")}


def test_a_bad_row_is_reported_once(tmp_path: Path) -> None:
    splits = read(tmp_path, [f"sentence {n}" for n in range(100)])
    assert (len(splits["train"].bad), len(splits["dev"].bad)) == (1, 0)
