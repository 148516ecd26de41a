# The commands of the project. Each does all its own set-up; the second run of any of them takes seconds.
#
#   make demo     a hub on 127.0.0.1:8000 with Desktop and GIMP; Ctrl-C ends all of it
#   make test     everything that CI runs
#   make test-apps  every app of the catalog, installed (some gigabytes), started and looked at
#   make check    lint, types and unit tests: the everyday loop
#   make bench    measure (about 90 minutes); ONLY=name,... for a part, QUICK=1 for a short rough run of the streaming
#                 figures; TABLE=build/bench.jsonl measures nothing and prints the tables for the docs
#   make cluster  a Kubernetes for the tests, made here (root, Linux); cluster-down ends it, test-kube tests on it
#   make docs     the documentation, into docs/_build
#   make wheel    the wheel, into dist
#   make clean    remove what was built

SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: demo test test-apps check lint types unit bench docs wheel build clean setup setup-test test-hub5 \
  setup-kube cluster cluster-down test-kube

VENV := $(shell tools/venv-path)
HUB5 := $(VENV)-hub5
NODE_TOOLS := $(CURDIR)/build/node
export PATH := $(NODE_TOOLS)/node_modules/.bin:$(VENV)/bin:$(PATH)
export PYTHONDONTWRITEBYTECODE := 1
export npm_config_update_notifier := false
# Tests and benches pass arguments on: make test ARGS="-k clipboard"
ARGS ?=

PYTHON_SOURCES := $(shell find streamspace_hub spawner proxy -type f -not -path '*/node_modules/*' -not -path '*/__pycache__/*' -not -path 'proxy/client/*' -not -path 'streamspace_hub/pages/*' -not -path '*/static/*')
CLIENT_SOURCES := $(shell find proxy/client -type f -not -path '*/node_modules/*') package.json package-lock.json tsconfig.base.json
PAGES_SOURCES := $(shell find streamspace_hub/pages -type f -not -path '*/node_modules/*') package.json package-lock.json tsconfig.base.json
LAB_SOURCES := $(shell find labextension -type f -not -path '*/node_modules/*' -not -path 'labextension/lib/*' -not -path 'labextension/streamspace_labextension/*' -not -name '*.tsbuildinfo')

demo: setup
	@streamspace demo

setup: $(VENV)/stamps/install $(NODE_TOOLS)/stamp
	@tools/system-packages tools/packages-demo.txt
	@tools/criu $(VENV)

setup-test: setup build/oidc/stamp
	@tools/system-packages tools/packages-test.txt
	@tools/promtool > /dev/null
	@for package in slapd rsyslog rsyslog-openssl; do tools/unpacked $$package > /dev/null || exit; done

# --- the virtual environment -----------------------------------------------------------------------------------------

$(VENV)/stamps/venv: tools/packages-demo.txt
	@tools/system-packages tools/packages-demo.txt
	@echo "==> Making the virtual environment $(VENV)"
	@mkdir -p $(dir $(VENV)) && $$(tools/python) -m venv $(VENV) && mkdir -p $(VENV)/stamps
	@$(VENV)/bin/pip install -q --upgrade pip 'setuptools>=77' wheel
	@touch $@

$(VENV)/stamps/deps: pyproject.toml tools/dependencies.py $(VENV)/stamps/venv
	@echo "==> Installing Python packages (once)"
	@$(VENV)/bin/python tools/dependencies.py dev > build-requirements.tmp && $(VENV)/bin/pip install -q -r build-requirements.tmp; \
	  status=$$?; rm -f build-requirements.tmp; exit $$status
	@tools/node $(VENV)
	@touch $@

# Not editable: what is tried and tested is the wheel that users install.
$(VENV)/stamps/install: $(PYTHON_SOURCES) setup.py pyproject.toml build/stamps/client build/stamps/pages build/stamps/labextension $(VENV)/stamps/deps
	@echo "==> Installing streamspace-hub"
	@rm -rf build/lib* build/bdist.* dist && $(VENV)/bin/pip install -q --no-deps --no-build-isolation --force-reinstall .
	@touch $@

# --- the front ends --------------------------------------------------------------------------------------------------

node_modules/.package-lock.json: package.json package-lock.json proxy/client/package.json labextension/package.json streamspace_hub/pages/package.json | $(VENV)/stamps/deps
	@echo "==> Installing npm packages (once)"
	@npm ci --silent --no-fund --no-audit && touch $@

build/stamps/client: $(CLIENT_SOURCES) node_modules/.package-lock.json
	@echo "==> Building the viewer page"
	@mkdir -p build/stamps && npm run --silent build -w proxy/client > build/client.log 2>&1 || { cat build/client.log; exit 1; }
	@touch $@

build/stamps/pages: $(PAGES_SOURCES) node_modules/.package-lock.json
	@echo "==> Building the service's pages"
	@mkdir -p build/stamps && npm run --silent build -w streamspace_hub/pages > build/pages.log 2>&1 || { cat build/pages.log; exit 1; }
	@touch $@

build/stamps/labextension: $(LAB_SOURCES) node_modules/.package-lock.json
	@echo "==> Building the JupyterLab extension"
	@mkdir -p build/stamps && npm run --silent build -w labextension > build/labextension.log 2>&1 || { cat build/labextension.log; exit 1; }
	@touch $@

build: build/stamps/client build/stamps/pages build/stamps/labextension

# configurable-http-proxy: JupyterHub's own proxy, from npm
$(NODE_TOOLS)/stamp: | $(VENV)/stamps/deps
	@echo "==> Installing configurable-http-proxy (once)"
	@npm install --silent --no-fund --no-audit --prefix $(NODE_TOOLS) 'configurable-http-proxy@^5' && touch $@

# An OpenID provider, for the tests of signing in
build/oidc/stamp: | $(VENV)/stamps/deps
	@echo "==> Installing oidc-provider (once)"
	@npm install --silent --no-fund --no-audit --prefix build/oidc oidc-provider@9.13.3 && touch $@

# --- checking --------------------------------------------------------------------------------------------------------

check: lint types unit

lint: setup
	@ruff check . && ruff format --check .
	@npm run --silent lint

types: setup
	@mypy streamspace_hub spawner/streamspace_spawner proxy/streamspace_proxy
	@npm run --silent typecheck

unit: setup
	@python -m pytest tests/unit -n 2 $(ARGS)
	@npm run --silent test

# Seconds for each parser that is fuzzed
test: export FUZZ_SECONDS ?= 60
test: check setup-test test-hub5
	@tools/real-tests python tests -m 'not unit or postgresql' --ignore tests/bench --ignore tests/kube $(ARGS)

# Apart from `make test` because of what it installs.
test-apps: setup-test
	@tools/system-packages tools/packages-apps.txt
	@STREAMSPACE_TEST_ALL_APPS=1 python -m pytest tests/session/test_builtin_apps.py tests/session/test_sleep_apps.py $(ARGS)

# JupyterHub 5.5 is what Zero-to-JupyterHub ships; the main environment has 6.x.
$(HUB5)/stamp: $(VENV)/stamps/install tools/dependencies.py
	@echo "==> Making the virtual environment for JupyterHub 5.5"
	@$$(tools/python) -m venv $(HUB5) && $(HUB5)/bin/pip install -q --upgrade pip 'setuptools>=77' wheel
	@$(HUB5)/bin/python tools/dependencies.py dev > build/hub5.txt && $(HUB5)/bin/pip install -q 'jupyterhub==5.5.*' -r build/hub5.txt
	@rm -rf build/lib* build/bdist.* && $(HUB5)/bin/pip install -q --no-deps --no-build-isolation --force-reinstall .
	@touch $@

test-hub5: setup-test $(HUB5)/stamp
	@tools/real-tests $(HUB5)/bin/python tests/hub $(ARGS)

# On the cluster that STREAMSPACE_TEST_KUBECONFIG names, else on one that is made here and ended afterwards.
setup-kube: setup-test
	@[ -n "$$STREAMSPACE_TEST_KUBECONFIG" ] || [ "$$(id -u)" != 0 ] || tools/system-packages tools/packages-kube.txt

cluster: setup-kube
	@python -m tests.kube.cluster up

cluster-down:
	@python -m tests.kube.cluster down

test-kube: setup-kube
	@python -m tests.kube.cluster test $(ARGS)

bench: setup-test
	@tools/system-packages tools/packages-bench.txt
	@mkdir -p build && python -m tests.bench $(if $(ONLY),--only $(ONLY)) $(if $(TABLE),--table $(TABLE))

docs: setup
	@python -m sphinx -q -W -b html docs docs/_build/html && echo "docs/_build/html/index.html"

wheel: build
	@rm -rf build/lib* build/bdist.* && python -m build --wheel --no-isolation . > /dev/null && ls dist/*.whl

clean:
	rm -rf build dist node_modules docs/_build $(VENV) $(HUB5) proxy/streamspace_proxy/static streamspace_hub/service/static \
	  labextension/lib labextension/streamspace_labextension *.egg-info
