"""The command line: quick help, one line for a mistake, results on standard output."""

import json
import re
import resource
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from forked import swissbert
from swissbert.config import STARTER
from swissbert.version import __version__

PROGRAM = f"{shlex.quote(sys.executable)} -m swissbert"
QUICK = "--precision int8"
"""For commands of which only streams matter: eight-bit products need no torch, whose import takes most of such a command."""


def shell(command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=cwd, timeout=120, check=False)


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


@pytest.mark.perf
def test_help_takes_less_than_three_tenths_of_a_second() -> None:
    seconds = []  # of processor time, so that other processes do not count
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "swissbert", "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.3, seconds


def test_help_lists_the_commands() -> None:
    assert "quickstart" in swissbert("--help").stdout


def test_importing_the_package_or_the_command_line_imports_nothing_heavy() -> None:
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


def test_evaluate_prints_a_table_or_the_same_as_json(run: Path) -> None:
    table = swissbert("evaluate", run)
    result = json.loads(swissbert("evaluate", run, "--json").stdout)
    assert table.returncode == 0, table.stderr
    assert f"{result['overall']:.3f}" in table.stdout
    assert set(result["tasks"]) == {"sst", "para", "sts"}
    low, high = result["tasks"]["sts"]["intervals"]["pearson"]
    assert low <= result["tasks"]["sts"]["metrics"]["pearson"] <= high
    assert sum(map(sum, result["tasks"]["sst"]["confusion"])) == result["tasks"]["sst"]["rows"]


def test_predict_answers_text_files_and_standard_input(run: Path, tmp_path: Path) -> None:
    one = json.loads(swissbert("predict", run, "--task", "sst", "a good film").stdout)
    assert set(one) == {"label", "label_name", "probabilities"}
    pair = json.loads(swissbert("predict", run, "--task", "sts", "a dog runs", "a cat sleeps").stdout)
    assert 0 <= pair["score"] <= 5
    piped = swissbert("predict", run, "--task", "sst", "--input", "-", stdin="good\n\nbad\n")
    lines = [json.loads(line) for line in piped.stdout.splitlines()]
    assert [line.get("id", line.get("row")) for line in lines] == [1, 2, 3]
    assert "1 of 3 row(s) could not be used" in piped.stderr
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


def test_data_check_reports_rows_and_bad_rows(cs224n: Path, tmp_path: Path) -> None:
    for file in cs224n.iterdir():  # few rows for the text, as two checks of all rows take seven seconds
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        (tmp_path / file.name).write_text("".join(lines[: 3460 if file.name == "quora-train.csv" else 60]), "utf-8")
    done = swissbert("data", "check", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "quora-train.csv:3455: column 'sentence2' is empty" in done.stdout
    result = json.loads(swissbert("data", "check", cs224n, "--json").stdout)
    [train] = [split for split in result["splits"] if (split["task"], split["split"]) == ("para", "train")]
    assert train["bad"] == [["quora-train.csv", 3455, "column 'sentence2' is empty"]]
    assert {s["task"]: s["unlabelled"] for s in result["splits"] if s["split"] == "train"}["para"] == 1
    assert {s["task"]: s["rows"] for s in result["splits"] if s["split"] == "train"} == {
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
        (["train", "minilm"], "data.dir names the directory (on the command line: --data)"),
        (
            ["predict", "mini", "--input", "rows.xlsx", "--format", "xlsx"],
            "'xlsx' is not a file format; the formats are auto, cs224n, tsv, csv, jsonl, parquet, text (on the command line: --format)",
        ),
        (["train", "minilm", "--data", "no/such/dir"], "there is no such data directory"),
        (["train"], "train needs a recipe"),
        (["evaluate", "no/such/model"], "there is no such model folder"),
        (["predict", "no/such/model", "--task", "sst", "x"], "there is no such model folder"),
        (["data", "check", "no/such/dir"], "there is no such directory"),
        (["reproduce", "table2", "--render", "--dry-run"], "--render writes the table and --dry-run writes nothing"),
        (["quickstart", "--out", "/dev/null/x"], "cannot be written"),
        (["quickstart", "--out", "/"], "out is '/', which is not the name of a folder to create"),
        (["quickstart", "--out", "."], "for instance runs/quickstart (on the command line: --out)"),
        (["quickstart", "--out", "x" * 300], "cannot be used (File name too long)"),
        (["evaluate", "x" * 300], "there is no such model folder or run folder"),
        (["train", "minilm", "--data", "no/🙂"], "no/🙂: there is no such data directory"),
        (["predict", "mini", "--task", "mood", "x"], "its tasks are sst, para, sts (on the command line: --task)"),
        (["predict", "mini", "--task", "sst", "--input", "x.csv", "--format", "xls"], "'xls' is not a file format"),
    ],
)
def test_a_mistake_ends_in_one_line_and_status_2(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = swissbert(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert message in last
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [], "a mistake leaves nothing behind"


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    assert "Traceback" in swissbert("--debug", "evaluate", "no/such/model", cwd=tmp_path).stderr
    assert "--debug" in swissbert("--help").stdout


def test_predict_with_a_bad_file_leaves_no_half_written_output(run: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("wrong,columns\n1,2\n")
    done = swissbert("predict", run, "--task", "sst", "--input", source, "--output", out)
    assert done.returncode == 2
    assert "no column 'sentence'" in done.stderr
    assert list(tmp_path.iterdir()) == [source]


def test_dry_run_shows_a_summary_or_all_settings_and_writes_nothing(tiny: Path, tmp_path: Path) -> None:
    settings = ["--set", f'encoder.name="{tiny}"', "--set", "encoder.max_length=64", "--set", "data.limit=48"]
    short = swissbert("train", "quickstart", "--dry-run", *settings, cwd=tmp_path)
    assert short.returncode == 0, short.stderr
    assert "trainable parameters" in short.stdout
    assert "  encoder.dropout = 0.0" in short.stdout
    assert "weighting" not in short.stdout, "only settings that are not the defaults"
    full = swissbert("train", "quickstart", "--dry-run", "--toml", *settings, cwd=tmp_path)
    assert full.returncode == 0, full.stderr
    assert tomllib.loads(full.stdout)["loss"]["weighting"] == "sum"
    assert "# 130 steps" in full.stdout or " steps in " in full.stdout
    assert swissbert("train", "quickstart", "--toml", cwd=tmp_path).returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_recipes_and_env_and_version(tmp_path: Path) -> None:
    assert {line.split()[0] for line in swissbert("recipes").stdout.splitlines()} >= {
        "quickstart",
        "minilm",
        "paper",
        "sentiment",
        "own-tasks",
    }
    assert json.loads(swissbert("env", "--json").stdout)["swissbert"] == __version__
    assert swissbert("--version").stdout == f"swissbert {__version__}\n"


def test_a_closed_pipe_is_not_an_error(run: Path) -> None:
    done = shell(f"yes 'good film' | {PROGRAM} predict {shlex.quote(str(run))} {QUICK} --task sst --input - | head -1")
    assert json.loads(done.stdout)["row"] == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("recipes >/dev/full", "standard output: cannot be written (No space left on device)"),
        ("--help >/dev/full", "standard output: cannot be written (No space left on device)"),
        ("recipes >&-", "standard output: it is closed"),
        ("predict {run} --task sst good >/dev/full", "standard output: cannot be written (No space left on device)"),
        ("predict {run} --task sst --input - <&-", "standard input: it is closed"),
        ("predict {run} --task sst --input - --format csv <&-", "standard input: it is closed"),
        ("cat /dev/null | {program} predict {run} --task sst --input - --format parquet", "Parquet needs a file"),
        ("predict {run} --task sst --format csv good", "only --input has a format"),
        ("predict {run} --task sst good --output .", ".: cannot be written (Is a directory)"),
        ("predict {run} --task sst good --output /dev/full", "/dev/full: cannot be written (No space left on device)"),
    ],
)
def test_an_unusable_stream_is_reported(run: Path, tmp_path: Path, command: str, message: str) -> None:
    filled = command.format(run=f"{shlex.quote(str(run))} {QUICK}", program=PROGRAM)
    for unbuffered in ("", "1") if ">/dev/full" in command else ("",):  # an error while writing, or at the last flush
        setting = f"export PYTHONUNBUFFERED={unbuffered}; set -o pipefail"
        done = shell(f"{setting}; {filled if '|' in filled else f'{PROGRAM} {filled}'}", tmp_path)
        assert done.returncode == 2, done
        assert done.stderr.startswith("error: ")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1, "one line"
        assert done.stdout == ""


@pytest.mark.parametrize("locale", ["C", "POSIX", "en_US.ISO-8859-1"])
def test_bytes_that_are_not_utf8_make_a_bad_row_in_any_locale(run: Path, locale: str) -> None:
    call = f"{PROGRAM} predict {shlex.quote(str(run))} {QUICK} --task sst --input -"
    for setting in (f"LC_ALL={locale}", f"LC_ALL={locale} PYTHONIOENCODING=ascii PYTHONUTF8=0"):
        done = shell(f"printf 'caf\\xe9\\ncaf\\xc3\\xa9\\n' | {setting} {call}")
        bad, good = map(json.loads, done.stdout.splitlines())
        assert bad == {"row": 1, "error": "the text has bytes that are not UTF-8"}
        assert good["row"] == 2
        assert done.returncode == 0
        assert "Traceback" not in done.stderr


def test_output_is_utf8_in_any_locale(run: Path, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "good", "id": "é🙂"}\n', encoding="utf-8")
    call = f"{PROGRAM} predict {shlex.quote(str(run))} {QUICK} --task sst --input in.jsonl"
    done = shell(f"LC_ALL=C PYTHONIOENCODING=ascii {call} > out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out").read_bytes())["id"] == "é🙂"


def test_one_text_is_written_to_a_file_or_into_a_pipe(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "answer"
    done = swissbert("predict", run, *QUICK.split(), "--task", "sst", "a good film", "--output", out)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "label_name" in json.loads(out.read_text())
    call = f"{PROGRAM} predict {shlex.quote(str(run))} {QUICK} --task sst 'a good film' --output pipe"
    piped = shell(f"mkfifo pipe; cat pipe & {call}; wait", tmp_path)
    assert json.loads(piped.stdout) == json.loads(out.read_text())


def test_process_substitution_is_read_as_standard_input(run: Path, tmp_path: Path) -> None:
    inputs = {
        "text": "a good film\na bad film\n",
        "csv": "id,text\na,a good film\nb,a bad film\n",
        "jsonl": '{"id": "a", "text": "a good film"}\n{"id": "b", "text": "a bad film"}\n',
    }
    call = f"{PROGRAM} predict {shlex.quote(str(run))} {QUICK} --task sst --input"
    script = "".join(
        f"printf %s {shlex.quote(text)} > {name}; {call} - < {name} > {name}.1 && " for name, text in inputs.items()
    )
    script += " && ".join(f"{call} <(cat {name}) > {name}.2" for name in inputs)
    done = shell(script, tmp_path)
    assert done.returncode == 0, done.stderr
    for name in inputs:
        answers = (tmp_path / f"{name}.2").read_text(encoding="utf-8")
        assert answers == (tmp_path / f"{name}.1").read_text(encoding="utf-8")
        assert len(answers.splitlines()) == 2
    assert re.search(r"^/dev/fd/\d+: read as csv, by its first line", done.stderr, re.MULTILINE)
    once = shell(f"{call} <(cat text) --output-dir shards", tmp_path)
    assert once.returncode == 2
    assert "--output-dir takes --input FILE: only a file can be read again to resume" in once.stderr


def test_answers_do_not_replace_their_input(run: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "a good film"}\n')
    (tmp_path / "link.jsonl").symlink_to(rows)
    for name in ("rows.jsonl", "link.jsonl"):
        done = swissbert("predict", run, "--task", "sst", "--input", rows, "--output", tmp_path / name)
        assert done.returncode == 2
        assert f"{name} is the input, which --output would replace" in done.stderr
    assert rows.read_text() == '{"text": "a good film"}\n'


@pytest.mark.parametrize(("option", "path"), [("--output", "answers.csv"), ("--output-dir", "shards")])
def test_json_on_standard_output_excludes_files(run: Path, tmp_path: Path, option: str, path: str) -> None:
    (tmp_path / "texts.txt").write_text("a text\n", encoding="utf-8")
    done = swissbert("predict", run, "--input", tmp_path / "texts.txt", option, tmp_path / path, "--json")
    assert done.returncode == 2
    assert f"--json and {option} exclude each other" in done.stderr
    assert not (tmp_path / path).exists()


def test_evaluate_and_submit_report_bad_rows(run: Path, tmp_path: Path) -> None:
    for source in STARTER.glob("*-dev.tsv"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    header = (tmp_path / "sst-dev.tsv").read_text().splitlines()[0].split("\t")
    rows = "".join(
        "\t".join({"id": f"b{i}", "sentence": "x"}.get(name, "99") for name in header) + "\n" for i in range(7)
    )
    with (tmp_path / "sst-dev.tsv").open("a") as file:
        file.write(rows)
    scored = swissbert("evaluate", run, "--data", tmp_path, "--json")
    assert json.loads(scored.stdout)["tasks"]["sst"]["bad_rows"] == 7
    first, *lines = scored.stderr.splitlines()
    assert first == "sst dev: 7 bad row(s) left out"
    assert len(lines) == 6
    assert all(re.match(r"  sst-dev\.tsv:\d+: label '99'", line) for line in lines[:5])
    assert lines[5] == "  and 2 more"
    with (tmp_path / "sst-dev.tsv").open("a") as file:
        file.write("\t".join({"id": "empty"}.get(name, "") for name in header) + "\n")
    submitted = swissbert("submit", run, "--data", tmp_path, "--out", tmp_path / "p")
    first, *lines = submitted.stderr.splitlines()
    assert first == "sst-dev-output.csv: 1 bad row(s) left out"
    assert len(lines) == 1
    answered = (tmp_path / "p" / "sst-dev-output.csv").read_text()
    assert "b0 , " in answered  # labels are not read, so a wrong one keeps no row from its answer
    assert "empty , " not in answered


def test_data_check_reports_every_file_and_fails_if_one_cannot_be_used(tmp_path: Path) -> None:
    for source in STARTER.glob("*.tsv"):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    (tmp_path / "para-dev.tsv").write_text("something\nelse\n")
    done = swissbert("data", "check", tmp_path, "--json")
    assert done.returncode == 1, done.stderr
    result = json.loads(done.stdout)
    assert [(p["task"], p["split"]) for p in result["problems"]] == [("para", "dev")]
    assert len(result["splits"]) == 5


def test_data_check_accepts_starter_and_names_of_tasks(tmp_path: Path) -> None:
    done = swissbert("data", "check", "starter", "--tasks", "sst", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "sst-train.tsv" in done.stdout


def test_the_program_name_can_be_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from swissbert.cli.program import program_name

    program = tmp_path / "my bin" / "swissbert"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program_name() == f"'{program}'"
    monkeypatch.setenv("PATH", str(program.parent))
    assert program_name() == "swissbert"
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "swissbert" / "__main__.py")])
    assert program_name() == PROGRAM


def test_the_hint_after_an_interrupt_names_the_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer

    from swissbert.cli import train
    from swissbert.config import load_config
    from swissbert.training import loop
    from swissbert.training.result import Stopped

    def stop(*_: object, **__: object) -> None:
        raise Stopped(3, 9, Path("x"))

    monkeypatch.setattr(loop, "train", stop)
    monkeypatch.setattr(sys, "argv", ["some/bin/swissbert"])
    with pytest.raises(typer.Exit):
        train.run(load_config("quickstart"), tmp_path, resume=False)
    assert capsys.readouterr().err.endswith(
        "stopped after step 3 of 9; resume with: some/bin/swissbert train --resume --out x\n"
    )


def test_analyse_does_not_overwrite_other_files(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    taken = swissbert("analyse", run, "--out", tmp_path)
    assert taken.returncode == 2
    assert (
        taken.stderr
        == f"error: {tmp_path}: not empty and not a report; choose another folder (on the command line: --out)\n"
    )


def test_a_library_that_is_not_installed_is_named_with_its_extra() -> None:
    from swissbert.cli.program import need
    from swissbert.errors import SwissbertError

    with pytest.raises(SwissbertError, match=r"needs no_such_thing, .* pip install 'swissbert\[report\]'"):
        need("json", "no_such_thing", extra="report")
