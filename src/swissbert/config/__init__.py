"""The settings of a run: one validated tree, the only place of defaults, and how recipes are read and written.

A recipe is a TOML file with these keys. `load_config` reads one, applies dotted overrides (``train.lr=1e-4``) and
returns a `RunConfig`; `dump_config` writes the effective settings back. A table of settings is a file of this package.
"""

from swissbert.config.comparison import changed_meaning, meaning_differences
from swissbert.config.data import STARTER, DataSettings, data_path
from swissbert.config.distillation import DistillationSettings
from swissbert.config.loss import LossSettings, SamplingSettings
from swissbert.config.model import EncoderSettings, ModelSettings
from swissbert.config.recipes import RECIPES, dump_config, load_config, make_config, recipes
from swissbert.config.regularisation import RegularisationSettings
from swissbert.config.run import RunConfig
from swissbert.config.stages import Stage
from swissbert.config.train import MAY_CHANGE, TrainSettings
from swissbert.setting_tables import apply_overrides, differences

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
    "recipes",
]
