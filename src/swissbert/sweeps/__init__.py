"""Sweeps: search for good settings with Optuna. Processes and machines share a folder, and each trial is a run.

A sweep folder holds the study (an ordinary Optuna journal), a run folder for each trial, the best recipe and a page. Importing
this package does not import Optuna, which is an extra (``pip install 'swissbert[sweep]'``).
"""
