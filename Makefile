# Everything a developer runs. `make help` lists the targets.

GO ?= go
FUZZTIME ?= 10s
# How long each failure of a fleet goes on.
CHAOS ?= 10s
# How long the soak goes on; SOAK_SEED=N plays one again.
SOAK ?= 10m
# A year of flights takes longer: FSPROXY_REPLAY_DAYS=all make e2e E2E_TIMEOUT=60m
E2E_TIMEOUT ?= 40m
TEST_TIMEOUT ?= 5m

include tools.mk

# The race detector needs a C compiler. Where there is none the tests still
# run, and say what they leave out.
RACE := $(if $(shell command -v $$($(GO) env CC)),-race)

.DEFAULT_GOAL := help
.PHONY: help build test e2e chaos soak e2e-setup bench bench-decoded lint fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/fsproxy
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/fsproxy ./cmd/fsproxy

test: ## vet, unit and in-process tests, with the race detector; needs Go alone
	@$(if $(RACE),,echo "make test: no C compiler, so no race detector")
	$(GO) vet ./...
	$(GO) test $(RACE) -timeout $(TEST_TIMEOUT) ./...

e2e: build ## drive bin/fsproxy with real stores and real clients
	FSPROXY_BIN=$(CURDIR)/bin/fsproxy $(GO) test -tags e2e -count=1 -v -timeout $(E2E_TIMEOUT) ./e2e/...

chaos: build ## what clients see while fetchers, the network and the RCM fail, each for CHAOS (10s)
	FSPROXY_BIN=$(CURDIR)/bin/fsproxy FSPROXY_CHAOS=$(CHAOS) \
		$(GO) test -tags e2e -count=1 -v -timeout 0 -run 'TestChaos' ./e2e/

soak: build ## writers, markers, updates, kills, and an observer of it all, for SOAK (10m)
	FSPROXY_BIN=$(CURDIR)/bin/fsproxy FSPROXY_SOAK=$(SOAK) FSPROXY_SOAK_SEED=$(SOAK_SEED) \
		$(GO) test -tags e2e -count=1 -v -timeout 0 -run 'TestSoak' ./e2e/

e2e-setup: ## install what e2e needs (Debian; as root or with sudo)
	bash e2e/setup.sh

bench: build ## measure beside redis-server and twemproxy (some minutes; leave the machine alone)
	bin/fsproxy bench $(BENCH)

# What the bench's client in Python needs.
BENCH_PYTHON := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/fsproxy-bench-python

bench-decoded: build ## measure what decoded values spare clients in Go and Python
	python3 -m pip install --quiet --target $(BENCH_PYTHON) -r bench/decoded/requirements.txt
	PYTHONPATH=$(BENCH_PYTHON) go run ./bench/decoded -fsproxy bin/fsproxy -python python3

lint: lint-format lint-vet lint-staticcheck lint-errors lint-vulnerabilities ## all checks of the source

fuzz: ## run each fuzz target for FUZZTIME (10s)
	@set -e; for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			echo "fuzz: $$package $$target for $(FUZZTIME)"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

clean: ## remove what make built
	rm -rf bin
