"""The settings of a run: one validated tree, the only place of defaults, and how recipes are read and written.

A recipe is a TOML file with these keys. `load_config` reads one, applies dotted overrides (``train.lr=1e-4``) and
returns a `RunConfig`; `dump_config` writes the effective settings back. A table of settings is a file of this package.

Public names are imported on first use, because the whole tree takes longer to build than a model to answer.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swissbert.config.comparison import changed_meaning as changed_meaning
    from swissbert.config.comparison import meaning_differences as meaning_differences
    from swissbert.config.data import STARTER as STARTER
    from swissbert.config.data import DataSettings as DataSettings
    from swissbert.config.data import data_path as data_path
    from swissbert.config.distillation import DistillationSettings as DistillationSettings
    from swissbert.config.loss import LossSettings as LossSettings
    from swissbert.config.loss import SamplingSettings as SamplingSettings
    from swissbert.config.model import EncoderSettings as EncoderSettings
    from swissbert.config.model import ModelSettings as ModelSettings
    from swissbert.config.recipes import RECIPES as RECIPES
    from swissbert.config.recipes import dump_config as dump_config
    from swissbert.config.recipes import load_config as load_config
    from swissbert.config.recipes import make_config as make_config
    from swissbert.config.recipes import shipped_recipes as shipped_recipes
    from swissbert.config.regularisation import RegularisationSettings as RegularisationSettings
    from swissbert.config.run import RunConfig as RunConfig
    from swissbert.config.stages import Stage as Stage
    from swissbert.config.train import MAY_CHANGE as MAY_CHANGE
    from swissbert.config.train import TrainSettings as TrainSettings
    from swissbert.setting_tables import apply_overrides as apply_overrides
    from swissbert.setting_tables import differences as differences

_MODULES = {
    "DataSettings": "swissbert.config.data",
    "DistillationSettings": "swissbert.config.distillation",
    "EncoderSettings": "swissbert.config.model",
    "LossSettings": "swissbert.config.loss",
    "MAY_CHANGE": "swissbert.config.train",
    "ModelSettings": "swissbert.config.model",
    "RECIPES": "swissbert.config.recipes",
    "RegularisationSettings": "swissbert.config.regularisation",
    "RunConfig": "swissbert.config.run",
    "STARTER": "swissbert.config.data",
    "SamplingSettings": "swissbert.config.loss",
    "Stage": "swissbert.config.stages",
    "TrainSettings": "swissbert.config.train",
    "apply_overrides": "swissbert.setting_tables",
    "changed_meaning": "swissbert.config.comparison",
    "data_path": "swissbert.config.data",
    "differences": "swissbert.setting_tables",
    "dump_config": "swissbert.config.recipes",
    "load_config": "swissbert.config.recipes",
    "make_config": "swissbert.config.recipes",
    "meaning_differences": "swissbert.config.comparison",
    "shipped_recipes": "swissbert.config.recipes",
}

__all__ = [
    "MAY_CHANGE",
    "RECIPES",
    "STARTER",
    "DataSettings",
    "DistillationSettings",
    "EncoderSettings",
    "LossSettings",
    "ModelSettings",
    "RegularisationSettings",
    "RunConfig",
    "SamplingSettings",
    "Stage",
    "TrainSettings",
    "apply_overrides",
    "changed_meaning",
    "data_path",
    "differences",
    "dump_config",
    "load_config",
    "make_config",
    "meaning_differences",
    "shipped_recipes",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
