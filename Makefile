# Three commands for a fresh machine: `make demo`, `make test` and `make docs`.
# Each makes what it needs in .venv; PYTHON chooses the interpreter (3.11 or later).
# `make check` is for every edit: lint, types and the fast tests. `make package`,
# `make oldest`, `make nightly` and `make docs-check` are what the workflows run besides.

PYTHON ?= python3
VENV := .venv
# Windows calls it otherwise.
IN_VENV := $(if $(filter Windows_NT,$(OS)),Scripts,bin)
BIN := $(VENV)/$(IN_VENV)
PIP := -m pip install --quiet --disable-pip-version-check
INSTALL := $(BIN)/python $(PIP)

# Workers share the cores: one thread of BLAS each.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 \
	$(BIN)/python -m pytest --numprocesses=auto
FAST := $(addprefix tests/test_,architecture.py data.py fitted_state.py network.py \
	quantizer.py readout.py sizes.py ternary.py theory_steps.py theory_matching.py)

.PHONY: demo check test docs docs-check lint kernels tests tests-nojit oldest nightly \
	package release-check clean

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

# The site in a browser, at three widths; build it first.
docs-check: $(VENV)/.installed-docs
	$(BIN)/python tools/check_site.py docs/_build/html

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

# The fast tests with the lower bounds of pyproject.toml, in an environment of its own.
oldest:
	$(PYTHON) -m venv .venv-oldest
	$(PYTHON) tools/lower_bounds.py dask distributed hypothesis pandas \
		pytest > .venv-oldest/bounds.txt
	.venv-oldest/$(IN_VENV)/python $(PIP) -r .venv-oldest/bounds.txt
	PYTHONPATH=. .venv-oldest/$(IN_VENV)/python -m pytest $(FAST)

# The fast tests with what numpy, scipy and scikit-learn will be.
NIGHTLY := https://pypi.anaconda.org/scientific-python-nightly-wheels/simple
nightly:
	$(PYTHON) -m venv .venv-nightly
	.venv-nightly/$(IN_VENV)/python $(PIP) ".[test]"
	.venv-nightly/$(IN_VENV)/python $(PIP) --pre --upgrade --no-deps \
		--extra-index-url $(NIGHTLY) numpy scipy scikit-learn
	PYTHONPATH=. .venv-nightly/$(IN_VENV)/python -m pytest $(FAST)

# Wheel and source in dist/, the wheel tried in an environment that has nothing else.
PACKAGER := .venv-package/$(IN_VENV)/python
package:
	$(PYTHON) -m venv .venv-package
	$(PACKAGER) $(PIP) build twine
	rm -rf dist
	$(PACKAGER) -m build --quiet
	$(PACKAGER) -m twine check --strict dist/*
	$(PACKAGER) tools/try_wheel.py dist

# A tag must be the version, and the changelog must have it: make release-check TAG=v0.2.0
release-check:
	$(PYTHON) tools/check_release.py $(TAG)

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
	rm -rf $(VENV) .venv-* build docs/_build docs/examples docs/generated dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find sklearn_lossless -name __pycache__ -prune -exec rm -r {} +
