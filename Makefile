# Two commands do all the set-up: `make run` and `make test`. Both need Python 3.11 to 3.13 and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: run test lint docs clean

run: $(VENV)/ready
	$(BIN)/analognn run

test: $(VENV)/ready
	$(BIN)/pytest

lint: $(VENV)/ready-lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The pages run their examples and the gallery runs whole; then docs/_build/html/index.html.
docs: $(VENV)/ready-docs
	$(BIN)/sphinx-build -M doctest docs docs/_build --fail-on-warning --keep-going --quiet
	$(BIN)/sphinx-build -M html docs docs/_build --fail-on-warning --keep-going --quiet

# The constraints hold aihwkit, torch and torchvision at releases that work together; see `analognn doctor`.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e ".[test]"
	$(BIN)/analognn doctor
	touch $@

$(VENV)/ready-lint: $(VENV)/ready
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e ".[lint]"
	touch $@

$(VENV)/ready-docs: $(VENV)/ready
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) docs/_build docs/_gallery build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
