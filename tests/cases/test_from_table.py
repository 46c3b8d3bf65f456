"""From a data file to a scored model without a TOML file."""

import random
import tomllib
from pathlib import Path

import pytest

from case_runner import Command
from swissbert.cli.from_table import FEW_PAIRS, declared_notes, declared_recipe

TEXTS = {
    "low": "please send the invoice when you can",
    "normal": "the printer on floor two is jammed again",
    "high": "production is down and customers cannot pay",
}


@pytest.fixture
def messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write 60 messages with a level and a percentage, and enter their folder."""
    pick = random.Random(0)
    levels = [pick.choice(list(TEXTS)) for _ in range(60)]
    lines = [
        f"{n},{TEXTS[level]} {n},{level},{10 + 40 * list(TEXTS).index(level) + n % 7}" for n, level in enumerate(levels)
    ]
    (tmp_path / "messages.csv").write_text("\n".join(["id,message,level,percent", *lines, ""]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


PINNED = [
    part
    for key in ("device=cpu", "precision=fp32", "threads=1", "tensorboard=false", "max_steps=4")
    for part in ("--set", f"train.{key}")
]


def test_one_command_makes_a_scored_model(messages: Path, swissbert: Command) -> None:
    ended = swissbert("train", "messages.csv", "--text", "message", "--label", "level", "--label", "percent", *PINNED)
    assert ended.status == 0, ended.stderr
    assert "classification   3 labels: high, low, normal" in ended.stderr
    assert "regression" in ended.stderr
    assert "chosen for" in ended.stderr
    assert "TF-IDF with a linear model" in ended.stderr
    assert "level: true label by row" in ended.stdout
    again = swissbert("train", "runs/messages/recipe.toml", "--out", "runs/again")  # which has the settings above
    assert again.status == 0, again.stderr
    first, second = (Path("runs", name, "model/model.safetensors").read_bytes() for name in ("messages", "again"))
    assert first == second
    answer = swissbert("predict", "runs/messages", "--task", "level", "the customers cannot pay")
    assert answer.status == 0, answer.stderr


def test_a_dry_run_writes_the_declaration_alone(messages: Path, swissbert: Command) -> None:
    ended = swissbert(
        "train", "messages.csv", "--text", "message", "--label", "level", "--out", "run", "--dry-run", *PINNED
    )
    assert ended.status == 0, ended.stderr
    assert [path.name for path in (messages / "run").iterdir()] == ["recipe.toml"]


def test_an_edited_recipe_of_a_dry_run_is_not_overwritten(messages: Path, swissbert: Command) -> None:
    command = ["train", "messages.csv", "--text", "message", "--label", "level", "--out", "run", "--dry-run", *PINNED]
    assert swissbert(*command).status == 0
    assert swissbert(*command).status == 0, "the same command makes the same recipe"
    recipe = messages / "run" / "recipe.toml"
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("holdout = 0.2", "holdout = 0.3"), encoding="utf-8")
    for options in ([], ["--kind", "multilabel"]):
        ended = swissbert(*command, *options)
        assert ended.status == 0, "a dry run does not stand in the way of another"
        assert "run/recipe.toml: holds another declaration than this command makes, and stays as it is" in ended.stderr
    ended = swissbert(*(part for part in command if part != "--dry-run"))
    assert ended.status == 2
    assert "train run/recipe.toml --out run), or remove it" in ended.stderr
    assert "holdout = 0.3" in recipe.read_text(encoding="utf-8")
    assert [path.name for path in recipe.parent.iterdir()] == ["recipe.toml"]


def test_init_writes_a_recipe_that_trains_from_anywhere(
    messages: Path, swissbert: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = swissbert("init", "messages.csv", "--text", "message", "--label", "level")
    assert ended.status == 0, ended.stderr
    text = (messages / "messages.toml").read_text(encoding="utf-8")
    assert 'dir = "."' in text
    assert swissbert("init", "messages.csv", "--text", "message", "--label", "level").status == 2
    (messages / "elsewhere").mkdir()
    monkeypatch.chdir(messages / "elsewhere")
    ended = swissbert("train", "../messages.toml", *PINNED)
    assert ended.status == 0, ended.stderr


def test_the_format_of_a_file_with_another_ending_is_named(messages: Path, swissbert: Command) -> None:
    (messages / "messages.csv").rename(messages / "messages.data")
    columns = ["--text", "message", "--label", "level", "--out", "-"]
    named = swissbert("init", "messages.data", *columns, "--format", "csv")
    assert named.status == 0, named.stderr
    assert tomllib.loads(named.stdout)["tasks"][0]["format"] == "csv"
    wrong = swissbert("init", "messages.data", *columns, "--format", "cvs")
    assert wrong.status == 2
    assert "'cvs' is not a file format" in wrong.stderr


def test_init_writes_to_standard_output(messages: Path, swissbert: Command) -> None:
    ended = swissbert("init", "messages.csv", "--text", "message", "--label", "level", "--out", "-")
    assert ended.status == 0, ended.stderr
    assert not (messages / "-").exists()
    assert tomllib.loads(ended.stdout)["data"]["dir"] == str(messages)
    assert "3 labels: high, low, normal" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--text", "msg", "--label", "level"], "no column 'msg'"),
        (["--text", "message", "--label", "message"], "named twice"),
        (["--text", "message", "--label", "id", "--kind", "classification"], "60 different labels"),
        (["--label", "level", "--data", "."], "--data goes with a recipe"),
        (["--text", "message"], "level"),
    ],
)
def test_what_does_not_fit_is_said(messages: Path, swissbert: Command, arguments: list[str], words: str) -> None:
    ended = swissbert("train", "messages.csv", *arguments, "--dry-run", *PINNED)
    if words == "level":  # a usual name, so it is taken without being named
        assert ended.status == 0, ended.stderr
    else:
        assert ended.status == 2
    assert words in ended.stderr


def test_options_of_a_data_file_are_refused_for_a_recipe(swissbert: Command) -> None:
    ended = swissbert("train", "quickstart", "--label", "level")
    assert ended.status == 2
    assert "only a data file such as messages.csv takes it" in ended.stderr


def test_the_file_is_the_data(messages: Path, swissbert: Command) -> None:
    ended = swissbert("train", "messages.csv", "--text", "message", "--label", "level", "--set", "data.dir=elsewhere")
    assert ended.status == 2
    assert "override data.dir=elsewhere is given, but messages.csv is the data" in ended.stderr


def test_a_missing_header_is_named_with_its_options(messages: Path, swissbert: Command) -> None:
    lines = (messages / "messages.csv").read_text("utf-8").splitlines()[1:]
    (messages / "bare.csv").write_text("\n".join(lines), "utf-8")
    ended = swissbert("init", "bare.csv", "--text", "message", "--label", "level")
    assert ended.status == 2
    assert "(on the command line: --no-header --text 2 --label 3)" in ended.stderr
    assert swissbert("init", "bare.csv", "--no-header", "--text", "2", "--label", "3").status == 0


def test_lines_with_tabs_that_have_no_header_are_explained(messages: Path, swissbert: Command) -> None:
    (messages / "rows.txt").write_text("".join(f"{n % 2}\ta message of number {n}\n" for n in range(30)), "utf-8")
    ended = swissbert("train", "rows.txt", "--dry-run", *PINNED)
    assert ended.status == 2
    assert "its lines have tabs; for a file without a header" in ended.stderr
    assert ended.stderr.rstrip().endswith("(on the command line: --no-header --text 2 --label 1)")
    ended = swissbert("train", "rows.txt", "--no-header", "--text", "2", "--label", "1", "--dry-run", *PINNED)
    assert ended.status == 0, ended.stderr


def test_the_form_of_fasttext_is_named(messages: Path, swissbert: Command) -> None:
    lines = [f"__label__{'neg' if n % 2 else 'pos'} a message of number {n}" for n in range(30)]
    (messages / "rows.txt").write_text("\n".join(lines), "utf-8")
    ended = swissbert("train", "rows.txt", "--dry-run", *PINNED)
    assert ended.status == 2
    assert (
        "such as '__label__pos', as those of fastText, which are not read; write each as the label 'pos'"
        in ended.stderr
    )
    rewritten = [line.removeprefix("__label__").replace(" ", "\t", 1) for line in lines]  # what the sentence says
    (messages / "rows.txt").write_text("\n".join(["label\ttext", *rewritten]), "utf-8")
    ended = swissbert("train", "rows.txt", "--dry-run", *PINNED)
    assert ended.status == 0, ended.stderr


def test_a_file_of_texts_alone_has_no_labels(messages: Path, swissbert: Command) -> None:
    (messages / "rows.txt").write_text("one text\nanother text\n", "utf-8")
    ended = swissbert("train", "rows.txt", "--label", "label", "--dry-run", *PINNED)
    assert (
        ended.status,
        "is read as plain text, a text on each line, so it has no column of labels" in ended.stderr,
    ) == (2, True)


@pytest.mark.parametrize(
    ("lines", "columns"),
    [
        ([f'"{n % 3}","title {n}","a text of some length {n}"' for n in range(9)], "--text 3 --label 1"),
        ([f"{n},a text of some length {n},{'xy'[n % 2]}" for n in range(9)], "--text 2 --label 3"),
        ([f"a text of some length {n},{n / 2}" for n in range(9)], "--text 1 --label 2"),
        ([f"{n / 2},a text of some length {n}" for n in range(9)], "--text 2 --label 1"),
        (
            [f"gj04,{n % 2},{'*' if n % 2 else ''},the story is great in part {n}" for n in range(9)],
            "--text 4 --label 2",
        ),
        ([f"{n},a text of some length {n},{n / 2}" for n in range(9)], "--text 1 --label 2"),  # not to tell
        (["x,a text of some length", "y,another text"], "--text 1 --label 2"),  # too few
    ],
)
def test_the_hint_names_the_columns_of_text_and_label(
    messages: Path, swissbert: Command, lines: list[str], columns: str
) -> None:
    (messages / "bare.csv").write_text("\n".join(lines), "utf-8")
    ended = swissbert("init", "bare.csv")
    assert ended.status == 2
    assert f"(on the command line: --no-header {columns})" in ended.stderr


def test_a_data_file_that_is_not_there_is_named(messages: Path, swissbert: Command) -> None:
    for name, help in (
        ("trian.csv", "trian.csv: there is no such file"),
        ("mesages.tsv", "mesages.tsv: there is no such file; did you mean 'messages.csv'?"),
        ("q2.csv", "q2.csv: there is no such file\n"),  # nothing is like it but the ending
        (".", ". is a directory; name one data file (in it: "),
        ("https://example.com/rows.csv", "is an address; download the file"),
    ):
        ended = swissbert("train", name, "--text", "text")
        assert (ended.status, help in ended.stderr) == (2, True), ended.stderr


@pytest.mark.parametrize(
    ("labels", "rows", "head"),
    [
        (["number"], 60, "similarity"),
        (["two"], 60, "similarity"),
        (["number", "two"], 60, "similarity"),
        (["three"], FEW_PAIRS - 1, "bi_encoder"),
        (["number", "three"], 60, "bi_encoder"),
        (["number"], FEW_PAIRS, None),
        (["three"], FEW_PAIRS, None),
    ],
)
def test_few_pairs_are_compared_by_their_vectors(
    tmp_path: Path, labels: list[str], rows: int, head: str | None
) -> None:
    """Numbers and two classes by the cosine alone; one setting holds for all tasks of a run, so several classes decide."""
    names = [["no", "yes"], ["against", "beside", "for"]]
    lines = [f"first {n},second {n},0.{n % 97:02},{names[0][n % 2]},{names[1][n % 3]}" for n in range(rows)]
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(["a,b,number,two,three", *lines, ""]), encoding="utf-8")
    table, declared = declared_recipe(path, "a", "b", labels, {})
    shown = "\n".join(declared_notes(declared))
    if head is None:
        assert "model" not in table
        assert "pair_head" not in shown
    else:
        assert table["model"] == {"pair_encoding": False, "pair_head": head}
        assert (
            f"Fewer than {FEW_PAIRS:,} pairs: they are answered by a comparison of two sentence vectors, model.pair_head = '{head}'"
            in shown
        )


def test_few_single_texts_have_no_pair_head(messages: Path) -> None:
    assert "model" not in declared_recipe(messages / "messages.csv", "message", None, ["level"], {})[0]
