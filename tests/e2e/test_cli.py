"""The command line as a person meets it: quick help, one sentence for a mistake, results on standard output."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from swissbert.config import STARTER


def swissbert(*arguments: str | Path, cwd: Path | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "swissbert", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, input=stdin, timeout=300, check=False)


@pytest.fixture(scope="module")
def run(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of the quickstart recipe with the tiny encoder."""
    out = tmp_path_factory.mktemp("cli") / "run"
    settings = [
        f'encoder.name="{tiny}"',
        "encoder.max_length=64",
        "train.epochs=1",
        "train.tensorboard=false",
        "data.limit=48",
    ]
    done = swissbert("train", "quickstart", "--out", out, *(part for text in settings for part in ("--set", text)))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out / 'model'}\n"
    return out


def test_help_takes_less_than_three_tenths_of_a_second() -> None:
    took = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = swissbert("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert "quickstart" in done.stdout
    assert min(took) < 0.3, took  # processor seconds: other work on the machine does not count


def test_importing_the_package_or_the_command_line_brings_in_nothing_heavy() -> None:
    code = "import sys, swissbert, swissbert.cli; print([m for m in ('torch', 'numpy', 'pydantic', 'sklearn', 'datasets') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_public_names_are_there_and_documented() -> None:
    import swissbert

    for name in swissbert.__all__:
        assert getattr(swissbert, name).__doc__
    with pytest.raises(AttributeError):
        _ = swissbert.no_such_name


def test_evaluate_prints_a_table_and_json_says_the_same(run: Path) -> None:
    table = swissbert("evaluate", run)
    found = json.loads(swissbert("evaluate", run, "--json").stdout)
    assert table.returncode == 0, table.stderr
    assert f"{found['overall']:.3f}" in table.stdout
    assert set(found["tasks"]) == {"sst", "para", "sts"}
    low, high = found["tasks"]["sts"]["intervals"]["pearson"]
    assert low <= found["tasks"]["sts"]["metrics"]["pearson"] <= high
    assert sum(map(sum, found["tasks"]["sst"]["confusion"])) == found["tasks"]["sst"]["rows"]


def test_predict_answers_text_files_and_standard_input(run: Path, tmp_path: Path) -> None:
    one = json.loads(swissbert("predict", run, "--task", "sst", "a good film").stdout)
    assert set(one) == {"label", "label_name", "probabilities"}
    pair = json.loads(swissbert("predict", run, "--task", "sts", "a dog runs", "a cat sleeps").stdout)
    assert 0 <= pair["score"] <= 5
    piped = swissbert("predict", run, "--task", "sst", "--input", "-", stdin="good\n\nbad\n")
    lines = [json.loads(line) for line in piped.stdout.splitlines()]
    assert [line.get("id", line.get("row")) for line in lines] == ["1", 2, "3"]
    assert "1 row(s) could not be used" in piped.stderr
    out = tmp_path / "answers.jsonl"
    done = swissbert("predict", run, "--task", "para", "--input", STARTER / "para-dev.tsv", "--output", out)
    assert done.returncode == 0, done.stderr
    ids = [json.loads(line)["id"] for line in out.read_text().splitlines()]
    assert ids == [line.split("\t")[0] for line in (STARTER / "para-dev.tsv").read_text().splitlines()[1:]]


def test_submit_writes_the_courses_files(run: Path, cs224n: Path, tmp_path: Path) -> None:
    done = swissbert("submit", run, "--data", cs224n, "--out", tmp_path / "p")
    assert done.returncode == 0, done.stderr
    expected = {
        "sst": ("Predicted_Sentiment", 1101, 2210),
        "para": ("Predicted_Is_Paraphrase", 3000, 3200),
        "sts": ("Predicted_Similiary", 863, 1725),
    }
    for task, (column, dev, test) in expected.items():
        for split, count in (("dev", dev), ("test", test)):
            lines = (tmp_path / "p" / f"{task}-{split}-output.csv").read_text().split("\n")
            assert lines[0] == f"id \t {column} "
            assert len(lines) == count + 2
            assert lines[-1] == ""
            for line in lines[1:-1]:
                id, value = line.split(" , ")
                assert len(id) == 25
                assert value.endswith(" ")
                assert 0 <= float(value) <= 5
    source = (cs224n / "ids-sst-dev.csv").read_text().split("\n")[1].split("\t")[1]
    assert (tmp_path / "p" / "sst-dev-output.csv").read_text().split("\n")[1].startswith(f"{source} , ")


def test_data_check_says_what_is_there_and_names_bad_rows(cs224n: Path) -> None:
    done = swissbert("data", "check", cs224n)
    assert done.returncode == 0, done.stderr
    assert "quora-train.csv:3455: column 'sentence2' is empty" in done.stdout
    assert "quora-train.csv:8711: column 'is_duplicate' is empty" in done.stdout
    found = json.loads(swissbert("data", "check", cs224n, "--json").stdout)
    assert {s["task"]: s["rows"] for s in found["splits"] if s["split"] == "train"} == {
        "cfimdb": 1707,
        "para": 14012,
        "sst": 8544,
        "sts": 6040,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "nope"], "no recipe 'nope'"),
        (["train", "minlm"], "did you mean 'minilm'?"),
        (["train", "quickstart", "--set", "train.lrr=1"], "unknown key 'train.lrr'; did you mean 'lr'?"),
        (["train", "quickstart", "--set", "train.lr=7"], "'train.lr' is 7"),
        (["train", "quickstart", "--set", "encoder.name=nowhere"], "encoder.name is 'nowhere'"),
        (["train", "minilm"], "--data"),
        (["train", "minilm", "--data", "no/such/dir"], "there is no such data directory"),
        (["train"], "train needs a recipe"),
        (["evaluate", "no/such/model"], "there is no such model folder"),
        (["predict", "no/such/model", "--task", "sst", "x"], "there is no such model folder"),
        (["data", "check", "no/such/dir"], "there is no such directory"),
        (["quickstart", "--out", "/dev/null/x"], "cannot be written"),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_status_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = swissbert(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [], "a mistake leaves nothing behind"


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    assert "Traceback" in swissbert("--debug", "evaluate", "no/such/model", cwd=tmp_path).stderr


def test_predict_with_a_bad_file_leaves_no_half_written_output(run: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("wrong,columns\n1,2\n")
    done = swissbert("predict", run, "--task", "sst", "--input", source, "--output", out)
    assert done.returncode == 2
    assert "no column 'sentence'" in done.stderr
    assert list(tmp_path.iterdir()) == [source]


def test_dry_run_shows_settings_and_steps_and_writes_nothing(tiny: Path, tmp_path: Path) -> None:
    settings = ["--set", f'encoder.name="{tiny}"', "--set", "encoder.max_length=64"]
    done = swissbert("train", "quickstart", "--dry-run", *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'weighting = "sum"' in done.stdout
    assert "steps" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_recipes_and_env_and_version(tmp_path: Path) -> None:
    assert {line.split()[0] for line in swissbert("recipes").stdout.splitlines()} >= {
        "quickstart",
        "minilm",
        "paper",
        "sentiment",
        "own-tasks",
    }
    assert json.loads(swissbert("env", "--json").stdout)["swissbert"] == "0.1.0"
    assert swissbert("--version").stdout == "swissbert 0.1.0\n"


def test_a_reader_that_goes_away_is_no_error(run: Path) -> None:
    command = f"yes 'good film' | {sys.executable} -m swissbert predict {run} --task sst --input - | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout)["id"] == "1"
    assert "Traceback" not in done.stderr
