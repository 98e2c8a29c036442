#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# Installs a release of TunnelMesh on any Linux with a POSIX shell, BusyBox's too.
#
#   sh install.sh [--prefix DIR]                    what was unpacked, or the release in the folder of this script
#   sh install.sh --from FOLDER|URL [--prefix DIR]  the release that is there
#   sh install.sh --uninstall [--prefix DIR]        removes it; configuration and state stay
#
#   --key FILE   public key of minisign or signify that must have signed the checksums
#   --root DIR   into this folder, as if it were the root of a system
#
# A release is taken only if its checksum is right. On Debian its package is installed, unless --prefix or --root says where it goes
# (else: /usr/local).
set -eu

prefix='' from='' key='' root='' uninstall=''
here=$(cd "$(dirname "$0")" && pwd)

fail()
{
	echo "install: $1" >&2
	exit 1
}

has()
{
	command -v "$1" >/dev/null 2>&1
}

# fetch NAME: from the release into the folder of work.
fetch()
{
	case $from in
	http://* | https://*)
		if has curl; then
			curl -fsSL -o "$work/$1" "$from/$1" || return 1
		elif has wget; then
			wget -q -O "$work/$1" "$from/$1" || return 1
		else
			fail "neither curl nor wget is here to fetch $from/$1"
		fi
		;;
	*) cp "$from/$1" "$work/$1" 2>/dev/null || return 1 ;;
	esac
}

must_fetch()
{
	fetch "$1" || fail "there is no $1 to be had from $from"
}

machine()
{
	case $(uname -m) in
	x86_64 | amd64) echo amd64 ;;
	aarch64 | arm64) echo arm64 ;;
	armv7* | armv8l) echo armhf ;;
	*) fail "there is no release for the CPU of this machine ($(uname -m))" ;;
	esac
}

check_signature()
{
	case $(head -n 1 "$key" 2>/dev/null) in
	*minisign*)
		has minisign || fail "minisign is not installed, so the signature cannot be checked"
		must_fetch SHA256SUMS.minisig
		minisign -V -q -p "$key" -m "$work/SHA256SUMS" >/dev/null || fail "$key did not sign these checksums"
		;;
	*signify*)
		signify=$(command -v signify-openbsd || command -v signify) ||
			fail "signify is not installed, so the signature cannot be checked"
		must_fetch SHA256SUMS.sig
		"$signify" -V -q -p "$key" -x "$work/SHA256SUMS.sig" -m "$work/SHA256SUMS" || fail "$key did not sign these checksums"
		;;
	*) fail "$key is no public key of minisign or signify" ;;
	esac
}

# take PATTERN: the one file of that kind in the release, checked.
take()
{
	file=$(sed 's/^[0-9a-f]*  //' "$work/SHA256SUMS" | grep -E "$1" | tail -n 1)
	[ -n "$file" ] || fail "the release at $from has nothing for $arch"
	must_fetch "$file"
	(cd "$work" && grep "  $file\$" SHA256SUMS | sha256sum -c >/dev/null 2>&1) ||
		fail "$file has another checksum than SHA256SUMS says: it was changed, or came only in part"
}

# unpack KIND: the archive for this machine.
unpack()
{
	take "^tunnelmesh-.*-linux-$arch$1\\.tar\\.gz\$"
	gzip -dc "$work/$file" | tar -x -f - -C "$work"
	here=$work/${file%.tar.gz}
}

install_release()
{
	arch=$(machine)
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	must_fetch SHA256SUMS
	[ -z "$key" ] || check_signature
	if [ -z "$prefix$root" ] && [ -e /etc/debian_version ] && has dpkg && [ "$(dpkg --print-architecture)" = "$arch" ]; then
		take "^tunnelmesh_.*_$arch\\.deb\$"
		dpkg -i "$work/$file"
		return
	fi
	unpack ''
	# Where libc is another one, or older: the program that has it inside.
	"$here/bin/tunnelmesh" version >/dev/null 2>&1 || unpack -static
	install_tree
}

# The files below share/ and bin/ that the archive has, by their names from there.
parts()
{
	(cd "$here" && find bin share -type f)
}

install_tree()
{
	to=$root${prefix:-/usr/local}
	parts | while read -r name; do
		mkdir -p "$to/$(dirname "$name")"
		cp "$here/$name" "$to/$name.new"
		chmod "$([ "$name" = bin/tunnelmesh ] && echo 755 || echo 644)" "$to/$name.new"
		mv "$to/$name.new" "$to/$name"
	done
	mkdir -p "$to/share/tunnelmesh"
	{ parts && echo share/tunnelmesh/files; } >"$to/share/tunnelmesh/files"
	install_service
	echo "installed $to/bin/tunnelmesh; start with: sudo tunnelmesh init, or: sudo tunnelmesh join TOKEN"
}

install_service()
{
	[ -n "$root" ] || [ -d /run/systemd/system ] || return 0
	mkdir -p "$root/etc/systemd/system"
	for unit in tunnelmesh.service tunnelmesh@.service; do
		sed "s|=/bin/tunnelmesh|=${prefix:-/usr/local}/bin/tunnelmesh|; s|=-/bin/tunnelmesh|=-${prefix:-/usr/local}/bin/tunnelmesh|" \
			"$here/lib/systemd/system/$unit" >"$root/etc/systemd/system/$unit"
	done
	[ -n "$root" ] || systemctl daemon-reload
}

uninstall_service()
{
	[ -n "$root" ] || "$to/bin/tunnelmesh" down >/dev/null 2>&1 || echo "note: no running node was stopped"
	rm -f "$root/etc/systemd/system/tunnelmesh.service" "$root/etc/systemd/system/tunnelmesh@.service"
}

uninstall()
{
	to=$root${prefix:-/usr/local}
	[ -e "$to/share/tunnelmesh/files" ] || fail "there is no tunnelmesh in $to that this script installed"
	uninstall_service
	while read -r name; do
		rm -f "$to/$name"
	done <"$to/share/tunnelmesh/files"
	rmdir "$to/share/tunnelmesh" 2>/dev/null || :
	echo "removed; configuration and state stay in /etc/tunnelmesh and /var/lib/tunnelmesh"
}

while [ $# -gt 0 ]; do
	case $1 in
	--uninstall) uninstall=yes ;;
	--prefix | --from | --key | --root)
		[ $# -gt 1 ] || fail "$1 needs a value"
		case $1 in
		--prefix) prefix=${2%/} ;;
		--from) from=${2%/} ;;
		--key) key=$2 ;;
		--root) root=${2%/} ;;
		esac
		shift
		;;
	*) fail "what does \"$1\" mean? The first lines of $0 say what there is" ;;
	esac
	shift
done
[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "only root can do that: try it with sudo"

if [ -n "$uninstall" ]; then
	uninstall
elif [ -z "$from" ] && [ -e "$here/bin/tunnelmesh" ]; then
	install_tree
else
	[ -n "$from" ] || from=$here
	install_release
fi
