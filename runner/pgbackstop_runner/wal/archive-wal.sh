#!/bin/sh
# Archives one WAL file; for archive_command of PostgreSQL. Needs a POSIX shell, coreutils, and lz4 or zstd.
#
# usage: archive-wal.sh lz4|zstd|none ARCHIVE %p %f
#
# Exit status 0 means: the file is in the archive, whole and durable. Anything else makes the server keep
# it and try again; after three failures it pauses for about a minute. The same file again is success,
# another file of the same name never is. No pipes: each would hide the failure of its first program.
set -eu
umask 077

fail() {
    echo "archive-wal.sh: $*" >&2
    exit 1
}

[ $# -eq 4 ] || fail "usage: archive-wal.sh lz4|zstd|none ARCHIVE %p %f"
compression=$1 archive=$2 path=$3 name=$4

case $compression in
lz4) suffix=.lz4 ;;
zstd) suffix=.zst ;;
none) suffix= ;;
*) fail "unknown compression $compression: use lz4, zstd or none" ;;
esac

# An archive that is not mounted must not be made anew below its mount point.
[ -d "$archive/incoming" ] ||
    fail "there is no folder $archive/incoming: mount the archive, or run 'pgbackstop wal archive-command'"

log=${name%%.*} # ends of names: .00000028.backup, .partial, .history
log=${log%????????}
case $name in
*/* | .* | '') fail "$name is no name of a WAL file" ;;
*.history)
    suffix= final=$archive incoming=$archive/incoming
    ;;
*.backup | *.partial)
    # Not needed for recovery along the newest timeline, so not indexed: they go to their place at once.
    final=$archive/$log incoming=$final
    mkdir -p "$final"
    ;;
*)
    final=$archive/$log incoming=$archive/incoming
    ;;
esac

temporary=$incoming/.$name.tmp
target=$incoming/$name$suffix
trap 'rm -f "$temporary"' EXIT
trap 'exit 1' HUP INT TERM

for existing in "$incoming/$name" "$incoming/$name.lz4" "$incoming/$name.zst" \
    "$final/$name" "$final/$name.lz4" "$final/$name.zst"; do
    [ -e "$existing" ] || continue
    case $existing in
    *.lz4) lz4 -dcq "$existing" >"$temporary" || fail "$existing is here already and cannot be read" ;;
    *.zst) zstd -dcq "$existing" >"$temporary" || fail "$existing is here already and cannot be read" ;;
    *) cat "$existing" >"$temporary" || fail "$existing is here already and cannot be read" ;;
    esac
    cmp -s "$temporary" "$path" || fail "$existing is here already with other content: two servers, one archive?"
    sync "$existing" "$(dirname "$existing")"
    exit 0
done

# lz4: blocks of 64 KiB and no checksum of the frame take a third less CPU than the tool's defaults. The
# frames of pg_receivewal have none either: WAL records have their own, and the index has a SHA-256.
case $suffix in
.lz4) lz4 -1cq -B4 --no-frame-crc "$path" >"$temporary" ;;
.zst) zstd -3cq "$path" >"$temporary" ;;
*) cat "$path" >"$temporary" ;;
esac || fail "$name cannot be written to $incoming"

sync "$temporary"
# A hard link fails where the name exists, which mv would overwrite; not every file system has them.
if ! ln "$temporary" "$target" 2>/dev/null; then
    [ ! -e "$target" ] || fail "$target has just appeared: two servers, one archive?"
    mv "$temporary" "$target"
fi
sync "$incoming"
