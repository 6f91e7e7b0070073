#!/bin/sh
# The chassis behind a BMC: ipmi_sim calls "chassis get power …" and "chassis set boot pxe …".
# Called through a two-line wrapper in the machine's run folder that sets LAB_MACHINE (that
# folder), LAB_PYTHON and LAB_ROOT. Must return quickly: ipmi_sim waits for it.
cd "$LAB_MACHINE" || exit 1
echo "$(date +%T) $*" >> chassis.log

is_on() { ! flock --nonblock --shared power.lock true; }

power_on() {
  exec 9>>power.lock
  # The wait lets a concurrent look at the lock pass; fails when the machine is on already.
  flock --wait 0.3 9 || { exec 9>&-; return 0; }
  # Signals that arrive before the runner listens must not end it.
  (trap '' HUP USR1; cd "$LAB_ROOT" && exec setsid "$LAB_PYTHON" -m lab.runner "$LAB_MACHINE" \
    </dev/null >>"$LAB_MACHINE/runner.log" 2>&1) &
  echo $! > runner.pid
  exec 9>&-
}

power_off() {
  is_on || return 0
  kill -TERM "$(cat runner.pid)"
  flock --shared --wait 5 power.lock true || kill -KILL "$(cat runner.pid)"
  flock --shared --wait 5 power.lock true
}

get() {
  case $1 in
    power) if is_on; then echo power:1; else echo power:0; fi ;;
    boot) if [ -e boot ]; then echo "boot:$(cat boot)"; else echo boot:none; fi ;;
    *) echo "$1:0" ;;
  esac
}

set_one() {
  case $1:$2 in
    power:0) power_off ;;
    power:*) power_on ;;
    reset:*) if is_on; then kill -HUP "$(cat runner.pid)"; fi ;;
    shutdown:*) if is_on; then kill -USR1 "$(cat runner.pid)"; fi ;;
    boot:none | boot:default) rm -f boot ;;
    boot:*) echo "$2" > boot ;;
    identify:*) echo "$2" > identify ;;
  esac
}

verb=$1
shift
while [ $# -gt 0 ]; do
  if [ "$verb" = get ]; then get "$1"; shift; else set_one "$1" "$2"; shift; shift; fi
done
exit 0
