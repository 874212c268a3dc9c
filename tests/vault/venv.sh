#!/bin/sh
# Prints the directory of a Python environment with the peers that something is tested against, and makes it first
# if it is not there. The name holds a hash of the requirements, so that a new version makes a new environment.
# `venv.sh [DIRECTORY]`: where the requirements.txt is; default: the vault's.
set -eu
here=$(cd "${1:-$(dirname "$0")}" && pwd)
hash=$(sha256sum "$here/requirements.txt" | cut -c 1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pirun-tests
venv=$cache/venv-$hash
mkdir -p "$cache"
exec 9>"$venv.lock"
flock 9
if [ ! -e "$venv/complete" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
    touch "$venv/complete"
fi
echo "$venv"
