# Three commands for a fresh machine: `make demo`, `make test` and `make docs`.
# Each makes what it needs in .venv; PYTHON chooses the interpreter (3.11 or later).
# `make check` is for every edit: lint, types and the fast tests.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Workers share the cores: one thread of BLAS each.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 \
	$(BIN)/python -m pytest --numprocesses=auto
FAST := $(addprefix tests/test_,architecture.py data.py fitted_state.py network.py \
	quantizer.py readout.py sizes.py ternary.py theory_steps.py theory_matching.py)

.PHONY: demo check test docs lint kernels tests tests-nojit clean

demo: $(VENV)/.installed
	$(BIN)/python examples/quickstart.py

test: $(VENV)/.installed-test
	$(MAKE) --jobs=2 lint kernels
	$(MAKE) tests tests-nojit

check: lint
	$(PYTEST) $(FAST)

# The site, in docs/_build/html; examples are run, warnings are errors.
docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -b html -W --keep-going -T docs docs/_build/html

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A module goes to one worker, so that its fixtures are made once.
tests: $(VENV)/.installed-test
	$(PYTEST) --dist=loadscope

# Compiled and cached once, before several workers would.
kernels: $(VENV)/.installed-test
	$(BIN)/python tests/compile_kernels.py

# The integer network once more without compiled code: the same bits.
tests-nojit: $(VENV)/.installed-test
	NUMBA_DISABLE_JIT=1 $(PYTEST) tests/test_network.py tests/test_quantizer.py

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
