# PostgreSQL 17 with TimescaleDB (Apache build) from Debian trixie, in a folder of its own, run by chroot.
# Nothing is mounted into that folder as others see it, so removing .services/ is always safe.

TIMESCALE_ROOT=$SERVICES/timescaledb/rootfs
TIMESCALE_BIN=/usr/lib/postgresql/17/bin
TIMESCALE_DATA=/srv/data
# Where the tests' databases are, thousands in a run: a disk in memory that only the server itself sees, and that ends
# with it; an ordinary folder where nothing can be mounted or memory is short. Benchmarks use TIMESCALE_DATA.
TIMESCALE_MEMORY=/srv/memory

timescaledb_prepare() {
  if ((EUID != 0)); then
    say "timescaledb runs in a chroot and needs root; run as root"
    return 1
  fi
  if [[ ! -e $SERVICES/timescaledb/complete ]]; then bootstrap_timescaledb || return 1; fi
  rm -rf "${TIMESCALE_ROOT:?}$TIMESCALE_DATA" "${TIMESCALE_ROOT:?}$TIMESCALE_MEMORY"
  mkdir -p "$TIMESCALE_ROOT$TIMESCALE_DATA" "$TIMESCALE_ROOT$TIMESCALE_MEMORY"
  chroot "$TIMESCALE_ROOT" chown postgres:postgres "$TIMESCALE_DATA" "$TIMESCALE_MEMORY"
  in_timescale "$TIMESCALE_BIN/initdb" --pgdata "$TIMESCALE_DATA" --username postgres --auth trust \
    --encoding UTF8 --locale C.UTF-8 >>"$SERVICES/log/timescaledb.log" 2>&1
}

bootstrap_timescaledb() {
  local script=() log=$SERVICES/log/debootstrap.log scripts=/usr/share/debootstrap/scripts
  remove_partial_rootfs
  mkdir -p "$TIMESCALE_ROOT"
  # An older debootstrap may not know the name; all Debian releases share one script.
  if [[ ! -e $scripts/trixie ]]; then script=("$scripts/sid"); fi
  say "downloading PostgreSQL 17 with TimescaleDB (only once; takes about 50 s)"
  http_proxy=${http_proxy:-$(apt_proxy)} debootstrap --variant=minbase --include=postgresql-17-timescaledb \
    trixie "$TIMESCALE_ROOT" "$(debian_mirror)" "${script[@]}" 2>&1 |
    tee "$log" | show_progress || { say "debootstrap failed; see $log"; return 1; }
  rm -f "$TIMESCALE_ROOT"/var/cache/apt/archives/*.deb
  touch "$SERVICES/timescaledb/complete"
}

# A debootstrap that was killed may have left /proc or /sys mounted inside: never delete through a mount.
remove_partial_rootfs() {
  local point
  while read -r _ _ _ _ point _; do
    if [[ $point == "$TIMESCALE_ROOT"/* ]]; then umount "$point" || umount -l "$point"; fi
  done < <(tac /proc/self/mountinfo)
  rm -rf --one-file-system "$TIMESCALE_ROOT"
}

# Print one dot for every ten packages, to show progress.
show_progress() {
  awk '/^I: (Retrieving|Extracting|Unpacking|Configuring)/ { if (++n % 10 == 0) printf "." > "/dev/stderr" }
       /^E:/ { print > "/dev/stderr" } END { printf "\n" > "/dev/stderr" }'
}

# The machine's own Debian mirror and proxy, as apt knows them (both source formats).
debian_mirror() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 'Component: main' | head -n 1
}

apt_proxy() {
  local proxy=
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  [[ $proxy == DIRECT ]] || echo "$proxy"
}

in_timescale() { chroot --userspec=postgres:postgres "$TIMESCALE_ROOT" /usr/bin/env -i LC_ALL=C.UTF-8 PWD=/ "$@"; }

timescaledb_configure() {
  free_port >"$SERVICES/run/timescaledb.port"
  cat >"$TIMESCALE_ROOT$TIMESCALE_DATA/hubwatch.conf" <<CONF
port = $(port_of timescaledb)
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
# /dev/shm is not mounted inside the chroot.
dynamic_shared_memory_type = mmap
shared_buffers = 256MB
max_wal_size = 2GB
# A test's own database is there in a tenth of the time. What was committed survives kill -9, only not a power cut.
# Benchmarks switch both on again while they run.
fsync = off
full_page_writes = off
timezone = 'UTC'
# As recommended for production: compiling the plan of ledger_gaps took 3 s, running it 1 ms (measured).
jit = off
shared_preload_libraries = 'timescaledb'
# Each test has a database of its own, and each database a scheduler.
max_worker_processes = 64
timescaledb.max_background_workers = 32
CONF
  if ! grep -q hubwatch.conf "$TIMESCALE_ROOT$TIMESCALE_DATA/postgresql.conf"; then
    echo "include 'hubwatch.conf'" >>"$TIMESCALE_ROOT$TIMESCALE_DATA/postgresql.conf"
  fi
}

timescaledb_launch() {
  local alone=()
  if memory_is_ample && unshare --mount true 2>/dev/null; then
    # The mount is made in the server's own view of the disks; mode and owner are those of the folder below. A full disk
    # ends one test, full memory whatever the machine chooses.
    alone=(unshare --mount -- bash -c
      'mount -t tmpfs -o "size=3g,mode=0700,uid=$(stat -c %u "$0"),gid=$(stat -c %g "$0")" tmpfs "$0"; exec "$@"'
      "$TIMESCALE_ROOT$TIMESCALE_MEMORY")
  fi
  launch timescaledb "${alone[@]}" chroot --userspec=postgres:postgres "$TIMESCALE_ROOT" \
    /usr/bin/env -i LC_ALL=C.UTF-8 PWD=/ "$TIMESCALE_BIN/postgres" -D "$TIMESCALE_DATA"
}

# At least 4 GiB free: the databases of a whole run of the tests, side by side, take a fifth of that. In a container the
# free memory is that of the machine, so its limit counts too, by either version of control groups.
memory_is_ample() {
  local groups=${1:-/sys/fs/cgroup} own limit
  while IFS=: read -r _ _ own; do
    for limit in "$groups"{,"$own"}/memory.max "$groups"/memory{,"$own"}/memory.limit_in_bytes; do
      if [[ -r $limit && $(<"$limit") != max ]] && (($(<"$limit") < 4 << 30)); then return 1; fi
    done
  done </proc/self/cgroup
  awk '/^MemAvailable:/ { ample = $2 >= 4194304 } END { exit !ample }' "${2:-/proc/meminfo}"
}

timescaledb_started() {
  in_timescale "$TIMESCALE_BIN/psql" -qX -h 127.0.0.1 -p "$(port_of timescaledb)" -U postgres \
    -c "CREATE TABLESPACE in_memory LOCATION '$TIMESCALE_MEMORY'" >>"$SERVICES/log/timescaledb.log" 2>&1
}

timescaledb_ready() {
  [[ $EUID == 0 ]] && chroot "$TIMESCALE_ROOT" "$TIMESCALE_BIN/pg_isready" -q -h 127.0.0.1 -p "$(port_of timescaledb)"
}

timescaledb_env() { echo "TIMESCALE_DSN=postgresql://postgres@127.0.0.1:$(port_of timescaledb)/postgres"; }
