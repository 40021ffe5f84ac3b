# The two commands of the project are `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .tools
UV := $(shell command -v uv 2>/dev/null || echo $(TOOLS)/bin/uv)
LOCK_INPUTS := pyproject.toml contract/pyproject.toml operator/pyproject.toml bot/pyproject.toml cluster/pyproject.toml
# Python keeps what it has compiled, whatever the environment says: hundreds of processes would each compile it anew.
export PYTHONDONTWRITEBYTECODE :=
COMPILE := $(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-emit-package tradingbot-contract \
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
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps -e contract -e operator -e bot -e cluster
	@touch $@

.PHONY: setup
setup: $(VENV)/installed ## install the Python environment into .venv

.PHONY: lock
lock: | $(UV) ## resolve the dependencies anew (lower bounds in pyproject.toml, exact versions in locks/)
	$(COMPILE) $(filter-out pyproject.toml,$(LOCK_INPUTS)) --group dev -o locks/development.txt
	$(COMPILE) operator/pyproject.toml -c locks/development.txt --no-annotate -o locks/operator.txt
	$(COMPILE) bot/pyproject.toml -c locks/development.txt --no-annotate -o locks/bot.txt
	echo 'hatchling>=1.33' | $(COMPILE) - --no-annotate -o locks/build.txt

CLUSTER_CLI = $(BIN)/python -m tradingbot_cluster

.PHONY: demo demo-down
demo: setup ## from nothing to a bot that trades in simulation; run again, it does what is missing
	@$(BIN)/python -m tradingbot_cluster.demo up

demo-down: setup ## remove everything that the demo made, and nothing else
	@$(BIN)/python -m tradingbot_cluster.demo down

.PHONY: cluster-binaries cluster-images cluster-up cluster-down cluster-status images
cluster-binaries: setup ## build kubectl, helm and the cluster's programs into the user's cache, unless they are there
	@$(CLUSTER_CLI) build-binaries kube helm > /dev/null

# Before the tests and not by one of them: on a new machine it takes minutes, and says here why it fails.
cluster-images: cluster-binaries
	@$(CLUSTER_CLI) build-images --cache-only > /dev/null

cluster-up: setup ## bring up the cluster (CLUSTER=local|kind|existing to choose)
	@$(CLUSTER_CLI) up

cluster-down: setup ## stop the cluster and remove what it made
	@$(CLUSTER_CLI) down

cluster-status: setup ## what runs, and how well
	@$(CLUSTER_CLI) status

images: setup ## build the images and load them into the cluster
	@$(CLUSTER_CLI) build-images

.PHONY: format lint types contracts crds docs crds-check
format: setup ## format the code
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

lint: setup ## ruff
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet . || { echo "run 'make format'"; exit 1; }

types: setup ## mypy --strict
	@$(BIN)/mypy

contracts: setup ## which module may import which
	@$(BIN)/lint-imports --no-cache

crds: setup ## generate crds/, the chart's copies and dashboards, and docs/reference.md
	@$(BIN)/python -m tradingbot_operator.api.crdgen crds --reference docs/reference.md
	@$(BIN)/python charts/sync_crds.py
	@$(BIN)/python charts/dashboards.py

docs: crds ## write what is generated in docs/: the state table, beside the reference
	@$(BIN)/python -m tradingbot_contract.document docs/states.md

crds-check: setup ## fail when what is generated is not what the models say
	@$(BIN)/python -m tradingbot_operator.api.crdgen crds --reference docs/reference.md --check
	@$(BIN)/python charts/sync_crds.py --check
	@$(BIN)/python charts/dashboards.py --check
	@$(BIN)/python -m tradingbot_contract.document docs/states.md --check

.PHONY: test collect test-unit test-component test-browser test-api test-cluster test-e2e test-drill test-gitops bench
PYTEST = $(BIN)/pytest
# These tests wait for processes and servers more than they compute: several at a time, each with servers of its own.
PARALLEL = --dist worksteal --numprocesses
test: setup cluster-binaries cluster-images ## everything, two stages at a time; sets up what it needs
	@$(BIN)/python -m tests.support.prerequisites
	@$(BIN)/python -m tests.stages

# Also compiles, once for all that follow, what their workers would otherwise compile beside each other.
collect: setup ## whether every test can be imported
	@$(PYTEST) --collect-only -qqq tests > $(VENV)/collected || { cat $(VENV)/collected; exit 1; }

test-unit: setup cluster-binaries ## pure logic, and the charts as helm renders them: seconds
	@$(PYTEST) $(PARALLEL) 2 tests/unit

test-component: setup ## with real PostgreSQL: minutes
	@$(BIN)/python -m tests.support.prerequisites
	@$(PYTEST) $(PARALLEL) 6 tests/component

test-browser: setup ## the page in a real Chromium: a minute
	@$(BIN)/python -m tests.support.prerequisites
	@$(PYTEST) $(PARALLEL) 2 tests/browser

test-api: setup ## with a real Kubernetes API server: minutes
	@$(PYTEST) $(PARALLEL) 3 tests/api

test-cluster: setup ## the local cluster itself: start, crash, stop
	@$(PYTEST) tests/cluster

test-e2e: setup ## real pods, the demo's own path: minutes
	@$(PYTEST) $(PARALLEL) 3 -m "not drill" tests/e2e

test-drill: setup ## the kill drill and live deletion on real pods, alone on the cluster; not part of make test: minutes
	@$(PYTEST) -m drill tests/e2e

GITOPS_PROGRAMS = kube helm helm4 flux argocd
test-gitops: setup ## real Argo CD, Flux and Helm 4 against a real API server; builds them; not part of make test
	@$(BIN)/python -m tests.support.prerequisites
	@$(CLUSTER_CLI) build-binaries $(GITOPS_PROGRAMS) > /dev/null
	@$(PYTEST) tests/gitops

bench: setup ## every figure, with its baseline in the same run; writes bench/results
	@$(BIN)/python -m bench
