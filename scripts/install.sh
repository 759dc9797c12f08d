#!/bin/sh
# Installs mc-proxy on a Linux host, upgrades it, or takes it away. Run again it changes nothing that is right already.
set -eu

usage() {
  cat <<'USAGE'
usage: install.sh [--binary FILE] [--sysctl] [--root DIR]    install or upgrade
       install.sh --uninstall [--purge] [--root DIR]         take away; data and configuration stay without --purge

--binary FILE  the binary (default: mc-proxy or dist/mc-proxy beside scripts/)
--sysctl       put the kernel settings of deploy/sysctl.d in place, too
--root DIR     install into this folder in place of / (an image, a test); nothing is started or stopped
--purge        remove database, snapshots, configuration and user as well

A version goes to /opt/mc-proxy/VERSION-HASH/ and is never overwritten; /usr/local/bin/mc-proxy links to it, and
/opt/mc-proxy/previous to the one before. A running server goes on with its version until it is restarted, or relieved by the new one.
USAGE
}

here=$(cd "$(dirname "$0")/.." && pwd)
binary='' root='' action=install purge=no sysctl=no
user=mc-proxy
units='mc-proxy.service mc-proxy-snapshot.service mc-proxy-snapshot.timer'
enabled='mc-proxy.service mc-proxy-snapshot.timer'

say() { echo "install.sh: $*"; }
fail() { echo "install.sh: $*" >&2; exit 1; }
wrong() { echo "install.sh: $*" >&2; usage >&2; exit 2; }

# A folder or file of ours: MODE OWNER:GROUP PATH. Names of users are those of the root, not of this machine.
folder() { install -d -m "$1" "$root$3" && chown "$2" "$root$3"; }
file() { install -m "$1" "$4" "$root$3.new" && chown "$2" "$root$3.new" && mv -f "$root$3.new" "$root$3"; }

# `uid:gid` of the service's user in the root; nothing when there is none.
ids() {
  if [ -n "$root" ]; then awk -F: -v u="$user" '$1 == u { print $3 ":" $4 }' "$root/etc/passwd"
  else getent passwd "$user" | awk -F: '{ print $3 ":" $4 }'; fi
}

# Whether this host's systemd is to be told of changes.
is_live() { [ -z "$root" ] && [ -d /run/systemd/system ]; }

make_user() {
  [ -z "$(ids)" ] || return 0
  if [ -n "$root" ]; then set -- --prefix "$root"; else set --; fi
  useradd "$@" --system --user-group --no-create-home --home-dir /var/lib/mc-proxy --shell /usr/sbin/nologin "$user"
  say "user $user made"
}

make_folders() {
  owner=$(ids)
  folder 0755 0:0 /opt/mc-proxy
  folder 0755 0:0 /usr/local/bin
  folder 0755 0:0 /usr/share/doc/mc-proxy
  folder 0755 0:0 /etc/systemd/system
  folder 0750 "0:${owner#*:}" /etc/mc-proxy
  folder 0700 "$owner" /var/lib/mc-proxy
  folder 0700 "$owner" /var/lib/mc-proxy/backups
}

# Puts the binary under a path that no other content ever has, then turns the link by a rename.
put_binary() {
  said=$("$binary" version) || fail "\"$binary\" doesn't run here"
  number=$(echo "$said" | sed -n 's/^mc-proxy \([0-9A-Za-z.+-]*\) .*/\1/p')
  [ -n "$number" ] || fail "\"$binary\" is no mc-proxy: it says \"$said\""
  hash=$(sha256sum "$binary" | cut -c 1-12)
  version=/opt/mc-proxy/$number-$hash
  if [ "$(sha256sum 2>/dev/null <"$root$version/mc-proxy" | cut -c 1-12)" != "$hash" ]; then
    folder 0755 0:0 "$version"
    file 0755 0:0 "$version/mc-proxy" "$binary"
    say "$version/mc-proxy put in place"
  fi
  link=$root/usr/local/bin/mc-proxy
  if [ -e "$link" ] && [ ! -L "$link" ]; then
    fail "\"$link\" is a file and no link of this script: stop mc-proxy, move the file away, run this again"
  fi
  before=$(readlink "$link" || true)
  [ "$before" != "$version/mc-proxy" ] || return 0
  if [ -n "$before" ]; then turn "$(dirname "$before")" "$root/opt/mc-proxy/previous"; fi
  turn "$version/mc-proxy" "$link"
  say "/usr/local/bin/mc-proxy is $version/mc-proxy now, and was ${before:-nothing}"
}

# Makes PATH a link to TARGET in one step.
turn() { ln -sfn "$1" "$2.new" && mv -fT "$2.new" "$2"; }

put_files() {
  owner=$(ids)
  if [ ! -e "$root/etc/mc-proxy/mc-proxy.toml" ]; then
    file 0640 "0:${owner#*:}" /etc/mc-proxy/mc-proxy.toml "$here/deploy/mc-proxy.toml"
    say "/etc/mc-proxy/mc-proxy.toml made: name listeners and routes there before the first start"
  fi
  # A release may leave them out.
  for name in mc-proxy.toml.example RUNBOOK.md; do
    [ ! -f "$here/$name" ] || file 0644 0:0 "/usr/share/doc/mc-proxy/$name" "$here/$name"
  done
  for unit in $units; do file 0644 0:0 "/etc/systemd/system/$unit" "$here/deploy/$unit"; done
  if [ $sysctl = yes ]; then
    folder 0755 0:0 /etc/sysctl.d
    file 0644 0:0 /etc/sysctl.d/60-mc-proxy.conf "$here/deploy/sysctl.d/60-mc-proxy.conf"
    if [ -z "$root" ]; then
      sysctl -q -p /etc/sysctl.d/60-mc-proxy.conf || say "some kernel settings were refused (a container?)"
    fi
  fi
}

enable_units() {
  if ! command -v systemctl >/dev/null; then
    say "no systemctl here: the units are in place and not enabled"
    return 0
  fi
  for unit in $enabled; do systemctl --quiet --root="${root:-/}" enable "$unit"; done
  if is_live; then
    systemctl daemon-reload
    systemctl start mc-proxy-snapshot.timer
  fi
}

install_all() {
  if [ -z "$binary" ]; then
    for each in "$here/mc-proxy" "$here/dist/mc-proxy"; do [ ! -f "$each" ] || binary=$each; done
    [ -n "$binary" ] || fail "no binary beside scripts/: name one with --binary"
  fi
  make_user
  make_folders
  put_binary
  put_files
  enable_units
  if is_live && systemctl --quiet is-active mc-proxy.service; then
    say "the running server keeps its version until: touch /run/mc-proxy/takeover && systemctl reload mc-proxy"
  else
    say "installed; then: mc-proxy check -c /etc/mc-proxy/mc-proxy.toml && systemctl start mc-proxy"
  fi
}

# The first process that runs from our folder; nothing when there is none.
running() {
  for each in /proc/[0-9]*; do
    case $(readlink "$each/exe" 2>/dev/null || true) in
      "$root"/opt/mc-proxy/*) echo "${each#/proc/}"; return 0 ;;
    esac
  done
}

uninstall_all() {
  if is_live; then
    for unit in $enabled; do systemctl --quiet stop "$unit" 2>/dev/null || true; done
  fi
  process=$(running)
  [ -z "$process" ] || fail "mc-proxy runs (process $process): stop it first"
  if command -v systemctl >/dev/null; then
    for unit in $enabled; do
      [ ! -e "$root/etc/systemd/system/$unit" ] || systemctl --quiet --root="${root:-/}" disable "$unit"
    done
  fi
  for unit in $units; do rm -f "$root/etc/systemd/system/$unit"; done
  if is_live; then systemctl daemon-reload; fi
  if [ -L "$root/usr/local/bin/mc-proxy" ]; then rm "$root/usr/local/bin/mc-proxy"; fi
  rm -rf "$root/opt/mc-proxy" "$root/usr/share/doc/mc-proxy"
  rm -f "$root/etc/sysctl.d/60-mc-proxy.conf"
  if [ $purge = no ]; then
    say "taken away; /etc/mc-proxy, /var/lib/mc-proxy and the user $user stay (--purge removes them)"
    return 0
  fi
  rm -rf "$root/etc/mc-proxy" "$root/var/lib/mc-proxy"
  if [ -n "$root" ]; then set -- --prefix "$root"; else set --; fi
  if [ -n "$(ids)" ]; then userdel "$@" "$user"; fi
  # Whether userdel takes the group, too, is a setting of the host's.
  if grep -q "^$user:" "$root/etc/group"; then groupdel "$@" "$user"; fi
  say "taken away, with database, configuration and user"
}

while [ $# -gt 0 ]; do
  case $1 in
    --binary) [ $# -gt 1 ] || wrong "--binary wants a file"; binary=$2; shift ;;
    --root) [ $# -gt 1 ] || wrong "--root wants a folder"; root=$2; shift ;;
    --sysctl) sysctl=yes ;;
    --uninstall) action=uninstall ;;
    --purge) purge=yes ;;
    -h | --help) usage; exit 0 ;;
    *) wrong "unknown option \"$1\"" ;;
  esac
  shift
done
[ $purge = no ] || [ $action = uninstall ] || wrong "--purge goes with --uninstall"
[ "$(id -u)" = 0 ] || fail "run this as root"
if [ -n "$root" ]; then
  root=$(cd "$root" && pwd) || fail "there is no folder for --root"
  [ -f "$root/etc/passwd" ] || fail "\"$root\" has no etc/passwd: not a system's root"
  [ "$root" != / ] || root=''
fi
if [ $action = install ]; then install_all; else uninstall_all; fi
