# The commands of developers and operators; `make` lists them.
# PYTHON is the interpreter that creates .venv; TESTS narrows `make test` (a path, or a -k expression).
PYTHON ?= python3
TESTS ?=
VENV := .venv
BIN := $(VENV)/bin
SOURCES := services gateway deploy examples tests bench tools protos/contracts.py
RUNTIME := $(VENV)/.runtime-installed
TEST_PROCESSES ?= 2
DEVELOPMENT := $(VENV)/.development-installed

.DEFAULT_GOAL := help
.PHONY: help run demo doctor token test check lint types protos protos-check imports prose docs-check openapi openapi-check image-check bench lock clean clean-state

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

run: $(RUNTIME) ## Set up and serve the whole suite on http://localhost:8080 (Ctrl-C stops it)
	@$(BIN)/python -m deploy.local run

demo: $(RUNTIME) ## Start a suite, generate a talking video from one image and one sentence, stop
	@$(BIN)/python -m examples.talking_video

doctor: $(RUNTIME) ## Report what is configured, reachable and wrong, and what to do about it
	@$(BIN)/python -m deploy.local doctor

token: $(RUNTIME) ## Print a bearer token for the local suite (make -s token)
	@$(BIN)/python -m deploy.local token

test: $(DEVELOPMENT) ## Run the tests (TESTS=path or TESTS="-k word" narrows)
	$(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile $(TESTS)

check: lint types protos-check imports docs-check openapi-check prose ## Lint, types, contracts, import rules, documents, prose

lint: $(DEVELOPMENT)
	$(BIN)/python -m ruff format --check $(SOURCES)
	$(BIN)/python -m ruff check $(SOURCES)

types: $(DEVELOPMENT)
	$(BIN)/python -m mypy

imports: $(DEVELOPMENT)
	$(BIN)/python -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

protos: $(DEVELOPMENT) ## Generate the stubs in protos/gen from the .proto files
	$(BIN)/python protos/contracts.py generate

protos-check: $(DEVELOPMENT)
	$(BIN)/python protos/contracts.py lint
	$(BIN)/python protos/contracts.py drift
	$(BIN)/python protos/contracts.py breaking

prose: $(DEVELOPMENT)
	$(BIN)/python -m tools.prose

docs-check: $(DEVELOPMENT)
	$(BIN)/python -m tools.docs_reference --check

openapi: $(DEVELOPMENT) ## Generate gateway/openapi/openapi.json from the contracts and routes
	$(BIN)/python -m gateway.openapi --write

openapi-check: $(DEVELOPMENT)
	$(BIN)/python -m gateway.openapi --check

image-check: $(DEVELOPMENT) ## Install what the image contains, run the composed suite from it (needs a network, no Docker)
	$(BIN)/python -m tools.image_install
	$(BIN)/python -m tools.image_run

bench: $(DEVELOPMENT) ## Measure added latency and CPU against a direct call (needs gcc)
	$(BIN)/python -m bench

lock: ## Resolve requirements.lock and requirements-dev.lock from pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --extra embedded --extra local --output-file requirements.lock pyproject.toml
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --extra embedded --extra local --extra dev --constraint requirements.lock \
		--output-file requirements-dev.lock pyproject.toml

clean: ## Remove the environment and all caches; media, jobs and keys in .run stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

clean-state: $(RUNTIME) ## Remove media, jobs and keys of the local suite, after a question (YES=1 answers it)
	@$(BIN)/python -m deploy.local clean-state $(if $(YES),--yes)

# Programs of the environment run as modules: the first line of their scripts holds its path, which a shell would read.
# The import roots are in a .pth file, so that python -m, pytest, mypy and editors find them without PYTHONPATH.
$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import pathlib, sysconfig; root = pathlib.Path.cwd(); pathlib.Path(sysconfig.get_path("purelib"), "media-suite.pth").write_text(f"{root}\n{root}/protos/gen\n")'
	@touch $@

$(RUNTIME): requirements.lock | $(VENV)/.made
	@$(BIN)/python -m deploy.install requirements.lock
	@touch $@

$(DEVELOPMENT): requirements-dev.lock | $(RUNTIME)
	@$(BIN)/python -m deploy.install requirements-dev.lock
	@touch $@
