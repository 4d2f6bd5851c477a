# A development authority, with a certificate for each machine, made once by openssl: hubwatch's own `pki init` may not
# be installed yet, because CI makes the virtual environment meanwhile. Whoever can read .services/ can be any of them.

OPS=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PKI=$SERVICES/pki
# The agent that ops/nats/users.conf names.
AGENT_HUB=rotterdam
AGENT=gate-7
PKI_DAYS=3650

pki_prepare() {
  [[ ! -e $PKI/complete ]] || return 0
  command -v openssl >/dev/null || { say "openssl is not installed; run as root, or install it"; return 1; }
  rm -rf "$PKI"
  mkdir -p "$PKI"
  chmod 700 "$PKI"
  (umask 077; make_authority && make_certificates) >>"$SERVICES/log/pki.log" 2>&1 ||
    { say "openssl failed; see $SERVICES/log/pki.log"; return 1; }
  touch "$PKI/complete"
}

make_authority() {
  cat >"$PKI/openssl.cnf" <<CONF
[req]
distinguished_name = name
prompt = no
[name]
CN = hubwatch development
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = IP:127.0.0.1, DNS:localhost
[ca]
default_ca = list
[list]
database = $PKI/revoked
default_md = sha256
CONF
  : >"$PKI/revoked"
  openssl req -x509 -config "$PKI/openssl.cnf" -extensions authority -days $PKI_DAYS -nodes \
    -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout "$PKI/ca.key" -out "$PKI/ca.pem" &&
    openssl ca -gencrl -config "$PKI/openssl.cnf" -crldays $PKI_DAYS -cert "$PKI/ca.pem" -keyfile "$PKI/ca.key" \
      -out "$PKI/crl.pem"
}

# Names are those of ops/hubwatch_ops/pki/roles.py. `services` has rights nowhere: with it is looked who answers.
make_certificates() {
  local name
  for name in broker nats; do certificate "$name" server "$name" ec || return 1; done
  for name in collector detectors services; do certificate "$name" client "$name" ec || return 1; done
  certificate agent client "$AGENT_HUB\\/$AGENT" ed25519
}

# certificate FILE USAGE COMMON-NAME KIND-OF-KEY
certificate() {
  local curve=()
  if [[ $4 == ec ]]; then curve=(-pkeyopt ec_paramgen_curve:P-256); fi
  openssl req -new -config "$PKI/openssl.cnf" -subj "/CN=$3" -nodes -newkey "$4" "${curve[@]}" \
    -keyout "$PKI/$1.key" -out "$PKI/$1.request" &&
    openssl x509 -req -in "$PKI/$1.request" -CA "$PKI/ca.pem" -CAkey "$PKI/ca.key" -CAcreateserial -days $PKI_DAYS \
      -extfile "$PKI/openssl.cnf" -extensions "$2" -out "$PKI/$1.pem" &&
    rm "$PKI/$1.request"
}
