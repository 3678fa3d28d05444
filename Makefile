# Utskick. `make demo` and `make test` are all that a newcomer needs; `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DOCS   := .venv-docs
MUTANTS := .venv-mutants
OPENAPI := tests/openapi

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-real check bench mutants docs format lock wheel clean

help:
	@echo "make demo    send real messages through a sandbox and compare the ledgers"
	@echo "make serve   run the service on http://127.0.0.1:8080, everything in ./var; nothing leaves the machine"
	@echo "make test    all tests            make check   ruff, mypy, import-linter, sizes, OpenAPI, docs"
	@echo "make test-real  the tests against Postfix, OpenSSH, Samba, nginx and node-smpp; as root, installs them from Debian and npm"
	@echo "make docs    the documentation as a site in build/docs; a dead link fails"
	@echo "make bench   the measurements     make bench ONLY=accept   one of them"
	@echo "make mutants  a sample of small faults in the code, one by one: do the tests notice?   make mutants ONLY=\"--package store\""
	@echo "make wheel   build dist/*.whl     make lock    pin dependencies anew"

$(VENV)/.done: requirements.txt requirements-dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Utskick needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(VENV)/.done
	@$(BIN)/utskick demo --letters var/demo/letters --keep var/demo/kept

serve: $(VENV)/.done
	@UTSKICK_DATA__FOLDER=$${UTSKICK_DATA__FOLDER:-./var} $(BIN)/utskick serve

test: $(VENV)/.done
	$(BIN)/pytest -n 2 --dist loadgroup

# Against servers that nobody here wrote: each is started by the tests, used, and stopped.
test-real: $(VENV)/.done
	@tests/real/install
	$(BIN)/pytest tests/real

# The linters of the OpenAPI document come from npm, by a lock file; installed once.
$(OPENAPI)/node_modules/.done: $(OPENAPI)/package.json $(OPENAPI)/package-lock.json
	@command -v node >/dev/null && command -v npm >/dev/null || { \
	  echo "make check needs Node.js 20 or later and npm, for the OpenAPI linters Spectral and Redocly" >&2; exit 1; }
	cd $(OPENAPI) && npm ci --ignore-scripts --no-fund --no-audit --loglevel=error
	@touch $@

check: $(VENV)/.done $(OPENAPI)/node_modules/.done docs
	$(BIN)/ruff check src tests bench clients
	$(BIN)/ruff format --check src tests bench clients
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/shape/sizes.py
	$(BIN)/python -m tests.openapi.document var/openapi.json
	$(OPENAPI)/node_modules/.bin/spectral lint var/openapi.json --ruleset $(OPENAPI)/spectral.yaml --fail-severity error --display-only-failures
	REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true $(OPENAPI)/node_modules/.bin/redocly lint --config $(OPENAPI)/redocly.yaml --format stylish var/openapi.json

bench: $(VENV)/.done
	$(BIN)/python -m bench $(ONLY)

# cosmic-ray has an environment of its own, like the documentation; the tests run in the usual one.
$(MUTANTS)/.done: requirements-mutants.txt
	$(PYTHON) -m venv $(MUTANTS)
	$(MUTANTS)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-mutants.txt
	@touch $@

mutants: $(VENV)/.done $(MUTANTS)/.done
	$(MUTANTS)/bin/python -u -m tests.mutants $(ONLY)

# The documentation has an environment of its own: nobody who only runs or tests the service needs it.
$(DOCS)/.done: requirements-docs.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-docs.txt
	@touch $@

docs: $(DOCS)/.done
	$(DOCS)/bin/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env docs build/docs

format: $(VENV)/.done
	$(BIN)/ruff check --fix-only --quiet src tests bench clients
	$(BIN)/ruff format --quiet src tests bench clients

lock:
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras -o requirements.txt pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras --extra dev -c requirements.txt -o requirements-dev.txt pyproject.toml
	for extra in docs mutants; do \
	  $(BIN)/python -c 'import sys, tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]], sep="\n")' $$extra | \
	  $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --no-header --no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras -o requirements-$$extra.txt - || exit 1; \
	done

wheel: $(VENV)/.done
	$(BIN)/python -m build --wheel --no-isolation
	$(BIN)/python -m build --wheel --no-isolation --outdir dist clients/python

clean:
	rm -rf $(VENV) $(DOCS) $(MUTANTS) dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis
