# Configurations that connect with a certificate, ready to run, and a word about them.

write_clients() {
  local folder=$SERVICES/clients role
  { alive mosquitto_tls && alive nats_tls; } || return 0
  mkdir -p "$folder"
  agent_file "$(port_of mosquitto_tls)" auto agent >"$folder/agent.toml"
  agent_file "$(port_of nats_tls-mqtt)" 3.1.1 agent-nats >"$folder/agent-nats.toml"
  for role in collector detectors; do
    mqtt_section "$(port_of mosquitto_tls)" auto "$role" >"$folder/$role.toml"
    nats_section "$role" >"$folder/$role-nats.toml"
  done
}

agent_file() {
  printf 'hub = "%s"\nagent = "%s"\nsigning_key_file = "%s"\n' "$AGENT_HUB" "$AGENT" "$PKI/agent.key"
  printf '[privacy]\nsubjects = "raw"\n[spool]\ndirectory = "%s"\n' "$SERVICES/clients/$3.spool"
  mqtt_section "$1" "$2" agent
}

mqtt_section() {
  printf '[mqtt]\nhost = "127.0.0.1"\nport = %s\nprotocol = "%s"\n[mqtt.tls]\n' "$1" "$2"
  tls_keys "$3"
}

nats_section() {
  printf '[nats]\nservers = ["tls://127.0.0.1:%s"]\nreplicas = 1\n[nats.tls]\n' "$(port_of nats_tls)"
  tls_keys "$1"
}

tls_keys() {
  printf 'ca_file = "%s"\ncert_file = "%s"\nkey_file = "%s"\n' "$PKI/ca.pem" "$PKI/$1.pem" "$PKI/$1.key"
}

tell_clients() {
  [[ -d $SERVICES/clients ]] || return 0
  cat >&2 <<TEXT
services: to connect with a certificate (Mosquitto; NATS with agent-nats.toml and so on):
  hubwatch agent run -c $SERVICES/clients/agent.toml
  HUBWATCH_DATABASE__DSN=postgresql://... hubwatch collector run -c $SERVICES/clients/collector.toml
TEXT
}
