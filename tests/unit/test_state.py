"""Checkpoints: exact round trips, messages for damaged ones, and no pickle anywhere."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import swissbert
from swissbert.checksums import sealed
from swissbert.config import LossSettings, TrainSettings, make_config
from swissbert.encoder import Bert, BertConfig
from swissbert.errors import SwissbertError
from swissbert.model.heads.linear import LinearHead
from swissbert.mtl.methods.automatic import Automatic
from swissbert.tasks import find_task
from swissbert.training.loop import train
from swissbert.training.optim import make_optimizer
from swissbert.training.record import recorded_rows
from swissbert.training.state import Progress, checkpoints, load_checkpoint, save_checkpoint

SOURCE = Path(swissbert.__file__).parent
SIZES = BertConfig(vocab_size=20, hidden_size=8, layers=1, heads=2, intermediate_size=16, max_positions=8)


pytestmark = pytest.mark.usefixtures("one_thread")


class Small:
    """A small encoder with a head and loss weights, their optimizer, and steps that train all of them."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        encoder, head, weighting = Bert(SIZES), LinearHead(find_task("para"), 8, 0.0), Automatic().setup(["one"])
        self.modules = nn.ModuleDict(
            {"model": nn.ModuleDict({"encoder": encoder, "head": head}), "weighting": weighting}
        )
        train, loss = TrainSettings(lr=1e-2, weight_decay=0.1), LossSettings(lr=0.1)
        self.optimizer = make_optimizer(encoder.parameters(), head.parameters(), weighting.parameters(), train, loss)
        self.encoder, self.head, self.weighting = encoder.eval(), head.eval(), weighting

    def steps(self, number: int) -> list[float]:
        losses = []
        for step in range(number):
            ids = torch.arange(6) + step % 5
            loss = self.head(self.encoder(ids, torch.zeros_like(ids), [3, 3]).pooled).square().mean()
            self.weighting.term("one", loss).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.optimizer.zero_grad()
            losses.append(loss.item())
        return losses

    def save(self, folder: Path, step: int, keep: int = 2) -> None:
        save_checkpoint(folder, self.modules, self.optimizer, Progress(step), keep)


def test_a_checkpoint_restores_parameters_moments_and_progress_bit_for_bit(tmp_path: Path) -> None:
    one, two = Small(1), Small(2)
    one.steps(3)
    two.steps(1)
    progress = Progress(step=3, tokens=18, seconds=1.25, best=0.1 + 0.2, best_step=2, stale=1)
    save_checkpoint(tmp_path, one.modules, one.optimizer, progress, keep=1)
    assert load_checkpoint(tmp_path, two.modules, two.optimizer) == progress
    for (name, a), (_, b) in zip(one.modules.state_dict().items(), two.modules.state_dict().items(), strict=True):
        assert torch.equal(a, b), name
    before, after = one.optimizer.state_dict(), two.optimizer.state_dict()
    assert before["param_groups"] == after["param_groups"]
    assert before["state"].keys() == after["state"].keys()
    assert len(before["state"]) == sum(1 for _ in one.modules.parameters())
    for number, values in before["state"].items():
        assert values.keys() == after["state"][number].keys() == {"step", "exp_avg", "exp_avg_sq"}
        for key, value in values.items():
            assert torch.equal(value, after["state"][number][key]), (number, key)
    assert one.steps(4) == two.steps(4)


def test_without_moments_the_next_steps_would_differ(tmp_path: Path) -> None:
    one, two = Small(1), Small(1)
    one.steps(3)
    two.modules.load_state_dict(one.modules.state_dict())
    assert one.steps(4) != two.steps(4)


def test_without_a_checkpoint_nothing_changes_and_the_run_begins(tmp_path: Path) -> None:
    one, two = Small(1), Small(1)
    (tmp_path / ".step-4.new").mkdir()
    (tmp_path / "step-x").mkdir()
    (tmp_path / "step-7").write_text("no folder")
    assert load_checkpoint(tmp_path, one.modules, one.optimizer) == Progress()
    assert one.steps(2) == two.steps(2)


def test_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    small = Small(1)
    kept = []
    for step in (2, 8, 9, 10, 100):
        small.save(tmp_path, step, keep=2)
        kept.append(checkpoints(tmp_path))
    assert kept == [[2], [2, 8], [8, 9], [9, 10], [10, 100]]
    assert {path.name for path in tmp_path.iterdir()} == {"step-10", "step-100"}
    small.save(tmp_path, 101, keep=1)
    assert checkpoints(tmp_path) == [101]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _garbage(path: Path) -> None:
    path.write_bytes(b"\x80\x04garbage\n" * 10)


def _flip(path: Path) -> None:
    """Change one bit in the last number or letter of a file."""
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("file", ["parameters.safetensors", "optimizer.safetensors", "progress.json"])
@pytest.mark.parametrize("damage", [_cut, _garbage, _flip, Path.unlink], ids=["cut", "garbage", "one bit", "missing"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_taken(
    tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    one, two = Small(1), Small(2)
    one.steps(1)
    one.save(tmp_path, 1)
    expected = one.steps(2)
    one.save(tmp_path, 3)
    damage(tmp_path / "step-3" / file)
    lines: list[str] = []
    assert load_checkpoint(tmp_path, two.modules, two.optimizer, lines.append) == Progress(1)
    assert two.steps(2) == expected
    (line,) = lines
    assert line.startswith(f"{tmp_path / 'step-3'}: this checkpoint cannot be used (")
    assert line.endswith("); the run goes on from the one before, step-1")
    assert "\n" not in line
    assert checkpoints(tmp_path) == [1]
    two.save(tmp_path, 2, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-2"]


@pytest.mark.parametrize("file", ["parameters.safetensors", "optimizer.safetensors", "progress.json"])
@pytest.mark.parametrize("damage", [_cut, _garbage, _flip, Path.unlink], ids=["cut", "garbage", "one bit", "missing"])
def test_a_damaged_checkpoint_without_another_is_one_sentence_and_stays(
    tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    one = Small(1)
    one.steps(1)
    one.save(tmp_path, 1)
    damage(tmp_path / "step-1" / file)
    with pytest.raises(SwissbertError) as caught:
        load_checkpoint(tmp_path, one.modules, one.optimizer)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'step-1'}: this checkpoint cannot be read (")
    assert message.endswith(f"), and there is no other that can; remove {tmp_path} to train the run from its beginning")
    assert "\n" not in message
    assert checkpoints(tmp_path) == [1]


def test_changed_progress_and_an_empty_optimizer_are_noticed(tmp_path: Path) -> None:
    one = Small(1)
    one.steps(1)
    one.save(tmp_path, 1)
    file = tmp_path / "step-1" / "progress.json"
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace('"best": null', '"best": 0.9'), encoding="utf-8")
    with pytest.raises(SwissbertError, match=r"progress\.json: its content does not fit its own checksum"):
        load_checkpoint(tmp_path, one.modules, one.optimizer)
    file.write_text(before, encoding="utf-8")
    save_file({}, tmp_path / "step-1" / "optimizer.safetensors")
    with pytest.raises(SwissbertError, match=r"optimizer\.safetensors: its checksum differs"):
        load_checkpoint(tmp_path, one.modules, one.optimizer)


def test_a_checkpoint_of_an_earlier_version_loads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, two = Small(1), Small(2)
    one.steps(1)
    one.save(tmp_path, 1)
    file = tmp_path / "step-1" / "progress.json"
    table = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({key: table[key] for key in list(table)[:6]}), encoding="utf-8")
    assert load_checkpoint(tmp_path, two.modules, two.optimizer) == Progress(1)
    assert one.steps(2) == two.steps(2)
    assert "without checksums" in caplog.text


def test_a_checkpoint_of_another_model_is_one_sentence(tmp_path: Path) -> None:
    one, two = Small(1), Small(2)
    one.save(tmp_path, 1)
    two.modules["weighting"] = Automatic().setup(["one", "two"])
    with pytest.raises(SwissbertError, match="step-1: this checkpoint cannot be read"):
        load_checkpoint(tmp_path, two.modules, two.optimizer)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"step": "x"}, "step is 'x'"),
        ({"step": -5}, "step is -5"),
        ({"step": 1e9}, "step is 1000000000.0"),
        ({"step": 10**9}, "step is 1000000000"),
        ({"step": True}, "step is True"),
        ({"tokens": -1}, "tokens is -1"),
        ({"stale": 0.5}, "stale is 0.5"),
        ({"best_step": "1"}, "best_step is '1'"),
        ({"best": [1]}, "best is [1]"),
        ({"seconds": None}, "seconds is None"),
        ({"more": 1}, "progress.json is not a table of step, tokens, "),
    ],
)
def test_impossible_progress_is_one_sentence(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    one = Small(1)
    one.steps(1)
    one.save(tmp_path, 1)
    file = tmp_path / "step-1" / "progress.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    with pytest.raises(SwissbertError) as caught:
        load_checkpoint(tmp_path, one.modules, one.optimizer)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'step-1'}: this checkpoint cannot be read (progress.json")


@pytest.mark.parametrize("text", ["[]", "3", "null", "{}", "[" * 100_000])
def test_progress_of_another_shape_is_one_sentence(tmp_path: Path, text: str) -> None:
    one = Small(1)
    one.save(tmp_path, 1)
    (tmp_path / "step-1" / "progress.json").write_text(text, encoding="utf-8")
    with pytest.raises(
        SwissbertError, match=r"step-1: this checkpoint cannot be read \([^\n]*\), and there is no other"
    ):
        load_checkpoint(tmp_path, one.modules, one.optimizer)


def test_moments_of_other_shapes_are_refused(tmp_path: Path) -> None:
    one = Small(1)
    one.steps(1)
    one.save(tmp_path, 1)
    file = tmp_path / "step-1" / "optimizer.safetensors"
    moments = load_file(file)
    for wrong in ({"0.exp_avg": torch.zeros(3)}, {"99.exp_avg": torch.zeros(3)}):
        save_file({**moments, **wrong}, file)
        record = file.with_name("progress.json")
        record.write_text(json.dumps(sealed(json.loads(record.read_text()), record.name, [file])))
        with pytest.raises(SwissbertError, match="the optimizer's parameters are not those of this run"):
            load_checkpoint(tmp_path, one.modules, one.optimizer)


def test_a_parameter_without_a_gradient_so_far_resumes_without_moments(tmp_path: Path) -> None:
    one, two = Small(1), Small(2)
    for small in (one, two):
        small.modules["idle"] = nn.Linear(2, 2)
        small.optimizer.add_param_group({"params": list(small.modules["idle"].parameters())})
    one.steps(2)
    one.save(tmp_path, 2)
    assert load_checkpoint(tmp_path, two.modules, two.optimizer) == Progress(2)
    assert one.steps(3) == two.steps(3)


def test_the_recorded_rows_are_read(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"rows": {"sst.train": "ab"}, "seed": 0}', encoding="utf-8")
    assert recorded_rows(tmp_path) == {"sst.train": "ab"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"rows": [1]}', b"\xff", b"[" * 100_000])
def test_a_broken_record_of_rows_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(SwissbertError, match=r"run\.json: [^\n]+; remove it to resume without"):
        recorded_rows(tmp_path)


def test_only_a_value_above_all_earlier_ones_is_a_best() -> None:
    progress, seen = Progress(), []
    for step, value in enumerate([0.2, 0.5, 0.5, 0.1, 0.6], 1):
        progress = replace(progress, step=step).judged(value)
        seen.append((progress.best, progress.best_step, progress.stale))
    assert seen == [(0.2, 1, 0), (0.5, 2, 0), (0.5, 2, 1), (0.5, 2, 2), (0.6, 5, 0)]


def test_a_value_below_zero_is_a_best_too() -> None:
    assert replace(Progress(), step=4).judged(-0.3).best_step == 4


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from torch import nn
from swissbert.errors import SwissbertError
from swissbert.training.state import Progress, checkpoints, save_checkpoint

folder = Path(sys.argv[1])
modules = nn.ModuleDict({"one": nn.Linear(64, 64)})
optimizer = torch.optim.AdamW(modules.parameters())
for step in (1, 2):
    modules["one"](torch.ones(64)).sum().backward()
    optimizer.step()
    try:
        save_checkpoint(folder, modules, optimizer, Progress(step), keep=1)
    except SwissbertError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # parameters fit, moments do not
"""


def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    failed = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert failed.returncode == 2, failed.stderr
    assert failed.stderr.startswith(f"{tmp_path / 'step-2'}: cannot be written (")
    assert failed.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"step-1"}
    modules = nn.ModuleDict({"one": nn.Linear(64, 64)})
    assert load_checkpoint(tmp_path, modules, torch.optim.AdamW(modules.parameters())) == Progress(1)


def test_a_run_folder_holds_text_safetensors_and_event_files_and_nothing_else(tiny: Path, tmp_path: Path) -> None:
    config = make_config(
        {
            "tasks": ["sst"],
            "data": {"dir": "starter", "limit": 8},
            "encoder": {"name": str(tiny), "max_length": 16},
            "loss": {"weighting": "automatic"},
            "train": {"epochs": 2, "batch_size": 4, "device": "cpu", "precision": "fp32", "threads": 1},
        },
        "here",
    )
    train(config, tmp_path / "run")
    kinds = set()
    for path in (path for path in (tmp_path / "run").rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.suffix == ".safetensors":  # a length, then a JSON table
            assert data[8:9] == b"{", path
        elif path.name.startswith("events.out.tfevents."):
            assert b"brain.Event:2" in data[:60], path
        else:
            assert "\0" not in data.decode("utf-8"), path
        assert not data.startswith((b"\x80", b"PK\x03\x04")), path  # pickles, and the archives of torch.save
        kinds.add(path.suffix if not path.name.startswith("events.") else "events")
    assert kinds == {".json", ".jsonl", ".toml", ".txt", ".md", ".safetensors", "events"}


def test_no_source_file_can_unpickle_or_run_what_it_reads() -> None:
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    calls = {"torch.load", "torch.save", "torch.jit.load", "np.load", "numpy.load", "pd.read_pickle"}
    violations, seen = [], 0
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                used = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                used = {(node.module or "").split(".")[0]} | {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Attribute):
                used = {ast.unparse(node)}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                used = {node.func.id}
            elif isinstance(node, ast.keyword) and node.arg in {"allow_pickle", "trust_remote_code"}:
                used = {"eval"} if ast.unparse(node.value) != "False" else set()
            else:
                continue
            seen += 1
            if used & (forbidden | calls | {"eval", "exec", "compile", "__import__"}):
                violations.append((path.name, ast.unparse(node)))
    assert seen > 1000
    assert violations == [("unpickle.py", "torch.load")]  # in a process of its own, tensors alone: `swissbert convert`
