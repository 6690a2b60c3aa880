# One command each. Needs make, Python 3.11 or newer and a package index (whichever pip is set up for); no root.
# Works on a fresh clone: what a command needs is installed into .venv once, from pinned versions whose hashes
# pip verifies, and again only when the pins change.

VENV := .venv
BIN := $(VENV)/bin
# A user-wide `pip install --user` setting would make pip refuse to install into a virtual environment.
PIP := PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet

.PHONY: help serve test check format bench lock clean
.DEFAULT_GOAL := help

help:  ## show this list
	@echo "make COMMAND [NAME=VALUE ...]"
	@sed -n 's/^\([a-z]*\):.*## /  \1	/p' $(MAKEFILE_LIST)
	@echo "PYTHON=/path/to/python chooses the interpreter of a new .venv."

serve: $(VENV)/.ready-server  ## run the server: HOST=, PORT=, and ARGS="..." for every other option
	$(BIN)/sojourn serve $(if $(HOST),--host "$(HOST)") $(if $(PORT),--port "$(PORT)") $(ARGS)

test: $(VENV)/.ready-dev  ## run the tests: ARGS="tests/core -k name"
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadgroup $(ARGS)

check: $(VENV)/.ready-dev  ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src
	$(BIN)/basedpyright --pythonpath $(BIN)/python src

format: $(VENV)/.ready-dev  ## put the code into house form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.ready-dev  ## measure, the peers in the same run: ARGS="..."
	$(BIN)/python benchmarks/run.py $(ARGS)

lock: $(VENV)/.made  ## renew the pinned versions in constraints*.txt
	sh scripts/lock $(BIN)/python

clean:  ## remove .venv and all that tools left; your data (.sojourn/, *.db) stays
	rm -rf $(VENV) build dist test-output .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@python=$$(PYTHON="$(PYTHON)" sh scripts/find-python) && echo "making $(VENV) with $$python" && "$$python" -m venv $(VENV)
	@touch $@

# Hashes are verified by `--require-hashes -r`: pip rejects hashes in `-c` files before version 26, and an editable
# project has none. So the pinned set goes first, the build backend among it, and then the project alone.
$(VENV)/.ready-server: $(VENV)/.made constraints-server.txt pyproject.toml
	@echo "installing what the server needs"
	@$(PIP) --require-hashes -r constraints-server.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.made constraints.txt pyproject.toml
	@echo "installing what developers need"
	@$(PIP) --require-hashes -r constraints.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.ready-server
