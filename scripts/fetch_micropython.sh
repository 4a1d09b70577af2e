#!/bin/sh
# Fetches MicroPython's source as Debian ships it, checks it and unpacks it: fetch_micropython.sh DIRECTORY
#
# The machine's apt need not know the release that carries it: a private configuration, made from the machine's own
# mirror, asks for it and leaves the system's untouched.
set -eu

version=1.25.0
package_version=1.25.0+ds-1
archive=micropython_1.25.0+ds.orig.tar.xz
sha256=7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea
release=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

[ $# = 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
mkdir -p "$1"
cd "$1"
[ ! -e "micropython-$version/.complete" ] || exit 0

checked() {
    [ -f "$archive" ] && echo "$sha256  $archive" | sha256sum --check --status
}

# Where this machine gets Debian's packages from; snapshots and security archives do not carry the source.
mirror() {
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
        awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }'
}

fetch() {
    uri=$(mirror)
    [ -n "$uri" ] || uri=$(awk '/^(URIs:|deb )/ { for (i = 2; i <= NF; i++) if ($i ~ /^http.*debian\/?$/) { print $i; exit } }' \
        /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null)
    [ -n "$uri" ] || { echo "$0: apt knows no Debian mirror; set MICROPYTHON_DIR to a MicroPython $version source tree" >&2; exit 1; }
    mkdir -p apt/lists/partial apt/cache/archives/partial
    echo "deb-src [signed-by=$keyring] $uri $release main" >apt/sources.list
    # The sandbox's user could not write here.
    set -- -q -o Dir::Etc::SourceList="$PWD/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$PWD/apt/lists" -o Dir::Cache="$PWD/apt/cache" -o APT::Sandbox::User="$(id -un)"
    apt-get "$@" update >apt/log 2>&1 && apt-get "$@" source --download-only "micropython=$package_version" >>apt/log 2>&1 || {
        cat apt/log >&2
        echo "$0: Debian's $release could not be asked for micropython $package_version; set MICROPYTHON_DIR to a source tree" >&2
        exit 1
    }
}

checked || fetch
checked || { echo "$0: $archive has not the SHA-256 $sha256" >&2; exit 1; }
rm -rf "micropython-$version" apt
tar xf "$archive"
touch "micropython-$version/.complete"
