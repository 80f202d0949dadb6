# What a newcomer and CI run. Every target sets up what it needs in .venv by itself,
# at the versions pinned in .ci/constraints.txt.
.DEFAULT_GOAL := help
.PHONY: help demo test lint docs ci bench clean

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PINNED := --constraint .ci/constraints.txt --build-constraint .ci/constraints.txt
READY := .venv/.ready
DEV := .venv/.dev

help: ## Show these targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(READY) ## Ask every question of real logs
	@BIN=$(BIN) bash .ci/demo

test: $(DEV) ## Run the tests
	$(BIN)/pytest -n auto -m "not slow"

lint: $(DEV) ## Check style, types, imports between rooms, and the README's screens
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --warnings
	$(BIN)/lint-imports --no-cache
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cog --check -P -I .ci README.md

docs: $(DEV) ## Regenerate the README's screens
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cog -r -P -I .ci README.md

ci: lint demo ## Everything a merge needs: lint, types, all tests with coverage, the README's commands
	$(BIN)/pytest -n auto --cov --cov-report=term-missing:skip-covered

bench: $(DEV) ## Print speed ratios against a floor or a rival of the same run
	$(BIN)/python tests/bench

clean: ## Remove everything these targets made
	rm -rf .venv .coverage .coverage.* .pytest_cache .ruff_cache .hypothesis .bench .demo build dist
	find . -name __pycache__ -prune -exec rm -rf {} +

# The interpreter first: an old one fails here, in one sentence, not inside a resolver.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "llmops needs Python 3.11 or newer; try: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv .venv

$(READY): .venv/bin/python pyproject.toml .ci/constraints.txt
	$(PIP) --upgrade $(shell sed -n '/^pip==/p' .ci/constraints.txt)
	$(PIP) $(PINNED) --editable .
	@touch $@

$(DEV): $(READY)
	$(PIP) $(PINNED) --editable . --group dev
	@touch $@
