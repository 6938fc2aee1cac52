# What a person types. Needs make and Python >= 3.11; everything else goes into .venv.

.PHONY: run test faults check bench bench-full install install-dev lock clean

BIN = .venv/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
# Tests and benchmark start hundreds of processes: none of them should compile the source again.
unexport PYTHONDONTWRITEBYTECODE
NEW_ENOUGH = import sys; sys.exit(sys.version_info < (3, 11))
COMPILE = pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet

# exec: the signal that stops make stops the service itself, not a shell around it.
run: install
	@$(BIN)/sharetally migrate
	@exec $(BIN)/python -m sharetally serve --welcome

test: install-dev
	@$(BIN)/python -m pytest -p no:cacheprovider -q

# Half an hour and more; for a few rows: make faults ROWS="--rows 1,2 --on postgresql"
faults: install-dev
	@$(BIN)/python -m tests.faults $(ROWS)

check: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.bench
	@$(BIN)/python -m bench --write

bench-full: .venv/.bench
	@$(BIN)/python -m bench --full --write

install: .venv/.run

install-dev: .venv/.dev

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
	printf 'hatchling\neditables\n' | $$uv $(COMPILE) - -c requirements/dev.txt -o requirements/build.txt

clean:
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
