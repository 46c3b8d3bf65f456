"""Models and encoders that are loaded while another process replaces them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from campaign.commands import Command
from campaign.frame import Outcome, Setting
from campaign.trained import result_or_refusal, trained_run


def replaced(setting: Setting) -> Outcome:
    """Load a model, and take an encoder, while another process replaces the folder again and again.

    The pauses of that process are about as long as a load: with none, a file system in memory is written so fast that
    nearly every load begins again.
    """
    import swissbert
    from swissbert.data.tokens import Tokenizer
    from swissbert.encoder.checkpoint import read_encoder
    from swissbert.model_folder.encoders import read_encoder_folder
    from swissbert.model_folder.save import save_model

    outcome = Outcome("loads of a model or encoder that is replaced again and again")
    run = trained_run(setting.folder, steps=3, epochs=1)
    one, two = swissbert.load(run, "cpu"), swissbert.load(run, "cpu")
    for parameter in two.network.parameters():
        parameter.data.add_(1.0)
    words = list(two.tokenizer.words(list(range(two.tokenizer.size))))
    words[-1], words[-2] = words[-2], words[-1]
    other = setting.folder / "other-words"
    other.mkdir()
    (other / "vocab.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    two.tokenizer = Tokenizer(other)

    def signature(model: Any) -> tuple[float, ...]:
        state = model.network.state_dict()
        heads = [name for name in state if name.startswith("heads.") and name.endswith("bias")]
        encoder = [name for name in state if name.startswith("encoder.")]
        ids = model.tokenizer.encode(["what how can why"], None, together=True, max_length=16).ids.sum()
        return (*(float(state[name].sum()) for name in (encoder[0], encoder[-1], heads[0], heads[-1])), float(ids))

    def part(folder: Path) -> tuple[float, ...]:
        state = read_encoder(folder).state_dict()
        names = list(state)
        ids = Tokenizer(folder).encode(["what how can why"], None, together=True, max_length=16).ids.sum()
        return float(state[names[0]].sum()), float(state[names[-1]].sum()), float(ids)

    def write() -> None:
        while True:
            for model in (one, two):
                save_model(run / "model", model.network, model.tokenizer, model.description)
                time.sleep(pauses.uniform(0, 0.03))

    pauses = setting.random()
    ways: dict[str, tuple[Callable[[], object], set[object]]] = {}
    loads: dict[str, Callable[[], object]] = {
        "load of the run": lambda: signature(swissbert.load(run, "cpu")),
        "load of its model folder": lambda: signature(swissbert.load(run / "model", "cpu")),
        "encoder of the run": lambda: read_encoder_folder(str(run), None, part),
        "encoder of its model folder": lambda: read_encoder_folder(str(run / "model"), None, part),
    }
    for name, load in loads.items():
        possible = set()
        for model in (one, two):
            save_model(run / "model", model.network, model.tokenizer, model.description)
            possible.add(load())
        ways[name] = load, possible
        if len(possible) != 2:
            raise RuntimeError(f"{name}: the two models cannot be told apart")
    writer, longest = Command(setting.folder, instead=write), 0.0
    try:
        for number in range(setting.number(2000, 16)):
            name = list(ways)[number % len(ways)]
            load, possible = ways[name]
            start = time.monotonic()
            result, refusal = result_or_refusal(load)
            longest = max(longest, time.monotonic() - start)
            outcome.count(None if result in possible else f"{name}: {refusal or 'a mixture of two models'}")
    finally:
        writer.kill()
    outcome.figures["longest load"] = f"{1000 * longest:,.0f} ms"
    return outcome
