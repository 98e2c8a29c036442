# SPDX-License-Identifier: AGPL-3.0-or-later
# Calls that this project does without: awk -f strip.awk -f banned-calls.awk -v src=DIR FILE...
#
#   everywhere               strcpy strcat sprintf vsprintf atoi strtok gets   (unbounded, or silent about errors)
#   but os                   memmem memrchr strcasestr strsep stpcpy strndup   (not in every C library: base/text.h)
#                            asprintf vasprintf reallocarray qsort_r
#   crypto, data/peer        memcmp, bcmp                                      (secrets: ct_eq of base/secret.h); asking for the order
#                            of public values, "memcmp(...) <= 0", is fine: nobody authenticates by order
#   but main.c and cli       exit                                              (errors are returned; only main ends the process)
#
# Comments and string literals do not count. Every hit is printed, and the exit status is 1.

function complain(call, why)
{
	print FILENAME ":" FNR ": " call "() " why
	bad++
}

function calls(name)
{
	return code ~ ("(^|[^A-Za-z0-9_.>])" name "[ \t]*\\(")
}

BEGIN {
	n_banned = split("strcpy strcat sprintf vsprintf atoi strtok gets", banned, " ")
	n_rare = split("memmem memrchr strcasestr strsep stpcpy strndup asprintf vasprintf reallocarray qsort_r", rare, " ")
}

FNR == 1 {
	files++
	in_comment = 0
	path = FILENAME
	if (index(path, src "/") == 1)
		path = substr(path, length(src) + 2)
	secret = path ~ /^(crypto|data\/peer)\//
	is_os = path ~ /^os\//
	may_exit = path == "main.c" || path ~ /^cli\//
}

{
	code = strip($0)
	for (i = 1; i <= n_banned; i++)
		if (calls(banned[i]))
			complain(banned[i], "is not used here: unbounded, or silent about errors")
	for (i = 1; !is_os && i <= n_rare; i++)
		if (calls(rare[i]))
			complain(rare[i], "is not in every C library: base/text.h has text_has, text_printf and others")
	if (secret && (calls("memcmp") || calls("bcmp")) && code !~ /memcmp\(.*\) *[<>]=? *0/)
		complain("memcmp", "takes time that depends on secrets: use ct_eq")
	if (!may_exit && calls("exit"))
		complain("exit", "ends the process: return an error instead, only main and cli may")
}

END {
	if (!files) {
		print "no source files were seen, so nothing was checked"
		bad++
	}
	if (bad)
		exit 1
	print files " files are free of banned calls"
}
