/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mesh/path_not.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *word, *text;
} rows[PATH_NOT_N] = {
#define X(name, word, text) [PATH_NOT_##name] = {word, text},
	PATH_NOTS(X)
#undef X
};

const char *path_not_text(enum path_not why)
{
	return rows[why].text;
}

const char *path_not_word(enum path_not why)
{
	return rows[why].word;
}

enum path_not path_not_parse(const char *word)
{
	for (size_t i = 0; word && i < PATH_NOT_N; i++)
		if (strcmp(word, rows[i].word) == 0)
			return (enum path_not)i;
	return PATH_NOT_NOTHING;
}
