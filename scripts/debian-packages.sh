#!/bin/sh
# Installs the Debian packages that the tests use, or those named, where that is allowed.
#
# usage: scripts/debian-packages.sh [PACKAGE...]
# environment: APT=no to install nothing
#
# Says what it will install first. Starts no service, and leaves none enabled that was not there before.
set -eu

packages="
    age
    bubblewrap
    chromium
    cron
    debootstrap
    docker.io
    faketime
    groff-base
    iproute2
    iptables
    libgssapi-krb5-2
    libreadline8
    libssl3
    libxml2
    lz4
    npm
    openssh-server
    postgresql-15
    prometheus
    prometheus-alertmanager
    prometheus-postgres-exporter
    tzdata
    wine
    zstd
"
# age: opens encrypted copies without us; bubblewrap: a jail for drills;
# chromium: pictures of the dashboards; cron: crontab, which judges the lines for it; debootstrap, docker.io: the stack on an engine of its own, with images
# made here; faketime: another date for a process; groff-base: reads the man pages; iproute2: network namespaces; iptables: the engine in its
# namespace wants it; lib*: the PostgreSQL wheels link them; lz4, zstd: artefacts must be readable by the
# standard tools; npm: Grafana's components, which draw the dashboards' panels, and Helm; openssh-server: a real SFTP server
# for copies; postgresql-15: a full build
# (ICU, zstd), which the wheel of 15 is not; prometheus: promtool and a real scraper; prometheus-alertmanager:
# real alerts; prometheus-postgres-exporter: a part of the stack; tzdata: the wheels read the system's time zones; wine: runs the scripts for Windows.
[ $# -eq 0 ] || packages=$*

say() { printf '%s\n' "$*" >&2; }

is_installed() {
    # Docker's own packages conflict with Debian's: an engine that is there serves as well.
    [ "$1" = docker.io ] && command -v dockerd >/dev/null && return
    # Node's own packages bring npm, and conflict with Debian's.
    [ "$1" = npm ] && command -v npm >/dev/null && return
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "not a Debian system: tests whose tools are missing will skip, with the reason"
    exit 0
fi

missing=
for package in $packages; do
    is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "${APT:-}" = no ] || [ "$(id -u)" != 0 ]; then
    say "not installed (APT=no, or not root):$missing; tests that need them will skip, with the reason"
    exit 0
fi

say "will install these Debian packages, starting no service:$missing (APT=no prevents it)"
apt-get update -qq

available=
for package in $missing; do
    if apt-get install --simulate -qq "$package" >/dev/null 2>&1; then
        available="$available $package"
    else
        say "this system has no package $package: tests that need it will skip, with the reason"
    fi
done
[ -n "$available" ] || exit 0

# Debian's own switch for "start nothing while installing". Only ours is removed again.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 0755 "$policy"
fi
# Slim images leave out all translations; a test needs a server that speaks another language.
translations="--path-include=/usr/share/locale/de/LC_MESSAGES/postgres-*"
# shellcheck disable=SC2086  # a list of words
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o Dpkg::Options::="$translations" $available >/dev/null

# Not started now is not enough: on a person's machine they would start with the next boot.
if command -v systemctl >/dev/null; then
    for package in $available; do
        case $package in
        cron | prometheus | prometheus-*) systemctl disable --quiet "$package" || true ;;
        openssh-server) systemctl disable --quiet ssh.service ssh.socket || true ;;
        docker.io) systemctl disable --quiet docker.service docker.socket containerd.service || true ;;
        postgresql-*) systemctl disable --quiet postgresql || true ;;
        esac
    done
fi
