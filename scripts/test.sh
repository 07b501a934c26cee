#!/usr/bin/env bash
# Runs every check there is, one named step after the other, and ends with the count of tests on a line alone.
#
#   - A failed step does not hide the ones after it; the exit code is 1 when any step failed.
#   - A step's whole output is in target/test-logs/STEP.log; of a failed one the last 60 lines are shown.
#   - A step whose engine is not here is listed loudly as NOT RUN; under CI=true such a list is a failure.
#   - No test at all is a failure: a gate that runs nothing proves nothing.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

readonly LOGS=target/test-logs
readonly TAIL_LINES=60
failed=()
not_run=()
skipped=()

rm -rf "$LOGS"
mkdir -p "$LOGS"
if [[ ${CI:-} == true ]]; then
    # Built once and thrown away: incremental files would only cost time and space.
    export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
fi

# step NAME COMMAND…: runs the command, says how it went and how long it took.
step() {
    local name=$1 log="$LOGS/$1.log" start=$SECONDS
    shift
    printf '%-14s' "$name"
    if "$@" >"$log" 2>&1 </dev/null; then
        printf 'ok      %4d s\n' $((SECONDS - start))
        return
    fi
    printf 'FAILED  %4d s   %s\n' $((SECONDS - start)) "$log"
    failed+=("$name")
    echo "---- last $TAIL_LINES lines of $log"
    tail -n "$TAIL_LINES" "$log"
    echo "----"
}

# Engines that cannot be had are listed; the tests that need them say so too and count as not run.
engines() {
    local log="$LOGS/services.log" start=$SECONDS
    printf '%-14s' services
    if bash scripts/services.sh start "$@" >"$log" 2>&1 </dev/null; then
        printf 'ok      %4d s\n' $((SECONDS - start))
    else
        printf 'NOT RUN\n'
        tail -n "$TAIL_LINES" "$log"
        not_run+=("engines: $*, see $log")
    fi
}

# Passed and failed tests, summed over the summaries of cargo's harness, nextest, Vitest and Playwright.
count_tests() {
    sed 's/\x1b\[[0-9;]*m//g' "$LOGS"/*.log | awk '
        /^test result: / || /^ *Summary .* tests? run: / {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) passed += $(i - 1)
                if ($i ~ /^failed/) failed += $(i - 1)
            }
        }
        # "Tests  3 failed | 120 passed (123)" and "  2 failed", "  31 passed (1.2m)"
        /^ *Tests  / || /^ +[0-9]+ (passed|failed|flaky)/ {
            for (i = 2; i <= NF; i++) {
                if ($i == "passed") passed += $(i - 1)
                if ($i == "failed" || $i == "flaky") failed += $(i - 1)
            }
        }
        END { printf "%d %d\n", passed, failed }'
}

# The failed tests by name, each with where it panicked and the first line of what it said: a log's tail may not show it.
failed_tests() {
    sed 's/\x1b\[[0-9;]*m//g' "$LOGS"/*.log | awk '
        /^---- .* stdout ----$/ { name = $2; said = 0 }
        name != "" && said == 1 { printf "%s\n", substr($0, 1, 240); said = 2 }
        name != "" && said == 0 && / panicked at / { sub(/^.* panicked at /, ""); printf "  %s %s ", name, $0; said = 1 }
        / › .*\.spec\.ts:/ && /^ +[0-9]+\) / { printf "  %s\n", $0 }'
}

unit_and_integration_tests() {
    if cargo nextest --version >/dev/null 2>&1; then
        # nextest leaves the examples in the documentation to cargo.
        cargo nextest run --workspace --locked --no-fail-fast && cargo test --doc --workspace --locked --no-fail-fast
    else
        cargo test --workspace --locked --no-fail-fast
    fi
}

# Without npm there is no web UI to test; the binary is tested with its plain page.
web_step() {
    local name=$1
    shift
    if command -v npm >/dev/null; then
        step "$name" "$@"
    else
        printf '%-14sNOT RUN\n' "$name"
        not_run+=("$name: npm is not here")
    fi
}

in_web() { (cd web && npm run --silent "$@"); }

end_to_end() {
    bash scripts/web.sh chromium && cargo build --workspace --bin doos --locked &&
        DOOS_BINARY=$(realpath "${CARGO_TARGET_DIR:-target}")/debug/doos in_web e2e
}

# A step that says by exit code 3 that something it needs is not here, and by 4 that it has nothing to prove here.
step_or_not_run() { # name command…
    local name=$1 log="$LOGS/$1.log" start=$SECONDS code=0
    shift
    printf '%-14s' "$name"
    "$@" >"$log" 2>&1 </dev/null || code=$?
    case $code in
        0) printf 'ok      %4d s\n' $((SECONDS - start)) ;;
        3)
            printf 'NOT RUN\n'
            not_run+=("$name: $(tail -n 1 "$log")")
            ;;
        4)
            printf 'skipped\n'
            skipped+=("$name: $(tail -n 1 "$log")")
            ;;
        *)
            printf 'FAILED  %4d s   %s\n' $((SECONDS - start)) "$log"
            failed+=("$name")
            tail -n "$TAIL_LINES" "$log"
            ;;
    esac
}

documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked; }

# ---- The steps, cheapest first. ------------------------------------------------------------------------------------
# A new step is one line: `step NAME COMMAND…`, or `web_step NAME COMMAND…` if it needs npm. What needs an outside
# engine names it after `engines`.
# Integration tests of any crate (crates/*/tests) run in `tests` already; a line is for what is a command of its own.
web_step web-build bash scripts/web.sh build
web_step web-lint in_web lint
web_step web-drift in_web drift
web_step web-size in_web size
web_step web-tests in_web test
step fmt cargo fmt --all --check -- --color never
step clippy cargo clippy --workspace --all-targets --locked -- -D warnings
step clippy-cluster cargo clippy --workspace --test cluster --locked -- -D warnings
step tidy cargo run -q -p xtask --locked -- tidy
step drift cargo run -q -p xtask --locked -- drift
step doc documentation
if cargo deny --version >/dev/null 2>&1; then
    step deny cargo deny --locked check bans licenses sources
else
    skipped+=("deny: cargo-deny is not installed")
fi
step_or_not_run instructions bash scripts/instructions.sh
engines mariadb shard-2 redis etcd kafka opensearch
eval "$(bash scripts/services.sh env)"
step tests unit_and_integration_tests
# By itself, since it stops the engines that all others need.
step cluster cargo test --workspace --test cluster --locked -- --test-threads=1
web_step web-e2e end_to_end
# --------------------------------------------------------------------------------------------------------------------

read -r tests_passed tests_failed < <(count_tests)

if ((${#skipped[@]})); then
    printf '\nskipped: %s\n' "${skipped[@]}"
fi
if ((${#not_run[@]})); then
    printf '\n!!!! NOT RUN, nothing is proved about:\n'
    printf '!!!!   %s\n' "${not_run[@]}"
    if [[ ${CI:-} == true ]]; then
        failed+=(not-run)
    fi
fi
if ((tests_passed + tests_failed == 0)); then
    echo "no test was run"
    failed+=(no-tests)
fi
if ((tests_failed > 0 && ${#failed[@]} == 0)); then
    failed+=(tests)
fi
if ((${#failed[@]})); then
    printf '\nfailed: %s\n' "${failed[*]}"
    failed_tests
fi
printf '\n%d passed, %d failed\n' "$tests_passed" "$tests_failed"
((${#failed[@]} == 0))
