"""MLflow: a tracking server, or a database such as ``sqlite:///mlflow.db``."""

import logging
import os
import time
from collections.abc import Mapping
from typing import Any

from swissbert.tracking.base import PROJECT, Status, TrackedRun, Tracker

STATUSES: dict[Status, str] = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
BATCH, PARAMETERS = 1000, 100
"""Most values, and most parameters, of one request."""
SEND_EVERY = 1.0
"""Seconds between two requests."""
LONGEST = 6000
"""Characters of a parameter; the rest of a longer one is left out."""


class MLflow(Tracker):
    """A run of MLflow.

    Server and experiment come from ``MLFLOW_TRACKING_URI`` and ``MLFLOW_EXPERIMENT_NAME`` or ``MLFLOW_EXPERIMENT_ID``.
    The client is used in place of the functions of the module, whose active run is that of the program that trains.
    """

    package = "mlflow"
    install = "pip install 'swissbert[mlflow]'"

    def start(self, run: TrackedRun) -> Mapping[str, str]:
        """Create a run, or go on with the one of the stored id. Parameters cannot change, so they are sent once."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # reports to the makers of MLflow, not to its user
        import mlflow

        for name in ("mlflow", "alembic"):  # about the tables of a new database
            logging.getLogger(name).setLevel(logging.WARNING)
        self._client = mlflow.MlflowClient()
        self._waiting: list[Any] = []
        self._sent = time.monotonic()
        self._id = self._known(run.state.get("run_id"))
        if not self._id:
            self._id = self._client.create_run(self._experiment(), run_name=run.name).info.run_id
            self._send_settings(run)
        self.place = f"{run.name}, run {self._id}"
        return {"run_id": self._id}

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Keep the values, and send all that wait once a second."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._waiting += [Metric(name, value, now, step) for name, value in values.items()]
        if len(self._waiting) >= BATCH or time.monotonic() - self._sent >= SEND_EVERY:
            self.sync()

    def sync(self) -> None:
        """Send the values that wait."""
        while self._waiting:
            self._client.log_batch(self._id, metrics=self._waiting[:BATCH])
            del self._waiting[:BATCH]
        self._sent = time.monotonic()

    def end(self, status: Status) -> None:
        """Send what is left, and the status."""
        self.sync()
        self._client.set_terminated(self._id, STATUSES[status])

    def _known(self, run: str | None) -> str:
        """Return the id of a run that goes on; empty if there is none on this server."""
        from mlflow.exceptions import MlflowException

        if run is None:
            return ""
        try:
            self._client.update_run(run, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return ""
        return run

    def _experiment(self) -> str:
        """Return the id of the experiment of a new run, which is created unless another process has done so."""
        from mlflow.exceptions import MlflowException

        if named := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return named
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        if known := self._client.get_experiment_by_name(name):
            return str(known.experiment_id)
        try:
            return str(self._client.create_experiment(name))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            if (known := self._client.get_experiment_by_name(name)) is None:
                raise
            return str(known.experiment_id)

    def _send_settings(self, run: TrackedRun) -> None:
        """Send the settings as parameters."""
        from mlflow.entities import Param

        parameters = [Param(name, str(value)[:LONGEST]) for name, value in run.flat_settings().items()]
        for start in range(0, len(parameters), PARAMETERS):
            self._client.log_batch(self._id, params=parameters[start : start + PARAMETERS])
