#!/bin/sh
# SPDX-License-Identifier: AGPL-3.0-or-later
# Every gate is shown a tree that it has to let pass, and then one fault at a time that it has to see and name.
set -eu
gates=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree"
failed=0

# A small tree in which nothing is wrong.
sound_tree() {
	rm -rf src tables
	mkdir -p src/base src/os/linux src/os/low src/core src/cli tables
	printf '#include "base/b.h"\n#include <string.h>\n#include <jansson.h>\n' >src/base/a.h
	printf '#include <poll.h>\n/* time_real() strcpy( json_pack #include "base/a.h" */\n' >src/base/b.h
	printf '#include "base/a.h"\n#include <sys/socket.h>\nint f(void)\n{\n\treturn time_real();\n}\n' >src/os/o.c
	printf '#include "base/a.h"\n#include <stdint.h>\n' >src/os/o.h
	printf '#include <pthread.h>\n' >src/os/o_private.h
	printf '#include <net/if.h>\n' >src/os/linux/l.h
	printf '#include "base/a.h"\nint g(int time_monotonic)\n{\n\treturn time_monotonic;\n}\n' >src/core/c.c
	printf '#include "base/a.h"\nvoid h(void)\n{\n\tjson_pack("{}");\n\texit(1);\n}\n' >src/cli/x.c
	printf '#include "base/a.h"\nvoid j(void)\n{\n\tjson_pack("{}");\n}\n' >src/base/j.c
	printf 'base:\nos: base\ncore: base\ncli: base\n' >tables/layers
	printf 'core core\nsystem base/b.h: poll.h\njson base/j.c\n' >tables/debts
}

# gate SCRIPT [TABLE]: its words are in $said, its status is the result.
gate() {
	script=$1
	shift
	said=$(find src -name '*.[ch]' | LC_ALL=C sort | xargs awk -v src=src -f "$gates/strip.awk" -f "$gates/$script" "$@" 2>&1)
}

complain() {
	echo "$1"
	echo "$said" | sed 's/^/    /'
	failed=1
}

passes() {
	gate "$@" || complain "$1 fails where nothing is wrong:"
}

# sees WORDS SCRIPT [TABLE]: the gate fails and says so; the tree is sound again.
sees() {
	words=$1
	shift
	if gate "$@"; then
		complain "$1 does not see: $words"
	elif ! echo "$said" | grep -qF "$words"; then
		complain "$1 fails, but not with: $words"
	fi
	sound_tree
}

lines() {
	awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) print "\tx++;" }'
}

sound_tree
passes check-layers.awk tables/layers
passes banned-calls.awk
passes check-cycles.awk
passes check-sizes.awk
passes check-debts.awk tables/debts

echo '#include "os/o.h"' >>src/base/a.h
sees 'base may not use os' check-layers.awk tables/layers
sed -i 's/^os: base/os: base core/' tables/layers
sees 'os may use core, and does not' check-layers.awk tables/layers
mkdir src/new && echo '#include "base/a.h"' >src/new/n.h
sees 'its folder is not in' check-layers.awk tables/layers

printf 'void k(void)\n{\n\tstrcpy(a, b);\n}\n' >src/base/k.c
sees 'strcpy()' banned-calls.awk
printf 'void k(void)\n{\n\tasprintf(&a, b);\n}\n' >src/base/k.c
sees 'asprintf()' banned-calls.awk
mkdir src/crypto && printf 'int k(void)\n{\n\treturn memcmp(a, b, 16) == 0;\n}\n' >src/crypto/k.c
sees 'memcmp()' banned-calls.awk
printf 'void k(void)\n{\n\texit(1);\n}\n' >src/base/k.c
sees 'exit()' banned-calls.awk

echo '#include "base/a.h"' >>src/base/b.h
sees 'a circle of includes: base/a.h base/b.h base/a.h' check-cycles.awk
echo '#include "base/a.h"' >>src/base/a.h
sees 'a circle of includes: base/a.h base/a.h' check-cycles.awk
echo '#include "base/d.h"' >>src/base/b.h && echo '#include "base/e.h"' >src/base/d.h && echo '#include "base/b.h"' >src/base/e.h
sees 'a circle of includes: base/b.h base/d.h base/e.h base/b.h' check-cycles.awk

{ printf 'int k(void)\n{\n'; lines 98; printf '}\n'; } >src/base/k.c
passes check-sizes.awk
{ printf 'static int long_one(\n\tint a)\n{\n'; lines 99; printf '}\n'; } >src/base/k.c
sees 'long_one() has 101 lines' check-sizes.awk
lines 600 >src/base/k.c
passes check-sizes.awk
lines 601 >src/base/k.c
sees 'src/base/k.c: 601 lines' check-sizes.awk

echo '#include <unistd.h>' >>src/base/j.c
sees 'includes <unistd.h>' check-debts.awk tables/debts
echo '#include <sys/eventfd.h>' >src/base/new.h
sees 'includes <sys/eventfd.h>' check-debts.awk tables/debts
: >src/base/b.h
sees 'base/b.h does not use <poll.h> any more' check-debts.awk tables/debts
rm src/base/b.h
sees 'base/b.h does not use <poll.h> any more' check-debts.awk tables/debts
echo '#include <sys/types.h>' >>src/os/o.h
sees 'src/os/o.h:3: includes <sys/types.h>, which whoever opens this door would see' check-debts.awk tables/debts
echo '#include <unistd.h>' >src/os/low/o.h
sees 'src/os/low/o.h:1: includes <unistd.h>' check-debts.awk tables/debts
printf 'void k(void)\n{\n\tjson_t *j;\n}\n' >src/core/k.c
sees 'src/core/k.c:3: uses JSON' check-debts.awk tables/debts
: >src/base/j.c
sees 'base/j.c does not use JSON any more' check-debts.awk tables/debts
printf 'const char *a = "as " OS_SUDO "b, "\n\t"or `sudo b`";\n' >src/core/w.c
sees 'src/core/w.c:2: speaks as on one system' check-debts.awk tables/debts
printf 'void k(void)\n{\n\tf(time_monotonic());\n}\n' >src/core/k.c
sees 'src/core/k.c:3: reads the clock in a core' check-debts.awk tables/debts
echo 'core control/gone' >>tables/debts
sees 'there is no control/gone' check-debts.awk tables/debts
echo 'clock base/a.h' >>tables/debts
sees 'expected "core PATH"' check-debts.awk tables/debts

rm -rf src && mkdir src
for script in banned-calls.awk check-cycles.awk check-sizes.awk; do
	if said=$(awk -v src=src -f "$gates/strip.awk" -f "$gates/$script" /dev/null 2>&1); then
		complain "$script checks nothing and is content:"
	fi
done
exit $failed
