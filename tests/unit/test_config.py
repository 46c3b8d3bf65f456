import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from swissbert.config import (
    RECIPES,
    EncoderSettings,
    RunConfig,
    differences,
    dump_config,
    load_config,
    make_config,
    shipped_recipes,
)
from swissbert.errors import SwissbertError
from swissbert.settings import shown
from swissbert.tasks import find_task
from swissbert.tracking import TRACKERS

SHIPPED_RECIPES = sorted(path.stem for path in RECIPES.glob("*.toml"))


def config(**changes: Any) -> RunConfig:
    return make_config({"tasks": ["sst", "sts"], **changes}, "recipe.toml")


def problem(table: dict[str, Any]) -> str:
    """Return the error message of invalid settings."""
    with pytest.raises(SwissbertError) as caught:
        make_config({"tasks": ["sst", "sts"], **table}, "recipe.toml")
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix("recipe.toml: ")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe with fixed settings, independent of those that ship."""
    path = tmp_path_factory.mktemp("recipe") / "mine.toml"
    path.write_text('# Mine\nname = "mine"\ntasks = ["sst", "sts"]\n[train]\nlr = 2e-4\nepochs = 3\n', encoding="utf-8")
    return path


def refused(recipe: Path, override: str) -> str:
    """Return the error message of an invalid override."""
    with pytest.raises(SwissbertError) as caught:
        load_config(recipe, [override])
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Recipes


@pytest.mark.parametrize("name", SHIPPED_RECIPES)
def test_every_shipped_recipe_loads_under_its_own_name(name: str) -> None:
    settings = load_config(name)
    assert settings.name == name
    assert settings == load_config(RECIPES / f"{name}.toml")


@pytest.mark.parametrize("name", SHIPPED_RECIPES)
def test_every_shipped_recipe_round_trips(name: str) -> None:
    settings = load_config(name)
    assert make_config(tomllib.loads(dump_config(settings)), "config.toml") == settings


def test_recipes_are_listed_with_their_first_line() -> None:
    assert list(shipped_recipes()) == SHIPPED_RECIPES
    assert {"minilm", "quickstart"} <= shipped_recipes().keys()
    for name, about in shipped_recipes().items():
        assert (RECIPES / f"{name}.toml").read_text(encoding="utf-8").startswith(f"# {about}\n")
        assert len(about) > 20


def test_an_unknown_recipe_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(SwissbertError) as caught:
        load_config("quickstrat")
    assert str(caught.value).startswith("no recipe 'quickstrat'; did you mean 'quickstart'? (there are ")
    assert str(caught.value).endswith("a file of your own ends in .toml)")


def test_a_missing_recipe_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SwissbertError, match=r"none\.toml: there is no such file"):
        load_config(tmp_path / "none.toml")


def test_a_recipe_can_give_tasks_as_names_files_and_tables(tmp_path: Path) -> None:
    mood = json.loads(find_task("sst").model_copy(update={"name": "mood"}).model_dump_json(exclude_none=True))
    (tmp_path / "own").mkdir()
    text = dump_config(config(tasks=[mood])).split("[[tasks]]\n")[1].split("\n[data]")[0]
    (tmp_path / "own" / "mood.toml").write_text(text.replace("[tasks.", "["), encoding="utf-8")
    inline = dump_config(config(tasks=[{**mood, "name": "inline"}])).split("[[tasks]]\n")[1].split("\n[data]")[0]
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('name = "own"\ntasks = ["sts", "own/mood.toml"]\n', encoding="utf-8")
    assert [task.name for task in load_config(recipe).tasks] == ["sts", "mood"]
    recipe.write_text(f'name = "own"\n[[tasks]]\n{inline}', encoding="utf-8")
    assert [task.name for task in load_config(str(recipe)).tasks] == ["inline"]


def test_a_task_given_as_a_table_is_checked_like_a_file() -> None:
    message = problem({"tasks": [{"name": "mood", "knd": "binary"}]})
    assert message == "task 'mood': unknown key 'knd'; did you mean 'kind'?"
    assert problem({"tasks": [{"knd": "binary"}]}).startswith("tasks: unknown key 'knd'")


# Rules


def test_only_tasks_are_required() -> None:
    settings = RunConfig(tasks=[find_task("sst")])
    assert settings == make_config({"tasks": ["sst"]}, "recipe.toml")
    assert (settings.seed, settings.train.epochs, settings.loss.weighting, settings.encoder.max_length) == (
        0,
        3,
        "sum",
        512,
    )


def test_settings_are_immutable() -> None:
    settings = config()
    with pytest.raises(ValidationError, match="frozen"):
        settings.train.lr = 1.0


BOUNDS: list[tuple[str, list[Any], list[Any]]] = [
    # key, valid values, invalid values
    ("name", ["run", "a.b-c_1", "-", "x" * 100], ["", "a b", "a/b", "..", ".git", "x" * 101, 3]),
    ("seed", [0, 2**31 - 1], [-1, 2**31, 0.5, "1", True]),
    ("data.dir", ["/data", "starter"], [3]),
    ("data.max_bad", [0, 0.1, 1], [-0.1, 1.5, True, "0.1"]),
    ("data.bad_rows", ["skip", "refuse"], ["drop", True]),
    ("data.limit", [1, 10**9], [0, -1, 1.5, True, 10**9 + 1]),
    ("data.swap_pairs", [True, False], ["maybe", 1, 3]),
    ("data.cache", [True, False], ["maybe", 1, 3]),
    ("encoder.name", ["minilm", "owner/name"], ["", 3]),
    ("encoder.revision", ["main"], [3]),
    ("encoder.freeze", [True, False], ["maybe", 3]),
    ("encoder.dropout", [0, 0.0, 0.99], [-0.1, 1, 1.0, float("nan"), "0.1", True]),
    ("encoder.max_length", [8, 512], [7, 0, 8.5, "8", 10**6]),
    ("model.pair_encoding", [True, False], ["maybe", 3]),
    ("model.dropout", [0, 0.5], [1.0, -1, "half"]),
    ("loss.weighting", ["sum", "learnable", "uncertainty", "automatic"], ["Sum", "", 1]),
    ("loss.scale", [{}, {"sst": 0.5, "sts": 2}], []),
    ("loss.surgery", [False], ["maybe", 3, "sum"]),
    ("sampling.method", ["round_robin", "proportional", "square_root", "temperature", "annealed"], ["random", 1]),
    ("sampling.weights", [{}], []),
    ("sampling.temperature", [0.5, 2], [0, -1, "2"]),
    ("model.layer_sharing", [True, False], ["maybe", 3]),
    ("model.pair_head", ["linear"], ["dot", 3]),
    ("model.pooling", ["pooler", "cls", "mean", "cls_mean"], ["max", 3]),
    ("loss.lr", [1e-4, 1], [0, -1e-4, 1.1, "1e-4", float("inf")]),
    ("train.on_hardware_change", ["continue", "refuse"], ["stop", True]),
    ("train.may_change", [[], ["train.lr", "seed"]], ["train.lr", 3]),
    ("train.epochs", [1, 100], [0, -1, 1.5, "3", True]),
    ("train.batch_size", [1, 512], [0, "32", True]),
    ("train.epoch_ends", ["shortest", "longest", 1, 500], ["never", 0, -1, 1.5, "5", True]),
    ("train.max_steps", [1], [0, True]),
    ("train.lr", [1e-9, 1, 1.0], [0, 0.0, 2, "fast", float("nan"), True]),
    ("train.head_lr", [1e-3], [0, 2]),
    ("train.heads_first", [0, 200], [-1, 1.5, "2", True, 10**9 + 1]),
    ("train.layer_decay", [0.9, 1, 1.0], [0, 1.1, -0.5, True]),
    ("train.weight_decay", [0, 0.99], [1, -0.1]),
    ("train.schedule", ["constant", "linear", "cosine"], ["step", 3]),
    ("train.warmup", [0, 0.99], [1, -0.1]),
    ("train.clip", [0.5, 10], [0, -1, float("inf"), True]),
    ("train.tie", [0, 0.1], [-0.1, "0", True]),
    ("train.baseline", [True, False], ["maybe", 3]),
    ("train.accumulation", [1, 8], [0, 1.5]),
    ("train.ema", [0.5, 0.999], [0, 1, 1.0, -0.1, "0.9", True]),
    ("regularisation.smoothness", [0, 5, 0.5], [-1, 10_001, "1", True]),
    ("regularisation.epsilon", [1e-5, 1], [0, -1e-5, 1.5, "1e-5"]),
    ("regularisation.noise", [1e-5, 1], [0, 1.5, True]),
    ("regularisation.step_size", [1e-3, 1], [0, 1.5, True]),
    ("regularisation.ascent_steps", [1, 100], [0, 101, 1.5, True]),
    ("regularisation.proximal", [0, 1, 0.5], [-1, 10_001, "1", True]),
    ("regularisation.proximal_decay", [0, 0.999], [1, 1.0, -0.1, "0.9"]),
    ("regularisation.proximal_start", [0, 0.5], [1, -0.1, True]),
    ("regularisation.tasks", [["sst"], ["sts", "sst"]], ["sst", 3]),
    ("train.bucket", [1, 50], [0]),
    ("train.precision", ["auto", "fp32", "bf16"], ["fp16", 32]),
    ("train.device", ["auto", "cpu", "mps", "cuda", "cuda:1"], ["gpu", "cuda:", "cuda:x", "", "cpu "]),
    ("train.threads", [1], [0, True, 10**6, 10**23]),
    (
        "train.best_by",
        ["overall", "overall_normalised", "loss", "sst.accuracy", "sst.macro_f1", "sts.pearson", "sts.loss", "sts.mae"],
        ["sst.pearson", "sts.accuracy", "para.accuracy", "micro_f1", ""],
    ),
    ("train.patience", [1], [0]),
    ("train.checkpoint_every", [1], [0, True]),
    ("train.keep", [1], [0]),
    ("train.trackers", [[], ["tensorboard"], ["wandb", "mlflow"]], [3, {"wandb": True}]),
    ("stages", [[]], [3, "one"]),
    ("distillation.teachers", [[], ["mini"], ["mini", "owner/name"]], ["mini", 3]),
    ("distillation.annealing", [True], ["maybe", 1]),  # more of these values in test_distillation.py, with a teacher
    ("distillation.weight", [1], [0, -0.1, 1.5, "1", True]),
    ("distillation.temperature", [1], [0, 101, "1", True, float("inf")]),
]


GIVEN: dict[str, dict[str, Any]] = {"regularisation": {"smoothness": 0, "proximal": 0}}
"""Settings without which others of their table are refused."""


def as_toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else shown(value)


def nested(key: str, value: object) -> dict[str, Any]:
    section, dot, leaf = key.partition(".")
    return {section: {**GIVEN.get(section, {}), leaf: value}} if dot else {section: value}


@pytest.mark.parametrize(("key", "taken", "wrong"), BOUNDS, ids=[key for key, _, _ in BOUNDS])
def test_a_setting_accepts_valid_values_and_names_invalid_ones(key: str, taken: list[Any], wrong: list[Any]) -> None:
    for value in taken:
        actual: Any = config(**nested(key, value))
        for part in key.split("."):
            actual = getattr(actual, part)
        assert actual == value
    for value in wrong:
        message = problem(nested(key, value))
        assert message.startswith((f"'{key}' is {as_toml(value)}; ", f"{key} is '{value}', but it is one of "))


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ({"nope": 0.5}, "loss.scale names 'nope', but the tasks are sst, "),
        ({"sst": 0}, "'loss.scale.sst' is 0; "),
        ({"sst": "0.5"}, "'loss.scale.sst' is '0.5'; "),
    ],
)
def test_the_scale_of_a_loss_is_positive_and_of_a_known_task(scale: dict[str, Any], message: str) -> None:
    assert message in problem({"loss": {"scale": scale}})


def test_trackers_are_names_of_the_table_each_once() -> None:
    assert config(train={"trackers": "wandb"}).train.trackers == ["wandb"]
    names = ", ".join(TRACKERS)
    assert problem({"train": {"trackers": ["wandd"]}}) == (
        f"train.trackers names 'wandd', but trackers are {names}; did you mean 'wandb'?"
    )
    assert problem({"train": {"trackers": ["wandb", "mlflow", "wandb"]}}) == "train.trackers names 'wandb' twice"


def test_bounds_of_every_setting_are_tested() -> None:
    leaves = {"tasks"}
    for section, field in RunConfig.model_fields.items():
        table = field.annotation
        fields = getattr(table, "model_fields", None)
        leaves |= {f"{section}.{name}" for name in fields} if fields else {section}
    assert leaves - {key for key, _, _ in BOUNDS} == {"tasks", "sampling.draws"}


# Keys that depend on another, and settings that exclude each other


def test_draws_need_a_random_method() -> None:
    assert config(sampling={"method": "annealed", "draws": 5}).sampling.draws == 5
    for value in (0, 1.5, True):
        message = problem({"sampling": {"method": "annealed", "draws": value}})
        assert message.startswith(f"'sampling.draws' is {as_toml(value)}; ")


def test_a_cosine_head_needs_separate_encoding() -> None:
    assert config(model={"pair_head": "cosine", "pair_encoding": False}).model.pair_head == "cosine"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"epsilon": 0.1}, "regularisation.epsilon is given, but regularisation.smoothness is not"),
        (
            {"proximal": 1, "step_size": 0.1},
            "regularisation.step_size is given, but regularisation.smoothness is not",
        ),
        (
            {"smoothness": 1, "proximal_start": 0},
            "regularisation.proximal_start is given, but regularisation.proximal is not",
        ),
        (
            {"tasks": ["sst"]},
            "regularisation.tasks is given, but neither regularisation.smoothness nor regularisation.proximal is",
        ),
    ],
)
def test_settings_of_a_term_need_its_factor(table: dict[str, Any], message: str) -> None:
    assert message in problem({"regularisation": table})
    config(regularisation={"smoothness": 0, "proximal": 0, **table})  # a comparison may have a factor of 0


def test_sampling_weights_need_the_weighted_method() -> None:
    weights = {"sst": 1, "sts": 0.5}
    assert config(sampling={"method": "weighted", "weights": weights}).sampling.weights == weights
    message = problem({"sampling": {"method": "weighted", "weights": {"sst": 0}}})
    assert message.startswith("'sampling.weights.sst' is 0; ")


SEPARATE = {"pair_head": "cosine", "pair_encoding": False}


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ({"model": {"pair_head": "cosine"}}, ["model.pair_head = 'cosine'", "model.pair_encoding = true"]),
        ({"model": {**SEPARATE, "layer_sharing": True}}, ["model.pair_head = 'cosine'", "model.layer_sharing = true"]),
        ({"loss": {"surgery": True}, "encoder": {"freeze": True}}, ["loss.surgery = true", "encoder.freeze = true"]),
        ({"loss": {"surgery": True}, "tasks": ["sst"]}, ["loss.surgery = true", "tasks"]),
        (
            {"sampling": {"method": "annealed", "weights": {"sst": 1}}},
            ["sampling.weights", "sampling.method is 'annealed'"],
        ),
        ({"sampling": {"weights": {"sst": 1}}}, ["sampling.weights", "sampling.method is 'round_robin'"]),
        ({"sampling": {"draws": 3}}, ["sampling.draws", "sampling.method = 'round_robin'"]),
    ],
)
def test_settings_that_exclude_each_other_are_both_named(table: dict[str, Any], keys: list[str]) -> None:
    message = problem(table)
    assert message.startswith(keys[0])
    assert keys[1] in message


@pytest.mark.parametrize(
    "table",
    [
        {"loss": {"surgery": True}},
        {"loss": {"surgery": True}, "encoder": {"freeze": True}, "model": {"layer_sharing": True}},
        {"sampling": {"method": "temperature", "draws": 1}},
        {"sampling": {"method": "weighted", "weights": {"sst": 1, "sts": 2}, "draws": 9}},
    ],
)
def test_settings_that_go_together_are_accepted(table: dict[str, Any]) -> None:
    taken = config(**table).model_dump()
    for section, settings in table.items():
        assert {key: taken[section][key] for key in settings} == settings


@pytest.mark.parametrize(
    ("key", "table"),
    [
        ("loss.scale", {"loss": {"scale": {"ssst": 2.0}}}),
        ("sampling.weights", {"sampling": {"method": "weighted", "weights": {"ssst": 1}}}),
    ],
)
def test_a_table_by_task_takes_tasks_of_the_run_alone(key: str, table: dict[str, Any]) -> None:
    assert problem(table) == f"{key} names 'ssst', but the tasks are sst, sts"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"train": {"epoch_ends": "never"}}, "input should be 'shortest' or 'longest', or a valid integer"),
        ({"train": {"epoch_ends": 0}}, "input should be 'shortest' or 'longest', or greater than or equal to 1"),
        ({"train": {"lr": 2}}, "input should be less than or equal to 1"),
        ({"loss": {"weighting": "max"}}, "it is one of sum, learnable, uncertainty, automatic"),
        ({"tasks": []}, "tasks is missing: name at least one"),
        ({"name": ".."}, "'name' is '..'; up to 100 letters, digits, '_', '-' and '.' are expected, no '.' first"),
        ({"train": {"device": "gpu"}}, "'train.device' is 'gpu'; auto, cpu, mps, cuda or cuda:N is expected"),
        ({"tasks": [3]}, "'tasks.0' is 3; a table is expected, such as { base = \"sst\" }"),
        ({"tasks": "sst"}, "it must be a list of names, files and tables"),
        ({"train": 3}, "'train' is 3; a table is expected"),
        ({"stages": ["a"]}, "'stages.0' is 'a'; a table is expected, such as { name = \"first\", share = 0.5 }"),
        (
            {"tasks": [{**find_task("sst").model_dump(), "extra": ["f.tsv"]}]},
            "extra.0' is 'f.tsv'; a table is expected, such as { file = \"more.tsv\", share = 0.5 }",
        ),
        (
            {"tasks": [{**find_task("sst").model_dump(), "guard": True}]},
            "is true; input should be 'sentences', 'rows' or 'off'",
        ),
        ({"stages": [{"name": "a", "epochs": 1, "tasks": []}]}, "tasks is missing: name at least one"),
        ({"regularisation": {"tasks": []}}, "regularisation.tasks is missing: name at least one"),
    ],
)
def test_messages_say_what_is_allowed(table: dict[str, Any], message: str) -> None:
    assert message in problem(table)


def test_the_first_of_two_invalid_settings_is_reported() -> None:
    message = problem({"train": {"epochs": 0, "batch_size": 0}})
    assert message == "'train.epochs' is 0; input should be greater than or equal to 1"


def test_an_empty_list_of_tasks_is_refused() -> None:
    with pytest.raises(SwissbertError, match=r"^recipe\.toml: tasks is missing: name at least one$"):
        make_config({}, "recipe.toml")


def test_a_repeated_task_is_refused() -> None:
    assert problem({"tasks": ["sst", "sts", "sst"]}) == "tasks: the name 'sst' is used twice"


def test_best_by_takes_metrics_of_the_tasks_alone() -> None:
    assert problem({"train": {"best_by": "sst.pearson"}}) == (
        "train.best_by is 'sst.pearson', but it is one of "
        "overall, overall_normalised, loss, sst.accuracy, sst.macro_f1, sst.balanced_accuracy, sst.mcc, sst.loss, "
        "sts.pearson, sts.spearman, sts.mae, sts.rmse, sts.loss"
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"trian": {}}, "unknown key 'trian'; did you mean 'train'?"),
        ({"train": {"batchsize": 3}}, "unknown key 'train.batchsize'; did you mean 'batch_size'?"),
        ({"train": {"warm_up": 0.1}}, "unknown key 'train.warm_up'; did you mean 'warmup'?"),
        ({"train": {"learning_rate": 0.1}}, "unknown key 'train.learning_rate'; write train.lr"),
        ({"train": {"num_train_epochs": 3}}, "unknown key 'train.num_train_epochs'; write train.epochs"),
        ({"epochs": 3}, "unknown key 'epochs'; write train.epochs"),
        ({"max_length": 3}, "unknown key 'max_length'; write encoder.max_length"),
        ({"loss": {"weight": "sum"}}, "unknown key 'loss.weight'; did you mean 'weighting'?"),
        ({"encoder": {"maxlength": 64}}, "unknown key 'encoder.maxlength'; did you mean 'max_length'?"),
        ({"loss": {"zzz": 1}}, "unknown key 'loss.zzz' (the keys here are weighting, scale, lr, surgery)"),
        ({"train": {"epochs": 0, "zzz": 1}}, "unknown key 'train.zzz' (the keys here are epochs, batch_size, "),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_valid_one(table: dict[str, Any], message: str) -> None:
    assert problem(table).startswith(message)


# Overrides


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("train.epochs=5", "train.epochs", 5),
        ("train.lr=1e-4", "train.lr", 1e-4),
        ("train.lr = 1", "train.lr", 1.0),
        ("seed=7", "seed", 7),
        ("train.baseline=false", "train.baseline", False),
        ("encoder.name=google-bert/bert-base-uncased", "encoder.name", "google-bert/bert-base-uncased"),
        ('encoder.name="minilm"', "encoder.name", "minilm"),
        ("encoder.name='3'", "encoder.name", "3"),
        ("data.dir=/data/my files/x=y", "data.dir", "/data/my files/x=y"),
        ("encoder.name=C:\\data\\new", "encoder.name", "C:\\data\\new"),
        ("encoder.name= a b ", "encoder.name", "a b"),
        ("encoder.name=a\nb = 3", "encoder.name", "a\nb = 3"),
        ("encoder.name=3\nb = 3", "encoder.name", "3\nb = 3"),
        ("encoder.name=" + "9" * 5000, "encoder.name", "9" * 5000),
        ("train.epoch_ends=longest", "train.epoch_ends", "longest"),
        ("train.epoch_ends=200", "train.epoch_ends", 200),
        ("train.device=cuda:0", "train.device", "cuda:0"),
        (" train.keep =1", "train.keep", 1),
    ],
)
def test_an_override_is_parsed_as_toml_or_else_text(recipe: Path, override: str, key: str, value: object) -> None:
    actual: Any = load_config(recipe, [override])
    for part in key.split("."):
        actual = getattr(actual, part)
    assert actual == value
    assert type(actual) is type(value)


def test_an_override_changes_its_own_key_alone_and_the_last_one_wins(recipe: Path) -> None:
    settings = load_config(recipe, ["train.epochs=5", "model.dropout=0.1", "train.epochs=6"])
    assert differences(load_config(recipe), settings) == [
        "model.dropout (0.3 became 0.1)",
        "train.epochs (3 became 6)",
    ]


def test_tasks_can_be_overridden_with_a_list(recipe: Path) -> None:
    assert [task.name for task in load_config(recipe, ['tasks=["sts", "sst"]']).tasks] == ["sts", "sst"]


@pytest.mark.parametrize("override", ["train.epochs", "=3", "train.=3", ".epochs=3", "train..epochs=3", "", "="])
def test_an_override_without_key_or_value_says_how_to_write_it(recipe: Path, override: str) -> None:
    assert refused(recipe, override) == f"override {override}: write it as key=value, for instance train.lr=1e-4"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epoch=3", "unknown key 'train.epoch'; did you mean 'epochs'?"),
        ("tran.epochs=3", "unknown key 'tran'; did you mean 'train'?"),
        ("train.epochs=many", "'train.epochs' is 'many'; input should be a valid integer"),
        ('train.epochs="3"', "'train.epochs' is '3'; input should be a valid integer"),
        ("train.epochs=", "'train.epochs' is ''; input should be a valid integer"),
        ("train.epochs=3 4", "'train.epochs' is '3 4'; input should be a valid integer"),
        ("train.clip=true", "'train.clip' is true; input should be a valid number"),
        ("loss.scale.\udcff=1", ": there is a key that is not Unicode text"),
        ("\udcff=1", "is '\\udcff'; input should be a valid string"),
        ("a\nb", "override a b: write it as key=value"),
        ("train.lr=2024-01-01", "'train.lr' is datetime.date(2024, 1, 1); input should be a valid number"),
        ("train=3", "'train' is 3; a table is expected"),
        ("seed.x=3", "'seed' is {'x': 3}; input should be a valid integer"),
        ("tasks=sst", "'tasks' is 'sst'; it must be a list of names, files and tables"),
        ('tasks=["ssst"]', "no shipped task 'ssst'"),
        ("train.lr=" + "[" * 5000, "'train.lr' is '[[["),
    ],
)
def test_a_bad_override_is_named_with_its_key(recipe: Path, override: str, message: str) -> None:
    assert message in refused(recipe, override)


@pytest.mark.parametrize(
    ("override", "key"), [("name.x=3", "name"), ("train.lr.x=3", "lr"), ("tasks.0.loss=mae", "tasks")]
)
def test_an_override_below_a_value_is_an_error(recipe: Path, override: str, key: str) -> None:
    assert refused(recipe, override) == f"override {override}: '{key}' is not a table of settings"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["train.lr=fast"], "override train.lr=fast: 'train.lr' is 'fast'; "),
        (["train.lr=fast", "train.lr=slow"], "override train.lr=slow: 'train.lr' is 'slow'; "),
        (["tran.lr=1"], "override tran.lr=1: unknown key 'tran'"),
        (["train=3"], "override train=3: 'train' is 3; "),
        (["loss.scale.nope=2"], "override loss.scale.nope=2: loss.scale names 'nope'"),
        (["model.pair_head=cosine"], "override model.pair_head=cosine: model.pair_head = 'cosine' and "),
        (["train.best_by=x"], "override train.best_by=x: train.best_by is 'x'"),
        (["sampling.draws=3", "seed=1"], "override sampling.draws=3: sampling.draws is given"),
        (["name=x", 'tasks=["sst", "sst"]'], """override tasks=["sst", "sst"]: tasks: the name 'sst' is used twice"""),
        (["tasks=sst", "seed=1"], "override tasks=sst: 'tasks' is 'sst'; "),
        (["tasks=[]"], "override tasks=[]: tasks is missing: name at least one"),
        (['stages=[{name="a"}]'], """override stages=[{name="a"}]: stages.0: stage 'a': no length is given"""),
        (
            ['stages=[{name="a", steps=1, tasks=["x"]}]'],
            'override stages=[{name="a", steps=1, tasks=["x"]}]: stages: stage',
        ),
        (["train.lr=" + "[" * 5000], "override train.lr=[[[["),
    ],
)
def test_errors_of_an_override_name_the_override(recipe: Path, overrides: list[str], message: str) -> None:
    with pytest.raises(SwissbertError) as caught:
        load_config(recipe, overrides)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 600


def test_errors_of_a_recipe_name_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('tasks = ["sst"]\n[train]\nlr = "fast"\n', encoding="utf-8")
    with pytest.raises(SwissbertError, match=r"^\S*mine\.toml: 'train\.lr' is 'fast'"):
        load_config(path, ["train.epochs=1", "seed=3"])


# Paths


def write_recipe(folder: Path, task: str = "mood") -> Path:
    """A recipe whose data, encoder and task are beside it."""
    folder.mkdir()
    (folder / "my-bert").mkdir()
    text = (RECIPES.parent / "tasks" / "sst.toml").read_text(encoding="utf-8")
    (folder / "mood.toml").write_text(text.replace('name = "sst"', f'name = "{task}"'), encoding="utf-8")
    recipe = folder / "recipe.toml"
    recipe.write_text('tasks = ["mood.toml"]\n[data]\ndir = "rows"\n[encoder]\nname = "my-bert"\n', encoding="utf-8")
    return recipe


def test_paths_in_a_recipe_start_at_its_folder_and_those_of_overrides_at_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    write_recipe(here, "ours")
    recipe = write_recipe(there, "theirs")
    monkeypatch.chdir(here)
    loaded = load_config(recipe)
    assert [task.name for task in loaded.tasks] == ["theirs"]
    assert (loaded.data.dir, loaded.encoder.name) == (str(there / "rows"), str(there / "my-bert"))
    overrides = ['tasks=["mood.toml"]', "data.dir=rows", "encoder.name=my-bert"]
    changed = load_config(recipe, overrides)
    assert [task.name for task in changed.tasks] == ["ours"]
    assert (changed.data.dir, changed.encoder.name) == (str(here / "rows"), str(here / "my-bert"))
    assert load_config(recipe, ["data.dir=starter"]).data.dir == "starter"
    written = dump_config(changed)
    monkeypatch.chdir(there)
    assert make_config(tomllib.loads(written), "config.toml") == changed


def test_a_recipe_gives_the_same_settings_from_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path / "there")
    (tmp_path / "link").symlink_to("there")
    (tmp_path / "elsewhere").mkdir()
    loaded = load_config(recipe)
    for folder, path in [("there", "recipe.toml"), ("elsewhere", "../there/recipe.toml"), (".", "link/recipe.toml")]:
        monkeypatch.chdir(tmp_path / folder)
        assert load_config(path) == loaded


@pytest.mark.parametrize("name", ["minilm", "google-bert/bert-base-uncased", "owner/name", "./none", "no-folder"])
def test_an_encoder_that_is_not_a_folder_keeps_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "minilm").mkdir()
    (tmp_path / "no-folder").touch()
    monkeypatch.chdir(tmp_path)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f'tasks = ["sst"]\n[encoder]\nname = "{name}"\n', encoding="utf-8")
    assert load_config(recipe).encoder.name == name
    assert load_config(recipe, [f"encoder.name={name}"]).encoder.name == name


def test_settings_made_in_python_have_absolute_paths_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "owner" / "bert").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    made = RunConfig(tasks=[find_task("sst")], encoder=EncoderSettings(name="owner/bert"))
    assert made.encoder.name == str(tmp_path / "owner" / "bert")
    assert config(encoder={"name": "owner/bert"}).encoder == made.encoder


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('tasks = ["a\\u0000.toml"]', r"a\\x00\.toml': cannot be read as UTF-8 text \(embedded null byte\)"),
        ("x = " + "[" * 5000, r"mine\.toml: not valid TOML: maximum recursion"),
        ('tasks = ["sst"]\nseed = 0x' + "f" * 5000, "'seed' is a number of thousands of digits; "),
        ("x = " + "9" * 5000, r"mine\.toml: not valid TOML: Exceeds the limit"),
        ('tasks = ["sst"]\n[train]\nthreads = 1' + "0" * 23, r"'train\.threads' is 10+; "),
    ],
)
def test_a_malicious_recipe_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SwissbertError, match=message) as caught:
        load_config(path)
    assert "\n" not in str(caught.value)


# Writing and comparing


def test_dumped_settings_are_toml_without_empty_keys() -> None:
    text = dump_config(config(train={"lr": 2e-5}))
    table = tomllib.loads(text)
    assert table["train"]["lr"] == 2e-5
    assert "max_steps" not in table["train"]
    assert [task["name"] for task in table["tasks"]] == ["sst", "sts"]
    assert dump_config(make_config(table, "config.toml")) == text


def valid_value(rule: tuple[str, list[Any], list[Any]]) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.just(rule[0]), st.sampled_from(rule[1]))


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(
    values=st.lists(st.sampled_from(BOUNDS).flatmap(valid_value), max_size=12),
    rate=st.floats(0, 1, exclude_min=True),
    text=texts,
)
def test_any_settings_round_trip(values: list[tuple[str, Any]], rate: float, text: str) -> None:
    table: dict[str, Any] = {"train": {"lr": rate}, "data": {"dir": text}, "encoder": {"name": text}}
    for key, value in values:
        section, dot, leaf = key.partition(".")
        if dot:
            table.setdefault(section, dict(GIVEN.get(section, {})))[leaf] = value
        else:
            table[section] = value
    try:
        settings = config(**table)
    except SwissbertError as error:
        assume("exclude each other" not in str(error))
        raise
    assert make_config(tomllib.loads(dump_config(settings)), "config.toml") == settings
    assert RunConfig.model_validate_json(settings.model_dump_json()) == settings


@given(
    labels=st.lists(texts.map(str.strip).filter(bool), min_size=2, max_size=4, unique=True),
    column=texts,
    low=st.floats(-1e9, 0, exclude_max=True),
)
def test_any_task_round_trips(labels: list[str], column: str, low: float) -> None:
    mood = {
        "name": "mood",
        "kind": "classification",
        "labels": labels,
        "loss": "cross_entropy",
        "metric": "macro_f1",
        "columns": {"text": column, "label": "label", "id": column},
        "hub": {"dataset": "owner/name", "splits": {"test": column}},
    }
    score = {
        "name": "score",
        "kind": "regression",
        "range": [low, 0],
        "loss": "mae",
        "metric": "spearman",
        "output": "linear",
        "quotes": False,
        "columns": {"text": "a", "text_pair": column, "label": "label"},
        "files": {"train": [column, "b.tsv"], "dev": column},
    }
    settings = config(tasks=[mood, score, "cfimdb"])
    assert make_config(tomllib.loads(dump_config(settings)), "config.toml") == settings


def test_differences_are_named_with_both_values() -> None:
    old = config(train={"lr": 1e-4, "max_steps": 5}, data={"dir": "a"})
    new = config(train={"lr": 1e-3, "epoch_ends": 7}, data={"dir": "a"}, seed=2)
    assert differences(old, new) == [
        "seed (0 became 2)",
        "train.epoch_ends ('shortest' became 7)",
        "train.lr (0.0001 became 0.001)",
        "train.max_steps (5 became None)",
    ]
    assert differences(old, old) == []


def test_differences_in_a_task_are_named_with_the_task() -> None:
    changed = find_task("sts").model_copy(update={"loss": "mae", "files": {"train": "other.tsv"}})
    lines = differences(config(), config(tasks=["sst", changed]))
    assert "tasks[sts].loss ('mse' became 'mae')" in lines
    assert "tasks[sts].files.train (None became 'other.tsv')" in lines
    assert all(line.startswith("tasks[sts].") for line in lines)


def test_another_task_and_another_order_of_tasks_are_differences() -> None:
    lines = differences(config(), config(tasks=["sst", "sts", "para"]))
    assert lines[0] == "tasks (['sst', 'sts'] became ['sst', 'sts', 'para'])"
    assert "tasks[para].kind (None became 'binary')" in lines
    assert differences(config(), config(tasks=["sts", "sst"])) == ["tasks (['sst', 'sts'] became ['sts', 'sst'])"]


@given(
    old=st.lists(st.sampled_from(BOUNDS).flatmap(valid_value), max_size=3),
    new=st.lists(st.sampled_from(BOUNDS).flatmap(valid_value), max_size=3),
)
def test_unequal_runs_and_only_they_have_differences(old: list[tuple[str, Any]], new: list[tuple[str, Any]]) -> None:
    base = config()
    configs = []
    for changes in (old, new):
        data = base.model_dump(mode="json")
        for key, value in changes:
            section, dot, leaf = key.partition(".")
            data = {**data, section: {**data[section], leaf: value} if dot else value}
        configs.append(RunConfig.model_validate(data))
    assert bool(differences(*configs)) == (configs[0] != configs[1])


@pytest.mark.parametrize("name", ["messages.csv", "data/messages.csv", "mine.toml"])
def test_a_recipe_or_data_file_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(SwissbertError, match=f"^{name}: there is no such file"):
        load_config(name)
