/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/msg/request.h"

#include "mesh/jsonin.h"

#include <stdio.h>
#include <string.h>

#define TTL_MAX ((int64_t)10 * 366 * 86400)
#define ALL_NODES "`tunnelmesh node list` shows all"

/* Whoever typed that called the command wrongly. */
static int wrong(struct diag *d, const char *what, const char *hint)
{
	diag_code(d, "usage");
	diag_hint(d, "%s", hint);
	return diag_what(d, TM_EINVAL, "%s", what);
}

int msg_nothing_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	(void)j;
	(void)ret_r;
	(void)d;
	return TM_OK;
}

int msg_leave_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	bool undo = false;

	if (jsonin_bool(j, "undo", &undo) != TM_OK)
		return wrong(d, "undo must be true or false", "leave it out to leave");
	ret_r->undo = undo;
	return TM_OK;
}

static int tags_get(const json_t *list, const char *hint, struct msg_tags *ret_tags, struct diag *d)
{
	struct msg_tags tags = {.n = 0};

	if (list && (!json_is_array(list) || json_array_size(list) > NODE_TAGS_MAX))
		return wrong(d, "tags must be a list of at most 16 words", hint);

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *tag = jsonin_string(json_array_get(list, i));
		bool twice = false;

		if (!tag || !node_tag_valid(tag))
			return wrong(d,
				"a tag must be 1 to 32 of the characters a-z, 0-9, - and _ and start with a "
				"letter or digit",
				hint);
		for (uint8_t k = 0; k < tags.n; k++)
			twice |= strcmp(tags.v[k], tag) == 0;
		if (!twice)
			memcpy(tags.v[tags.n++], tag, strlen(tag) + 1);
	}
	*ret_tags = tags;
	return TM_OK;
}

int msg_token_create_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	static const char hint[] = "see `tunnelmesh help token`";
	struct msg_token_create t = {0};
	int64_t uses = 1, ttl = 86400;

	if (jsonin_int_if(j, "uses", 1, TOKEN_USES_MAX, &uses) != TM_OK)
		return wrong(d, "uses must be a number from 1 to 100000", hint);
	if (jsonin_int_if(j, "ttl_s", 1, TTL_MAX, &ttl) != TM_OK)
		return wrong(d, "the time to live must be at least a second and at most ten years", hint);
	if (jsonin_bool(j, "ephemeral", &t.ephemeral) != TM_OK)
		return wrong(d, "ephemeral must be true or false", hint);

	t.uses = (uint32_t)uses;
	t.ttl_s = ttl;
	int err = tags_get(json_object_get(j, "tags"), hint, &t.tags, d);
	if (!err)
		ret_r->token_create = t;
	return err;
}

int msg_token_revoke_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	if (jsonin_hex(j, "id", ret_r->token_id, TOKEN_ID) != TM_OK)
		return wrong(d, "a token's id is 16 hexadecimal digits", "`tunnelmesh token list` shows all");
	return TM_OK;
}

static int after_get(const json_t *j, int64_t max, int64_t *ret_after, struct diag *d)
{
	*ret_after = 0;
	if (jsonin_int_if(j, "after", 0, max, ret_after) != TM_OK)
		return wrong(d, "after must be what the last answer called next", "leave it out to begin");
	return TM_OK;
}

int msg_list_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	int64_t after;
	int err = after_get(j, UINT32_MAX, &after, d);

	if (!err)
		ret_r->after = (uint32_t)after;
	return err;
}

int msg_event_list_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	struct msg_event_list e = {0};
	int64_t after, before = 0;
	int err = after_get(j, INT64_MAX, &after, d);

	if (err)
		return err;
	if (jsonin_int_if(j, "since", 0, INT64_MAX, &e.since) != TM_OK)
		return wrong(d, "since must be seconds since 1970", "leave it out for all");
	if (jsonin_bool(j, "newest", &e.newest) != TM_OK)
		return wrong(d, "newest must be true or false", "leave it out for the oldest first");
	if (jsonin_int_if(j, "before", 0, INT64_MAX, &before) != TM_OK || (before && !e.newest))
		return wrong(d, "before must be what the last answer called next, and goes with newest",
			"leave it out to begin");
	e.after = (uint64_t)after;
	e.before = (uint64_t)before;
	ret_r->events = e;
	return TM_OK;
}

static int name_get(const json_t *j, const char *key, char ret_name[static NODE_REF_MAX + 1], struct diag *d)
{
	if (jsonin_text(j, key, ret_name, NODE_REF_MAX + 1) != TM_OK)
		return wrong(d, "which node is not said, or is no name", ALL_NODES);
	return TM_OK;
}

static int no_name(const char *wanted, struct diag *d)
{
	char name[NODE_NAME_MAX + 1];

	node_name_sanitize(wanted, name);
	diag_code(d, "usage");
	diag_hint(d, "\"%s\" would do", name);
	return diag_what(d, TM_EINVAL,
		"a name is 1 to 63 of the characters a-z, 0-9 and -, without - at its ends, and not "
		"\"this\"");
}

int msg_node_list_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	struct msg_node_list l = {0};
	int64_t after;
	int err = after_get(j, UINT32_MAX, &after, d);

	if (!err && json_object_get(j, "node"))
		err = name_get(j, "node", l.node, d);
	l.after = (uint32_t)after;
	if (!err)
		ret_r->nodes = l;
	return err;
}

int msg_node_rename_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	struct msg_node_rename r = {0};
	char wanted[256] = "";

	int err = name_get(j, "node", r.node, d);
	if (err)
		return err;

	if (jsonin_text(j, "name", wanted, sizeof(wanted)) != TM_OK || !node_name_allowed(wanted))
		return no_name(wanted, d);
	if (jsonin_bool(j, "keep", &r.keep) != TM_OK)
		return wrong(d, "keep must be true or false", "see `tunnelmesh help node rename`");
	memcpy(r.name, wanted, strlen(wanted) + 1);
	ret_r->rename = r;
	return TM_OK;
}

static int aliases_get(const json_t *list, struct node_aliases *ret_a, struct diag *d)
{
	struct node_aliases a = {.text = ""};

	if (list && !json_is_array(list))
		return wrong(d, "aliases must be a list of names", "see `tunnelmesh help node alias`");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = jsonin_string(json_array_get(list, i));

		if (!name || !node_name_allowed(name))
			return no_name(name ? name : "", d);
		if (node_aliases_add(&a, name) != TM_OK)
			return wrong(d, "the aliases of a node have 255 characters in all at most",
				"see `tunnelmesh help node alias`");
	}
	*ret_a = a;
	return TM_OK;
}

int msg_node_alias_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	struct msg_node_alias a = {0};

	int err = name_get(j, "node", a.node, d);
	if (!err)
		err = aliases_get(json_object_get(j, "add"), &a.add, d);
	if (!err)
		err = aliases_get(json_object_get(j, "remove"), &a.remove, d);
	if (!err && !a.add.text[0] && !a.remove.text[0])
		err = wrong(d, "no alias is said that is to be added or removed",
			"see `tunnelmesh help node alias`");
	if (!err)
		ret_r->alias = a;
	return err;
}

int msg_node_tag_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	static const char hint[] = "see `tunnelmesh help node tag`";
	struct msg_node_tag t = {0};

	int err = name_get(j, "node", t.node, d);
	if (!err)
		err = tags_get(json_object_get(j, "add"), hint, &t.add, d);
	if (!err)
		err = tags_get(json_object_get(j, "remove"), hint, &t.remove, d);
	if (!err && !t.add.n && !t.remove.n)
		err = wrong(d, "no tag is said that is to be added or removed", hint);
	if (!err)
		ret_r->tag = t;
	return err;
}

static int watch_get(const json_t *j, bool *ret_watch, struct diag *d)
{
	if (jsonin_bool(j, "watch", ret_watch) != TM_OK)
		return wrong(d, "watch must be true or false", "leave it out to look once");
	return TM_OK;
}

int msg_report_list_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	struct msg_reports r = {0};
	int64_t after;
	int err = after_get(j, UINT32_MAX, &after, d);

	if (!err)
		err = watch_get(j, &r.watch, d);
	r.after = (uint32_t)after;
	if (!err)
		ret_r->reports = r;
	return err;
}

int msg_report_node_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	struct msg_reports r = {0};
	int err = name_get(j, "node", r.node, d);

	if (!err && json_object_get(j, "peer"))
		err = name_get(j, "peer", r.peer, d);
	if (!err)
		err = watch_get(j, &r.watch, d);
	if (!err)
		ret_r->reports = r;
	return err;
}

int msg_node_remove_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	return name_get(j, "node", ret_r->name, d);
}

int msg_client_add_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	static const char hint[] = "see `tunnelmesh help client`";
	struct msg_client_add c = {0};

	if (jsonin_word(j, "name", node_name_allowed, c.name, sizeof(c.name)) != TM_OK)
		return wrong(d,
			"a client's name is 1 to 63 of the characters a-z, 0-9 and -, without - at its ends, "
			"and not \"this\"",
			hint);
	if (jsonin_key(j, "key", c.key) != TM_OK)
		return wrong(d, "a client's key is a WireGuard public key: 44 characters of base64", hint);
	if (json_object_get(j, "via") && jsonin_text(j, "via", c.via, sizeof(c.via)) != TM_OK)
		return wrong(d, "there is no such node for the client to be reached through", ALL_NODES);

	ret_r->client_add = c;
	return TM_OK;
}

int msg_client_remove_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	if (jsonin_text(j, "name", ret_r->name, sizeof(ret_r->name)) != TM_OK)
		return wrong(d, "there is no such client", "`tunnelmesh client list` shows all");
	return TM_OK;
}

void msg_token_put(struct jsonout *o, const struct msg_token *t)
{
	jsonout_object(o, NULL);
	jsonout_hex(o, "id", t->id, sizeof(t->id));
	jsonout_int(o, "uses", t->uses);
	jsonout_int(o, "used", t->used);
	jsonout_int(o, "expires_at", t->expires);
	jsonout_int(o, "created_at", t->created);
	jsonout_bool(o, "revoked", t->revoked);
	jsonout_bool(o, "expired", t->expired);
	jsonout_bool(o, "ephemeral", t->ephemeral);
	jsonout_list(o, "tags");
	for (size_t i = 0; i < t->tags.n; i++)
		jsonout_text(o, NULL, t->tags.v[i]);
	jsonout_list_end(o);
	jsonout_list(o, "used_by");
	for (size_t i = 0; i < t->n_used_by; i++)
		jsonout_text(o, NULL, t->used_by[i]);
	jsonout_list_end(o);
	jsonout_object_end(o);
}

void msg_member_put(struct jsonout *o, const char *key, const struct msg_member *m)
{
	char text[IP_STR_LEN];

	jsonout_object(o, key);
	node_rec_put_shown(o, m->rec);
	if (m->rec->kind == NODE_CLIENT) /* has no link that would tell */
		jsonout_null(o, "online");
	else
		jsonout_bool(o, "online", m->online);
	jsonout_int(o, "created_at", m->created);
	jsonout_int_or_null(o, "last_seen_at", m->last_seen);
	jsonout_text_or_null(o, "os", m->os);
	jsonout_text_or_null(o, "version", m->version);
	jsonout_bool(o, "ephemeral", m->ephemeral);
	jsonout_text_or_null(
		o, "link_from", m->address.family != IP_NONE ? ip_format(&m->address, text) : "");
	jsonout_text_or_null(o, "twin_from", m->twin.family != IP_NONE ? ip_format(&m->twin, text) : "");
	jsonout_text_or_null(o, "via_name", m->via_name ? m->via_name : "");
	jsonout_object_end(o);
}
