# `make demo` and `make test` do everything from a bare checkout with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint types check bench pins clean

demo: $(READY)  ## the whole cycle on a generated blog: no account, no network
	$(BIN)/mirror demo

test: $(READY)  ## every test; OpenStack Swift is a second real S3 server, its tests skip without it
	$(BIN)/python -m tests.support.swift_env || echo "OpenStack Swift could not be installed"
	$(BIN)/pytest -n auto --dist worksteal

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

check: lint types test

bench: $(READY)  ## every figure of BENCHMARKS.md; minutes
	$(BIN)/python -m benchmarks

pins:  ## the versions and hashes that CI installs; needs uv
	head -n 2 ci/requirements.txt > ci/requirements.new
	echo hatchling | uv pip compile --quiet --universal --generate-hashes --upgrade --no-header \
		--no-annotate --python-version 3.11 pyproject.toml - >> ci/requirements.new
	mv ci/requirements.new ci/requirements.txt

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	# What is never imported need not be compiled: a third of the time.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -e ".[dev]"
	touch $@
