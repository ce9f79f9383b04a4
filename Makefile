# Everything runs in .venv, which is made from requirements.lock. PYTHON is the interpreter it is made with.
PYTHON ?= python3
BIN := .venv/bin

# Each worker has a Neo4j of its own; one that is provided serves one worker.
WORKERS := $(if $(CMDB_TEST_NEO4J_URI),1,2)

.DEFAULT_GOAL := help
.PHONY: help demo serve test check fmt docs bench soak neo4j lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.installed ## load an example estate into the embedded store and show it
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash examples/demo.sh

serve: .venv/.installed ## serve the embedded store on the loopback, until Ctrl-C (ARGS="--port 8080")
	@$(BIN)/cmdb serve --log-format text $(ARGS)

# Files of tests are kept in memory where there is room: every commit waits for its disk otherwise.
ROOMY := $(shell [ "$$(df --output=avail -B1G /dev/shm 2>/dev/null | tail -1)" -ge 8 ] 2>/dev/null && echo /dev/shm)
test: export TMPDIR := $(or $(TMPDIR),$(ROOMY),/tmp)

# Tests start dozens of processes: what Python has compiled is kept, wherever it is told not to.
test: .venv/.installed ## run the whole test suite (ARGS="-k name" for a part of it)
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n $(WORKERS) $(ARGS)

check: .venv/.installed ## format, lint, types, layers, generated docs
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(if $(wildcard docs/generate.py),$(BIN)/python docs/generate.py --check)

fmt: .venv/.installed ## format, and correct what the linter can
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

docs: .venv/.installed ## write the generated docs
	$(BIN)/python docs/generate.py

bench: .venv/.installed ## measure speed and size against the bare stores (ARGS="--help")
	@$(BIN)/python -m bench $(ARGS)

soak: .venv/.installed ## the benchmark that runs for long
	@$(BIN)/python -m bench --soak $(ARGS)

neo4j: .venv/.installed ## run a local Neo4j 5.26 to work against, until Ctrl-C
	@$(BIN)/python -m tests.support.neo4j_server

lock: .venv/.installed ## renew requirements.lock (ARGS="--upgrade" for newer versions)
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --all-extras --allow-unsafe \
		--generate-hashes --strip-extras --no-emit-index-url --no-emit-trusted-host \
		--no-emit-find-links --output-file requirements.lock pyproject.toml $(ARGS)

clean: ## remove the environment and what tools leave behind
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …' >&2; exit 1; }
	@echo 'Setting up .venv from requirements.lock (once) …'
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.venv/.installed: .venv/.locked pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
