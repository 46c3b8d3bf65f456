"""The training loop and what keeps it exact: optimizer groups, schedule, checkpoints, progress."""
