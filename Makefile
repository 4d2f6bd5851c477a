# One command each; `make help` lists them. Everything else is in pyproject.toml.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# The components' folders, which are checked as one with the tests.
CODE := core agents collector detectors alarms dashboards ops tests
# A benchmark's name, such as demo-latency; all without it.
ONLY ?=
# How many tests run side by side, besides those of tests/acceptance and tests/property: they wait five times as long
# as they compute.
WORKERS ?= 8
# Further arguments for pytest or the demo.
ARGS ?=
# The tests that may run side by side, those that take longest first, so that no worker is idle at the end.
PARALLEL := tests/integration tests/contract tests/unit

# Each file is compiled once, whatever the environment says: the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help screenshots setup demo services services-stop services-status test check bench board-pictures dashboards samples locks sbom

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make the virtual environment .venv and install everything

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or later is needed; name one with make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
	  { echo "no virtual environment could be made; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing hubwatch and what it needs into .venv: about a minute"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## Guard a simulated hub under attack, on embedded services (ARGS="--seconds 60")
	$(BIN)/hubwatch demo $(ARGS)

services: ## Install and start Mosquitto, TimescaleDB and NATS under .services/, open and with mTLS (root, Debian)
	ops/dev/services.sh start

services-stop: ## Stop them
	ops/dev/services.sh stop

services-status: ## Show whether they run
	ops/dev/services.sh status

# Three runs beside each other, each with ports of its own. The acceptance tests measure what a whole chain does in time:
# one at a time, and before all others where both want the processor. The fuzzers compute as long as they look: two at a
# time, and after all others; they take what the others leave. What these two say comes in one piece when they end.
test: $(STAMP) ## Run the tests (ARGS="tests/unit -k spool" for some)
ifeq ($(ARGS),)
	@test -d tests/unit/__pycache__ || { echo "compiling the tests once for all runs: some twenty seconds"; \
	  $(BIN)/python -m pytest --collect-only -q >/dev/null || true; }
	@mkdir -p build
	@+$(MAKE) --no-print-directory --keep-going --jobs 3 _test_rest _test_property _test_acceptance
else
	$(BIN)/python -m pytest $(ARGS)
endif

# Our own job server is none of the makes that tests start.
PYTEST := MAKEFLAGS= $(BIN)/python -m pytest
IN_ONE_PIECE = >build/$@ 2>&1; code=$$?; echo; cat build/$@; exit $$code
.PHONY: _test_rest _test_property _test_acceptance
_test_rest:
	nice -n 10 env $(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations=15 $(PARALLEL)

_test_property:
	@TEST_PORTS_FROM=10 nice -n 12 env $(PYTEST) -n 2 --dist loadfile --durations=5 tests/property $(IN_ONE_PIECE)

_test_acceptance:
	@TEST_PORTS_FROM=12 $(PYTEST) --durations=5 tests/acceptance $(IN_ONE_PIECE)

check: $(STAMP) ## Format, lint, types, architecture, generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/hubwatch dashboards build --check
	$(BIN)/python -m hubwatch_ops.samples --check
	$(BIN)/python -m hubwatch_console.api_page --check

bench: $(STAMP) ## Measure: figure, target, verdict, and build/bench/NAME.json (ONLY=name)
	PYTHONPATH=tests $(BIN)/python -m benchmarks.run $(ONLY)

screenshots: $(STAMP) ## Take pictures of the console's pages into docs/reference/console/ (Debian's Chromium)
	PYTHONPATH=tests $(BIN)/python -m support.console_pictures

board-pictures: $(STAMP) ## Draw each Grafana board from its own answers into docs/reference/boards/
	PYTHONPATH=tests $(BIN)/python -m support.board_pictures

dashboards: $(STAMP) ## Generate the Grafana boards into dashboards/generated/
	$(BIN)/hubwatch dashboards build

samples: $(STAMP) ## Write the samples of configuration files from the models, and the reference of the API
	$(BIN)/python -m hubwatch_ops.samples
	$(BIN)/python -m hubwatch_console.api_page

locks: $(STAMP) ## Write the lock files, with hashes, of every extra (UPGRADE=1 for the newest versions)
	ops/dev/locks.sh

sbom: $(STAMP) ## Write build/sbom.cdx.json: all that is installed, with licences (CycloneDX)
	@mkdir -p build
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON -o build/sbom.cdx.json $(BIN)/python
