#!/bin/sh
# usage: sh requirements/set_up.sh FOLDER [LOCK]   in the root of the repository
# Makes the virtual environment FOLDER, unless it is there, and installs requirements/LOCK.txt into it, unless that is
# there as it stands now. PYTHON names the Python to make it with; else the first on PATH that will do.
set -eu

folder=$1
lock=${2:-}

# A tree that was moved or copied has an environment that leads elsewhere.
is_usable() (
    [ -f "$folder/bin/activate" ] || exit 1
    set +u # what old versions of activate need
    . "$folder/bin/activate"
    [ "$VIRTUAL_ENV" -ef "$folder" ] && python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))'
)

# Prints the Python to use; says on stderr what is wrong with those that there are, if none will do.
find_python() (
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3 python3.13 python3.12 python3.11 python3.14; fi
    faults=
    for python; do
        version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
        if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            faults="$faults$python is Python $version. "
        elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            faults="$faults$python (Python $version) has no venv module: on Debian, apt-get install python3-venv. "
        else
            echo "$python"
            exit
        fi
    done
    echo "Python 3.11 or newer is needed to make $folder. ${faults:-None was found. }" >&2
    echo "Install one, or say which one to use: make PYTHON=/path/to/python3.12" >&2
    exit 1
)

if ! is_usable 2>/dev/null; then
    python=$(find_python)
    echo "Making $folder with $("$python" --version) ($python)"
    "$python" -m venv --clear "$folder"
fi

[ -n "$lock" ] || exit 0
cmp -s "requirements/$lock.txt" "$folder/$lock.txt" && exit 0
set +u
. "$folder/bin/activate"
echo "Installing $(grep -c '^[a-z]' "requirements/$lock.txt") packages into $folder" \
    "(a minute or two; the study's take 1.3 GB on disk, cuBLAS 0.9 GB)"
# What builds the packages that come as source is checked against its hashes as well.
if ! {
    python -m pip install -qq --require-hashes -r requirements/lock-build.txt &&
        python -m pip install -qq --require-hashes --no-build-isolation -r "requirements/$lock.txt" &&
        python -m pip --quiet check
}; then
    echo "The packages could not be installed. The locks hold for CPython on Linux with glibc 2.28 or newer" \
        "(x86_64, aarch64) and on macOS 14 or newer (arm64); elsewhere try conda with envs/workflow.yaml." >&2
    exit 1
fi
cp "requirements/$lock.txt" "$folder/$lock.txt"
