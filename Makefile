# Commands for newcomers, operators and CI; `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
CITIZENS ?= 1000
RATE ?= 80
TOOLS := .local/publication
HELM := .local/helm
ASSETS := .local/newsroom-assets
# Without the byte code, every process of a test run would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help venv demo up test test-together test-alone check lint types imports format lock smoke update-test cluster-test browser browser-test asyncapi-test dashboards-test publication-test helm-test sbom audit release faults clean edge-test

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 18

venv: .venv/installed  ## the virtual environment, from hash-pinned packages

.venv/installed: requirements-dev.lock pyproject.toml
	@echo "- preparing the virtual environment (once)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11, 3.12 or 3.13 is needed: make PYTHON=python3.13 …" if not (3, 11) <= sys.version_info < (3, 14) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { rm -rf .venv; echo "Install Python's venv module (Debian: apt-get install python3-venv) and try again."; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: venv  ## the main use case from scratch, with figures (CITIZENS=1000 RATE=80 KILL=1)
	@$(BIN)/kreisfunk demo --citizens $(CITIZENS) --rate $(RATE) $(if $(filter-out 0,$(KILL)),--kill)

up: venv $(ASSETS)/kern.min.css  ## the whole system until Ctrl-C, with phones in the browser (NEW=1: set up first)
	@$(BIN)/kreisfunk up --rate $(RATE) $(if $(filter-out 0,$(NEW)),--new-account)

$(ASSETS)/kern.min.css: deploy/kern/package-lock.json
	@echo "- fetching the design system of the newsroom (once)"
	@PYTHON=$(PYTHON) deploy/kern/install.sh $(ASSETS) .local/npm

test: venv  ## all tests, on servers of their own; those that measure time run last and alone
	@tally=$$(mktemp) && trap 'rm -f "$$tally"' EXIT && \
	$(MAKE) --no-print-directory -kj1 test-together test-alone TALLY="$$tally"

test-together: venv  # other work may run in parallel
	@$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder -m "not alone" $(if $(TALLY),--tally-to="$(TALLY)")

test-alone: venv
	@$(BIN)/pytest -m alone $(if $(TALLY),--tally-from="$(TALLY)") $$(grep -rl --include="test_*.py" "mark\.alone" tests)

check: lint types imports  ## static checks

lint: venv  ## style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: venv  ## types, tests included
	@$(BIN)/mypy

imports: venv  ## who may import whom
	@$(BIN)/lint-imports

format: venv  ## let ruff format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

smoke: venv  ## the main use case on docker compose (needs a container engine)
	@KREISFUNK_TEST_COMPOSE=1 $(BIN)/pytest --timeout 900 tests/e2e/compose

update-test: venv  ## an update during a broadcast, from the images of FROM=commit (needs a container engine)
	@test -n "$(FROM)" || { echo "Name the commit or tag to update from: make update-test FROM=COMMIT"; exit 2; }
	@KREISFUNK_TEST_UPDATE_FROM=$(FROM) $(BIN)/pytest tests/e2e/compose/test_update.py

cluster-test: venv  ## three brokers and three databases on compose, two of which die during a broadcast (needs a container engine)
	@KREISFUNK_TEST_CLUSTER=1 $(BIN)/pytest tests/e2e/compose/test_failover.py

browser:  # as root it is installed
	@test -x /usr/bin/chromium-headless-shell -o -x /usr/bin/chromium || { test "$$(id -u)" = 0 && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell >/dev/null; } || { echo "Install Chromium (Debian: apt-get install chromium-headless-shell) and try again."; exit 1; }

browser-test: venv browser $(ASSETS)/kern.min.css  ## phones and newsroom in a real browser (needs npm; Debian's Chromium, as root it is installed)
	@command -v npm >/dev/null || { echo "Install npm (Debian: apt-get install npm) and try again."; exit 1; }
	@npm ci --prefix tests/e2e/browser/newsroom --ignore-scripts --no-audit --no-fund --silent
	@KREISFUNK_TEST_BROWSER=1 $(BIN)/pytest -n 3 --dist loadfile tests/e2e/browser

edge-test: venv  ## the example of TLS before the webhook, with the real Caddy (as root it is installed)
	@test -x /usr/bin/caddy || { test "$$(id -u)" = 0 && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends caddy >/dev/null; } || { echo "Install Caddy (Debian: apt-get install caddy) and try again."; exit 1; }
	@KREISFUNK_TEST_EDGE=1 $(BIN)/pytest tests/e2e/edge

asyncapi-test: venv  ## the AsyncAPI document by AsyncAPI's own schema (needs npm)
	@command -v npm >/dev/null || { echo "Install npm (Debian: apt-get install npm) and try again."; exit 1; }
	@npm ci --prefix tests/contract/official --ignore-scripts --no-audit --no-fund --silent
	@KREISFUNK_TEST_ASYNCAPI=1 $(BIN)/pytest tests/contract/official

dashboards-test: venv  ## Grafana's dashboards by Grafana's own types (needs npm)
	@command -v npm >/dev/null || { echo "Install npm (Debian: apt-get install npm) and try again."; exit 1; }
	@npm ci --prefix tests/contract/grafana --ignore-scripts --no-audit --no-fund --silent
	@KREISFUNK_TEST_GRAFANA=1 $(BIN)/pytest tests/contract/grafana

sbom: venv  ## the bill of materials (CycloneDX), into dist/
	@$(BIN)/python -m deploy.release.sbom --time "$$(git log -1 --format=%cI)"

audit: venv  ## the pinned packages against ADVISORIES=file (OSV's format, no network; LOCK=requirements.lock)
	@test -n "$(ADVISORIES)" || { echo "Name a file with advisories in OSV's format: make audit ADVISORIES=file"; exit 2; }
	@$(BIN)/python -m deploy.release.audit --lock $(or $(LOCK),requirements.lock) $(ADVISORIES)

release: venv  ## the next release, and what blocks it (VERSION=0.2.0; WRITE=1 does the next step)
	@$(BIN)/python -m deploy.release $(VERSION) $(if $(filter-out 0,$(WRITE)),--write)

publication-test: venv  ## licences, bill of materials and migrations by REUSE, CycloneDX and squawk (fetched once)
	@test -x $(TOOLS)/bin/reuse || $(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r tests/contract/publication/tools.lock
	@KREISFUNK_TEST_PUBLICATION=$(abspath $(TOOLS)) $(BIN)/pytest tests/contract/publication

helm-test: venv  ## the Helm chart, rendered and checked without a cluster (tools fetched once)
	@test -x $(HELM)/bin/kubernetes-validate || $(PYTHON) -m venv $(HELM)
	@$(HELM)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r tests/contract/kubernetes/tools.lock
	@KREISFUNK_TEST_HELM=$(abspath $(HELM)) $(BIN)/pytest tests/contract/kubernetes

faults: venv  ## the fault bench (SEED=1 MINUTES=5, SHORT=1 for a short one, or NODES=1 PER_SECOND=60)
	@$(BIN)/python -m tests.faults --seed $(or $(SEED),1) $(if $(SHORT),--short) $(if $(NODES),--nodes) $(if $(PER_SECOND),--rate $(PER_SECOND)) $(if $(DISPATCHERS),--dispatchers $(DISPATCHERS)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(DELIVERIES),--deliveries $(DELIVERIES))

lock: venv  ## pin the dependencies again (needs uv)
	@uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 pyproject.toml -o requirements.lock
	@uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	@uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 tests/contract/publication/tools.in -o tests/contract/publication/tools.lock
	@uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 tests/contract/kubernetes/tools.in -o tests/contract/kubernetes/tools.lock
	@uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 deploy/kern/npm.in -o deploy/kern/npm.lock

clean:  ## remove what was created here: environment, servers' data, caches
	@rm -rf .venv .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
