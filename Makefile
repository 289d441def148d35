# Valuebook. `make` lists what there is to do; every target sets up what it needs.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS := .venv-peers
UPLIFT := .venv-peers-uplift

.PHONY: help setup demo test test-full lab lint calibrate bench messages lock clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make the environment in .venv (other targets do it when needed)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 12) else f"Valuebook needs Python 3.12 or newer, and $(PYTHON) is {v[0]}.{v[1]} ({sys.executable}). Install a newer one, or name it: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --compile -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@# Imports are several times slower from packages without byte code, also where Python is told to write none.
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib helpers > /dev/null || true
	$(BIN)/python -m helpers.running.install
	@touch $@

demo: $(READY) ## Run everything on the embedded demo clients; opens with reports/index.html
	$(BIN)/valuebook demo
	@echo "Open reports/index.html in a browser."

test: lint ## Lint, then run the tests, those with a long form in their short one
	$(BIN)/python -m pytest -n auto -m "not full" --durations=25

test-full: lint ## Lint, then run all tests, also the long forms: 20 kills, 200 reports side by side, parity of the slow notebooks
	$(BIN)/python -m pytest -n auto

lint: $(READY) ## Ruff, mypy, import-linter, the notebook linter and the catalogues
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tests.notebooks.lint
	$(BIN)/python -m tests.reporting.catalogues

lab: $(READY) ## Open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

calibrate: $(READY) ## Run the statistical calibrations in full and rewrite their tables
	$(BIN)/python -m tests.calibration.coverage
	$(BIN)/python -m tests.calibration.clusters
	$(BIN)/python -m tests.calibration.clv
	$(BIN)/python -m tests.calibration.clv_predictive
	$(BIN)/python -m tests.calibration.ab_test
	$(BIN)/python -m tests.calibration.upsell_lift

bench: $(READY) $(PEERS)/.ready $(UPLIFT)/.ready ## Print the benchmarks, as ratios within one run, and write reports/benchmarks.html
	@# Without the demo's reports their sizes are not measured, and the book says so.
	-$(BIN)/python -m tests.benchmarks.report_size
	$(BIN)/python -m tests.benchmarks.running
	$(BIN)/python -m tests.benchmarks.scale $(PEERS)/bin/python
	$(BIN)/python -m tests.benchmarks.clv $(PEERS)/bin/python
	$(BIN)/python -m tests.benchmarks.ab_test $(PEERS)/bin/python
	$(BIN)/python -m tests.benchmarks.upsell_lift $(UPLIFT)/bin/python
	$(BIN)/python -m tests.benchmarks.book

$(PEERS)/.ready: # The peers that are measured against live in an environment of their own: their pins differ.
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --compile "pymc-marketing>=1.3" pyarrow "tea-tasting>=2" "ibis-framework[duckdb]>=11"
	@touch $@

$(UPLIFT)/.ready: # The uplift packages hold others below what the first peers need.
	$(PYTHON) -m venv $(UPLIFT)
	$(UPLIFT)/bin/python -m pip install --quiet --disable-pip-version-check --compile "causalml>=0.16" "scikit-uplift>=0.5" pyarrow
	@touch $@

messages: $(READY) ## Collect the words to translate into the catalogue's template
	$(BIN)/python -m tests.reporting.catalogues --write

lock: ## Resolve the lock file anew (needs uv)
	uv pip compile --universal --all-extras --no-annotate --no-header --python-version 3.12 pyproject.toml -o requirements.lock

clean: ## Remove the environment, the demo's data and all reports
	@# What tests were looked at (params/looks) is no report: it stays, but for the demo's.
	rm -rf $(VENV) $(PEERS) $(UPLIFT) data/demo data/demo_* params/looks/demo.ab_test.jsonl params/looks/demo_*.ab_test.jsonl build *.egg-info
	find reports -mindepth 1 -not -name README.md -delete
