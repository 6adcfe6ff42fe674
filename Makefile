# Two commands for a fresh machine: `make demo` and `make test`.
# Each makes what it needs in .venv; PYTHON chooses the interpreter (3.11 or later).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test lint tests tests-nojit clean

demo: $(VENV)/.installed
	$(BIN)/python examples/quickstart.py

test: lint tests tests-nojit

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

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find sklearn_lossless -name __pycache__ -prune -exec rm -r {} +
