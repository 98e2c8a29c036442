/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/local_read.h"

#include <stdio.h>
#include <string.h>

enum key { ALLOW, DENY, REJECT, FROM, TO, KEYS };
_Static_assert(ALLOW == (int)POLICY_ALLOW && DENY == (int)POLICY_DENY && REJECT == (int)POLICY_REJECT,
	"the actions stand first, in the order of the enum");
static const char *const keys[] = {"allow", "deny", "reject", "from", "to"};

static int say(const struct yamlin *y, const yaml_node_t *node, const char *what, const char *hint)
{
	yamlin_at(y, node);
	diag_hint(y->d, "%s", hint);
	return diag_what(y->d, TM_EINVAL, "%s", what);
}

/* One more, behind a comma. It is judged by itself, so that what is wrong is told at its place. */
static int add_word(const struct yamlin *y, const yaml_node_t *node, enum key key, char *text)
{
	struct policy_local alone = {.action = POLICY_DENY, .who = "any", .services = "any"};
	const size_t len = strlen(text);

	int err = yamlin_text(y, node, keys[key]);
	if (err)
		return err;
	const char *word = yamlin_scalar(node);
	if (strchr(word, ','))
		return say(y, node, "one entry names one, without commas", "write a list as [one, another]");
	if (len + strlen(word) + 2 > POLICY_LOCAL_TEXT)
		return diag_what(y->d, TM_ERANGE, "%s has too many entries", keys[key]);
	snprintf(key < FROM ? alone.services : alone.who, POLICY_LOCAL_TEXT, "%s", word);
	err = policy_local_check(&alone, y->d);
	if (!err)
		snprintf(text + len, POLICY_LOCAL_TEXT - len, "%s%s", len ? "," : "", word);
	return err;
}

/* One, or a list of them. */
static int read_words(const struct yamlin *y, const yaml_node_t *node, enum key key, char *text)
{
	const bool single = node->type == YAML_SCALAR_NODE && !yamlin_is_null(node);
	size_t n = 1;

	int err = single ? TM_OK : yamlin_list(y, node, keys[key], POLICY_LOCAL_TEXT, &n);
	for (size_t i = 0; i < n && !err; i++)
		err = add_word(y, single ? node : yamlin_item(y, node, i), key, text);
	return err;
}

/* Which action it is, and which side is not the node. */
static int read_keys(const struct yamlin *y, const yaml_node_t *node, const yaml_node_t **v,
	struct policy_local *r, enum key *ret_side)
{
	unsigned actions = 0;

	if (node->type != YAML_MAPPING_NODE)
		return say(y, node, "a rule must be a mapping, not a single value or a list",
			"write \"- deny: tcp/22\" and below it \"from: ...\"");
	int err = yamlin_keys(y, node, keys, KEYS, "in a rule of a node's own", v);
	if (err)
		return err;
	for (unsigned a = ALLOW; a <= REJECT; a++)
		if (v[a]) {
			r->action = (enum policy_action)a;
			actions++;
		}
	if (actions != 1)
		return say(y, node,
			actions ? "a rule does one thing: this one has several of allow, deny and reject"
				: "this rule has none of allow, deny and reject",
			"write \"deny: any\" or \"reject: [udp/53, tcp/53]\"");
	if (!v[FROM] == !v[TO])
		return say(y, node,
			"a rule of a node's own has one of from and to, the other end being this node",
			"write \"from: ...\" for what others open here, \"to: ...\" for what this node "
			"opens");
	*ret_side = v[FROM] ? FROM : TO;
	return TM_OK;
}

static int read_rule(const struct yamlin *y, const yaml_node_t *node, struct policy_local *r)
{
	const yaml_node_t *v[KEYS];
	enum key side;

	int err = read_keys(y, node, v, r, &side);
	if (!err)
		err = read_words(y, v[r->action], (enum key)r->action, r->services);
	if (!err)
		err = read_words(y, v[side], side, r->who);
	if (err)
		return err;
	r->outbound = side == TO;
	r->line = (uint32_t)yamlin_line(node);
	yamlin_at(y, node);
	return policy_local_check(r, y->d);
}

int policy_local_read(const struct yamlin *y, const yaml_node_t *list, const char *what,
	struct policy_local *v, size_t max, size_t *ret_n)
{
	struct yamlin with_columns = *y;
	size_t n;

	with_columns.columns = true;
	int err = yamlin_list(&with_columns, list, what, max, &n);
	for (size_t i = 0; i < n && !err; i++) {
		v[i] = (struct policy_local){.line = 0};
		snprintf(v[i].id, sizeof(v[i].id), "local-config-%zu", i + 1);
		err = read_rule(&with_columns, yamlin_item(y, list, i), &v[i]);
	}
	if (!err)
		*ret_n = n;
	return err;
}
