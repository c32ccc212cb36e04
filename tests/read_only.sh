#!/bin/sh
# read_only.sh DATA UID COMMAND...: run the command as the container would: no capabilities, no new privileges, and
# everything read-only but DATA, which is at /mnt, and /tmp. Needs root, and exits with 125 where that is not enough.
set -eu
data=$1 uid=$2
shift 2
exec unshare --mount --propagation private sh -eu -c '
    data=$1 uid=$2; shift 2
    mount --bind "$data" /mnt || exit 125
    while read -r _ place _; do
        [ "$place" = /mnt ] || mount -o remount,bind,ro "$place" 2>/dev/null || true
    done < /proc/self/mounts
    mount -t tmpfs -o size=256m,mode=1777 none /tmp || exit 125
    ! touch /usr/written 2>/dev/null || exit 125
    exec setpriv --reuid "$uid" --regid "$uid" --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
' read_only "$data" "$uid" "$@"
