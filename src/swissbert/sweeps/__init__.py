"""Sweeps: search for good settings with Optuna. Processes and machines share a folder, and each trial is a run.

A sweep folder holds the study (an ordinary Optuna journal), a run folder for each trial, the best recipe and a page. Public names
are imported on first use, because they need Optuna, which is an extra (``pip install 'swissbert[sweep]'``).
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from swissbert.errors import SwissbertError

if TYPE_CHECKING:
    from swissbert.sweeps.search import Sweep as Sweep
    from swissbert.sweeps.search import sweep as sweep
    from swissbert.sweeps.sweep_plan import SweepPlan as SweepPlan
    from swissbert.sweeps.sweep_plan import plan_sweep as plan_sweep

NEEDED = ("optuna", "matplotlib", "jinja2")
"""Libraries of the extra ``sweep``."""
_MODULES = {"Sweep": "search", "SweepPlan": "sweep_plan", "plan_sweep": "sweep_plan", "sweep": "search"}
__all__ = ["Sweep", "SweepPlan", "plan_sweep", "sweep"]


def __getattr__(name: str) -> object:
    """Import public names on first use (PEP 562).

    Raises:
        SwissbertError: If a library of the extra is missing.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    for library in NEEDED:
        if find_spec(library) is None:
            raise SwissbertError(f"a sweep needs {library}, which is not installed: pip install 'swissbert[sweep]'")
    return getattr(import_module(f"swissbert.sweeps.{_MODULES[name]}"), name)
