# Gatehouse. `make demo` shows it, `make test` proves it, `make check` reads it; `make help` lists the rest.
# Needs make, git and Python 3.11 or newer; everything else is installed here, from the lock files.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.NOTPARALLEL:
.DEFAULT_GOAL := help

BIN := .venv/bin
PYTHON := $(BIN)/python
PIP := $(PYTHON) -m pip --quiet --disable-pip-version-check install --no-deps --require-hashes
HARNESS := $(PYTHON) -m tests.harness.run
PRODUCTION := $(HARNESS) --production --
ADDRESS ?= localhost:8000# SITE_URL in .env must say the same
WORKERS ?= 2
# low severity and B608 are ruff's S105 to S107 and S608, which are answered line by line
BANDIT := $(BIN)/bandit --quiet --configfile pyproject.toml --severity-level medium --skip B608
PYTEST := $(BIN)/pytest --quiet --output var/test-results

.PHONY: help setup demo run test check bench lock venv install install-dev packages database
.PHONY: test-fast test-postgres test-redis test-e2e test-servers coverage

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: install ## virtual environment, dependencies, and a .env with fresh keys if there is none
	@mkdir -p var
	$(PYTHON) -m config.setup_env

demo: database ## the site with people in every state, on http://localhost:8000
	@$(PYTHON) manage.py demo_data
	LOG_LEVEL=WARNING exec $(BIN)/gunicorn --config python:config.gunicorn --bind $(ADDRESS) config.wsgi

run: database ## the site as it is, restarted at every change
	@exec $(PYTHON) manage.py runserver $(ADDRESS)

test: install-dev packages test-fast test-postgres test-redis test-e2e ## everything, fast tests first

test-fast: install-dev
	@echo "Tests on SQLite"
	$(PYTEST) --numprocesses $(WORKERS) -m "not e2e"

test-postgres: install-dev
	@echo "Tests on PostgreSQL"
	$(HARNESS) --postgres -- $(PYTEST) -m postgres

test-redis: install-dev
	@echo "Tests on Redis"
	$(HARNESS) --redis -- $(PYTEST) -m redis

test-e2e: install-dev
	@echo "Tests in a browser"
	$(PYTEST) -m e2e

test-servers: install-dev # all but the browser once more, with PostgreSQL and Redis in place of SQLite and memory
	@$(HARNESS) --postgres --redis -- $(PYTEST) --numprocesses $(WORKERS) -m "not e2e"

check: install-dev ## everything that can be said without running the tests
	@step() { echo "· $$1"; shift; "$$@"; }
	step "ruff" $(BIN)/ruff check .
	step "ruff format" $(BIN)/ruff format --check .
	step "mypy" $(PRODUCTION) $(BIN)/mypy
	step "lint-imports" $(PRODUCTION) $(BIN)/lint-imports
	step "bandit" $(BANDIT) --recursive accounts audit config policies
	step "djlint" $(BIN)/djlint --lint --quiet templates
	step "deployment" $(PRODUCTION) $(PYTHON) manage.py check --deploy --fail-level WARNING
	step "migrations" $(PRODUCTION) $(PYTHON) manage.py makemigrations --check --dry-run
	step "docker-compose.yml" $(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	step "Dockerfile" $(BIN)/hadolint Dockerfile
	step "lock files" $(PYTHON) -m tests.harness.locks

coverage: install-dev ## how much of the code the fast tests reach, branches included
	@$(PYTEST) --numprocesses $(WORKERS) -m "not e2e" --cov --cov-report=term

bench: install-dev ## what the gate costs, as ratios to plain Django and its peers; BENCH_PEOPLE=1000000
	@$(PYTHON) -m tests.bench

lock: install-dev ## resolve pyproject.toml for every Python from 3.11 on; UPGRADE=--upgrade for newer versions
	@compile="$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate"
	$$compile $(UPGRADE) pyproject.toml --output-file requirements.lock
	$$compile $(UPGRADE) pyproject.toml --group dev --output-file requirements-dev.lock --constraints requirements.lock

database: setup
	@$(PYTHON) manage.py migrate --verbosity 0

install: venv
	@cmp --silent requirements.lock .venv/requirements.lock && exit 0
	echo "Installing requirements.lock"
	$(PIP) --requirement requirements.lock
	cp requirements.lock .venv/requirements.lock

install-dev: setup
	@cmp --silent requirements-dev.lock .venv/requirements-dev.lock && exit 0
	echo "Installing requirements-dev.lock"
	$(PIP) --requirement requirements-dev.lock
	cp requirements-dev.lock .venv/requirements-dev.lock

# An interpreter counts when it runs, is new enough and can make a virtual environment; a name on the path is
# not enough. Debian keeps the last part in a package of its own.
venv:
	@usable() { "$$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
	first_usable() { for name in python3.13 python3.12 python3.11 python3.14 python3; do
		if usable "$$name"; then echo "$$name"; return; fi
	done; }
	usable $(PYTHON) && exit 0
	interpreter=$$(first_usable)
	if [[ -z $$interpreter && $$EUID -eq 0 ]] && command -v apt-get >/dev/null; then
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null
		interpreter=$$(first_usable)
	fi
	if [[ -z $$interpreter ]]; then
		echo "Gatehouse needs Python 3.11 or newer with venv (Debian: python3 and python3-venv)." >&2
		exit 1
	fi
	echo "Making .venv with $$("$$interpreter" --version)"
	rm -rf .venv
	"$$interpreter" -m venv .venv

# What the tests run on. Where we may not install it, those tests are skipped, named and counted.
packages:
	@missing=()
	PATH="$$PATH:$$(printf '%s:' /usr/lib/postgresql/*/bin)"
	need() { command -v "$$1" >/dev/null || missing+=("$${@:2}"); }
	need chromium chromium fonts-dejavu-core
	need initdb postgresql
	need redis-server redis-server
	[[ $${#missing[@]} -eq 0 ]] && exit 0
	if [[ $$EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
		echo "Not installed, and we may not install it: $${missing[*]}" >&2
		exit 0
	fi
	echo "Installing $${missing[*]}"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$${missing[@]}" >/dev/null
