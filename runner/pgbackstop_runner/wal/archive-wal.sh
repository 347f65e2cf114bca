#!/bin/sh
# Archives one WAL file; for archive_command of PostgreSQL. Needs a POSIX shell, coreutils, and lz4 or zstd.
#
# usage: archive-wal.sh lz4|zstd|none ARCHIVE %p %f
#
# Exit status 0 means: the file is in the archive, whole and durable. Anything else makes the server keep
# it and try again; after three failures it pauses for about a minute. The same file again is success,
# another file of the same name never is. No pipe may hide the failure of its first program.
#
# It may be killed at any step, and run again beside what is left of itself: every try writes to a new name,
# and nothing is ever written to a file that had a name before.
set -euC
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
    sync "$archive"
    ;;
*)
    final=$archive/$log incoming=$archive/incoming
    ;;
esac

# Succeeds where the content of $1 is that of the file to be archived; ends the script where it is another.
compare() {
    case $1 in
    *.lz4) unpack=lz4 ;;
    *.zst) unpack=zstd ;;
    *) unpack= ;;
    esac
    # Tested before, so that the pipe hides no failure.
    [ -z "$unpack" ] || $unpack -tq "$1" 2>/dev/null || fail "$1 is here already and cannot be read"
    if [ -n "$unpack" ]; then $unpack -dcq "$1" | cmp -s - "$path"; else cmp -s "$1" "$path"; fi ||
        fail "$1 is here already with other content: two servers, one archive?"
    sync "$1" "${1%/*}"
}

# What earlier tries left is unlinked, never written to: a kill between ln and rm leaves the archived file
# under two names. A process that still works at one of them fails, and its server tries again.
rm -f "$incoming/.$name.tmp" "$incoming/.$name."??????????.tmp

target=$incoming/$name$suffix empty=
for existing in "$incoming/$name" "$incoming/$name.lz4" "$incoming/$name.zst" \
    "$final/$name" "$final/$name.lz4" "$final/$name.zst"; do
    [ -e "$existing" ] || continue
    # An earlier version of this script could empty what it had archived; the server still has the content.
    [ -s "$existing" ] || { target=$existing empty=yes; continue; }
    compare "$existing"
    exit 0
done

# -u, since not every mktemp can put the ending that the sweeps look for; noclobber makes it a new file.
temporary=$incoming/.$name.$(mktemp -u XXXXXXXXXX).tmp
trap 'rm -f "$temporary"' EXIT
trap 'exit 1' HUP INT TERM

# lz4: blocks of 64 KiB and no checksum of the frame take a third less CPU than the tool's defaults. The
# frames of pg_receivewal have none either: WAL records have their own, and the index has a SHA-256.
case $target in
*.lz4) lz4 -1cq -B4 --no-frame-crc "$path" >"$temporary" ;;
*.zst) zstd -3cq "$path" >"$temporary" ;;
*) cat "$path" >"$temporary" ;;
esac || fail "$name cannot be written to $incoming"

sync "$temporary"
# A hard link fails where the name exists, which a plain mv would overwrite; not every file system has them.
if [ -n "$empty" ]; then
    mv -f "$temporary" "$target"
elif ! ln "$temporary" "$target" 2>/dev/null; then
    # Some versions of mv say nothing where they move nothing, so that the content decides.
    [ -e "$target" ] || mv -n "$temporary" "$target" || fail "$name cannot be written to $incoming"
    compare "$target"
fi
rm -f "$temporary"
sync "${target%/*}"
