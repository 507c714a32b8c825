# What run, test, check and build share; sourced, never started.
# shellcheck shell=bash

set -euo pipefail
unset CDPATH
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"

say() { printf 'postroom: %s\n' "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

# PYTHON is the first python3 on the PATH that the locks and the zipapp know.
find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
            2>/dev/null; then
            PYTHON=$(command -v "$name")
            return
        fi
    done
    fail "Python 3.11, 3.12 or 3.13 is needed and python3 here is" \
        "$(python3 -V 2>/dev/null || echo missing); on Debian 12: apt install python3"
}

# Runs a command as root: as it is, or by a sudo that asks no password.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

may_install() {
    command -v apt-get >/dev/null && as_root true 2>/dev/null
}

# Says nothing unless it fails. --no-remove: another mail server on this machine
# stays where it is.
apt_install() {
    local words
    words=$(
        {
            as_root apt-get update -qq &&
                as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
                    --no-install-recommends --no-remove "$@"
        } 2>&1 </dev/null
    ) || {
        printf '%s\n' "$words" >&2
        return 1
    }
}

# Debian ships python3 without venv; this brings it, or names the cure.
need_venv() {
    local package
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null && return
    package=$("$PYTHON" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    may_install || fail "python3 cannot make virtual environments here;" \
        "as root: apt install $package"
    say "installing the Debian package $package"
    apt_install "$package" || fail "apt could not install $package"
}

minor_of() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

# make_venv FOLDER LOCK...: a virtual environment with exactly these locks,
# brought up to date only when a lock or the Python changed. setuptools goes in
# first because dkimpy is published as source only.
make_venv() {
    local folder=$1 key locks=() lock
    shift
    for lock in "$@"; do locks+=(-r "$lock"); done
    key=$(minor_of "$PYTHON" | cat - scripts/lock/build.txt "$@" | sha256sum)
    [ "$(cat "$folder/postroom.lock" 2>/dev/null)" = "$key" ] && return
    if [ "$(minor_of "$folder/bin/python")" != "$(minor_of "$PYTHON")" ]; then
        need_venv
        say "making the virtual environment $folder"
        "$PYTHON" -m venv --clear "$folder"
    fi
    say "installing the packages of $folder"
    pip_install "$folder" -r scripts/lock/build.txt
    [ $# = 0 ] || pip_install "$folder" --use-pep517 --no-build-isolation \
        --no-binary=dkimpy "${locks[@]}"
    printf '%s\n' "$key" >"$folder/postroom.lock"
}

pip_install() {
    local folder=$1
    shift
    "$folder/bin/python" -m pip install -qq --require-hashes "$@" ||
        fail "pip could not install the packages of $folder (its words are above)"
}
