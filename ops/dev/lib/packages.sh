# Installs Debian packages whose program is missing. Without root it installs nothing and uses what is installed.

declare -A PROGRAMS=(
  [mosquitto]=mosquitto [nats-server]=nats-server [debootstrap]=debootstrap [pgbouncer]=pgbouncer [faketime]=faketime
  [openssl]=openssl [chromium]=chromium
)

missing_packages() {
  local package
  for package in "${!PROGRAMS[@]}"; do
    if ! command -v "${PROGRAMS[$package]}" >/dev/null; then echo "$package"; fi
  done
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    say "cannot install without root: ${missing[*]}"
    return 1
  fi
  say "installing ${missing[*]}"
  # set -e does not hold here (the caller tests our result), hence the explicit chain.
  apt_get update -q &&
    without_service_start apt_get install -q -y --no-install-recommends "${missing[@]}" ||
    { say "apt-get failed; see $SERVICES/log/packages.log"; return 1; }
}

# Another checkout may be installing at the same time: wait for apt's lock instead of failing.
apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" </dev/null >>"$SERVICES/log/packages.log" 2>&1
}

# A package starts its service when it is installed. We start our own on other ports, so prevent that.
# Ref: Debian policy, /usr/share/doc/init-system-helpers/README.policy-rc.d.gz: 101 is "action forbidden".
without_service_start() {
  local policy=/usr/sbin/policy-rc.d result=0
  if [[ -e $policy ]]; then
    "$@"
    return
  fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  "$@" || result=$?
  rm -f "$policy"
  return "$result"
}
