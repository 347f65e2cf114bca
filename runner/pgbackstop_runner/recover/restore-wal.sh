#!/bin/sh
# restore_command of PostgreSQL: fetch one file of WAL from an archive folder.
#
#   restore_command = '/bin/sh restore-wal.sh ARCHIVE SEGMENT_BYTES "%f" "%p"'
#   recovery_end_command = '/bin/sh restore-wal.sh clean pg_wal'
#
# Standard tools only (sh, coreutils, and lz4 or zstd where the archive is compressed), so that a server can be
# recovered where pgbackstop is not. Exit status 1 says "not there", which ends recovery in good order; any
# failure of a tool gives more than 125, which makes PostgreSQL stop instead of going on without the file.
#
# While PostgreSQL replays a segment the next ones are unpacked in the background, by at most LANES processes
# at a time, into a spool folder in pg_wal: on the same disk, so that taking one is a rename. A spool belongs to
# one start of one server; what an earlier start left is swept.
#
# The umask is PostgreSQL's: 077, or 027 where the group may read the data directory. Others never may.
case $(umask) in
*7) ;;
*) umask 077 ;;
esac
set -u
AHEAD=12 # segments unpacked before they are asked for
LANES=2
ROOM=4   # prefetch where this many times the spool's size is free: the replay needs the disk more

# Renamed first, so that a process in the background finds no place to write to.
sweep() {
    rm -rf "$1"/pgbackstop-old.* # of a sweep that was killed
    for old in "$1"/pgbackstop-spool.*; do
        [ -d "$old" ] && [ "$old" != "$2" ] || continue
        mv "$old" "$1/pgbackstop-old.$$" && rm -rf "$1/pgbackstop-old.$$"
    done
}

[ "$1" != clean ] || { sweep "$2" ""; exit 0; }

archive=$1 segment_bytes=$2 name=$3 target=$4
temporary=$target.pgbackstop.$$ spool=
refuse() { echo "restore-wal.sh: $1" >&2; rm -f "$temporary" "$temporary.part"; exit 126; }

need() { command -v "$1" >/dev/null || refuse "$1 is not installed, and the archive needs it"; }

check() {
    case $1 in
        *.lz4 | *.lz4.partial) need lz4 ;;
        *.zst | *.zst.partial) need zstd ;;
    esac
}

# For a subshell: what it writes is no longer than a segment. Few bytes can stand for those that fill the disk.
bound() { trap '' XFSZ; ulimit -f $((segment_bytes / 512 + 1)); }

unpack() (
    bound
    case $1 in
        *.lz4 | *.lz4.partial) lz4 -dc "$1" 2>/dev/null ;;
        *.zst | *.zst.partial) zstd -dcq "$1" 2>/dev/null ;;
        *) cat "$1" ;;
    esac
)

# Complete segments are in their place, or still wait in incoming/ where nobody has taken them in.
find_complete() {
    for source in "$archive/${1%????????}/$1.lz4" "$archive/${1%????????}/$1.zst" "$archive/${1%????????}/$1" \
        "$archive/incoming/$1.lz4" "$archive/incoming/$1.zst" "$archive/incoming/$1"; do
        [ ! -f "$source" ] || return 0
    done
    return 1
}

# A folder that is there and cannot be looked into, or a link to a disk that is not mounted, would look like the end
# of the WAL, and a server that lacks its last commits would come up. Before each "not there".
nothing_hidden() {
    line='
'
    names=$(ls -a "$archive") || refuse "$archive cannot be looked into"
    for folder in incoming receiving aside "${name%????????}"; do
        case $line$names$line in
            *"$line$folder$line"*)
                (cd "$archive/$folder" && ls) >/dev/null || refuse "$archive/$folder cannot be looked into" ;;
        esac
    done
}

is_whole() { [ "$(wc -c <"$1")" -eq "$segment_bytes" ]; }

# The spool of this start of this server; none where the script is not run by one.
find_spool() {
    [ -f postmaster.pid ] || return 1
    { read -r pid && read -r _ && read -r started; } <postmaster.pid || return 1
    spool=${target%/*}/pgbackstop-spool.$pid.$started
    [ -d "$spool" ] || { sweep "${target%/*}" "$spool"; mkdir "$spool"; } 2>/dev/null
}

# dash has no process id of a subshell, so that the caller writes it down: one call at a time, by one server.
is_alive() {
    read -r pid 2>/dev/null <"$spool/lane.$1" && kill -0 "$pid" 2>/dev/null
}

# Take a segment that is unpacked, or just being unpacked; a minute without an end is too long.
take() {
    tries=0
    while [ "$tries" -lt 3000 ] && [ ! -f "$spool/$name" ]; do
        for part in "$spool/$name".*.part; do break; done
        [ -f "$part" ] || break
        lane=${part%.part}
        is_alive "${lane##*.}" || break
        sleep 0.02
        tries=$((tries + 1))
    done
    [ -f "$spool/$name" ] && mv "$spool/$name" "$target" 2>/dev/null
}

# One lane: every LANES-th of the next segments, until the archive, the disk or the server ends. Whatever goes
# wrong here is left to the call that needs the segment.
prefetch() {
    lane=$1 part=
    # An orphan that a signal kills would look like a crash to a postmaster that is process 1 of a container.
    trap 'rm -f "$part"; exit 0' TERM HUP
    log=${name#????????} timeline=${name%????????????????}
    number=$((0x${log%????????} * (0x100000000 / segment_bytes) + 0x${log#????????}))
    last=$((number + AHEAD))
    drop_passed
    has_room || number=$last
    while [ "$number" -lt "$last" ] && [ -f postmaster.pid ]; do
        number=$((number + 1))
        [ $((number % LANES)) -eq "$lane" ] || continue
        next=$(segment "$number")
        [ ! -f "$spool/$next" ] || continue
        find_complete "$next" || break
        part=$spool/$next.$$.$lane.part
        unpack "$source" >"$part" && is_whole "$part" && sync "$part" && mv "$part" "$spool/$next" && continue
        rm -f "$part"
        break
    done
    : >"$spool/lane.$lane"
}

segment() {
    printf '%s%08X%08X' "$timeline" $(($1 / (0x100000000 / segment_bytes))) $(($1 % (0x100000000 / segment_bytes)))
}

# What a change of timeline left, or a process that was killed.
drop_passed() {
    [ "$lane" -eq 0 ] || return 0
    first=$(segment $((number + 1))) end=$(segment "$last")
    for each in "$spool"/????????????????????????*; do
        seen=${each##*/}
        seen=${seen%%.*}
        [ "$seen" \< "$first" ] || [ "$end" \< "$seen" ] || continue
        rm -f "$each"
    done
}

has_room() {
    df -Pk "$spool" | {
        read -r _ && read -r _ _ _ free _ &&
            [ "$free" -gt $((segment_bytes / 1024 * AHEAD * ROOM)) ] 2>/dev/null
    }
}

start_ahead() {
    [ -n "$spool" ] || return 0
    number=0
    while [ "$number" -lt "$LANES" ]; do
        is_alive "$number" || {
            # A subshell: a function alone would keep the server's log open in descriptors of its own.
            (prefetch "$number") </dev/null >/dev/null 2>&1 &
            echo $! >"$spool/lane.$number"
        }
        number=$((number + 1))
    done
}

# Without this check an archive that is not mounted, or not readable, would look like one that has ended.
[ -r "$archive/archive.json" ] || refuse "$archive cannot be read, or is no WAL archive"

# Of a server that was killed: it may be written to still, so that nothing is ever written there again.
for old in "$target.pgbackstop"*; do
    [ ! -e "$old" ] || rm -f "$old"
done

case $name in
    *.history)
        for source in "$archive/$name" "$archive/incoming/$name"; do
            [ -f "$source" ] || continue
            cp "$source" "$temporary" && mv "$temporary" "$target" || refuse "cannot copy $name"
            exit 0
        done
        nothing_hidden
        exit 1 ;;
esac

find_spool || spool=
if find_complete "$name"; then
    check "$source"
    start_ahead
    [ -z "$spool" ] || ! take || exit 0
    # What was unpacked ahead may be what the disk is full of.
    unpack "$source" >"$temporary" || { sweep "${target%/*}" ""; unpack "$source" >"$temporary"; } ||
        refuse "cannot unpack $source"
    is_whole "$temporary" || refuse "$source has not the size of a segment"
    mv "$temporary" "$target" || refuse "cannot write $target"
    exit 0
fi

nothing_hidden
# The status is the writer's alone: what is cut short by the disk would be a server that lacks its last commits.
keep_part() { unpack "$source" | (bound && cat >"$temporary.part"); }

# The newest segment was still being received: what there is of it counts, up to its last whole byte. Of two
# attempts at it the longer one; a stream that ends in the middle of a block is what we expect here.
best=
for source in "$archive"/receiving/"$name" "$archive"/receiving/"$name".* "$archive"/aside/"$name".*; do
    [ -f "$source" ] || continue
    check "$source"
    keep_part || { sweep "${target%/*}" ""; keep_part; } || refuse "cannot write $temporary.part"
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
