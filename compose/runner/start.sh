#!/bin/sh
# The runner's container: says what is wrong with configuration and server, then runs the daemon.
#
# A configuration that cannot be used ends the container with its sentence. A server that cannot be backed
# up does not: the daemon tries again when a plan is due, and the container is unhealthy until then.
set -u
pgbackstop config check || exit
pgbackstop check || echo "The backups cannot be made as things are: see NO above. The daemon runs all the same." >&2
exec pgbackstop daemon
