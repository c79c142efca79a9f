# The verbs. Each makes what it needs from a bare checkout: Python >= 3.11, make and git are enough.
#   make demo       send a real file through the whole bot, no account needed   (FILE=path to choose it;
#                   ARGS="--workers 3" runs a front and three workers on a PostgreSQL server, and kills one)
#   make chat       talk to the bot from a page in the browser, no account needed; Ctrl-C ends it
#   make test       all tests but the long ones, at most 5 minutes on 2 processors   (ARGS=path for some of them)
#   make test-all   the long tests (marker `long`) and only those, at most 20 minutes   (ARGS as above): all conversations
#                   again with a front and a worker on PostgreSQL, and more; those of other clients need Node, npm and the
#                   registries, those of the chat page Chromium; they are skipped without them
#   make test-server  all conversations again with one process whose ledger is on PostgreSQL, in about 13 minutes
#                   (ARGS for pytest)
#   make check      format, lint, types, import layers, and whether deploy/ fits
#   make image-check  build the container image without an engine and run it (part of test-all); needs root, buildah
#                   and mmdebstrap
#   make pin-images  add to the tags of images the digests that their registry tells
#   make bench      the measurements, as ratios of one run
#   make pictures   the pictures of the README, into docs/pictures; needs Chromium and fonts-noto-cjk
#   make wheel      build dist/*.whl and beside it constraints.txt, the versions that were tested
#   make lock       rewrite the lock files from pyproject.toml
#   make clean      remove the virtual environment and all caches
# .ci/run runs check, test, test-all and four demos at once, and allows no test to be skipped.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Tests begin many processes; without stored bytecode each would compile the whole program anew.
unexport PYTHONDONTWRITEBYTECODE

# Hundreds of ledgers wait for their disk, which is memory here where there is enough of it.
MEMORY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4194304 { print "/dev/shm" }')
test test-all test-server: export TMPDIR := $(or $(TMPDIR),$(MEMORY),/tmp)

.PHONY: demo chat test test-all test-server check image-check pin-images bench pictures wheel lock clean

# The name goes to the shell as a variable, not as text: it may have quotes, blanks and "$".
demo: export DEMO_FILE := $(value FILE)
demo: $(READY)
	@$(BIN)/python -m bot demo $${DEMO_FILE:+--file "$$DEMO_FILE"} $(ARGS)

chat: $(READY)
	@$(BIN)/python -m bot demo --chat $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest -q -n 3 --dist worksteal -m "not long and not alone" $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/python -m pytest -q -m "not long and alone" $(ARGS) || [ $$? -eq 5 ]

# pytest ends with 5 where it has chosen no test: there may be no long one below ARGS.
test-all: export TEST_LEDGERS := $(or $(TEST_LEDGERS),roles)
test-all: $(READY)
	$(BIN)/python -m pytest -q -n 3 --dist worksteal -m "long and not alone" $(ARGS) || [ $$? -eq 5 ]
	$(BIN)/python -m pytest -q -m "long and alone" $(ARGS) || [ $$? -eq 5 ]

test-server: export TEST_LEDGERS := $(or $(TEST_LEDGERS),postgresql)
test-server: $(READY)
	$(BIN)/python -m pytest -q -n 2 -m "long and not alone" tests/conversations $(ARGS)

check: $(READY)
	$(BIN)/ruff format --check bot tests
	$(BIN)/ruff check bot tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet -m "not long" tests/deploy
	@if command -v systemd-analyze >/dev/null; \
	  then systemd-analyze security --offline=true --no-pager deploy/relay-bot.service | tail -n 1; \
	  else echo "systemd-analyze is not here: deploy/relay-bot.service was read, and not verified"; fi

image-check: $(READY)
	$(BIN)/python -m pytest -q tests/deploy/test_image.py

pin-images: $(READY)
	@$(BIN)/python -m tests.tools.pin_images

bench: $(READY)
	@$(BIN)/python -m tests.bench $(ARGS)

pictures: $(READY)
	@$(BIN)/python -m tests.tools.pictures

# Constraints have no hashes: with one, pip would ask for those of the wheel too.
wheel: $(READY)
	rm -rf dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	$(BIN)/python -m tests.tools.constraints <requirements.lock >dist/constraints.txt
	@ls dist

# What is shipped is constrained to what is tested: an oracle of the tests may hold a package back.
lock: $(READY)
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-header --extra credentials --extra socks --extra cluster --extra dev --output-file requirements-dev.lock pyproject.toml
	$(BIN)/pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-header --extra socks --extra cluster --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The virtual environment is made anew when a lock file changes; otherwise it is reused at once.
$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; this is `$(PYTHON) --version 2>&1`. Name another with PYTHON=python3.12"; exit 1; }
	@echo "Preparing $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
