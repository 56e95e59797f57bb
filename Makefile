# Each target works as the first command on a machine with python3 (3.11 or newer) and venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: test demo lint docs bench clean
.DEFAULT_GOAL := test

# One worker for each core, so each keeps to one thread of BLAS and PyTorch.
test: $(VENV)/.installed-test
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto

demo: $(VENV)/.installed-test
	$(BIN)/rbgp demo --force

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# A stub of a name that has gone would be a page that no page lists. The second builder runs the code of the pages.
docs: $(VENV)/.installed-dev
	rm -rf docs/api/generated
	$(BIN)/python -m sphinx -q -W -n -b html -d docs/_build/doctrees docs docs/_build/html
	$(BIN)/python -m sphinx -q -W -n -b doctest -d docs/_build/doctrees docs docs/_build/doctest
	@echo "docs/_build/html/index.html"

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf build dist demo htmlcov .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf docs/_build docs/_generated docs/api/generated
	find rbgp_graphs tests -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip

# The stamps name the extras that are installed; dev contains test.
$(VENV)/.installed-test: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV) ..."
	$(PIP) install -c constraints.txt -e '.[test,demo]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV) ..."
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed-test
