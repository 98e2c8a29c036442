# SPDX-License-Identifier: AGPL-3.0-or-later
# No header includes itself, however long the way: awk -f check-cycles.awk -v src=DIR FILE...
#
# Every circle is printed; then the exit status is 1.

FNR == 1 {
	files++
	path = FILENAME
	if (index(path, src "/") == 1)
		path = substr(path, length(src) + 2)
	name[files] = path
}

/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	to[path, ++n[path]] = part[2]
	includes++
}

# Depth first: a file that is met again on the way to it closes a circle. Parameters behind the gap are local.
function visit(f, way,    i, next_file)
{
	state[f] = "open"
	for (i = 1; i <= n[f]; i++) {
		next_file = to[f, i]
		if (state[next_file] == "open") {
			print "a circle of includes:" substr(way " " f, index(way " " f " ", " " next_file " ")) " " next_file
			bad++
		} else if (state[next_file] == "") {
			visit(next_file, way " " f)
		}
	}
	state[f] = "done"
}

END {
	for (i = 1; i <= files; i++)
		if (state[name[i]] == "")
			visit(name[i], "")
	if (!files || !includes) {
		print "no source files or no includes were seen, so nothing was checked"
		bad++
	}
	if (bad)
		exit 1
	print files " files, " includes " includes without a circle"
}
