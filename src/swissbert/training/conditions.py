"""What the numbers of a run depend on besides its settings: one table, and the comparison of a resumed run with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Condition(NamedTuple):
    """Something that a resumed run compares.

    Attributes:
        key: Its key in ``run.json``.
        noun: What it is called in messages.
        unit: Whether it matters on a ``cpu`` or a ``gpu`` alone.
        has_entries: Whether it is a table that is compared entry by entry.
        is_checksum: Whether its values say nothing to a reader.
        remedy: What to do about a difference, if none is ever allowed. ``train.on_hardware_change`` allows others.
    """

    key: str
    noun: str
    unit: str = ""
    has_entries: bool = False
    is_checksum: bool = False
    remedy: str = ""


SAME_CLASS = "pass an object of the same class"
SAME_ENCODER = "encoder.name must lead to the same files, or start a new run in another folder"
SAME_TEACHERS = "distillation.teachers must lead to the same models, or start a new run in another folder"
CONDITIONS = (
    Condition("encoder_weights", "checksum of the encoder's weights", is_checksum=True, remedy=SAME_ENCODER),
    Condition("tokenizer", "checksum of the encoder's tokenizer", is_checksum=True, remedy=SAME_ENCODER),
    Condition("encoder_config", "encoder's", has_entries=True, remedy=SAME_ENCODER),
    Condition("balancer", "balancer", remedy=SAME_CLASS),
    Condition("heads", "head of task", has_entries=True, remedy=SAME_CLASS),
    Condition("teachers", "checksum of teacher", has_entries=True, remedy=SAME_TEACHERS),
    Condition("teacher_answers", "mean answer of the teachers to", has_entries=True, is_checksum=True),
    Condition("device", "device"),
    Condition("precision", "precision"),
    Condition("threads", "number of threads"),
    Condition("processes", "number of processes"),
    Condition("gpu", "GPU", "gpu"),
    Condition("processor", "processor", "cpu"),
    Condition("instructions", "list of the processor's instructions", "cpu"),
    Condition("kernels", "choice of torch's kernels", "cpu"),
    Condition("variables", "environment variable", has_entries=True),
    Condition("torch_settings", "torch setting", has_entries=True),
    Condition("swissbert", "version of swissbert"),
    Condition("torch", "version of torch"),
    Condition("numpy", "version of numpy"),
    Condition("tokenizers", "version of tokenizers"),
    Condition("python", "version of Python"),
    Condition("code", "code of", has_entries=True, is_checksum=True),
    Condition("callbacks", "list of callbacks"),
    Condition("first_step", "gradient of the first step, which was computed again,", is_checksum=True),
)
"""All that is compared besides settings (`swissbert.training.resume`) and rows (`swissbert.training.start`)."""


@dataclass(frozen=True)
class Comparison:
    """How the conditions of a resumed run differ from those of its last steps.

    Attributes:
        differing: Phrases that name what differs, with old and new value.
        refused: Such phrases of what may never differ, each with what to do.
        unknown: Names of what the record of the run does not have.
    """

    differing: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def last_conditions(record: Mapping[str, Any], step: int) -> dict[str, Any]:
    """Return the conditions of the last steps of a run.

    Args:
        record: Contents of its ``run.json``. Records of swissbert 0.1.0 have the hardware in words.
        step: Step of its last checkpoint. Conditions since that step are left out, because no step under them is kept.
    """
    hardware = record["hardware"] if "hardware" in record else _hardware_in_words(record)
    conditions = {name: value for name, value in record.items() if name not in ("hardware", "resumed")}
    conditions |= (
        hardware if isinstance(hardware, dict) else dict.fromkeys(("device", "precision", "threads", "processor"))
    )
    for part in parts(record, step):
        conditions |= part
    return {"processes": 1, **conditions}  # records before this entry are of one process


def parts(record: Mapping[str, Any], step: int) -> list[dict[str, Any]]:
    """Return the entries of ``resumed`` in ``run.json`` that have steps up to the checkpoint `step`."""
    resumed = record.get("resumed")
    entries = [part for part in resumed if isinstance(part, dict)] if isinstance(resumed, list) else []
    return [part for part in entries if isinstance(part.get("after_step", 0), int) and part.get("after_step", 0) < step]


def _hardware_in_words(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return device, precision, threads and processor from the texts in a record of swissbert 0.1.0."""
    device, _, threads = str(record.get("device")).partition(", ")
    count = threads.partition(" ")[0]
    return {
        "device": device,
        "precision": record.get("precision"),
        "threads": int(count) if count.isdigit() else None,
        "processor": str(record.get("machine")).partition(", ")[2].rpartition(", ")[0],
    }


def compare(began: Mapping[str, Any], now: Mapping[str, Any]) -> Comparison:
    """Compare the conditions of a resumed run with those of its last steps.

    Args:
        began: Result of `last_conditions`.
        now: The same of the present process; what it leaves out is not compared.
    """
    unit = "gpu" if "gpu" in now else "cpu"
    is_moved = began.get("device") not in (None, now["device"])
    result = Comparison()
    for one in CONDITIONS:
        if one.key not in now or (one.unit and (one.unit != unit or is_moved)):
            continue
        if one.key == "code" and _minor(began.get("python")) != _minor(now.get("python")):
            continue  # the same code compiles to other bytecode
        if one.key == "tokenizer" and began.get("tokenizers") != now.get("tokenizers"):
            continue  # the same tokenizer is described otherwise; the tokens of all rows are compared anyway
        old, new = began.get(one.key), now[one.key]
        if old is None and one.remedy != SAME_CLASS:
            result.unknown.append(f"{one.noun.removesuffix(' of')}{'s' * (one.has_entries and not one.is_checksum)}")
        elif one.remedy:
            result.refused.extend(f"{phrase}; {one.remedy}" for phrase in _phrases(one, old, new))
        else:
            result.differing.extend(_phrases(one, old, new))
    return result


def _minor(version: object) -> list[str]:
    return str(version).split(".")[:2]


def _phrases(one: Condition, old: object, new: object) -> list[str]:
    """Return what differs in one condition, with old and new value."""
    if not one.has_entries:
        return [] if old == new else [_phrase(one, one.noun, old, new)]
    before, after = (table if isinstance(table, dict) else {} for table in (old, new))
    names = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    if not one.is_checksum:
        return [_phrase(one, f"{one.noun} {name}", before.get(name), after.get(name)) for name in names]
    names = [name for name in names if name in before and name in after]  # others are loaded by one of the two alone
    unit = " modules" if one.key == "code" else ""
    more = f" and {len(names) - 4} more{unit}" if len(names) > 4 else ""
    return [f"the {one.noun} {', '.join(names[:4])}{more} differs"] if names else []


def _phrase(one: Condition, noun: str, old: object, new: object) -> str:
    if one.is_checksum:
        return f"the {noun} differs"
    if isinstance(old, list) and isinstance(new, list) and not one.remedy:
        lost, gained = ([str(item) for item in a if item not in b] for a, b in ((old, new), (new, old)))
        texts = [f"lacks {', '.join(lost)}"] * bool(lost) + [f"has {', '.join(gained)} besides"] * bool(gained)
        return f"the {noun} {' and '.join(texts) or 'has another order'}"
    return f"the {noun} was {_text(old)} and is {_text(new)}"


def _text(value: object) -> str:
    """Return a value in words."""
    return "none" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
