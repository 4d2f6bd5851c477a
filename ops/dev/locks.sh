#!/usr/bin/env bash
# Writes locks/EXTRA.txt: the exact versions, with hashes, of everything that an extra installs, for every platform and
# every Python from 3.11 on. `make locks` runs it; it needs the package index. What is locked already stays as it is,
# unless UPGRADE=1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

upgrade=()
[[ ${UPGRADE:-} ]] && upgrade=(--upgrade)

# lock NAME EXTRA…
lock() {
  local name=$1
  shift
  .venv/bin/uv pip compile pyproject.toml "${@/#/--extra=}" --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet "${upgrade[@]}" -o "locks/$name.txt"
}

mkdir -p locks
for extra in agent collector detectors alarms apprise console keyring backup history dashboards embedded all dev; do
  lock "$extra" "$extra"
done
# What the container image of a hub installs, and what builds hubwatch itself.
lock hub collector detectors alarms apprise console dashboards backup
.venv/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links --quiet "${upgrade[@]}" -o locks/build.txt <(printf 'hatchling>=1.27\n')
