# SPDX-License-Identifier: AGPL-3.0-or-later
# For the gates that look into code, loaded before them. Whoever begins a file sets in_comment to 0.

# The line without strings, character constants and comments (which may span lines).
function strip(line,    out, i, c, two)
{
	out = ""
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		two = substr(line, i, 2)
		if (in_comment) {
			if (two == "*/") {
				in_comment = 0
				i++
			}
		} else if (quote != "") {
			if (c == "\\")
				i++
			else if (c == quote)
				quote = ""
		} else if (two == "/*") {
			in_comment = 1
			i++
		} else if (two == "//") {
			break
		} else if (c == "\"" || c == "'") {
			quote = c
			out = out c
		} else {
			out = out c
		}
	}
	quote = ""
	return out
}
