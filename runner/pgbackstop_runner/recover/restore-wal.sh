#!/bin/sh
# restore_command of PostgreSQL: fetch one file of WAL from an archive folder.
#
#   restore_command = '/bin/sh restore-wal.sh ARCHIVE SEGMENT_BYTES "%f" "%p"'
#
# Standard tools only (sh, dd, wc, and lz4 or zstd where the archive is compressed), so that a server can be
# recovered where pgbackstop is not. Exit status 1 says "not there", which ends recovery in good order; any
# failure of a tool gives more than 125, which makes PostgreSQL stop instead of going on without the file.
set -u
archive=$1 segment_bytes=$2 name=$3 target=$4
temporary=$target.pgbackstop
refuse() { echo "restore-wal.sh: $1" >&2; rm -f "$temporary"; exit 126; }

need() { command -v "$1" >/dev/null || refuse "$1 is not installed, and the archive needs it"; }

check() {
    case $1 in
        *.lz4 | *.lz4.partial) need lz4 ;;
        *.zst | *.zst.partial) need zstd ;;
    esac
}

unpack() {
    case $1 in
        *.lz4 | *.lz4.partial) lz4 -dc "$1" 2>/dev/null ;;
        *.zst | *.zst.partial) zstd -dcq "$1" 2>/dev/null ;;
        *) cat "$1" ;;
    esac
}

# Without this check an archive that is not mounted, or not readable, would look like one that has ended.
[ -r "$archive/archive.json" ] || refuse "$archive cannot be read, or is no WAL archive"

case $name in
    *.history)
        for source in "$archive/$name" "$archive/incoming/$name"; do
            [ -f "$source" ] || continue
            cp "$source" "$temporary" && mv "$temporary" "$target" || refuse "cannot copy $name"
            exit 0
        done
        exit 1 ;;
esac

# Complete segments are in their place, or still wait in incoming/ where nobody has taken them in.
group=$(printf %.16s "$name")
for source in "$archive/$group/$name.lz4" "$archive/$group/$name.zst" "$archive/$group/$name" \
    "$archive/incoming/$name.lz4" "$archive/incoming/$name.zst" "$archive/incoming/$name"; do
    [ -f "$source" ] || continue
    check "$source"
    unpack "$source" >"$temporary" || refuse "cannot unpack $source"
    [ "$(wc -c <"$temporary")" -eq "$segment_bytes" ] || refuse "$source has not the size of a segment"
    mv "$temporary" "$target" || refuse "cannot write $target"
    exit 0
done

# The newest segment was still being received: what there is of it counts, up to its last whole byte. Of two
# attempts at it the longer one; a stream that ends in the middle of a block is what we expect here.
best=
for source in "$archive"/receiving/"$name" "$archive"/receiving/"$name".* "$archive"/aside/"$name".*; do
    [ -f "$source" ] || continue
    check "$source"
    unpack "$source" >"$temporary.part"
    if [ -z "$best" ] || [ "$(wc -c <"$temporary.part")" -gt "$(wc -c <"$temporary")" ]; then
        mv "$temporary.part" "$temporary" || refuse "cannot write $temporary"
        best=$source
    fi
done
rm -f "$temporary.part"
[ -n "$best" ] && [ -s "$temporary" ] || { rm -f "$temporary"; exit 1; }
# PostgreSQL wants whole segments; zeros are where the WAL ends.
dd if=/dev/null of="$temporary" bs=1 seek="$segment_bytes" 2>/dev/null || refuse "cannot fill up $name"
mv "$temporary" "$target" || refuse "cannot write $target"
