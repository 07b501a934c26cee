#!/usr/bin/env bash
# Builds the web UI into web/dist, from where the next build of the binary embeds it. In seconds when nothing changed.
# Without npm nothing is built, and the binary serves a plain page instead.
# Usage: scripts/web.sh [build | packages | chromium]     chromium: installs the browser that the end-to-end tests drive
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../web"

packages() {
    # npm writes this file last; newer than the lock file, the packages are those of the lock file.
    if [[ node_modules/.package-lock.json -nt package-lock.json ]]; then return; fi
    echo "installing the web UI's packages …"
    npm ci --no-audit --no-fund --loglevel=error
}

is_current() {
    [[ -f dist/index.html ]] || return 1
    local newer
    newer=$(find . -path ./node_modules -prune -o -path ./dist -prune -o -type f -newer dist/index.html -print -quit)
    [[ -z $newer ]]
}

build() {
    if ! command -v npm >/dev/null; then
        echo "npm is not here: the web UI is left out, and the binary shows a plain page" >&2
        return
    fi
    packages
    if is_current; then return; fi
    npm run --silent build
}

chromium() {
    # The program of that name, not this function.
    if type -P chromium >/dev/null; then return; fi
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        echo "the end-to-end tests need Chromium: install it, on Debian with apt-get install chromium" >&2
        return 3
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; }
}

case ${1:-build} in
build) build ;;
packages) packages ;;
chromium) chromium ;;
*)
    sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
