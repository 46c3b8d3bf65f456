"""trackio: the local store of Hugging Face's tracker, or one of its Spaces."""

import os
from collections.abc import Mapping
from uuid import uuid4

from swissbert.tracking.base import PROJECT, Status, TrackedRun, Tracker
from swissbert.tracking.quiet_thread import quiet_thread


class Trackio(Tracker):
    """A run of trackio, in the folder ``TRACKIO_DIR``, the Space ``TRACKIO_SPACE_ID`` or the server ``TRACKIO_SERVER_URL``."""

    package = "trackio"
    install = "pip install 'swissbert[trackio]'"

    def start(self, run: TrackedRun) -> Mapping[str, str]:
        """Create a run, or go on with the one of the stored name."""
        with quiet_thread():  # it prints, and standard output is for results
            import trackio
            from trackio.utils import TRACKIO_DIR

            project = run.state.get("project") or os.environ.get("TRACKIO_PROJECT", PROJECT)
            name = run.state.get("name") or f"{run.name}-{uuid4().hex[:8]}"  # the name identifies a run of trackio
            self._run = trackio.init(
                project=project, name=name, config=run.flat_settings(), resume="allow", embed=False
            )
        remote = os.environ.get("TRACKIO_SPACE_ID") or ("a server" if "TRACKIO_SERVER_URL" in os.environ else "")
        self.place = f"{project}/{name} in {remote or TRACKIO_DIR}"
        return {"project": project, "name": name}

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Send the values."""
        self._run.log(dict(values), step=step)

    def end(self, status: Status) -> None:
        """Send what is left. Runs of trackio have no status."""
        with quiet_thread():
            self._run.finish()
