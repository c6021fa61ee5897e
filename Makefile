# The front door. Each target is a few commands that can be typed by hand; what they need is installed by `make setup`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
# A rustup that was installed a minute ago is not on the PATH of this shell yet.
export PATH := $(HOME)/.cargo/bin:$(PATH)

# Flags for `footfall up`, such as ARGS="--simulate none --http 0.0.0.0:8080".
ARGS ?=

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

.PHONY: demo
demo: ## Install what is missing, build, and start everything with a simulated campus (ARGS="..." for footfall up)
	@scripts/setup.sh demo
	@scripts/web-build.sh
	cargo build --locked -p footfall
	@FOOTFALL_HISTORY=$${FOOTFALL_HISTORY:-30m} exec target/debug/footfall up $(ARGS)

.PHONY: test
test: ## Install what is missing and run every test, on real servers
	@scripts/setup.sh test
	scripts/web-build.sh
	cd web && ../scripts/node.sh npm test
	cargo test --workspace --locked
	scripts/web-e2e.sh

.PHONY: lint
lint: ## Check format, lints, documentation and types
	@scripts/setup.sh test
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --no-deps --document-private-items --locked --quiet
	scripts/web-build.sh
	cd web && ../scripts/node.sh npm run lint
	cd tools/openapi && ../../scripts/node.sh npm ci --no-audit --no-fund --loglevel=error
	cd web && ../scripts/node.sh npm run typecheck
	cd web && ../scripts/node.sh npm run types:check

.PHONY: ci
# Nothing is built twice there: what incremental builds write down would cost time only.
ci: export CARGO_INCREMENTAL = 0
ci: ## What continuous integration runs: lint, then test
	$(MAKE) lint
	$(MAKE) test

.PHONY: bench
bench: ## Measure speed and memory on this machine (ARGS="..." for the bench)
	@scripts/setup.sh demo
	@scripts/web-build.sh
	cargo build --release --locked -p footfall -p bench
	@exec target/release/bench $(ARGS)

.PHONY: mutants
mutants: ## Print which check catches which broken variant of ourselves, and after how many schedules
	@scripts/setup.sh demo
	cargo test --locked -p consumer -p gateway --lib model::every_mutant -- --nocapture

.PHONY: soak
soak: ## Run a million schedules of each of the protocol's models (FOOTFALL_MODEL_SCHEDULES for another number)
	@scripts/setup.sh demo
	FOOTFALL_MODEL_SCHEDULES=$${FOOTFALL_MODEL_SCHEDULES:-1000000} cargo test --release --locked -p consumer -p gateway --lib model:: -- --nocapture

.PHONY: fuzz
fuzz: ## Fuzz what reads foreign bytes, one target after another (ARGS="--minutes 10")
	@scripts/setup.sh demo
	@scripts/fuzz.sh $(ARGS)

# The commit that row 31 upgrades from. Building it takes minutes, so only where that row is among those asked for.
PREVIOUS ?= $(if $(if $(filter --row --subset --list report,$(ARGS)),$(findstring --row 31,$(ARGS)),all),HEAD~1)

.PHONY: chaos
chaos: ## Hurt a real system and check that nothing is lost or counted twice (ARGS="--row 6 --repeat 20", --list shows the rows)
	@scripts/setup.sh demo
	@scripts/web-build.sh
	cargo build --locked -p footfall -p chaos
	@exec target/debug/chaos $(if $(PREVIOUS),--previous "$$(scripts/chaos-previous.sh $(PREVIOUS))") $(ARGS)

.PHONY: setup
setup: ## Install what this machine lacks, saying what
	@scripts/setup.sh test
	@echo "setup: everything is there"
