# Debian packages, only those whose program is missing. Without root nothing is installed and what is there is used.

declare -A PROGRAMS=([mosquitto]=mosquitto [nats-server]=nats-server [debootstrap]=debootstrap)

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
    say "not root, so these cannot be installed: ${missing[*]}"
    return 1
  fi
  say "installing ${missing[*]}"
  # set -e does not hold here (the caller tests our result), hence the explicit chain.
  apt_get update -q &&
    without_service_start apt_get install -q -y --no-install-recommends "${missing[@]}" ||
    { say "apt-get failed, see $SERVICES/log/packages.log"; return 1; }
}

# Another checkout may be installing just now: wait for apt's lock instead of failing.
apt_get() {
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@" </dev/null >>"$SERVICES/log/packages.log" 2>&1
}

# Packages start their service on installation; ours run on their own ports, so forbid that meanwhile.
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
