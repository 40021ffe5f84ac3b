# The two commands of the project are `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .tools
UV := $(shell command -v uv 2>/dev/null || echo $(TOOLS)/bin/uv)
LOCK_INPUTS := pyproject.toml operator/pyproject.toml bot/pyproject.toml cluster/pyproject.toml
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--python-version 3.11 --custom-compile-command "make lock"

.PHONY: help
help: ## list the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z-]*:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(TOOLS)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": set PYTHON=/path/to/python3.13")'
	@echo "==> installing uv into $(TOOLS)"
	@$(PYTHON) -m venv $(TOOLS) || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	@$(TOOLS)/bin/python -m pip install --quiet 'uv>=0.9'

# The lock holds hashes and no registry: the same file works behind any mirror.
$(VENV)/installed: $(LOCK_INPUTS) locks/development.txt | $(UV)
	@echo "==> installing the Python environment into $(VENV)"
	@[ -x $(BIN)/python ] || $(UV) venv --quiet --python '>=3.11' $(VENV)
	@VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --require-hashes locks/development.txt
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps -e operator -e bot -e cluster
	@touch $@

.PHONY: setup
setup: $(VENV)/installed ## install the Python environment into .venv

.PHONY: lock
lock: | $(UV) ## resolve the dependencies anew (lower bounds in pyproject.toml, exact versions in locks/)
	$(COMPILE) $(filter-out pyproject.toml,$(LOCK_INPUTS)) --group dev -o locks/development.txt
	$(COMPILE) operator/pyproject.toml -c locks/development.txt --no-annotate -o locks/operator.txt
	$(COMPILE) bot/pyproject.toml -c locks/development.txt --no-annotate -o locks/bot.txt
	echo 'hatchling>=1.33' | $(COMPILE) - --no-annotate -o locks/build.txt
