/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Requests about what members are called. Names and aliases are one set: no name is given twice. */
#include "control/coord/coord_private.h"

#include <string.h>

struct naming {
	struct job job;
	uint8_t key[32];
	char name[NODE_NAME_MAX + 1]; /* it is to have; "" = the one that it has */
	bool keep; /* the one that it had, as an alias */
	struct node_aliases add, remove;
	struct store_node node; /* as it is then, with the aliases that it gets */
	char clash[NODE_NAME_MAX + 1]; /* which name is another's */
};

static int full(struct diag *d)
{
	diag_hint(d, "remove some with --remove");
	return diag_what(d, TM_EFULL, "the aliases of a node have %d characters in all at most",
		NODE_ALIASES_TEXT - 1);
}

/* The aliases that it is to have, among them not its name. */
static int choose(struct naming *x, const char *name, struct diag *d)
{
	const char *was = x->node.rec.name;
	struct node_aliases *a = &x->node.rec.aliases;
	char one[NODE_ALIAS_LEN];

	(void)!node_aliases_drop(a, name); /* was it one, it is more now */
	for (const char *at = x->remove.text; node_alias_next(&at, one);) {
		if (node_aliases_drop(a, one))
			continue;
		diag_hint(d, "`tunnelmesh node list` shows all");
		return diag_what(d, TM_ENOENT, "%s has no alias \"%s\"", was, one);
	}
	for (const char *at = x->add.text; node_alias_next(&at, one);)
		if (node_aliases_add(a, one) != TM_OK)
			return full(d);
	if (x->keep && strcmp(was, name) != 0 && node_aliases_add(a, was) != TM_OK)
		return full(d);
	return TM_OK;
}

/* A new name that somebody has: who that is, the registry knows. */
static int check_free(struct store *s, struct naming *x, const char *name)
{
	bool taken = false;
	int err =
		node_aliases_has(&x->node.rec.aliases, name) ? TM_OK : store_node_name_taken(s, name, &taken);

	if (err || !taken)
		return err;
	memcpy(x->clash, name, strlen(name) + 1);
	return TM_EEXIST;
}

static int check_all(struct store *s, struct naming *x)
{
	const bool renamed = x->name[0] && strcmp(x->name, x->node.rec.name) != 0;
	int err = renamed ? check_free(s, x, x->name) : TM_OK;
	char one[NODE_ALIAS_LEN];

	for (const char *at = x->add.text; !err && node_alias_next(&at, one);)
		err = check_free(s, x, one);
	return err;
}

static void remember(struct naming *x, const struct node_aliases *had, const char *name)
{
	const struct node_rec *r = &x->node.rec; /* with its name from before */

	if (strcmp(r->name, name) != 0) {
		job_event_is(&x->job, EVENT_RENAMED, r);
		event_set_detail(&x->job.event, "%s", name);
	} else if (strcmp(had->text, r->aliases.text) != 0) {
		job_event_is(&x->job, EVENT_ALIASES, r);
		event_set_detail(&x->job.event, "%s", r->aliases.text);
	}
}

static int naming_body(struct store *s, struct job *j)
{
	struct naming *x = CONTAINER_OF(j, struct naming, job);
	struct node_rec *r = &x->node.rec;

	int err = store_node_find_key(s, x->key, &x->node);
	if (err == TM_ENOENT)
		return nodes_gone(j);
	if (!err)
		err = check_all(s, x);
	if (err)
		return err;

	const struct node_aliases had = r->aliases;
	const char *name = x->name[0] ? x->name : r->name;
	err = choose(x, name, &j->d);
	if (!err && x->name[0])
		err = store_node_rename(s, r->id, name);
	if (!err && strcmp(had.text, r->aliases.text) != 0)
		err = store_node_aliases(s, r->id, &r->aliases);
	if (!err)
		remember(x, &had, name);
	return err;
}

static void say_whose(const struct coord *c, const struct naming *x, struct diag *d)
{
	const struct member *m = registry_lookup(c->reg, x->clash);

	diag_hint(d, "choose another name");
	if (m && memcmp(m->s.rec.key, x->key, sizeof(x->key)) == 0)
		diag_what(d, TM_EEXIST, "%s is its name already", x->clash);
	else if (m && node_aliases_has(&m->s.rec.aliases, x->clash))
		diag_what(d, TM_EEXIST, "%s is an alias of %s already", x->clash, m->s.rec.name);
	else
		diag_what(d, TM_EEXIST, "another node is named %s already", x->clash);
}

static void naming_done(struct coord *c, struct job *j, int err)
{
	const struct naming *x = CONTAINER_OF(j, struct naming, job);
	struct member *m = err ? NULL : registry_by_key(c->reg, x->key);
	struct jsonout o = {0};

	if (!m) {
		if (err == TM_EEXIST)
			say_whose(c, x, &j->d);
		answer_refuse(c, &j->asker, err ? err : TM_ENOENT, &j->d);
		return;
	}
	struct member changed = *m; /* the change itself comes after the answer */
	if (x->name[0]) {
		log_info("coord: node renamed", KV("from", m->s.rec.name), KV("to", x->name));
		memcpy(changed.s.rec.name, x->name, sizeof(changed.s.rec.name));
	}
	changed.s.rec.aliases = x->node.rec.aliases;
	answer_begin(&j->asker, &o);
	member_put(c, &o, "node", &changed, true);
	answer_end(c, &j->asker, &o);
}

static const struct job_kind naming_kind = {sizeof(struct naming), naming_body, naming_done, NULL};

static struct naming *naming_start(struct coord *c, const struct asker *a, const char *node)
{
	const struct member *m = nodes_find(c, a, node);
	struct naming *x = m ? job_start(c, a, &naming_kind) : NULL;

	if (x)
		memcpy(x->key, m->s.rec.key, sizeof(x->key));
	return x;
}

void names_rename(struct coord *c, const struct asker *a, const union msg_request *r)
{
	struct naming *x = naming_start(c, a, r->rename.node);

	if (!x)
		return;
	memcpy(x->name, r->rename.name, sizeof(x->name));
	x->keep = r->rename.keep;
	job_submit(&x->job);
}

void names_alias(struct coord *c, const struct asker *a, const union msg_request *r)
{
	struct naming *x = naming_start(c, a, r->alias.node);

	if (!x)
		return;
	x->add = r->alias.add;
	x->remove = r->alias.remove;
	job_submit(&x->job);
}
