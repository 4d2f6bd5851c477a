# A second NATS server, with the configuration that hubs run, for one server instead of three: a certificate for every
# machine, and users made from the table of machine roles.

nats_tls_prepare() {
  command -v nats-server >/dev/null || { say "nats-server is not installed; run as root, or install it"; return 1; }
  pki_prepare || return 1
  rm -rf "$SERVICES/nats_tls"
  mkdir -p "$SERVICES/nats_tls/jetstream"
}

nats_tls_configure() {
  free_port >"$SERVICES/run/nats_tls.port"
  free_port >"$SERVICES/run/nats_tls-mqtt.port"
  free_port >"$SERVICES/run/nats_tls-monitor.port"
  cp "$OPS/nats/users.conf" "$SERVICES/nats_tls/users.conf"
  sed -e '/^cluster {$/,/^}$/d' \
    -e "s|^server_name: .*|server_name: \"hubwatch-dev-tls\"|" \
    -e "s|0\.0\.0\.0:4222|127.0.0.1:$(port_of nats_tls)|" \
    -e "s|0\.0\.0\.0:8883|127.0.0.1:$(port_of nats_tls-mqtt)|" \
    -e "s|127\.0\.0\.1:8222|127.0.0.1:$(port_of nats_tls-monitor)|" \
    -e "s|/etc/nats|$PKI|" \
    -e "s|/var/lib/nats|$SERVICES/nats_tls/jetstream|" \
    -e 's|100GB|1GB|' \
    -e 's|stream_replicas: 3|stream_replicas: 1|' \
    "$OPS/nats/node.conf" >"$SERVICES/nats_tls/nats.conf"
}

nats_tls_launch() { launch nats_tls nats-server -c "$SERVICES/nats_tls/nats.conf"; }

nats_tls_ready() { nats_healthy nats_tls-monitor; }

nats_tls_env() {
  echo "NATS_TLS_URL=tls://127.0.0.1:$(port_of nats_tls)"
  echo "NATS_TLS_MQTT_HOST=127.0.0.1"
  echo "NATS_TLS_MQTT_PORT=$(port_of nats_tls-mqtt)"
}
