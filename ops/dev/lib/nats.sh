# NATS server with JetStream and its MQTT listener.

nats_prepare() {
  command -v nats-server >/dev/null || { say "nats-server is not installed; run as root, or install it"; return 1; }
  rm -rf "$SERVICES/nats"
  mkdir -p "$SERVICES/nats/jetstream"
}

nats_configure() {
  free_port >"$SERVICES/run/nats.port"
  free_port >"$SERVICES/run/nats-mqtt.port"
  free_port >"$SERVICES/run/nats-monitor.port"
  cat >"$SERVICES/nats/nats.conf" <<CONF
server_name: "hubwatch-dev"
listen: "127.0.0.1:$(port_of nats)"
http: "127.0.0.1:$(port_of nats-monitor)"
jetstream { store_dir: "$SERVICES/nats/jetstream" }
mqtt { listen: "127.0.0.1:$(port_of nats-mqtt)", max_ack_pending: 5000 }
CONF
}

nats_launch() { launch nats nats-server -c "$SERVICES/nats/nats.conf"; }

# Ready when its own health check says so, which includes JetStream.
nats_ready() { nats_healthy nats-monitor; }

nats_healthy() {
  local answer
  answer=$(
    exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$(port_of "$1")" || exit 1
    printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3
    timeout 2 cat <&3
  )
  [[ $answer == *'"ok"'* ]]
}

nats_env() {
  echo "NATS_URL=nats://127.0.0.1:$(port_of nats)"
  echo "NATS_MQTT_HOST=127.0.0.1"
  echo "NATS_MQTT_PORT=$(port_of nats-mqtt)"
  echo "NATS_MONITOR_URL=http://127.0.0.1:$(port_of nats-monitor)"
}
