#!/usr/bin/env bash
# Real services for the tests, on free loopback ports. All files are below .services/ in this checkout.
#
#   ops/dev/services.sh start    install missing packages (root, Debian) and start the services that are down
#   ops/dev/services.sh stop     stop the processes that "start" started, and no others
#   ops/dev/services.sh status   print a table; exit code 1 if a service is down
#
# Mosquitto and NATS run twice: open, for tests of single parts, and as at a hub, with a certificate for each machine.
# .services/env then contains ports and DSNs as KEY=VALUE, .services/clients/ configurations with certificates. Every
# start begins with empty data: the services are for tests.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SERVICES=$(cd "$here/../.." && pwd)/.services
NAMES=(mosquitto mosquitto_tls nats nats_tls timescaledb)

for part in process packages pki mosquitto mosquitto_tls nats nats_tls timescaledb clients; do
  # shellcheck source=/dev/null
  source "$here/lib/$part.sh"
done

say() { printf '%s %s\n' "services:" "$*" >&2; }

start() {
  local name failed=0 began=$SECONDS
  mkdir -p "$SERVICES/log" "$SERVICES/run"
  exec 9>"$SERVICES/lock" # one start or stop at a time in this checkout
  flock 9
  install_packages || failed=1
  for name in "${NAMES[@]}"; do
    start_one "$name" || { say "$name did not start; see $SERVICES/log/$name.log"; failed=1; }
  done
  write_env
  write_clients
  say "finished after $((SECONDS - began)) s"
  status || failed=1
  tell_clients
  return "$failed"
}

# Try three times: another process may take the free port before the service binds it.
start_one() {
  local name=$1 try
  if alive "$name"; then return 0; fi
  "${name}_prepare" || return 1
  for try in 1 2 3; do
    "${name}_configure" || return 1
    say "starting $name"
    "${name}_launch"
    if wait_ready "$name" && started "$name"; then return 0; fi
    stop_one "$name"
  done
  return 1
}

wait_ready() {
  local name=$1 deadline=$((SECONDS + 20))
  while ((SECONDS < deadline)); do
    alive "$name" || return 1
    if "${name}_ready"; then return 0; fi
    sleep 0.1
  done
  return 1
}

# What is done once, when a service answers for the first time.
started() { ! declare -F "$1_started" >/dev/null || "$1_started"; }

stop() {
  local name
  [[ -d $SERVICES ]] || return 0
  exec 9>"$SERVICES/lock"
  flock 9
  for name in "${NAMES[@]}"; do
    stop_one "$name"
  done
  rm -rf "$SERVICES/env" "$SERVICES/clients"
}

status() {
  local name state down=0
  printf '%-14s %-6s %-8s %-7s %s\n' SERVICE STATE PID PORT LOG
  for name in "${NAMES[@]}"; do
    state=down
    if alive "$name" && "${name}_ready"; then state=up; else down=1; fi
    printf '%-14s %-6s %-8s %-7s %s\n' \
      "$name" "$state" "$(pid_of "$name")" "$(port_of "$name")" "$SERVICES/log/$name.log"
  done
  return "$down"
}

write_env() {
  local name
  for name in "${NAMES[@]}"; do
    if alive "$name"; then "${name}_env"; fi
  done >"$SERVICES/env.new"
  mv "$SERVICES/env.new" "$SERVICES/env"
}

case "${1:-}" in
  start | stop | status) "$1" ;;
  *) echo "usage: $0 start|stop|status" >&2; exit 2 ;;
esac
