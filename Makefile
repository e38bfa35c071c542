# Curtaincall: every command a person needs. `make` alone lists them.
#
# Two environments, so that neither command rebuilds the other's work:
#   .venv       for tests and editing: editable, the native module without link-time optimisation (profile `fast`)
#   build/run   for running and measuring: a release build, as an operator would install it

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export UV_PYTHON_DOWNLOADS := never
# The demo and the benches drive a real server with the same fixtures as the tests.
HARNESS := PYTHONPATH=tests SWARM_PROFILE=release
UV := build/tools/uv
PYTHON := .venv/bin/python
RELEASE := build/run/bin/python
WEB := src/curtaincall/web/index.html
CLIENT_SOURCES := $(shell find client -path client/node_modules -prune -o -path client/dist -prune -o -type f -print 2>/dev/null)
RUST_SOURCES := Cargo.toml Cargo.lock $(shell find rust -type f 2>/dev/null)
PYTHON_SOURCES := pyproject.toml uv.lock $(shell find src -name '*.py' 2>/dev/null)

HOST ?= 127.0.0.1
PORT ?= 8080
DATA_DIR ?= build/data

.PHONY: help
help: ## list these commands
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- running ---------------------------------------------------------------------------------------------------------

.PHONY: run
run: build/run.stamp ## start Curtaincall with demo accounts (PORT=8080, HTTPS=1 to let a phone on the LAN use its camera)
	@exec build/run/bin/curtaincall serve --demo --port $(PORT) --data-dir $(DATA_DIR) \
	    $(if $(HTTPS),--https --host 0.0.0.0,--host $(HOST))

.PHONY: wheel
wheel: $(UV) $(WEB) ## the installable package and what it needs, locked, in build/wheel
	@$(UV) build --wheel --quiet -o build/wheel
	@$(UV) export --locked --quiet --no-dev --no-emit-project --no-header -o build/wheel/requirements.txt

.PHONY: demo
demo: build/run.stamp build/swarm.stamp ## a paid call between two headless peers, narrated, from first hold to settlement
	@dev/packages ffmpeg
	@exec env $(HARNESS) $(RELEASE) -m demo

bench-%: build/run.stamp build/swarm.stamp ## print a table of figures and write build/bench/NAME.json (cutoff, flood, ledger, metering, network, room, sfu)
	@dev/packages ffmpeg postgresql
	@exec env $(HARNESS) $(RELEASE) -m bench.$*

# Browsers are driven from the tests' environment; the server they call is the release.
bench-glass: build/run.stamp build/dev.stamp ## how old a picture is when the other side's browser shows it
	@dev/packages chromium
	@exec env $(HARNESS) SERVER_PYTHON=$(RELEASE) $(PYTHON) -m bench.glass

# ---- testing ---------------------------------------------------------------------------------------------------------

.PHONY: test
test: build/dev.stamp $(WEB) ## every test; ends with the counts
	@dev/packages ffmpeg chromium firefox-esr postgresql coturn iproute2 g++
	@dev/run-tests

.PHONY: check
check: build/dev.stamp client/node_modules/.stamp ## formatting, lints, types and the import rules
	@dev/run-checks

.PHONY: format
format: build/dev.stamp client/node_modules/.stamp ## format every language's sources in place
	.venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format --quiet .
	cargo fmt
	cd client && npx biome check --write .

.PHONY: soak
soak: build/run.stamp build/dev.stamp build/swarm.stamp $(WEB) ## what takes longer than a test may: crashes by the hundred, long fuzzing
	@dev/packages ffmpeg chromium firefox-esr postgresql coturn iproute2 g++
	@dev/run-soak

.PHONY: proto
proto: build/dev.stamp ## write the Python of proto/ anew, after a change of it
	@dev/generate-proto

# ---- setting up ------------------------------------------------------------------------------------------------------

$(UV): dev/install-uv
	@dev/install-uv

build/dev.stamp: $(UV) $(RUST_SOURCES) pyproject.toml uv.lock
	@$(UV) sync --locked --quiet -C build-args="--profile fast"
	@cargo build --locked --quiet --profile fast -p curtaincall-swarm
	@touch $@

build/run.stamp: $(UV) $(RUST_SOURCES) $(PYTHON_SOURCES) $(WEB)
	@echo "Preparing Curtaincall: the first time takes some minutes, afterwards seconds."
	@UV_PROJECT_ENVIRONMENT=build/run $(UV) sync --locked --quiet --no-dev --no-editable \
	    --reinstall-package curtaincall
	@touch $@

build/swarm.stamp: $(RUST_SOURCES)
	@cargo build --locked --quiet --release -p curtaincall-swarm -p curtaincall-network
	@mkdir -p build && touch $@

client/node_modules/.stamp: client/package.json client/package-lock.json
	@cd client && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(WEB): client/node_modules/.stamp $(CLIENT_SOURCES)
	@cd client && npm run --silent build
	@touch $@
