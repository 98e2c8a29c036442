/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mesh/aliases.h"

#include <string.h>

#include "base/jsonout.h"
#include "mesh/model.h"

_Static_assert((int)NODE_ALIAS_LEN == (int)NODE_NAME_MAX + 1, "an alias is a name");

bool node_alias_next(const char **at, char ret_name[static NODE_ALIAS_LEN])
{
	const size_t n = strcspn(*at, " ");

	if (n == 0 || n > NODE_NAME_MAX)
		return false;
	memcpy(ret_name, *at, n);
	ret_name[n] = '\0';
	if (!node_name_allowed(ret_name))
		return false;
	*at += n + ((*at)[n] == ' ');
	return true;
}

/* Where it begins; NULL: it is not there. */
static const char *find(const struct node_aliases *a, const char *name)
{
	char one[NODE_ALIAS_LEN];

	for (const char *at = a->text, *begin = at; node_alias_next(&at, one); begin = at)
		if (strcmp(one, name) == 0)
			return begin;
	return NULL;
}

bool node_aliases_has(const struct node_aliases *a, const char *name)
{
	return find(a, name);
}

size_t node_aliases_count(const struct node_aliases *a)
{
	char one[NODE_ALIAS_LEN];
	size_t n = 0;

	for (const char *at = a->text; node_alias_next(&at, one);)
		n++;
	return n;
}

int node_aliases_add(struct node_aliases *a, const char *name)
{
	const size_t before = strlen(a->text), blank = before ? 1 : 0, n = strlen(name);

	if (node_aliases_has(a, name))
		return TM_OK;
	if (before + blank + n >= sizeof(a->text))
		return TM_EFULL;
	if (blank)
		a->text[before] = ' ';
	memcpy(a->text + before + blank, name, n + 1);
	return TM_OK;
}

bool node_aliases_drop(struct node_aliases *a, const char *name)
{
	const char *at = find(a, name);

	if (!at)
		return false;
	const size_t begin = (size_t)(at - a->text), n = strlen(name);
	const bool last = at[n] == '\0';

	if (last)
		a->text[begin ? begin - 1 : 0] = '\0';
	else
		memmove(a->text + begin, at + n + 1, strlen(at + n + 1) + 1);
	return true;
}

int node_aliases_read(const char *text, struct node_aliases *ret_a)
{
	struct node_aliases a = {.text = ""};
	char one[NODE_ALIAS_LEN];

	while (node_alias_next(&text, one))
		if (node_aliases_add(&a, one) != TM_OK)
			return TM_EBADMSG;
	if (*text)
		return TM_EBADMSG;
	*ret_a = a;
	return TM_OK;
}

void node_aliases_put(struct jsonout *o, const char *key, const struct node_aliases *a)
{
	char one[NODE_ALIAS_LEN];

	jsonout_list(o, key);
	for (const char *at = a->text; node_alias_next(&at, one);)
		jsonout_text(o, NULL, one);
	jsonout_list_end(o);
}
