#!/bin/sh
# The runner's container: says what is wrong with configuration and server, then runs the daemon.
#
# A configuration that cannot be used ends the container with its sentence. A server that cannot be backed
# up does not: the daemon tries again when a plan is due, and the container is unhealthy until then.
set -u
# The exporter has an account of its own and reads by the group: names everywhere, and the files of the catalog. What is
# new gets these modes by itself; a folder of before, or a new one of the host, gets them here, once.
home=${1:-/var/lib/pgbackstop}
if [ "$(stat -c %a:%g "$home")" != "750:$(id -g)" ]; then
    find "$home" -mindepth 1 -type d -exec chgrp "$(id -g)" {} + -exec chmod 0750 {} +
    for each in "$home/catalog" "$home/storage.json"; do
        [ -e "$each" ] && find "$each" -type f -exec chgrp "$(id -g)" {} + -exec chmod 0640 {} +
    done
    chgrp "$(id -g)" "$home" && chmod 0750 "$home"
fi
pgbackstop config check || exit
pgbackstop check || echo "The backups cannot be made as things are: see NO above. The daemon runs all the same." >&2
exec pgbackstop daemon
