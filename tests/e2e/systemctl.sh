#!/bin/bash
# Stands in for systemctl where no systemd runs: starts, signals and stops what the units in $UNITS say, with standard
# output in $LOG; with AS_UNIT as the unit's user, with its capabilities, files and /proc, and nothing else of its
# sandbox. What works without systemd goes to the real one; what only it can do is noted in $LOG.systemctl.
set -u

# `as-unit FOLDER COMMAND…`, in a mount namespace of its own: ProtectSystem=strict, ProtectProc=invisible, ProcSubset=pid.
if [ "$1" = as-unit ]; then
  mount --bind "$2" "$2" && mount -o remount,bind,ro / && mount -t proc -o subset=pid,hidepid=invisible proc /proc || exit 1
  shift 2
  exec "$@"
fi

case $* in *--root=*) exec /usr/bin/systemctl "$@" ;; esac
if [ "$1" = --quiet ]; then shift; fi
case $* in daemon-reload | *.timer) echo "$*" >>"$LOG.systemctl" && exit 0 ;; esac
verb=$1 unit=$UNITS/${2%.service}.service

value_of() { sed -n "s/^$1=//p" "$unit"; }
as=()
if [ -n "${AS_UNIT-}" ]; then
  user=$(value_of User) caps=$(value_of AmbientCapabilities) folder=$(value_of RuntimeDirectory)
  caps=${caps#CAP_}
  umask "$(value_of UMask)"
  if [ -n "$folder" ]; then install -d -m "$(value_of RuntimeDirectoryMode)" -o "$user" -g "$user" "/run/$folder"; fi
  as=(unshare -m "$0" as-unit "/var/lib/$(value_of StateDirectory)" setpriv --reuid "$user" --regid "$user" --init-groups --no-new-privs
    "--inh-caps=-all${caps:+,+${caps,,}}" "--ambient-caps=-all${caps:+,+${caps,,}}" "--bounding-set=-all${caps:+,+${caps,,}}")
fi

# The command of a line of the unit, with the paths of this host.
command_of() {
  sed -n "s/^$1=//p" "$unit" | sed "s#/usr/local/bin/mc-proxy#mc-proxy#; s#/etc/mc-proxy/mc-proxy.toml#$CONFIG#"
}
run() {
  local words
  read -ra words < <(command_of "$1") || return 0
  "${as[@]}" "${words[@]}" >>"$LOG" 2>&1
}
pid() { cat "$DATABASE.lock" 2>/dev/null; }
is_active() { [ -n "$(pid)" ] && kill -0 "$(pid)" 2>/dev/null; }

start() {
  is_active && return 0
  local main
  run ExecStartPre || return 1
  local words
  read -ra words < <(command_of ExecStart)
  nohup "${as[@]}" "${words[@]}" >>"$LOG" 2>&1 </dev/null &
  main=$!
  until grep -q "\"event\":\"ready\".*\"pid\":$main," "$LOG"; do
    kill -0 $main 2>/dev/null || return 1
    sleep 0.05
  done
}

stop() {
  local main
  main=$(pid)
  is_active || return 0
  kill -TERM "$main"
  while kill -0 "$main" 2>/dev/null; do sleep 0.05; done
}

case $verb in
  start) if grep -q '^Type=oneshot' "$unit"; then run ExecStart; else start; fi ;;
  stop) stop ;;
  restart) stop && start ;;
  # A line with a shell's quotes and variables, which start and stop have not.
  reload) MAINPID=$(pid) RUNTIME_DIRECTORY=$(dirname "${SOCKET:-/run/mc-proxy/admin.sock}") \
    bash -c "${as[*]} $(command_of ExecReload)" >>"$LOG" 2>&1 </dev/null ;;
  is-active) if is_active; then echo active; else echo inactive && exit 3; fi ;;
  *) echo "systemctl.sh: no $verb here" >&2 && exit 1 ;;
esac
