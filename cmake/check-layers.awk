# SPDX-License-Identifier: AGPL-3.0-or-later
# Who may include whom: awk -f check-layers.awk -v src=DIR layers.txt FILE...
#
# layers.txt has lines "folder: folder folder ..."; a folder may always include its own files. A file or an include belongs to the
# longest folder named there that its path starts with; src/main.c belongs to cli. Everything that is not allowed, and every
# folder that the table does not know, is printed, and so is every right that no file uses; then the exit status is 1.

# The folder of a path relative to src, "" when the table has none.
function folder_of(path,    f)
{
	if (path == "main.c")
		return "cli"
	f = path
	while (sub(/\/[^\/]*$/, "", f))
		if (f in known)
			return f
	return ""
}

function complain(text)
{
	print FILENAME ":" FNR ": " text
	bad++
}

# The table.
FNR == NR {
	if ($0 ~ /^[ \t]*(#|$)/)
		next
	if ($1 !~ /:$/) {
		complain("expected \"folder: folders\"")
		next
	}
	from = substr($1, 1, length($1) - 1)
	if (from in known)
		complain("folder " from " is listed twice")
	known[from] = FNR
	allowed[from, from] = 1
	for (i = 2; i <= NF; i++) {
		allowed[from, $i] = 1
		mentioned[$i] = FNR
		line_of[from, $i] = FNR
	}
	table = FILENAME
	next
}

FNR == 1 {
	files++
	path = FILENAME
	if (index(path, src "/") == 1)
		path = substr(path, length(src) + 2)
	from = folder_of(path)
	if (from == "")
		complain("its folder is not in " table)
}

from != "" && /^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	to = folder_of(part[2])
	includes++
	if (to == "")
		complain("includes \"" part[2] "\": not a path from src/, or its folder is not in " table)
	else if (!((from, to) in allowed))
		complain("includes \"" part[2] "\": " from " may not use " to)
	used[from, to] = 1
}

END {
	for (f in mentioned)
		if (!(f in known)) {
			print table ":" mentioned[f] ": folder " f " has no line of its own"
			bad++
		}
	for (right in line_of)
		if (files && !(right in used)) {
			split(right, pair, SUBSEP)
			print table ":" line_of[right] ": " pair[1] " may use " pair[2] ", and does not: take the right away"
			bad++
		}
	if (!files || !includes) {
		print "no source files or no includes were seen, so nothing was checked"
		bad++
	}
	if (bad)
		exit 1
	print files " files, " includes " includes follow " table
}
