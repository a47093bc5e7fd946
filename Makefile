# Each goal does its own set-up in .venv, so that `make demo` and `make test` are
# all that a fresh machine with Python 3.11+ needs.
PYTHON ?= python3
BIN := .venv/bin
# Of the 19,000 modules that are installed few are ever imported; those are compiled then.
PIP_INSTALL := $(BIN)/pip --disable-pip-version-check -q install --no-compile
PIP := $(PIP_INSTALL) -c constraints.txt

.PHONY: demo test check format clean
.DELETE_ON_ERROR:

demo: .venv/base
	$(BIN)/xlingual demo

test: .venv/dev .venv/fastembed
	$(BIN)/pytest -n 2 --dist worksteal

check: .venv/dev
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/pyright

format: .venv/dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/pip: constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade pip
	@touch $@

.venv/base: .venv/pip pyproject.toml
	$(PIP) -e .
	@touch $@

.venv/dev: .venv/pip pyproject.toml
	$(PIP) --group dev -e '.[parquet,edge]'
	@touch .venv/base $@

# fastembed wants an older huggingface_hub than transformers, so it lies beside the packages.
.venv/fastembed: .venv/dev tests/contract/fastembed.txt
	rm -rf $@
	$(PIP_INSTALL) --no-deps --target $@ -r tests/contract/fastembed.txt
	@touch $@
