# The commands of everyday work. `make` alone lists them; each does one thing that exists today.

.DEFAULT_GOAL := help
.PHONY: help build web run test test-quick test-cover bench sim torture fmt lint gen clean services services-stop services-reset cluster cluster-stop cluster-reset cluster-numbers

ARGS ?=
SEED ?=
KILLS ?= 200

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: web ## build the release binary with the web UI in it, target/release/doos
	cargo build --release -p doos

web: ## build the web UI (left out without npm)
	@bash scripts/web.sh build

run: build ## build and start the whole system in one process (ARGS="--data-dir DIR …")
	target/release/doos $(ARGS)

test: ## everything: format, lints, docs, tidy, drift, all tests
	@bash scripts/test.sh

test-quick: ## unit tests only
	cargo test --workspace --lib --bins

test-cover: ## all tests with a coverage report (needs cargo-llvm-cov)
	@cargo llvm-cov --version >/dev/null 2>&1 || { echo "cargo-llvm-cov is missing: cargo install cargo-llvm-cov" >&2; exit 1; }
	cargo llvm-cov --workspace --html
	@echo "report: target/llvm-cov/html/index.html"

bench: ## measure everything next to its yardsticks and write docs/performance.md (under 10 minutes)
	@bash scripts/bench.sh $(ARGS)

sim: ## replay one simulated run with a readable trace (SEED=n)
	@test -n "$(SEED)" || { echo "name the run: make sim SEED=n" >&2; exit 2; }
	cargo run -p doos-sim --release -- replay --seed $(SEED)

torture: ## kill the real binary again and again and compare the books (KILLS=n)
	DOOS_TORTURE_KILLS=$(KILLS) cargo test -p doos --test binary torture -- --nocapture

fmt: ## format the code
	cargo fmt --all

lint: ## format check, clippy and tidy, warnings fatal
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo run -q -p xtask -- tidy

gen: ## write the generated files anew
	cargo run -q -p xtask -- gen-proto
	cargo run -q -p xtask -- gen-openapi
	@bash scripts/web.sh packages && cd web && npm run --silent gen

services: ## install and start the engines of a cluster on loopback (docs/operations/services.md)
	@bash scripts/services.sh start

services-stop: ## stop them, keep their data
	@bash scripts/services.sh stop

services-reset: ## stop them and delete their data
	@bash scripts/services.sh reset

cluster: build ## start the engines and doos as seven processes on them (docs/operations/cluster.md)
	@bash scripts/cluster.sh start

cluster-stop: ## stop the processes; the engines go on
	@bash scripts/cluster.sh stop

cluster-reset: ## stop them and delete everything that they stored
	@bash scripts/cluster.sh reset

cluster-numbers: ## measure a cluster on this machine: rates, feed lag, memory, times after kills (docs/performance.md)
	@bash scripts/cluster-numbers.sh $(ARGS)

clean: ## remove everything that was built
	cargo clean
