#!/usr/bin/env bash
# Orders of one piece by hey: the same body each time, so one user and one product.
# Usage: scripts/hey/place.sh URL [at once] [orders] [product]
# With a server that asks for tokens: TOKEN=$(doos token --service hey) scripts/hey/place.sh …
set -euo pipefail
url=${1:?usage: scripts/hey/place.sh URL [at once] [orders] [product]}
at_once=${2:-64} orders=${3:-20000} product=${4:-101}
command -v hey >/dev/null || { echo "hey is needed: apt-get install hey" >&2; exit 2; }
headers=()
[[ -z ${TOKEN:-} ]] || headers=(-H "Authorization: Bearer $TOKEN")
exec hey -n "$orders" -c "$at_once" -m POST -T application/json "${headers[@]}" \
  -d "{\"user_id\":\"42\",\"items\":[{\"product_id\":\"$product\",\"quantity\":1}],\"address\":\"1 Harbour Street\"}" \
  "${url%/}/v1/orders"
