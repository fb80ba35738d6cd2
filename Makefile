# Every target sets up what it needs, given Python 3.11 or newer and make.
# `make test` also fetches the Debian packages below, if it may.

# "3.13 /usr/bin/python3.13" for each Python from 3.11 on that starts, newest first, pyenv's included.
PYTHONS := $(shell for minor in 15 14 13 12 11; do \
	for python in python3.$$minor $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.$$minor.*/bin/python3 python3; do \
		[ "$$($$python -c 'import sys, ensurepip; print(sys.version_info[1])' 2>/dev/null)" = $$minor ] \
			&& echo 3.$$minor:$$python && break; \
	done; done)
NEWEST := $(firstword $(PYTHONS))
OLDEST := $(lastword $(PYTHONS))
version = $(firstword $(subst :, ,$(1)))
venv = .venv-$(call version,$(1))
# Programs among the tests, which import from where pytest does.
tests = PYTHONPATH=tests $(call venv,$(NEWEST))/bin/python
# A file's tests run in one process, because they share what is slow to start.
pytest = $(call venv,$(1))/bin/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile
ifeq ($(NEWEST),)
$(error Python 3.11 or newer is needed, with its venv module)
endif

ENGINE := docker
uv = $(call venv,$(NEWEST))/bin/uv
LOCK = $(uv) pip compile --quiet --upgrade --universal --python-version=3.13 --generate-hashes \
	--custom-compile-command='make lock'

# What the tests run for real: command=Debian package.
DEBIAN := .debian
export PATH := $(CURDIR)/$(DEBIAN)/usr/bin:$(PATH)
PACKAGES := promtool=prometheus prometheus=prometheus systemd-analyze=systemd amtool=prometheus-alertmanager \
	prometheus-alertmanager=prometheus-alertmanager prometheus-node-exporter=prometheus-node-exporter

.DEFAULT_GOAL := help
.PHONY: help demo run test announce test-browser test-unit test-unit-oldest bench soak delays signal-quality lint docs dist image audit lock version packages clean

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(call venv,$(NEWEST))/installed ## Run against a simulated Bedrock; needs no AWS account
	@exec $(call venv,$(NEWEST))/bin/bedrock-customization-exporter --demo $(FLAGS)

run: $(call venv,$(NEWEST))/installed ## Run against AWS as config.yaml says; FLAGS="..." adds flags
	@exec $(call venv,$(NEWEST))/bin/bedrock-customization-exporter $(FLAGS)

test: announce $(call venv,$(NEWEST))/tested packages ## Lint, the fast tests on the oldest Python here, and all but the browser tests on the newest
	@$(MAKE) --no-print-directory lint $(if $(filter-out $(NEWEST),$(OLDEST)),test-unit-oldest)
	$(call pytest,$(NEWEST)) -m "not browser" $(PYTEST_FLAGS)

announce:
	@echo "This takes about 6 minutes on two cores; the first time 3 more, for about 400 MB from PyPI and Debian."

test-unit: $(call venv,$(NEWEST))/tested ## The fast tests only
	$(call pytest,$(NEWEST)) -m "not e2e" $(PYTEST_FLAGS)

# Leaves out what is the same on every Python: the chart, the docs, and tests that need the end-to-end tools.
test-unit-oldest: $(call venv,$(OLDEST))/tested
	$(call pytest,$(OLDEST)) -m "not e2e" --ignore=tests/e2e --ignore=tests/browser --ignore-glob='tests/test_chart_*' --ignore=tests/test_docs.py --ignore=tests/test_alerts.py $(PYTEST_FLAGS)

test-browser: PACKAGES += npm=npm chromium=chromium chromedriver=chromium-driver
test-browser: $(call venv,$(NEWEST))/tested packages ## What people see, in Chromium: the status page, and the dashboards by Grafana's own libraries
	$(call venv,$(NEWEST))/bin/python -m pytest -m browser tests/browser $(PYTEST_FLAGS)

bench: $(call venv,$(NEWEST))/tested ## Cost of a walk and of a scrape, against stock boto3 and prometheus_client
	$(tests) -m benchmarks --json docs/performance.json --figure docs/performance.svg $(FLAGS)
	$(tests) -m benchmarks.profile > docs/performance-profile.txt
	$(tests) -m benchmarks.budget --json docs/budget.json

soak: $(call venv,$(NEWEST))/tested ## Months of uptime in minutes: whether memory, threads or connections pile up
	$(tests) -m reliability.soak $(FLAGS)

delays: $(call venv,$(NEWEST))/tested ## The longest wait of a scrape while other clients misbehave
	$(tests) -m reliability.delays

signal-quality: $(call venv,$(NEWEST))/tested packages ## The alerts over simulated weeks: what they catch, and what they miss
	$(tests) -m signal_quality --json monitoring/signal_quality.json $(FLAGS)

lint: $(call venv,$(NEWEST))/tested ## Style, types, and the direction of imports
	$(call venv,$(NEWEST))/bin/ruff check .
	$(call venv,$(NEWEST))/bin/ruff format --check .
	$(call venv,$(NEWEST))/bin/mypy
	$(call venv,$(NEWEST))/bin/lint-imports --no-logo

docs: $(call venv,$(NEWEST))/tested ## Regenerate pages, rules, dashboards and parts of the chart
	$(call venv,$(NEWEST))/bin/python -m tools
	$(tests) -m reliability.page

dist: $(call venv,$(NEWEST))/tested ## The sdist and the wheel, checked and tried out
	rm -rf dist
	$(uv) build --quiet --build-constraints=packaging/build.lock --require-hashes --out-dir=dist
	DIST=dist $(call venv,$(NEWEST))/bin/python -m pytest tests/e2e/test_dist.py $(PYTEST_FLAGS)

image: ## The container image; ENGINE=podman builds it with podman
	$(ENGINE) build --pull --build-context="$$(sed -nE 's/^FROM (([^@]+)@.+)/\2=docker-image:\/\/\1/p' packaging/base/Dockerfile)" --tag localhost/bedrock-customization-exporter .

audit: $(call venv,$(NEWEST))/tested ## Known vulnerabilities of the pinned dependencies, from PyPI
	$(call venv,$(NEWEST))/bin/pip-audit --progress-spinner=off --strict --require-hashes --disable-pip --requirement=packaging/requirements.lock

lock: $(call venv,$(NEWEST))/tested ## Update the pinned dependencies of the image and the build
	$(LOCK) --output-file=packaging/requirements.lock pyproject.toml
	sed -nE '/^requires = /{s/^requires = \["(.+)"\]$$/\1/; s/", "/\n/gp}' pyproject.toml | $(LOCK) --output-file=packaging/build.lock -

version: ## Set the version everywhere: make version VERSION=1.2.3
	$(if $(VERSION),,$(error VERSION is missing: make version VERSION=1.2.3))
	sed -i -E 's/^(__version__ = ").+"/\1$(VERSION)"/' exporter/__init__.py
	sed -i -E 's/^((ARG )?VERSION=).+/\1$(VERSION)/' Dockerfile docs/install.md
	grep -qF '## [$(VERSION)]' CHANGELOG.md || sed -i -E 's/^## \[Unreleased\]$$/&\n\n## [$(VERSION)]/' CHANGELOG.md
	sed -i -E 's/^(## \[$(VERSION)\]).*/\1 - $(shell date -u +%F)/' CHANGELOG.md
	$(MAKE) docs

# Prometheus and Alertmanager are only unpacked: Debian would start them as services.
packages:
	@missing=; unpacked=; for tool in $(PACKAGES); do \
		command -v $${tool%=*} >/dev/null && continue; \
		case $${tool#*=} in prometheus*) unpacked="$$unpacked $${tool#*=}";; *) missing="$$missing $${tool#*=}";; esac; \
	done; \
	[ -z "$$missing$$unpacked" ] && exit 0; \
	command -v apt-get >/dev/null || { echo "the end-to-end tests need programs of these Debian packages, and there is no apt-get here:$$missing$$unpacked; put them on the PATH, or run make test-unit" >&2; exit 1; }; \
	root=; [ "$$(id -u)" = 0 ] || root="sudo -n"; \
	$$root true 2>/dev/null || { echo "the end-to-end tests need these Debian packages:$$missing$$unpacked; run sudo make packages once to fetch them, or run make test-unit" >&2; exit 1; }; \
	echo "fetching from Debian:$$missing$$unpacked"; \
	$$root apt-get update -qq && \
	{ [ -z "$$missing" ] || $$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; } && \
	{ [ -z "$$unpacked" ] || { mkdir -p $(DEBIAN) && cd $(DEBIAN) && apt-get download -qq -o APT::Sandbox::User=root $$unpacked && \
		for file in *.deb; do dpkg-deb --extract $$file . && rm $$file; done; }; } \
		|| { echo "could not fetch these Debian packages, which the end-to-end tests need:$$missing$$unpacked; make test-unit runs without them" >&2; exit 1; }

clean: ## Remove everything that the targets above created
	rm -rf .venv-3.* $(DEBIAN) build dist *.egg-info .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

# Virtual environments, updated when pyproject.toml has changed: the newest Python's has everything, the oldest's only
# what the fast tests need.
$(call venv,$(NEWEST))/installed: pyproject.toml
	@echo "setting up Python $(call version,$(NEWEST)): fetches 25 MB, takes under a minute"
	@$(patsubst $(call version,$(NEWEST)):%,%,$(NEWEST)) -m venv $(call venv,$(NEWEST))
	@$(call venv,$(NEWEST))/bin/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

$(call venv,$(NEWEST))/tested: $(call venv,$(NEWEST))/installed
	@$(call venv,$(NEWEST))/bin/python -m pip install -q --disable-pip-version-check uv
	@$(uv) pip install -q --python $(call venv,$(NEWEST))/bin/python -e '.[test,e2e,lint]'
	@touch $@

ifneq ($(OLDEST),$(NEWEST))
$(call venv,$(OLDEST))/tested: pyproject.toml $(call venv,$(NEWEST))/tested
	@echo "setting up Python $(call version,$(OLDEST))"
	@$(uv) venv -q --clear --python $(patsubst $(call version,$(OLDEST)):%,%,$(OLDEST)) $(call venv,$(OLDEST))
	@$(uv) pip install -q --python $(call venv,$(OLDEST))/bin/python -e '.[test]'
	@touch $@
endif
