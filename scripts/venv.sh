#!/bin/sh
# Makes .venv, or VENV, hold exactly what requirements/<set>.txt locks, and this project, editable.
#
# usage: scripts/venv.sh demo|test
# environment: PYTHON (default python3), VENV (default .venv), APT=no to leave the system's packages alone
#
# A stamp holds the checksum of what was installed. It is compared by content, not by time, because a
# checkout changes times; the test set holds the demo set with the same pins.
set -eu
cd "$(dirname "$0")/.."

set_name=${1:?usage: scripts/venv.sh demo|test}
python=${PYTHON:-python3}
venv=${VENV:-.venv}

say() { printf '%s\n' "$*" >&2; }

require_python() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return
    say "'$python' is not Python 3.11 or newer: install one and name it, for example: make PYTHON=python3.12 install"
    exit 1
}

# Debian and Ubuntu keep the venv module's pip in a package of its own.
require_venv_module() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    if [ "$(id -u)" = 0 ] && [ "${APT:-}" != no ] && command -v apt-get >/dev/null; then
        say "installing the Debian package python3-venv, because $python cannot make a virtual environment without it"
        scripts/debian-packages.sh python3-venv
        "$python" -c 'import ensurepip, venv' && return
    fi
    say "$python cannot make a virtual environment: install its venv module (Debian, Ubuntu: apt-get install python3-venv)"
    exit 1
}

checksum() { cat "requirements/$1.txt" pyproject.toml | sha256sum | cut -d' ' -f1; }

installed() {
    [ -f "$venv/.installed-$1" ] && [ "$(cat "$venv/.installed-$1")" = "$(checksum "$1")" ]
}

# A copied or moved tree has a venv whose programs name the old place.
works_here() { grep -qsF "$(pwd -P)/$venv/bin/" "$venv/bin/pip" && "$venv/bin/pip" --version >/dev/null 2>&1; }
if [ -e "$venv" ] && ! works_here; then
    say "$venv does not work here (moved, half made, or its Python is gone): making it anew"
    rm -rf "$venv"
fi
if [ -e "$venv" ] && { installed "$set_name" || installed test; }; then
    exit 0
fi
if [ ! -e "$venv" ]; then
    require_python
    require_venv_module
    "$python" -m venv "$venv"
fi

say "installing requirements/$set_name.txt into $venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$venv/bin/python" -m pip install --quiet --no-deps --require-hashes -r "requirements/$set_name.txt"
"$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation -e .
checksum "$set_name" >"$venv/.installed-$set_name"
