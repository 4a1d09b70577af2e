#!/bin/sh
# Installs the named Debian packages that are missing: as root, through sudo, or by telling the line to run.
set -eu

missing=""
for package in "$@"; do
    if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "install ok installed"; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

line="apt-get update && apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" = 0 ]; then
    run="sh -c"
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    run="sudo sh -c"
else
    echo "These Debian packages are missing:$missing. Run as root, then try again:" >&2
    echo "  $line" >&2
    exit 1
fi
echo "installing$missing" >&2
DEBIAN_FRONTEND=noninteractive $run "$line" >/dev/null
