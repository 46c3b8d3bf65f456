"""The search space of a sweep: its forms, what is refused, and which values settings get."""

from pathlib import Path
from typing import Any

import pytest

from swissbert.config import RunConfig, load_config, make_config
from swissbert.errors import SwissbertError
from swissbert.sweeps.setting_values import own_value, value_of, with_values
from swissbert.sweeps.space import read_space


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return load_config("quickstart")


def test_dotted_names_tables_and_quoted_names_mean_the_same(config: RunConfig, tmp_path: Path) -> None:
    forms = [
        "train.lr = { low = 1e-5, high = 1e-3, log = true }\nloss.scale.sts = { choices = [0.1, 1.0] }\n",
        '"train.lr" = { low = 1e-5, high = 1e-3, log = true }\n"loss.scale.sts" = { choices = [0.1, 1.0] }\n',
        "[train]\nlr = { low = 1e-5, high = 1e-3, log = true }\n[loss.scale]\nsts = { choices = [0.1, 1.0] }\n",
    ]
    spaces = []
    for form in forms:
        (tmp_path / "space.toml").write_text(form)
        spaces.append(read_space(tmp_path / "space.toml", config))
    assert spaces[0] == spaces[1] == spaces[2]
    assert [one.in_words() for one in spaces[0]] == ["1e-05 to 0.001, logarithmic", "0.1, 1"]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "space: names no setting; write a line such as train.lr = { low"),
        ({"train.lrr": {"low": 0.1, "high": 0.2}}, "space: unknown key 'train.lrr'; did you mean 'lr'?"),
        ({"lr": {"low": 0.1, "high": 0.2}}, "space: unknown key 'lr'; write train.lr"),
        ({"train.lr": 0.1}, "space: train.lr is 0.1, but a table of values is expected: { low = 1e-5"),
        ({"train.lr": {}}, "space: train.lr: low and high, or choices, are expected"),
        ({"train.lr": {"low": 0.1}}, "space: train.lr: low and high, or choices, are expected"),
        ({"train.lr": {"low": 0.1, "hihg": 0.2}}, "space: train.lr: unknown key 'hihg'; did you mean 'high'?"),
        ({"train.lr": {"low": 0.2, "high": 0.1}}, "low is 0.2 and high is 0.1, but low must be less than high"),
        ({"train.lr": {"low": "a", "high": 0.1}}, "space: train.lr: 'low' is 'a'; input should be a valid"),
        ({"train.warmup": {"low": 0.0, "high": 0.1, "log": True}}, "with log = true it must be greater than 0"),
        ({"train.warmup": {"low": 0.1, "high": 0.2, "step": 0.1, "log": True}}, "step and log = true exclude each other"),
        ({"train.warmup": {"low": 0.0, "high": 0.25, "step": 0.1}}, "steps of 0.1 lead from low = 0.0 to 0.2, not to high = 0.25"),
        ({"train.warmup": {"low": 0.0, "high": 0.2, "step": 0}}, "step is 0, but it must be greater than 0"),
        ({"train.lr": {"low": 0.1, "high": 3.0}}, "space: 'train.lr' is 3.0; input should be less than or equal to 1"),
        ({"train.epochs": {"low": 1.0, "high": 3.5}}, "space: 'train.epochs' is 1.0; input should be a valid integer"),
        ({"train.batch_size": {"choices": [16, "32"]}}, "space: 'train.batch_size' is '32'; input should be a valid integer"),
        ({"train.batch_size": {"choices": [16]}}, "choices is [16], but at least two values are expected"),
        ({"train.batch_size": {"choices": [16, 16]}}, "choices has 16 twice"),
        ({"encoder.freeze": {"choices": [False, False]}}, "choices has False twice"),
        ({"train.batch_size": {"choices": [16, 32], "low": 1}}, "choices is a list of all values, so low, high, step"),
        ({"loss.weighting": {"choices": ["sum", "summ"]}}, "space: loss.weighting is 'summ', but it is one of"),
        ({"seed": {"low": 0, "high": 9}}, "space: seed cannot vary, because it decides by chance"),
        ({"data.dir": {"choices": ["a", "b"]}}, "space: data.dir cannot vary, because it changes which rows"),
        ({"tasks": {"sst": {"low": 0, "high": 9}}}, "space: tasks.sst cannot vary, because it is a list"),
        ({"train.lr.x": {"low": 0, "high": 9}}, "space: train.lr.x cannot vary, because 'lr' is not a table of settings"),
        ({"train.lr": {"low": 0.1, "high": 0.2}, "train": {"lr": {"low": 0.1, "high": 0.2}}}, "train.lr stands there twice"),
        ({"sampling.draws": {"choices": [1, 2]}}, "space: sampling.draws is given, but sampling.method = 'round_robin'"),
    ],
)  # fmt: skip
def test_a_bad_space_is_refused_with_one_sentence(config: RunConfig, space: dict[str, Any], message: str) -> None:
    with pytest.raises(SwissbertError) as raised:
        read_space(space, config)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_missing_or_no_toml_is_refused(config: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match=r"space\.toml: there is no such file"):
        read_space(tmp_path / "space.toml", config)
    (tmp_path / "space.toml").write_text("train.lr = { low = 1e-5, ")
    with pytest.raises(SwissbertError, match=r"space\.toml: not valid TOML"):
        read_space(tmp_path / "space.toml", config)


def test_values_that_fit_only_together_are_allowed(config: RunConfig) -> None:
    space = {
        "sampling.draws": {"choices": [1, 2]},
        "sampling.method": {"choices": ["round_robin", "proportional"]},
    }
    assert len(read_space(space, config)) == 2


def test_whole_bounds_are_fractions_where_the_setting_takes_them(config: RunConfig) -> None:
    clip, epochs = read_space(
        {"train.clip": {"low": 1, "high": 4}, "train.epochs": {"low": 1, "high": 4, "step": 1}}, config
    )
    assert isinstance(clip.values.low, float)
    assert isinstance(epochs.values.low, int)


def test_numbers_have_few_digits_and_stay_in_the_range(config: RunConfig) -> None:
    (rate,) = read_space({"train.lr": {"low": 1.234564e-5, "high": 1e-3, "log": True}}, config)
    assert rate.rounded(0.000123456789) == 0.000123457
    assert rate.rounded(1.234564e-5) == 1.234564e-5


def test_the_value_of_the_recipe_is_found_under_its_other_spelling(config: RunConfig) -> None:
    surgery, rate = read_space(
        {"loss.surgery": {"choices": [False, "pcgrad"]}, "train.lr": {"low": 1e-3, "high": 1e-2}}, config
    )
    assert own_value(with_values(config, {"loss.surgery": True}, "here"), surgery) == "pcgrad"
    assert own_value(with_values(config, {"train.lr": 2e-3}, "here"), rate) == 2e-3
    assert own_value(with_values(config, {"train.lr": 2e-4}, "here"), rate) is None


def test_changed_settings_are_a_valid_recipe(config: RunConfig) -> None:
    changed = with_values(config, {"train.lr": 0.5, "loss.scale.sts": 0.25}, "here")
    assert (value_of(changed, "train.lr"), value_of(changed, "loss.scale.sts")) == (0.5, 0.25)
    assert make_config(changed.model_dump(mode="json", exclude_none=True)) == changed
    assert value_of(changed, "train.clip") is None
