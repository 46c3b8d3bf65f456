"""Fingerprints of the code that a run executes, by module: as it is loaded, so that functions replaced at run time count.

Comments, line numbers and docstrings do not change a fingerprint. Fingerprints of different minor versions of Python cannot
be compared, because their bytecode differs.
"""

import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import cached_property
from types import CodeType, FunctionType, ModuleType

WINGS = ("data", "distributed", "encoder", "evaluation", "family", "kinds", "model", "mtl", "training")
"""Wings of the package whose code decides on the numbers of a run."""
MODULES = ("device", "holdouts", "metrics", "selection", "tasks", "threads")
"""Modules outside these wings that do so."""
BOOKKEEPING = (
    "best_model",
    "callbacks",
    "code_fingerprint",
    "comparison",
    "conditions",
    "coverage",
    "first_step",
    "interrupt",
    "introduction",
    "log",
    "opening",
    "outside",
    "record",
    "result",
    "resume",
    "run_log",
    "start",
    "stored_settings",
)
"""Modules of `swissbert.training` that compare, show or store, and compute nothing."""


def code_fingerprints(classes: Iterable[type] = ()) -> dict[str, str]:
    """Return a fingerprint of each loaded module that decides on numbers, and of classes from outside the package.

    Args:
        classes: Classes from outside the package that take part in training.
    """
    package = __name__.partition(".")[0]
    found = {}
    for name, module in sorted(sys.modules.items()):
        first, _, rest = name.removeprefix(f"{package}.").partition(".")
        is_own = name.startswith(f"{package}.") and isinstance(module, ModuleType)
        if is_own and (first in MODULES or (first in WINGS and not (first == "training" and rest in BOOKKEEPING))):
            found[name.removeprefix(f"{package}.")] = _digest(_module(module))
    for cls in classes:
        bases = [
            base for base in cls.__mro__ if base.__module__.partition(".")[0] not in (package, "torch", "builtins")
        ]
        found[f"{cls.__module__}.{cls.__qualname__}"] = _digest(line for base in bases for line in _class(base))
    return found


def _digest(lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode("utf-8", "backslashreplace") + b"\n")
    return digest.hexdigest()[:16]


def _module(module: ModuleType) -> Iterator[str]:
    """Yield a line for each part of a module; what it imports is named only."""
    for name, value in sorted(vars(module).items()):
        if name.startswith("__"):
            continue
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield f"class {name}"
            yield from _class(value)
        elif isinstance(value, ModuleType):
            if not value.__name__.startswith(f"{module.__name__}."):  # its own modules appear once they are imported
                yield f"{name} {value.__name__}"
        elif getattr(value, "__module__", None) == module.__name__ and callable(value):
            yield f"{name} {_value(value)}"
        elif callable(value) and hasattr(value, "__qualname__"):
            yield f"{name} {value.__module__}.{value.__qualname__}"
        elif name.strip("_").isupper():  # others may change while a program runs
            yield f"{name} {_value(value)}"


def _class(cls: type) -> Iterator[str]:
    """Yield a line for each function and plain attribute of a class."""
    yield f"bases {[f'{base.__module__}.{base.__qualname__}' for base in cls.__bases__]}"
    for name, value in sorted(vars(cls).items()):
        is_function = _functions(value)
        if is_function or not name.startswith("__"):
            yield f"{name} {_value(value)}"


def _functions(value: object) -> list[FunctionType]:
    """Return the functions of an attribute: a function, a method of a class, a property, or one of these decorated."""
    if isinstance(value, property):
        parts: list[object] = [value.fget, value.fset]
    elif isinstance(value, cached_property):
        parts = [value.func]
    else:
        parts = [getattr(value, "__func__", value)]
    return [part for part in (inspect.unwrap(p) for p in parts if callable(p)) if isinstance(part, FunctionType)]


def _value(value: object) -> str:
    """Return text that is the same for equal functions and plain values; of other objects the name of their class."""
    if functions := _functions(value):
        return " ".join(
            f"{_code(f.__code__, f.__doc__)} {_value(f.__defaults__)} {_value(f.__kwdefaults__)}" for f in functions
        )
    if isinstance(value, CodeType):
        return _code(value, None)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_value(key)}: {_value(entry)}' for key, entry in value.items())}}}"
    if isinstance(value, set | frozenset):
        return f"set {sorted(map(_value, value))}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_value, value))}]"
    if value is None or value is Ellipsis or isinstance(value, bool | int | float | complex | str | bytes | slice):
        return repr(value)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if is_dataclass(value):  # such as the members of the family
        parts = {part.name: getattr(value, part.name) for part in fields(value)}
        return f"{type(value).__module__}.{type(value).__qualname__} {_value(parts)}"
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _code(code: CodeType, doc: str | None) -> str:
    """Return bytecode, names and constants as text, without a docstring."""
    constants = code.co_consts[1:] if doc is not None and code.co_consts[:1] == (doc,) else code.co_consts
    return f"{code.co_code.hex()} {code.co_names} {_value(constants)}"
