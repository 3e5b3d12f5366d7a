# Everything a newcomer needs. Each target does all of its own set-up: Python 3.11+ with venv and
# make are enough. PYTHON, VENV, RUNS and PYTEST may be given: make test VENV=/tmp/venv PYTEST=-x
PYTHON ?= python3
VENV ?= .venv
RUNS ?= runs
PYTEST ?= -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder
BIN = $(VENV)/bin

.PHONY: quickstart test test-cluster check docs bench clean

quickstart: $(VENV)/.installed  ## reconstruct the measured Siemens star
	$(BIN)/ptychopinn-batch submit jobspecs/quickstart.yaml --runs $(RUNS)

test: $(VENV)/.installed-test  ## all tests, with coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(PYTEST)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --sort=cover

test-cluster: $(VENV)/.installed-test  ## the tests on real SLURM; needs root and Debian's packages
	$(BIN)/python -m pytest tests/cluster $(PYTEST)

check: $(VENV)/.installed-dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy hpc ptychopinn_batch

docs: $(VENV)/.installed-docs  ## the documentation as a site: site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

bench: $(VENV)/.installed  ## speed, memory and quality, a short set: minutes
	$(BIN)/python benchmarks/throughput.py --n 64 --frames 2500 --patchwise 500 --epochs 2 \
		--out $(RUNS)/bench
	$(BIN)/python benchmarks/scaling.py --ranks 1 2 --frames 1000 10000 --tiles 1 \
		--out $(RUNS)/bench
	$(BIN)/python benchmarks/orchestration.py --tasks 100 10000 --tries 1 \
		--out $(RUNS)/bench
	$(BIN)/python benchmarks/quality.py --scenes siemens_star_128 lens --methods shipped:16 \
		--out $(RUNS)/bench/quality

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/.installed $(VENV)/.installed-test

$(VENV)/.installed-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@ $(VENV)/.installed

clean:  ## remove what the targets above made, results excepted
	rm -rf $(VENV) build site *.egg-info .coverage* .pytest_cache .mypy_cache .ruff_cache
