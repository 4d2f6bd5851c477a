# Mosquitto, MQTT 5, anonymous on loopback, queues deep enough for commit-then-ack.

mosquitto_prepare() {
  command -v mosquitto >/dev/null || { say "mosquitto is not installed; run as root, or install it"; return 1; }
  rm -rf "$SERVICES/mosquitto"
  mkdir -p "$SERVICES/mosquitto/data"
}

mosquitto_configure() {
  local port
  port=$(free_port)
  echo "$port" >"$SERVICES/run/mosquitto.port"
  cat >"$SERVICES/mosquitto/mosquitto.conf" <<CONF
listener $port 127.0.0.1
allow_anonymous true
# Run as the current user: the folder belongs to it, and the user "mosquitto" may not be able to reach it.
user $(id -un)
persistence true
persistence_location $SERVICES/mosquitto/data/
# The default of 20 would cap a collector that acknowledges only after its commit.
max_inflight_messages 5000
max_queued_messages 200000
max_queued_bytes 0
# Without this small packets wait for one another.
set_tcp_nodelay true
log_dest stdout
log_timestamp_format %Y-%m-%dT%H:%M:%S
CONF
}

mosquitto_launch() { launch mosquitto mosquitto -c "$SERVICES/mosquitto/mosquitto.conf"; }

# Ready when it answers an MQTT 3.1.1 CONNECT (clean session, empty client id) with CONNACK 0.
mosquitto_ready() {
  local answer
  answer=$(
    exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$(port_of mosquitto)" || exit 1
    printf '\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00' >&3
    timeout 2 head -c 4 <&3 | od -An -tx1 | tr -d ' \n'
  )
  [[ $answer == 20020000 ]]
}

mosquitto_env() {
  echo "MOSQUITTO_HOST=127.0.0.1"
  echo "MOSQUITTO_PORT=$(port_of mosquitto)"
}
