# `make serve` and `make test` need python 3.11+ and nothing else: each target makes .venv first.
PYTHON ?= python3
# Extra words for the installation of torch, e.g. an index of CPU-only wheels (README, "Smaller installation").
TORCH_PIP_ARGS ?=
BIN := .venv/bin

.PHONY: serve test check format lock bench crash fuzz clean

serve: .venv/.runtime
	$(BIN)/python -m service

# Two processes, each with whole files, as much of what fixtures make serves a file.
test: .venv/.development
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: .venv/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.development
	$(BIN)/python -m bench

# Kills a writing process again and again, looking each time for what was acknowledged.
crash: .venv/.development
	SENSORIUM_CRASHES=$${SENSORIUM_CRASHES:-500} $(BIN)/python -m pytest -rP tests/test_index_crash.py

# Decodes so many damaged files of every format in a watched process; offending ones are kept in build/fuzz.
fuzz: .venv/.development
	SENSORIUM_FUZZ=$${SENSORIUM_FUZZ:-10000} SENSORIUM_FUZZ_KEEP=$${SENSORIUM_FUZZ_KEEP:-build/fuzz} \
		$(BIN)/python -m pytest -rP tests/test_fuzz.py

.venv/bin/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sensorium needs Python 3.11 or newer")'
	$(PYTHON) -m venv .venv

.venv/.runtime: requirements.lock pyproject.toml | .venv/bin/pip
	$(BIN)/pip install --disable-pip-version-check -q $(TORCH_PIP_ARGS) -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	touch $@

.venv/.development: requirements-dev.lock .venv/.runtime
	$(BIN)/pip install --disable-pip-version-check -q $(TORCH_PIP_ARGS) -r requirements-dev.lock
	touch $@

# Versions pinned for every platform and Python from 3.11, without addresses; torch brings its own CUDA libraries.
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --no-annotate --no-header --no-emit-index-url
WITHOUT_CUDA := grep -vE '^(nvidia-|cuda-|triton)'

lock: .venv/.development
	$(BIN)/pip install -q uv
	$(COMPILE) pyproject.toml | $(WITHOUT_CUDA) > requirements.lock
	$(COMPILE) --all-extras pyproject.toml | $(WITHOUT_CUDA) > requirements-dev.lock

clean:
	rm -rf .venv
