# SPDX-License-Identifier: AGPL-3.0-or-later
# How long a file and a function may be: awk -f check-sizes.awk -v src=DIR FILE...
#
#   files      600 lines      a file that wants more usually holds two nouns
#   functions  100 lines      from brace to brace, both at the beginning of a line as clang-format puts them
#
# Everything longer is printed, and the exit status is 1.

BEGIN {
	file_max = 600
	function_max = 100
}

function complain(text)
{
	print last_file ": " text
	bad++
}

function file_ends()
{
	if (lines > file_max)
		complain(lines " lines, " file_max " are allowed: which two nouns does it hold?")
	if (lines > longest_file)
		longest_file = lines
}

FNR == 1 {
	if (files++)
		file_ends()
	begun = 0
	name = ""
}

{
	last_file = FILENAME
	lines = FNR
}

# The name is the word before the first parenthesis of the line where a definition begins.
/^[A-Za-z_].*\(/ {
	name = $0
	sub(/\(.*/, "", name)
	sub(/.*[^A-Za-z0-9_]/, "", name)
}

/^\{/ {
	begun = FNR
}

/^\}/ && begun {
	functions++
	n = FNR - begun + 1
	if (n > longest_function)
		longest_function = n
	if (n > function_max)
		complain(name "() has " n " lines, " function_max " are allowed")
	begun = 0
}

END {
	if (files)
		file_ends()
	if (!files || !functions) {
		print "no source files or no functions were seen, so nothing was checked"
		bad++
	}
	if (bad)
		exit 1
	print files " files of at most " longest_file " lines, " functions " functions of at most " longest_function
}
