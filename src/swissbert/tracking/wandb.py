"""Weights & Biases: https://wandb.ai or a server of one's own, online or offline."""

import os
from collections.abc import Mapping

from swissbert.tracking.base import PROJECT, Status, TrackedRun, Tracker


class WandB(Tracker):
    """A run of Weights & Biases.

    Project, entity, server, key and mode come from the variables and files of wandb (``WANDB_PROJECT``, ``WANDB_MODE``,
    ``wandb login``). It is never asked for a key, because a run must not wait for an answer.
    """

    package = "wandb"
    install = "pip install 'swissbert[wandb]'"

    def start(self, run: TrackedRun) -> Mapping[str, str]:
        """Create a run, or go on with the one of the stored id."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # reports to the makers of wandb, not to its user
        import wandb

        is_online = wandb.setup().settings.mode not in ("offline", "dryrun", "disabled")
        if is_online and not wandb.login(prompt=False, verify=False):
            raise RuntimeError("there is no key (`wandb login` stores one, and WANDB_MODE=offline does without)")
        state = dict(run.state)
        self._run = wandb.init(
            project=state.get("project") or os.environ.get("WANDB_PROJECT", PROJECT),
            entity=state.get("entity"),
            id=state.get("id"),
            resume="allow" if state else None,
            name=run.name,
            config=dict(run.settings),
            allow_val_change=True,  # a resumed run may change some settings
            dir=None if "WANDB_DIR" in os.environ else str(run.folder),
            reinit="create_new",  # a program that trains may have a run of its own
            settings=wandb.Settings(console="off", silent=True),
        )
        # wandb drops steps that come again, so that the step is a value like others, and the horizontal axis
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")
        place = self._run.url if is_online else self._run.settings.sync_dir
        self.place = f"{self._run.project}/{self._run.name}: {place}"
        state = {"id": self._run.id, "project": self._run.project}
        return state | ({"entity": self._run.entity} if self._run.entity else {})

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send the values, with the step as one of them."""
        self._run.log({"step": step, **values})

    def end(self, status: Status) -> None:
        """Send what is left; any status but ``finished`` counts as failed there."""
        self._run.finish(exit_code=0 if status == "finished" else 1)
