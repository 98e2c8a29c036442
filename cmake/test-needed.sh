#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# test-needed.sh PROGRAM: the only libraries that it needs at run time are those of libc.
set -eu
failed=0 n=0
for lib in $(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]$/\1/p'); do
	n=$((n + 1))
	case $lib in
	libc.so.6 | libm.so.6 | ld-linux-*) ;;
	*)
		echo "$1 needs $lib"
		failed=1
		;;
	esac
done
if [ $n = 0 ]; then
	echo "$1 is no program with libraries, so nothing was looked at"
	failed=1
fi
exit $failed
