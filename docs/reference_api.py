"""The page of the public API: which names it has, in which order; their text comes from docstrings."""

import inspect
from importlib import import_module

import swissbert

NAMES = sorted({*swissbert.__all__, *swissbert._MODULES} - {"__version__"}, key=str.lower)
"""All public names of the package."""

EXTENSIONS = {
    "swissbert.mtl": ["Balancer", "StepView"],
    "swissbert.model.heads": ["Head"],
    "swissbert.kinds": ["Kind"],
    "swissbert.metrics": ["Metric"],
    "swissbert.data.formats": ["Format"],
    "swissbert.tracking": ["Tracker", "TrackedRun"],
}
"""Base classes of what can be added from outside, by module."""


def api_reference() -> str:
    """Return the directives of the API reference, as Markdown."""
    functions = [name for name in NAMES if not inspect.isclass(getattr(swissbert, name))]
    classes = [name for name in NAMES if name not in functions]
    parts = ["## Functions", *(_entry("swissbert", name) for name in functions)]
    parts += ["## Classes", *(_entry("swissbert", name) for name in classes)]
    parts += ["## Answers by engines", _entry("swissbert.batch", "Predictor")]
    parts += ["## Base classes for your own objects"]
    parts += ["[How to extend swissBERT](../../CONTRIBUTING.md) shows each of them at work."]
    parts += [_entry(module, name) for module, names in EXTENSIONS.items() for name in names]
    return "\n\n".join(parts)


def _entry(module: str, name: str) -> str:
    """Return the directive of one name. Of tables of settings the methods are left out, which validate them."""
    from swissbert.settings import Settings

    target = getattr(import_module(module), name)
    if not inspect.isclass(target):
        return f"```{{eval-rst}}\n.. autofunction:: {module}.{name}\n```"
    members = "" if issubclass(target, (Settings, BaseException)) else "\n   :members:"
    return f"```{{eval-rst}}\n.. autoclass:: {module}.{name}{members}\n```"
