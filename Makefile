# Utskick. `make demo` and `make test` are all that a newcomer needs; `make help` lists the rest.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
DOCS   := .venv-docs
MUTANTS := .venv-mutants
SUPPLY := .venv-supply
PRODUCTION := .venv-production
OPENAPI := tests/openapi

.DEFAULT_GOAL := help
.PHONY: help demo serve test test-real check bench mutants docs format lock wheel audit clean

help:
	@echo "make demo    send real messages through a sandbox and compare the ledgers"
	@echo "make serve   run the service on http://127.0.0.1:8080, everything in ./var; nothing leaves the machine"
	@echo "make test    all tests            make check   ruff, mypy, import-linter, sizes, OpenAPI, docs"
	@echo "make test-real  the tests against Postfix, OpenSSH, Samba, nginx and node-smpp; as root, installs them from Debian and npm"
	@echo "make docs    the documentation as a site in build/docs; a dead link fails"
	@echo "make bench   the measurements     make bench ONLY=accept   one of them"
	@echo "make mutants  a sample of small faults in the code, one by one: do the tests notice?   make mutants ONLY=\"--package store\""
	@echo "make wheel   build dist/: wheels, wheelhouse for servers, CycloneDX bill of materials, licences of the production set"
	@echo "make audit   compare the production pins with the known vulnerabilities that PyPI serves, or say that it could not"
	@echo "make lock    pin dependencies anew"

PIP_INSTALL := pip install --quiet --disable-pip-version-check --require-hashes

# What runs the service with its sandbox and its embedded database; what tests it comes on top.
$(VENV)/.run: requirements-sandbox.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Utskick needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/$(PIP_INSTALL) -r requirements-sandbox.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.done: $(VENV)/.run requirements-dev.txt
	$(BIN)/$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.run
	@$(BIN)/utskick demo --letters var/demo/letters --keep var/demo/kept

serve: $(VENV)/.run
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
	$(BIN)/ruff check src tests bench clients packaging
	$(BIN)/ruff format --check src tests bench clients packaging
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
	$(MUTANTS)/bin/$(PIP_INSTALL) -r requirements-mutants.txt
	@touch $@

mutants: $(VENV)/.done $(MUTANTS)/.done
	$(MUTANTS)/bin/python -u -m tests.mutants $(ONLY)

# The documentation has an environment of its own: nobody who only runs or tests the service needs it.
$(DOCS)/.done: requirements-docs.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/$(PIP_INSTALL) -r requirements-docs.txt
	@touch $@

docs: $(DOCS)/.done
	$(DOCS)/bin/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env docs build/docs

format: $(VENV)/.done
	$(BIN)/ruff check --fix-only --quiet src tests bench clients packaging
	$(BIN)/ruff format --quiet src tests bench clients packaging

# requirements.txt: the production set. -sandbox: with the extras of `make serve` and `make demo`. -dev: with all that tests need.
PIP_COMPILE = $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --strip-extras

lock: $(VENV)/.done
	$(PIP_COMPILE) -o requirements.txt pyproject.toml
	$(PIP_COMPILE) --extra sandbox,embedded,build -c requirements.txt -o requirements-sandbox.txt pyproject.toml
	$(PIP_COMPILE) --extra sandbox,embedded,build,dev -c requirements-sandbox.txt -o requirements-dev.txt pyproject.toml
	for extra in docs mutants supply; do \
	  $(BIN)/python -c 'import sys, tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]], sep="\n")' $$extra | \
	  $(PIP_COMPILE) --no-annotate -o requirements-$$extra.txt - || exit 1; \
	done

# The tools that read the production set have an environment of their own, so that they are no part of what they read.
$(SUPPLY)/.done: requirements-supply.txt
	$(PYTHON) -m venv $(SUPPLY)
	$(SUPPLY)/bin/$(PIP_INSTALL) -r requirements-supply.txt
	@touch $@

# The production set as wheels, each with its hash in requirements.txt beside them: what a server installs from, without
# internet. The downloads are checked against our lock; the few that come as source only are built here, with the locked tools.
dist/wheelhouse/.done: requirements.txt $(VENV)/.done
	rm -rf dist/wheelhouse build/downloads
	$(BIN)/pip download --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation --dest build/downloads -r requirements.txt
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --wheel-dir dist/wheelhouse build/downloads/*
	@touch $@

# The bill of materials and the licences are read from an environment that was installed as a server's is.
wheel: $(VENV)/.done $(SUPPLY)/.done dist/wheelhouse/.done
	rm -rf dist/*.whl dist/wheelhouse/utskick-*.whl $(PRODUCTION)
	$(BIN)/python -m build --wheel --no-isolation
	$(BIN)/python -m build --wheel --no-isolation --outdir dist clients/python
	cp dist/utskick-*.whl dist/wheelhouse
	$(BIN)/python packaging/wheelhouse.py dist/wheelhouse
	$(PYTHON) -m venv $(PRODUCTION)
	$(PRODUCTION)/bin/$(PIP_INSTALL) --no-index -f dist/wheelhouse -r dist/wheelhouse/requirements.txt
	$(PRODUCTION)/bin/pip uninstall --quiet --yes pip setuptools
	$(PRODUCTION)/bin/utskick version
	$(SUPPLY)/bin/cyclonedx-py environment $(PRODUCTION)/bin/python --pyproject pyproject.toml --output-reproducible --output-file dist/sbom.cdx.json
	$(SUPPLY)/bin/pip-licenses --python $(PRODUCTION)/bin/python --from mixed --order name --with-urls --format markdown --output-file dist/licences.md

# Exit status 0: no known vulnerability. 1: some. 2: it could not be found out.
audit: $(SUPPLY)/.done
	$(SUPPLY)/bin/python packaging/audit.py requirements.txt

clean:
	rm -rf $(VENV) $(DOCS) $(MUTANTS) $(SUPPLY) $(PRODUCTION) dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis
