# Processes and ports. A process is recorded as "PID START-TIME", so that a pid reused by another process is
# never taken for ours.

# Daemons are in folders that are not in an ordinary user's PATH.
PATH=$PATH:/usr/sbin:/sbin

# Clock ticks since boot at which a process began: field 22 of /proc/PID/stat, counted after the name in brackets
# (the name may hold spaces). See proc(5).
start_time_of() {
  local line
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${line##*) }
  [[ $1 != Z ]] && echo "${20}"
}

# launch NAME COMMAND...: in its own session, output into its log, remembered below run/.
launch() {
  local name=$1 pid
  shift
  setsid "$@" </dev/null >>"$SERVICES/log/$name.log" 2>&1 9>&- &
  pid=$!
  echo "$pid $(start_time_of "$pid")" >"$SERVICES/run/$name.pid"
}

pid_of() { cut -d' ' -f1 "$SERVICES/run/$1.pid" 2>/dev/null || echo -; }
port_of() { cat "$SERVICES/run/$1.port" 2>/dev/null || echo -; }

alive() {
  local pid began
  { read -r pid began <"$SERVICES/run/$1.pid"; } 2>/dev/null || return 1
  [[ -n $began && $(start_time_of "$pid") == "$began" ]]
}

# SIGINT is PostgreSQL's fast shutdown; the others take it as an ordinary end. SIGKILL after 15 s.
stop_one() {
  local name=$1 pid deadline=$((SECONDS + 15))
  pid=$(pid_of "$name")
  if alive "$name"; then
    say "stopping $name"
    kill -INT "$pid"
    while alive "$name" && ((SECONDS < deadline)); do sleep 0.1; done
    if alive "$name"; then kill -KILL "$pid"; fi
  fi
  rm -f "$SERVICES/run/$name.pid" "$SERVICES/run/$name.port"
}

# A free port from 10000..29999: below the range that outgoing connections are given (32768 up on Linux).
free_port() {
  local port
  while :; do
    port=$((10000 + (RANDOM * 32768 + RANDOM) % 20000))
    if ! { : <>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null; then
      echo "$port"
      return 0
    fi
  done
}
