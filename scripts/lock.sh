#!/bin/sh
# Writes requirements/*.txt: every distribution with its version and hashes, for every platform.
#
# The others are resolved under test's pins: one environment can serve test and demo, and the images of
# the stack hold what was tested. No address of an index is written: the lock holds wherever the packages
# come from.
set -eu
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"${PYTHON:-python3}" -m venv "$scratch/venv"
# Fixed, because another resolver may write another order: a diff shows changed pins only.
"$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check uv==0.13.9

lock() {
    name=$1
    shift
    # The existing file is read too: pins stay unless LOCK_ARGS=--upgrade.
    # shellcheck disable=SC2086  # LOCK_ARGS is a list of words
    "$scratch/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        ${LOCK_ARGS:-} --output-file "requirements/$name.txt" "$@"
}
lock test --group build --extra test pyproject.toml
lock demo --group build --extra demo --constraints requirements/test.txt pyproject.toml
lock build --group build --constraints requirements/test.txt
lock runner --extra fleet --constraints requirements/test.txt pyproject.toml
lock exporter --extra exporter --constraints requirements/test.txt pyproject.toml
lock shop --group shop --constraints requirements/test.txt
