# Every target sets up what it needs; nothing outside this folder is touched.
PYTHON ?= python3
BIN := .venv/bin
export MLFLOW_DISABLE_TELEMETRY = true

DATA ?= data

.PHONY: demo quick test check chaos cluster bench ui clean

.venv/.installed: setup.cfg pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: .venv/.installed  ## the quickstart sweep and its report
	$(BIN)/python sweep.py quickstart
	$(BIN)/python analyze.py quickstart

quick: .venv/.installed  ## the tests of a minute, for the edit loop: no process is spawned
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow and not cluster and not browser and not processes and not sweep'

test: check  ## lint, format, types, tests
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow and not cluster' --durations 12

chaos: .venv/.installed  ## 200 kills, and whatever they broke; CHAOS_SEED=N for other moments
	$(BIN)/python -m pytest -s tests/chaos -m slow

cluster: .venv/.installed  ## two Ray nodes, Slurm, PostgreSQL and an MLflow server, on loopback
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,ray]'
	$(BIN)/python -m pytest tests/cluster tests/tracking/test_reachable.py

bench: .venv/.installed  ## speed as ratios measured side by side; DATA=DIR holds MNIST; idle machine
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	$(BIN)/python -m benchmarks --data-dir "$(DATA)" --out benchmarks.json

check: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: .venv/.installed  ## the MLflow UI on what has been tracked; prints a link to each answer
	-@$(BIN)/python -m experiments.commands.pages
	$(BIN)/mlflow ui --backend-store-uri "$${MLFLOW_TRACKING_URI:-sqlite:///mlflow.db}" --host 127.0.0.1

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
