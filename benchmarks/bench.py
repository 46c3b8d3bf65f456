"""Programs of peers and of this project, side by side: in turn, several rounds, medians and their ratios.

    python benchmarks/bench.py --peers DIR --data DIR [--rounds 3] [--only training scoring first growth serving accuracy]

Writes results.json, the figures in README.md and the plots beside itself. Nothing else should run meanwhile; about an hour on two cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from show import Figures, plots, tables

from swissbert.device import pick_device, pick_precision
from swissbert.environment import environment

HERE = Path(__file__).parent
SIZES = (5_000, 50_000, 500_000)
BODY = '{"inputs": {"text": "$a", "text_pair": "$b"}, "tasks": "para"}'


def main() -> None:
    """Run what is asked for; sections that are not keep what they had."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    options = parser.parse_args()
    for option, folder in (("--peers", options.peers), ("--data", options.data)):
        if not folder.is_dir() or folder == Path():
            parser.error(f"{option} is '{folder}', but a folder is expected (make bench PEERS=DIR DATA=DIR)")
    path = HERE / "results.json"
    stored = json.loads(path.read_text()) if path.exists() else {}
    for name in options.only:
        found = SECTIONS[name](options.peers.absolute(), options.data.absolute(), options.rounds)
        when = datetime.now(UTC).isoformat(timespec="minutes")
        stored[name] = {"environment": environment(), "date": when, "rounds": options.rounds, "figures": found}
        path.write_text(json.dumps(stored, indent=1) + "\n")
    page = HERE / "README.md"
    before, mark, _ = page.read_text(encoding="utf-8").partition("<!-- results -->\n")
    page.write_text(f"{before}{mark}\n{tables(stored)}", encoding="utf-8")
    print(tables(stored))
    plots(stored, HERE)


def run(program: Path, *words: object, where: Path | None = None) -> Figures:
    """The JSON line that a program prints, and its peak memory in MB."""
    command = [sys.executable, str(program), *map(str, words)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, cwd=where, env=environment, stdout=subprocess.PIPE, stderr=errors) as process:
            assert process.stdout is not None
            out = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{errors.read().decode()[-2000:]}")
    found: Figures = {
        **json.loads(out.decode().strip().splitlines()[-1]),
        "peak_memory_mb": round(used.ru_maxrss / 1e3),
    }
    print(json.dumps({"ran": " ".join([program.name, *map(str, words)]), **found}), flush=True)
    return found


def in_turn(programs: dict[str, Callable[[], Figures]], rounds: int) -> dict[str, list[Figures]]:
    """What each program found in each round; every other round goes backwards."""
    found: dict[str, list[Figures]] = {name: [] for name in programs}
    for turn in range(rounds):
        for name in sorted(programs, reverse=bool(turn % 2)):
            found[name].append(programs[name]())
    return found


def training(peers: Path, data: Path, rounds: int) -> Any:
    """Steps of training, each beside the peak of that moment."""
    kinds = ["fp32"] + (["bf16"] if pick_precision("auto", pick_device("cpu")) == torch.bfloat16 else [])

    def ours(kind: str) -> Figures:
        peak = run(peers / "peak.py", where=peers)[f"gflops_{kind}"]
        return run(HERE / "train_step.py", "--data", data, "--precision", kind, "--peak", peak)

    def theirs(kind: str, *more: str) -> Figures:
        return run(peers / "train_step.py", "--data", data, "--dtype", kind, *more, where=peers)

    programs: dict[str, Callable[[], Figures]] = {}
    for kind in kinds:
        programs[f"swissbert {kind}"] = lambda kind=kind: ours(kind)
        programs[f"transformers {kind}"] = lambda kind=kind: theirs(kind)
        programs[f"transformers {kind}, grouped"] = lambda kind=kind: theirs(kind, "--group-by-length")
    return in_turn(programs, rounds)


def scoring(peers: Path, data: Path, rounds: int) -> Any:
    """Pairs from raw text."""
    names = ["pipeline", "cross-encoder-fp32", "ort-fp32", "ort-int8"]
    programs: dict[str, Callable[[], Figures]] = {
        name: lambda name=name: run(peers / "inference.py", "--data", data, "--peer", name, where=peers)
        for name in names
    }
    for precision in ("fp32", "int8"):
        programs[f"swissbert {precision}"] = lambda p=precision: run(
            HERE / "score.py", "--data", data, "--precision", p
        )
    return in_turn(programs, rounds)


def first(peers: Path, data: Path, rounds: int) -> Any:
    """Seconds of a cold process that answers one sentence, and of one that does no more than import torch."""

    def process(*words: str) -> Figures:
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, capture_output=True)
        return {"seconds": round(time.perf_counter() - began, 2)}

    predict = ["-m", "swissbert", "predict", "mini", "--task", "sst", "A joy from start to finish."]
    process(*predict)  # the first one reads files from the disk
    return in_turn(
        {"swissbert predict": lambda: process(*predict), "import torch": lambda: process("-c", "import torch")}, rounds
    )


def growth(peers: Path, data: Path, rounds: int) -> Any:
    """What a row costs at three sizes: starts and memory of each in a process of its own, the time of steps side by side."""
    program = HERE / "growth.py"
    found = in_turn({f"{n:07}": lambda n=n: run(program, "--data", data, "--rows", n) for n in SIZES}, rounds)
    for turn in range(rounds):
        times = run(program, "--data", data, "--rows", *SIZES)
        for n in SIZES:
            found[f"{n:07}"][turn]["us_per_token"] = times[str(n)]
    return found


def serving(peers: Path, data: Path, rounds: int) -> Any:
    """Both servers up, one under load at a time."""
    commands = {
        "peer": [sys.executable, str(peers / "server.py"), "8100"],
        "swissbert": [sys.executable, "-m", "swissbert", "serve", "mini", "--port", "8101"],
    }
    urls = {"peer": "http://127.0.0.1:8100/predict", "swissbert": "http://127.0.0.1:8101/v1/predict"}
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"}
    quiet = subprocess.DEVNULL
    servers = [
        subprocess.Popen(command, cwd=peers, env=environment, stdout=quiet, stderr=quiet)
        for command in commands.values()
    ]
    try:
        time.sleep(25)

        def load(name: str, clients: int, seconds: int = 10) -> Figures:
            words = ["--data", data, "--clients", clients, "--seconds", seconds]
            body = ["--body", BODY] if name == "swissbert" else []
            found = run(peers / "load.py", urls[name], *words, *body, where=peers)
            del found["peak_memory_mb"]  # that of the load itself
            return found

        programs = {
            f"{name}, {clients} clients": lambda name=name, clients=clients: load(name, clients)
            for name in commands
            for clients in (1, 64)
        }
        found = in_turn(programs, rounds)
        found["swissbert, 640 clients"] = []
        for _ in range(4):  # ten times the load, and what memory does meanwhile
            figures = load("swissbert", 640, 20)
            status = Path(f"/proc/{servers[1].pid}/status").read_text().splitlines()
            kb = next(line.split()[1] for line in status if line.startswith("VmRSS"))
            found["swissbert, 640 clients"].append({**figures, "server_memory_mb": round(int(kb) / 1e3)})
    finally:
        for server in servers:
            server.terminate()
            server.wait()
    return found


def accuracy(peers: Path, data: Path, rounds: int) -> Any:
    """What fewer bits cost: short runs in fp32 and bf16 with a seed a round, and the shipped model's answers."""
    program = HERE / "accuracy.py"
    found: dict[str, list[Figures]] = {
        f"trained in {precision}": [run(program, "--train", precision, "--seed", seed) for seed in range(rounds)]
        for precision in ("fp32", "bf16")
    }
    for precision in ("fp32", "int8"):
        found[f"answers in {precision}"] = [run(program, "--data", data, "--answer", precision)]
    return found


SECTIONS: dict[str, Callable[[Path, Path, int], Any]] = {
    "training": training,
    "scoring": scoring,
    "first": first,
    "growth": growth,
    "serving": serving,
    "accuracy": accuracy,
}


if __name__ == "__main__":
    main()
