# `make` alone lists the targets. Needed: Python 3.11 or newer with venv, make, and the package index.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
VENV := .venv
PY := $(VENV)/bin/python
# The lock the environment was made from is kept inside it: it is made anew only when the lock changes.
INSTALLED := $(VENV)/installed.lock
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
ARGS ?=
TREES := $(wildcard main.py commands config connectors router storage inbox campaigns webhooks simulator bench tests)

.PHONY: help setup install page run test check types bench peers clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup:  ## the environment .venv with the locked versions, and the page; does nothing when they are there
	@cmp -s requirements.dev.lock $(INSTALLED) && $(PY) -c '' 2>/dev/null || $(MAKE) --no-print-directory install
	@$(MAKE) --no-print-directory page

# Without npm's registry the hub still runs, with its plain page; in CI that is a failure.
page:
	@$(PY) -m inbox.build || { test -z "$$CI" && \
		echo "The page could not be built; the hub serves the plain one until \`make setup\` succeeds." >&2; }

install:
	@test -n "$(PYTHON)" || { echo "Switchboard needs Python 3.11 or newer; there is none on the PATH (or set PYTHON=…)." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Switchboard needs Python 3.11 or newer; $(PYTHON) is $$("$(PYTHON)" -V 2>&1)." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) can't make environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(PY) -c '' 2>/dev/null || "$(PYTHON)" -m venv --clear $(VENV)
	@rm -f $(INSTALLED)
	@# The lock names every package, those of the lock for production among them: nothing is left to resolve.
	$(PY) -m pip install --quiet --disable-pip-version-check --no-input --no-deps -r requirements.dev.lock
	@cp requirements.dev.lock $(INSTALLED)

run: setup  ## the hub on http://127.0.0.1:8080, engines included
	@exec $(PY) main.py run

test: setup  ## the tests; ARGS="tests/router -q" for some of them
	$(PY) -m pytest $(ARGS)

check: setup  ## ruff, mypy, our own rules, and the page's types, lint and unit tests; all of them, also after the first that fails
	@failed=; step() { name=$$1; shift; echo "== $$name"; "$$@" || failed="$$failed [$$name]"; }; \
	step "ruff check" $(PY) -m ruff check; \
	step "ruff format" $(PY) -m ruff format --check; \
	step mypy $(PY) -m mypy $(TREES); \
	step "our rules" $(PY) -m tests.lint.rules; \
	step "the page" $(PY) -m inbox.build check; \
	test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

types: setup  ## the page's types of the API, anew after the API changed
	@$(PY) -m inbox.build types

bench: setup  ## the benchmark; prints a table and writes bench/results.json
	$(PY) -m bench $(ARGS)

# wrk is for the benchmark; each of the others is the real program at the far end of a connector's tests.
PEERS := wrk dovecot-imapd kannel sip-tester kamailio chromium

peers:  ## Debian packages of the programs that peer tests and the benchmark talk to
	@command -v apt-get >/dev/null || { echo "make peers needs apt-get; elsewhere install by hand: $(PEERS)" >&2; exit 1; }
	@echo "wrk            load for the benchmark"
	@echo "dovecot-imapd  IMAP server for the e-mail connector"
	@echo "kannel         SMS gateway, SMPP and HTTP"
	@echo "sip-tester     SIPp: calls for the telephony connectors"
	@echo "kamailio       SIP proxy in front of them"
	@echo "chromium       browser for the page"
	$(SUDO) apt-get update -q
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(PEERS)

clean:  ## removes the environment and the caches; the data folder stays
	rm -rf inbox/web/node_modules inbox/web/dist inbox/web/dist-next
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
