# Three commands for a fresh machine: `make demo`, `make test` and `make docs`.
# Each makes what it needs in .venv; PYTHON chooses the interpreter (3.11 or later).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test docs lint tests tests-nojit clean

demo: $(VENV)/.installed
	$(BIN)/python examples/quickstart.py

test: lint tests tests-nojit

# The site, in docs/_build/html; examples are run, warnings are errors.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -b html -W --keep-going -T docs docs/_build/html

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

tests: $(VENV)/.installed-test
	$(BIN)/python -m pytest

# The integer network once more without compiled code: the same bits.
tests-nojit: $(VENV)/.installed-test
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest tests/test_network.py tests/test_quantizer.py

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(INSTALL) --editable ".[test,plot]"
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(INSTALL) --editable ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) build docs/_build docs/examples docs/generated dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find sklearn_lossless -name __pycache__ -prune -exec rm -r {} +
