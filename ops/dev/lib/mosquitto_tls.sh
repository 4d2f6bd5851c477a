# A second Mosquitto, with the configuration that hubs run: a certificate for every machine, and the access rights made
# from the table of machine roles. It is a process of its own, because whoever reaches the first one may say anything.

mosquitto_tls_prepare() {
  command -v mosquitto >/dev/null || { say "mosquitto is not installed; run as root, or install it"; return 1; }
  pki_prepare || return 1
  rm -rf "$SERVICES/mosquitto_tls"
  mkdir -p "$SERVICES/mosquitto_tls/data"
}

mosquitto_tls_configure() {
  local port
  port=$(free_port)
  echo "$port" >"$SERVICES/run/mosquitto_tls.port"
  {
    echo "user $(id -un)"
    sed -e "s|^listener 8883$|listener $port 127.0.0.1|" \
      -e "s|/etc/mosquitto/certs|$PKI|" \
      -e "s|/etc/mosquitto/hubwatch.acl|$OPS/mosquitto/acl|" \
      -e "s|/var/lib/mosquitto/|$SERVICES/mosquitto_tls/data/|" \
      -e "s|^log_dest syslog$|log_dest stdout\nlog_timestamp_format %Y-%m-%dT%H:%M:%S|" \
      "$OPS/mosquitto/mosquitto.conf"
  } >"$SERVICES/mosquitto_tls/mosquitto.conf"
}

mosquitto_tls_launch() { launch mosquitto_tls mosquitto -c "$SERVICES/mosquitto_tls/mosquitto.conf"; }

# Ready when it answers CONNECT of a machine with a certificate; DISCONNECT after it ends the connection.
mosquitto_tls_ready() {
  local answer
  answer=$(
    printf '\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00\xe0\x00' |
      timeout 2 openssl s_client -quiet -verify_return_error -connect "127.0.0.1:$(port_of mosquitto_tls)" \
        -CAfile "$PKI/ca.pem" -cert "$PKI/services.pem" -key "$PKI/services.key" 2>/dev/null |
      head -c 4 | od -An -tx1 | tr -d ' \n'
  )
  [[ $answer == 20020000 ]]
}

mosquitto_tls_env() {
  echo "MOSQUITTO_TLS_HOST=127.0.0.1"
  echo "MOSQUITTO_TLS_PORT=$(port_of mosquitto_tls)"
}
