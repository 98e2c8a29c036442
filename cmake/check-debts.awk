# SPDX-License-Identifier: AGPL-3.0-or-later
# What is used where it does not belong, and may only become less: awk -f strip.awk -f check-debts.awk -v src=DIR debts.txt FILE...
#
#   system   headers of an operating system, outside os/ and in the headers of os/ that others include (those of its folders for one
#            system, os/linux and the like, and *_private.h are its own): all <headers> but those of C17 and of the libraries we build on
#   json     the JSON library, outside wire/msg, mesh/json and cli/
#   words    what people type on one system ("sudo ..."), outside os/: os/words has it
#   clock    time_monotonic, time_real: nowhere in a core, to which the time is an argument
#
# debts.txt has lines "core PATH" (a file, or a folder with all below it), "system FILE: HEADER..." and "json FILE". What a file
# uses and its line does not name is printed, and so is what a line names and its file does not use any more; then the
# exit status is 1. There are no debts of words and clocks.

BEGIN {
	n_c17 = split("assert.h complex.h ctype.h errno.h fenv.h float.h inttypes.h iso646.h limits.h locale.h math.h setjmp.h " \
		"stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h string.h tgmath.h " \
		"time.h uchar.h wchar.h wctype.h", c17, " ")
	for (i = 1; i <= n_c17; i++)
		portable[c17[i]] = 1
}

function library(header)
{
	return header ~ /^(event2|ldns|openssl|qrcodegen)\// || header ~ /^(jansson|sqlite3|yaml|zlib|gcrypt|intel-ipsec-mb)\.h$/
}

function complain(where, text)
{
	print where ": " text
	bad++
}

function may_json(path)
{
	return path ~ /^(cli|wire\/msg|mesh\/json)/
}

# Is this where an operating system may be seen?
function is_own(path)
{
	return path ~ /^os\// && (path ~ /\.c$/ || path ~ /_private\.h$/ || path ~ /^os\/(low\/)?(posix|linux|darwin|windows)\//)
}

function is_core(path,    f)
{
	for (f in core)
		if (path == f || index(path, f "/") == 1) {
			seen_core[f] = 1
			return 1
		}
	return 0
}

# The table.
FNR == NR {
	table = FILENAME
	if ($0 ~ /^[ \t]*(#|$)/)
		next
	if ($1 == "core" && NF == 2) {
		core[$2] = FNR
	} else if ($1 == "json" && NF == 2) {
		owed["json", $2] = FNR
	} else if ($1 == "system" && $2 ~ /:$/ && NF > 2) {
		for (i = 3; i <= NF; i++)
			owed["system", substr($2, 1, length($2) - 1), $i] = FNR
	} else {
		complain(FILENAME ":" FNR, "expected \"core PATH\", \"json FILE\" or \"system FILE: HEADER...\"")
	}
	next
}

FNR == 1 {
	files++
	in_comment = 0
	path = FILENAME
	if (index(path, src "/") == 1)
		path = substr(path, length(src) + 2)
	in_core = is_core(path)
}

!is_own(path) && /^[ \t]*#[ \t]*include[ \t]*</ {
	split($0, part, /[<>]/)
	if (!(part[2] in portable) && !library(part[2])) {
		if (!(("system", path, part[2]) in owed))
			complain(FILENAME ":" FNR, "includes <" part[2] ">, which " (path ~ /^os\// ? "whoever opens this door would see" : \
				"belongs behind a door of os/"))
		used["system", path, part[2]] = 1
	}
}

path !~ /^os\// && /"[^"]*(sudo |systemctl |journalctl |iptables |modprobe |timedatectl )/ {
	complain(FILENAME ":" FNR, "speaks as on one system: its words belong into os/words")
}

{
	code = strip($0)
	if (!may_json(path) && code ~ /(^|[^A-Za-z0-9_])json_[a-z]/) {
		if (!(("json", path) in owed) && !(("json", path) in used))
			complain(FILENAME ":" FNR, "uses JSON: that is for wire/msg, mesh/json and cli/")
		used["json", path] = 1
	}
	if (in_core && code ~ /(^|[^A-Za-z0-9_])time_(monotonic|real)[ \t]*\(/)
		complain(FILENAME ":" FNR, "reads the clock in a core: the time is an argument")
}

END {
	for (debt in owed) {
		debts++
		if (files && !(debt in used)) {
			split(debt, part, SUBSEP)
			complain(table ":" owed[debt], part[2] " does not use " (part[1] == "json" ? "JSON" : "<" part[3] ">") \
				" any more: take it off the list")
		}
	}
	for (f in core)
		if (files && !(f in seen_core))
			complain(table ":" core[f], "there is no " f)
	if (!files) {
		print "no source files were seen, so nothing was checked"
		bad++
	}
	if (bad)
		exit 1
	print files " files, " debts " debts of " table
}
