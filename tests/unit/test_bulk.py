"""Answers to a large file in shards: killed and resumed at any moment."""

import json
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forked import killed_at, swissbert
from random_models import save_random
from swissbert.checksums import unsealed
from swissbert.cli import main
from swissbert.display import Display
from swissbert.errors import SwissbertError
from swissbert.inference import job_chunks
from swissbert.inference.bulk import answer_file
from swissbert.inference.input_columns import InputColumns
from swissbert.inference.input_options import InputOptions
from swissbert.inference.job_folder import Done
from swissbert.inference.loading import load
from swissbert.inference.model import Model
from swissbert.inference.stream import stream

pytestmark = pytest.mark.usefixtures("one_thread")

ROWS, SHARD = 50, 8

MOMENTS = [
    ("open", r"\.job\.json\.\w+\.new"),  # nothing exists yet
    ("os.rename", r"\.job\.json\.\w+\.new"),
    ("open", r"\.part-00000\.jsonl\.\w+\.new"),
    ("os.rename", r"\.part-00002\.jsonl\.\w+\.new"),  # written but not renamed: shards 0 and 1 are complete
    ("open", r"\.part-00003\.jsonl\.\w+\.new"),
    ("os.rename", r"\.part-00006\.jsonl\.\w+\.new"),  # the last one, which is shorter
    ("os.rename", r"\.done\.json\.\w+\.new"),
    ("never", ""),
]


@pytest.fixture(scope="module")
def model(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random(tmp_path_factory.mktemp("bulk") / "model", tiny, "sst", "sts")


@pytest.fixture(scope="module")
def trained(model: Path) -> Model:
    return load(model, "cpu")


def text(number: int) -> str:
    """The text of a row; every seventh is empty, and so a bad row."""
    return "" if number % 7 == 3 else f"the movie number {number} is " + "very " * (number % 5) + "good"


def write(folder: Path, ending: str, rows: int = ROWS) -> Path:
    """A file of texts in the format of its ending."""
    path, texts = folder / f"rows.{ending}", [text(number) for number in range(rows)]
    if ending == "txt":
        path.write_text("".join(f"{line}\n" for line in texts))
    elif ending == "csv":
        path.write_text("id,text\n" + "".join(f'r{number},"{line}"\n' for number, line in enumerate(texts)))
    elif ending == "jsonl":
        path.write_text("".join(json.dumps({"text": line}) + "\n" for line in texts))
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"text": texts}), path)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def answers(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("part-*.jsonl")))


def here(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Exit status of the command line, run in this process."""
    monkeypatch.setattr(sys, "argv", ["swissbert", *map(str, arguments)])
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def test_killed_and_resumed_jobs_give_the_same_files(model: Path, trained: Model, tmp_path: Path) -> None:
    moments = {key: [MOMENTS[3], MOMENTS[-1]] for key in ["txt", "jsonl", "parquet"]} | {"csv": MOMENTS}
    ended: list[int] = []
    messages = ""
    for ending, chosen in moments.items():
        source = write(tmp_path, ending)
        answer_file(trained, trained.task("sst"), source, tmp_path / f"whole {ending}", shard_rows=SHARD)
        arguments: list[str | Path] = ["predict", model, "--task", "sst", "--input", source, "--shard-rows", str(SHARD)]
        for moment in chosen:
            done = swissbert(*arguments, "--output-dir", tmp_path / f"killed {ending}", before=killed_at(*moment))
            ended.append(done.returncode)
            messages += done.stderr
    assert ended == [-9, 0] * 3 + [-9] * 7 + [0], messages
    counts = [int(count) for count in re.findall(r"resuming; (\d) shards exist", messages)]
    assert counts == [2, 2, 2, 2, 3, 6, 7]  # a new job prints nothing
    for ending in moments:
        out = tmp_path / f"killed {ending}"
        assert contents(out) == contents(tmp_path / f"whole {ending}")
        rows = [json.loads(line) for line in answers(out).splitlines()]
        assert len(rows) == ROWS
        assert [number for number, row in enumerate(rows) if "error" in row] == list(range(3, ROWS, 7))
        assert unsealed(out / "done.json") == {"rows": ROWS, "bad_rows": 7, "shards": 7}
        assert f"50 rows in 7 shards in {out}; 7 could not be used" in messages


def test_shards_hold_the_same_rows_as_one_file(
    model: Path, trained: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path, "csv")
    assert here(monkeypatch, "predict", model, "--task", "sst", "--input", source, "--output", tmp_path / "one") == 0
    answer_file(trained, trained.task("sst"), source, tmp_path / "out", shard_rows=ROWS // 2)
    one = [json.loads(line) for line in (tmp_path / "one").read_text().splitlines()]
    for row, other in zip(one, map(json.loads, answers(tmp_path / "out").splitlines()), strict=True):
        assert row.get("error") == other.get("error")
        assert row.get("id") == other.get("id")
        assert row.get("label") == other.get("label")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "job.json",
        "done.json",
        "shards.json",
        "part-00000.jsonl",
        "part-00001.jsonl",
    }  # and no empty third


def test_a_finished_job_is_kept_and_a_missing_shard_is_computed_again(
    trained: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out, task = write(tmp_path, "jsonl"), tmp_path / "out", trained.task("sst")
    first = answer_file(trained, task, source, out, shard_rows=SHARD)
    before = contents(out)
    computed: list[int] = []

    def watched(*given: Any) -> Any:
        computed.append(1)
        return stream(*given)

    monkeypatch.setattr(job_chunks, "stream", watched)
    assert answer_file(trained, task, source, out, shard_rows=SHARD, display=Display()) == first == Done(50, 7, 7)
    assert computed == []
    assert "this job is finished already" in capsys.readouterr().err
    (out / "part-00002.jsonl").unlink()
    assert answer_file(trained, task, source, out, shard_rows=SHARD) == first
    assert computed == [1]
    assert contents(out) == before


def test_another_job_is_refused_with_the_difference_and_changes_nothing(
    model: Path, trained: Model, tmp_path: Path
) -> None:
    source, out, task = write(tmp_path, "csv"), tmp_path / "out", trained.task("sst")
    answer_file(trained, task, source, out, shard_rows=SHARD)
    other = shutil.copytree(model, tmp_path / "other")
    (other / "heads.safetensors").write_bytes((model / "heads.safetensors").read_bytes())
    (other / "README.md").write_text("the card does not change answers")
    assert answer_file(load(other, "cpu"), task, source, out, shard_rows=SHARD) == Done(50, 7, 7)
    before = contents(out)

    def refused(message: str, **changed: object) -> None:
        given = {"model": trained, "task": task, "source": source, "folder": out, "shard_rows": SHARD, **changed}
        with pytest.raises(SwissbertError, match=message):
            answer_file(**given)  # type: ignore[arg-type]
        assert contents(out) == before

    refused(r"out: contains another job, which differs in shard_rows \(8 became 9\); use another folder$", shard_rows=9)
    refused(
        r"differs in task \('sst' became 'sts'\), format \('auto' became 'text'\)",
        task=trained.task("sts"),
        format="text",
    )
    refused(
        r"differs in text_column \(None became 'body'\), encoding \(None became 'utf-16'\); use",
        options=InputOptions(InputColumns("body"), encoding="utf-16"),
    )
    refused(r"differs in whether the input chooses the tasks \(False became True\); use", is_choice=True)
    description = json.loads((other / "swissbert.json").read_text())
    description["model"]["dropout"] = 0.2
    del description["checksums"]["swissbert.json"]
    (other / "swissbert.json").write_text(json.dumps(description))
    refused("differs in model; use", model=load(other, "cpu"))
    status = source.stat()
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    refused("differs in input; use")
    refused("none.csv: cannot be read", source=tmp_path / "none.csv")
    refused("not a regular file", source=tmp_path)


def test_answers_without_a_job_are_refused(trained: Model, tmp_path: Path) -> None:
    source, out, task = write(tmp_path, "txt"), tmp_path / "out", trained.task("sst")
    out.mkdir()
    (out / "part-00000.jsonl").write_text("{}\n")
    with pytest.raises(SwissbertError, match=r"contains answers but no job\.json"):
        answer_file(trained, task, source, out)
    assert (out / "part-00000.jsonl").read_text() == "{}\n"
    (out / "job.json").write_text("[")
    with pytest.raises(SwissbertError, match=r"job\.json: cannot be read"):
        answer_file(trained, task, source, out)
    (out / "job.json").write_text("[]")
    with pytest.raises(SwissbertError, match=r"job\.json: a JSON object is expected"):
        answer_file(trained, task, source, out)


def test_a_job_that_cannot_start_leaves_no_folder(trained: Model, tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    source.write_text("words\ngood\n")
    with pytest.raises(SwissbertError, match="no column"):
        answer_file(trained, trained.task("sst"), source, tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()


def test_an_empty_file_gives_no_shards(trained: Model, tmp_path: Path) -> None:
    for ending in ("txt", "jsonl", "parquet"):
        source = write(tmp_path, ending, rows=0)
        assert answer_file(trained, trained.task("sst"), source, tmp_path / ending) == Done(0, 0, 0)


def test_an_input_that_changes_meanwhile_is_an_error(
    trained: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = write(tmp_path, "txt"), tmp_path / "out"

    def grows(*given: Any) -> Any:
        with source.open("a") as file:
            file.write("one more\n")
        return stream(*given)

    monkeypatch.setattr(job_chunks, "stream", grows)
    with pytest.raises(SwissbertError, match=r"rows\.txt: the file changed while it was read"):
        answer_file(trained, trained.task("sst"), source, out)
    assert not (out / "done.json").exists()


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """The default handler of Ctrl-C, which a shell disables for tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_prints_how_to_resume_and_a_second_process_is_refused(
    model: Path,
    trained: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    source, out = write(tmp_path, "csv"), tmp_path / "all answers"
    arguments = ["predict", model, "--task", "sst", "--input", source, "--output-dir", out, "--shard-rows", SHARD]
    line = [str(argument) for argument in arguments]
    shards = 0

    def third(*given: Any) -> Any:
        nonlocal shards
        shards += 1
        if shards == 3:
            with pytest.raises(
                SwissbertError, match="another process is writing here"
            ):  # the lock is exclusive within a process too
                answer_file(trained, trained.task("sst"), source, out, shard_rows=SHARD)
            os.kill(os.getpid(), number)
        return stream(*given)

    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        patch.setattr(job_chunks, "stream", third)
        assert here(patch, *line) == 130
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.endswith(f"stopped; 2 shards are complete; resume with: swissbert {shlex.join(line)}\n")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    names = {path.name for path in out.iterdir()}
    assert names == {"job.json", "shards.json", "part-00000.jsonl", "part-00001.jsonl"}
    assert here(monkeypatch, *line) == 0
    assert capsys.readouterr().err.endswith(
        f"50 rows in 7 shards in {out}; 7 could not be used, with the reasons in their lines\n"
    )
    assert len(answers(out).splitlines()) == ROWS


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--output-dir", "d", "good"], "--output-dir takes --input FILE"),
        (["--output-dir", "d", "--input", "-"], "--output-dir takes --input FILE"),
        (["--output-dir", "d", "--input", "rows.csv", "--output", "o"], "exclude each other"),
        (["--shard-rows", "5", "good"], "only --output-dir has shards"),
    ],
)
def test_options_that_exclude_each_other_are_refused(
    model: Path, more: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here(monkeypatch, "predict", model, "--task", "sst", *more) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_progress_shows_rows_rate_and_time_left(
    trained: Model, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr("swissbert.progress.time.perf_counter", lambda: float(next(clock)))
    answer_file(
        trained, trained.task("sst"), write(tmp_path, ending), tmp_path / "out", shard_rows=25, display=Display()
    )
    lines = [line for line in capsys.readouterr().err.splitlines() if "no column 'id'" not in line]
    assert len(lines) == 5  # a row a second, a line every ten
    assert lines[-1].startswith("predicting: 50 rows  1 rows/s")
    if ending == "parquet":  # the number of rows is known beforehand
        assert lines[1] == "predicting: 20 rows  1 rows/s  0:30 left"


@pytest.mark.parametrize("is_finished", [True, False])
@pytest.mark.parametrize("damage", ["cut", "label", "record", "all records"])
def test_a_shard_that_was_damaged_is_named_and_written_again(
    trained: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str, is_finished: bool
) -> None:
    source, out, task = write(tmp_path, "csv"), tmp_path / "out", trained.task("sst")
    answer_file(trained, task, source, out, shard_rows=SHARD)
    before, shard = contents(out), out / "part-00002.jsonl"
    if damage == "cut":
        shard.write_bytes(shard.read_bytes()[: shard.read_bytes().index(b"\n") + 1])
    elif damage == "label":
        shard.write_text(shard.read_text().replace('"label": ', '"label": 1', 1))
    else:
        (out / "shards.json").write_text("{" if damage == "record" else "{}")
    if not is_finished:
        (out / "done.json").unlink()
    assert answer_file(trained, task, source, out, shard_rows=SHARD, display=Display()) == Done(50, 7, 7)
    assert contents(out) == before
    assert f"{shard}: is not as it was written, so it is written again" in capsys.readouterr().err.replace("\n", "")


def test_a_damaged_summary_is_made_again(trained: Model, tmp_path: Path) -> None:
    source, out, task = write(tmp_path, "csv"), tmp_path / "out", trained.task("sst")
    answer_file(trained, task, source, out, shard_rows=SHARD)
    before = contents(out)
    for old, new in ((b'"rows": 50', b'"rows": 51'), (b"7", b'"x"'), (b"{", b"["), (b"50", b"[]")):
        (out / "done.json").write_bytes(before["done.json"].replace(old, new, 1))
        assert answer_file(trained, task, source, out, shard_rows=SHARD) == Done(50, 7, 7)
        assert contents(out) == before


def test_a_job_of_an_earlier_version_goes_on_with_one_line(
    trained: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out, task = write(tmp_path, "csv"), tmp_path / "out", trained.task("sst")
    answer_file(trained, task, source, out, shard_rows=SHARD)
    before = contents(out)
    (out / "shards.json").unlink()
    (out / "done.json").unlink()
    (out / "part-00003.jsonl").write_bytes(before["part-00003.jsonl"][:-30])
    assert answer_file(trained, task, source, out, shard_rows=SHARD, display=Display()) == Done(50, 7, 7)
    assert {name: data for name, data in before.items() if name != "shards.json"} == contents(out)
    assert capsys.readouterr().err.count("without checksums") == 1
