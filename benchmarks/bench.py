"""Programs of peers and of this project side by side: in turn, in several rounds; medians and their ratios.

    python benchmarks/bench.py --data DIR [--rounds 3] [--only training scoring first growth serving accuracy]

Writes the figures and plots of this machine into results/, beside those of other machines, and all of them into README.md.
Needs Linux and about an hour on two cores, with nothing else running.
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
from machines import abilities, slug
from plots import save_plots
from tables import Figures, markdown

from swissbert.device import has_bf16
from swissbert.environment import environment

HERE = Path(__file__).parent
PEERS, RESULTS = HERE / "peers", HERE / "results"
SIZES = (5_000, 50_000, 500_000)
PORTS = {"peer": 8100, "swissbert": 8101}
BODY = '{"inputs": {"text": "$a", "text_pair": "$b"}, "tasks": "para"}'
QUIET = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"}
"""Environment of all programs."""
SECONDS_TO_START = 25
"""Time for both servers to load their models."""


def main() -> None:
    """Run the chosen sections; the others keep their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    options = parser.parse_args()
    if not (options.data / "quora-dev.csv").is_file():
        parser.error(
            f"--data is '{options.data}', but a folder with the course's files is expected (make bench DATA=DIR)"
        )
    path = RESULTS / f"{slug()}.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for name in options.only:
        figures = SECTIONS[name](options.data.absolute(), options.rounds)
        date = datetime.now(UTC).isoformat(timespec="minutes")
        where = environment() | {"abilities": abilities()}
        results[name] = {"environment": where, "date": date, "rounds": options.rounds, "figures": figures}
        path.write_text(json.dumps(results, indent=1) + "\n")
    page = HERE / "README.md"
    before, mark, _ = page.read_text(encoding="utf-8").partition("<!-- results -->\n")
    machines = {file.stem: json.loads(file.read_text()) for file in sorted(RESULTS.glob("*.json"))}
    page.write_text(f"{before}{mark}\n{markdown(machines)}", encoding="utf-8")
    print(markdown({path.stem: results}))
    save_plots(results, path.with_suffix(""))


def run(program: Path, *arguments: object) -> Figures:
    """Run a program; return the JSON line that it prints, with its peak memory in MB."""
    command = [sys.executable, str(program), *map(str, arguments)]
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(command, env=QUIET, stdout=subprocess.PIPE, stderr=errors) as process:
            assert process.stdout is not None
            out = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{errors.read().decode()[-2000:]}")
    figures: Figures = {
        **json.loads(out.decode().strip().splitlines()[-1]),
        "peak_memory_mb": round(usage.ru_maxrss / 1e3),
    }
    print(json.dumps({"command": " ".join([program.name, *map(str, arguments)]), **figures}), flush=True)
    return figures


def in_turn(programs: dict[str, Callable[[], Figures]], rounds: int) -> dict[str, list[Figures]]:
    """Run the programs in turn, every other round in reverse order; return the figures of each in each round."""
    figures: dict[str, list[Figures]] = {name: [] for name in programs}
    for turn in range(rounds):
        for name in sorted(programs, reverse=bool(turn % 2)):
            figures[name].append(programs[name]())
    return figures


def training(data: Path, rounds: int) -> Any:
    """Measure training steps; the peak of the machine is measured just before each of our own."""

    def ours(precision: str) -> Figures:
        peak = run(PEERS / "peak.py")[f"gflops_{precision}"]
        return run(HERE / "train_step.py", "--data", data, "--precision", precision, "--peak", peak)

    def theirs(precision: str, *options: str) -> Figures:
        return run(PEERS / "train_step.py", "--data", data, "--precision", precision, *options)

    programs: dict[str, Callable[[], Figures]] = {}
    for precision in ("fp32", "bf16") if has_bf16(torch.device("cpu")) else ("fp32",):
        programs[f"swissbert {precision}"] = lambda p=precision: ours(p)
        programs[f"transformers {precision}"] = lambda p=precision: theirs(p)
        programs[f"transformers {precision}, grouped"] = lambda p=precision: theirs(p, "--group-by-length")
    return in_turn(programs, rounds)


def scoring(data: Path, rounds: int) -> Any:
    """Measure scoring of pairs from raw text."""
    programs: dict[str, Callable[[], Figures]] = {}
    native = ["cross-encoder-bf16"] if has_bf16(torch.device("cpu")) else []  # emulated, it says nothing
    for peer in ("pipeline", "cross-encoder-fp32", *native, "ort-fp32", "ort-int8"):
        programs[peer] = lambda name=peer: run(PEERS / "inference.py", "--data", data, "--peer", name)
    for precision in ("fp32", "int8"):
        programs[f"swissbert {precision}"] = lambda p=precision: run(
            HERE / "score.py", "--data", data, "--precision", p
        )
    return in_turn(programs, rounds)


def first(data: Path, rounds: int) -> Any:
    """Measure new processes: one that answers a sentence, and one that only imports torch."""

    def process(*arguments: str) -> Figures:
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        return {"seconds": round(time.perf_counter() - start, 2)}

    predict = ["-m", "swissbert", "predict", "mini", "--task", "sst", "A joy from start to finish."]
    process(*predict)  # warm up the system's file cache
    return in_turn(
        {"swissbert predict": lambda: process(*predict), "import torch": lambda: process("-c", "import torch")}, rounds
    )


def growth(data: Path, rounds: int) -> Any:
    """Measure three sizes of data: starts and memory in a process each, the time of a token side by side."""
    program = HERE / "growth.py"
    figures = in_turn({f"{n:07}": lambda n=n: run(program, "--data", data, "--rows", n) for n in SIZES}, rounds)
    for turn in range(rounds):
        times = run(program, "--data", data, "--rows", *SIZES)
        for n in SIZES:
            figures[f"{n:07}"][turn]["us_per_token"] = times[str(n)]
    return figures


def load(server: str, data: Path, clients: int, seconds: int = 10) -> Figures:
    """Put one server under load; return throughput and latencies."""
    path, body = ("/v1/predict", ["--body", BODY]) if server == "swissbert" else ("/predict", [])
    url = f"http://127.0.0.1:{PORTS[server]}{path}"
    arguments = ["--data", data, "--clients", clients, "--seconds", seconds, *body]
    figures = run(PEERS / "load.py", url, *arguments)
    del figures["peak_memory_mb"]  # that of the load generator
    return figures


def serving(data: Path, rounds: int) -> Any:
    """Measure both servers, started together, one under load at a time."""
    commands = {
        "peer": [sys.executable, str(PEERS / "server.py"), "--port", str(PORTS["peer"])],
        "swissbert": [sys.executable, "-m", "swissbert", "serve", "mini", "--port", str(PORTS["swissbert"])],
    }
    servers = {
        name: subprocess.Popen(command, env=QUIET, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name, command in commands.items()
    }
    try:
        time.sleep(SECONDS_TO_START)
        programs: dict[str, Callable[[], Figures]] = {}
        for name in commands:
            for clients in (1, 64):
                programs[f"{name}, {clients} clients"] = lambda name=name, clients=clients: load(name, data, clients)
        figures = in_turn(programs, rounds)
        overload = figures["swissbert, 640 clients"] = []
        for _ in range(4):  # ten times the load, to see whether memory grows
            loaded = load("swissbert", data, 640, 20)
            overload.append({**loaded, "server_memory_mb": resident_mb(servers["swissbert"].pid)})
    finally:
        for server in servers.values():
            server.terminate()
            server.wait()
    return figures


def resident_mb(pid: int) -> int:
    """Return the resident memory of a process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1e3)


def accuracy(data: Path, rounds: int) -> Any:
    """Measure accuracy at lower precision: short runs with one seed a round, and answers of the shipped model."""
    program = HERE / "accuracy.py"
    figures: dict[str, list[Figures]] = {
        f"trained in {precision}": [run(program, "--train", precision, "--seed", seed) for seed in range(rounds)]
        for precision in ("fp32", "bf16")
    }
    for precision in ("fp32", "int8"):
        figures[f"answers in {precision}"] = [run(program, "--data", data, "--answer", precision)]
    return figures


SECTIONS: dict[str, Callable[[Path, int], Any]] = {
    "training": training,
    "scoring": scoring,
    "first": first,
    "growth": growth,
    "serving": serving,
    "accuracy": accuracy,
}


if __name__ == "__main__":
    main()
