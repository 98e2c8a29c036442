/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/coord/coord_private.h"

#include <stdio.h>
#include <string.h>

json_t *member_to_json(const struct coord *c, const struct member *m, bool with_address)
{
	json_t *j = node_rec_describe(&m->s.rec);
	char text[IP_STR_LEN];

	if (!j)
		return NULL;

	json_int_t last_seen = m->s.last_seen;
	json_object_set_new(j, "online", json_boolean(registry_online(c->reg, m)));
	json_object_set_new(j, "created", json_integer(m->s.created));
	json_object_set_new(j, "last_seen", json_integer(last_seen));
	json_object_set_new(j, "os", json_string(m->s.os));
	json_object_set_new(j, "version", json_string(m->s.version));
	json_object_set_new(j, "ephemeral", json_boolean(m->s.ephemeral));
	if (with_address && m->seen_at.family != IP_NONE)
		json_object_set_new(j, "address", json_string(ip_format(&m->seen_at, text)));
	return j;
}

static int by_host(const void *a, const void *b)
{
	const struct member *const *x = a, *const *y = b;

	return (*x)->s.rec.host < (*y)->s.rec.host ? -1 : (*x)->s.rec.host > (*y)->s.rec.host;
}

void nodes_list(struct coord *c, const struct asker *a, bool with_addresses)
{
	size_t n = 0;
	struct member **all = calloc(registry_size(c->reg) + 1, sizeof(struct member *)), *m;
	json_t *list = json_array();

	if (!all || !list) {
		free(all);
		json_decref(list);
		ask_refuse(c, a, TM_ENOMEM, NULL);
		return;
	}
	for (size_t i = 0; (m = registry_next(c->reg, &i));)
		all[n++] = m;
	qsort(all, n, sizeof(struct member *), by_host);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, member_to_json(c, all[i], with_addresses));
	free(all);
	ask_answer(c, a, json_pack("{s:b, s:o}", "ok", 1, "nodes", list));
}

/* The new name is in more. */
static int rename_body(struct store *s, struct job *j)
{
	const char *name = j->more;

	int err = store_node_rename(s, j->node.rec.id, name);
	if (err == TM_EEXIST) {
		diag_hint(&j->d, "choose another name");
		diag_what(&j->d, err, "another node is named %s already", name);
	} else if (err == TM_ENOENT) {
		diag_hint(&j->d, "`tunnelmesh node list` shows all");
		diag_what(&j->d, err, "this node has been removed meanwhile");
	}
	return err;
}

static void rename_done(struct coord *c, struct job *j, int err)
{
	struct member *m = registry_by_id(c->reg, j->node.rec.id);

	if (!err && m && strcmp(m->s.rec.name, j->more) != 0)
		err = registry_rename(c->reg, m, j->more);
	if (err || !m) {
		ask_refuse(c, &j->asker, err ? err : TM_ENOENT, &j->d);
		return;
	}
	push_structure(c);
	ask_answer(c, &j->asker, json_pack("{s:b, s:o}", "ok", 1, "node", member_to_json(c, m, true)));
}

static struct member *find_named(struct coord *c, const struct asker *a, const json_t *req)
{
	const char *name = field_text(req, "node", NODE_NAME_MAX);
	struct member *m = name ? registry_lookup(c->reg, name) : NULL;
	char what[128];

	if (m)
		return m;

	if (name)
		snprintf(what, sizeof(what), "there is no node \"%s\"", name);
	else
		snprintf(what, sizeof(what), "which node is not said, or is no name");
	ask_refuse_text(c, a, what, "`tunnelmesh node list` shows all");
	return NULL;
}

void nodes_rename(struct coord *c, const struct asker *a, const json_t *req)
{
	const char *name = field_text(req, "name", 255);

	struct member *m = find_named(c, a, req);
	if (!m)
		return;

	if (!name || !node_name_valid(name)) {
		char better[NODE_NAME_MAX + 1], hint[128];

		node_name_sanitize(name ? name : "", better);
		snprintf(hint, sizeof(hint), "\"%s\" would do", better);
		ask_refuse_text(c, a,
			"a name is 1 to 63 of the characters a-z, 0-9 and -, without - at its ends", hint);
		return;
	}
	struct job *j = job_start(c, a, rename_body, rename_done);
	if (!j)
		return;

	memcpy(j->node.rec.id, m->s.rec.id, sizeof(j->node.rec.id));
	j->more = strdup(name);
	if (!j->more)
		job_fail(j, TM_ENOMEM);
	else
		job_submit(j);
}

/* Why it goes is in more. */
static int remove_body(struct store *s, struct job *j)
{
	int err = store_node_remove(s, j->node.rec.id);

	if (err == TM_ENOENT) {
		diag_hint(&j->d, "`tunnelmesh node list` shows all");
		diag_what(&j->d, err, "this node has been removed already");
	}
	return err;
}

static void remove_done(struct coord *c, struct job *j, int err)
{
	struct member *m = registry_by_id(c->reg, j->node.rec.id);

	if (err || !m) {
		ask_refuse(c, &j->asker, err ? err : TM_ENOENT, &j->d);
		return;
	}
	/* First the answer: a node that leaves gets it before its link goes. */
	ask_answer(c, &j->asker,
		json_pack("{s:b, s:s, s:s}", "ok", 1, "id", m->s.rec.id, "name", m->s.rec.name));
	LIST_FOREACH_SAFE (client, &m->clients, struct member, in_clients)
		coord_forget_member(c, client, "the node it was reached through has gone");
	coord_forget_member(c, m, j->more);
	push_structure(c);
}

void nodes_remove(struct coord *c, const struct asker *a, struct member *m, const char *why)
{
	if (m->s.rec.coordinator) {
		ask_refuse_text(c, a, "the coordinator's own node cannot be removed: the mesh is its",
			"to give up the whole mesh, leave on every other node and uninstall here");
		return;
	}
	struct job *j = job_start(c, a, remove_body, remove_done);
	if (!j)
		return;

	memcpy(j->node.rec.id, m->s.rec.id, sizeof(j->node.rec.id));
	j->more = strdup(why);
	if (!j->more)
		job_fail(j, TM_ENOMEM);
	else
		job_submit(j);
}
