/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/store/store.h"

#include "control/store/ops.h"

int store_create(const struct store_ops *ops, const char *where, const struct store_mesh *mesh,
	const struct store_node *first, const struct store_policy *policy, struct diag *d)
{
	return ops->create(where, mesh, first, policy, d);
}

int store_look(const struct store_ops *ops, const char *where, struct diag *d)
{
	return ops->look(where, d);
}

int store_open(const struct store_ops *ops, const char *where, struct store **ret_store, struct diag *d)
{
	return ops->open(where, ret_store, d);
}

const struct store_migration *store_migrated(const struct store *s)
{
	return &s->migration;
}

void store_free(struct store *s)
{
	if (s)
		s->ops->free(s);
}

int store_copy(struct store *s, const char *to)
{
	return s->ops->copy(s, to);
}

int store_transaction(struct store *s, store_body_fn *body, void *ctx)
{
	return s->ops->transaction(s, body, ctx);
}

int store_mesh_load(struct store *s, struct store_mesh *ret_mesh)
{
	return s->ops->mesh_load(s, ret_mesh);
}

int store_node_each(struct store *s, store_node_fn *fn, void *ctx)
{
	return s->ops->node_each(s, fn, ctx);
}

int store_node_find_key(struct store *s, const uint8_t key[static 32], struct store_node *ret_node)
{
	return s->ops->node_find_key(s, key, ret_node);
}

int store_node_name_taken(struct store *s, const char *name, bool *ret_taken)
{
	return s->ops->node_name_taken(s, name, ret_taken);
}

int store_node_insert(struct store *s, struct store_node *n, uint32_t hosts_max)
{
	return s->ops->node_insert(s, n, hosts_max);
}

int store_node_rename(struct store *s, const char *id, const char *name)
{
	return s->ops->node_rename(s, id, name);
}

int store_node_aliases(struct store *s, const char *id, const struct node_aliases *aliases)
{
	return s->ops->node_aliases(s, id, aliases);
}

int store_node_tag(struct store *s, const char *id, const char (*tags)[NODE_TAG_MAX + 1], size_t n)
{
	return s->ops->node_tag(s, id, tags, n);
}

int store_node_routes(struct store *s, const char *id, const struct node_routes *routes)
{
	return s->ops->node_routes(s, id, routes);
}

int store_node_remove(struct store *s, const char *id)
{
	return s->ops->node_remove(s, id);
}

int store_node_touch(struct store *s, const char *id, const char *os, const char *version, int64_t last_seen)
{
	return s->ops->node_touch(s, id, os, version, last_seen);
}

int store_change_each(struct store *s, uint64_t version, store_change_fn *fn, void *ctx)
{
	return s->ops->change_each(s, version, fn, ctx);
}

int store_event_add(struct store *s, struct event *e)
{
	return s->ops->event_add(s, e);
}

int store_event_each(struct store *s, const struct store_events *which, store_event_fn *fn, void *ctx)
{
	return s->ops->event_each(s, which, fn, ctx);
}

void store_policy_deinit(struct store_policy *p)
{
	free(p->text);
	free(p->nodes);
	*p = (struct store_policy){.version = 0};
}

int store_policy_load(struct store *s, uint64_t version, struct store_policy *ret_p)
{
	return s->ops->policy_load(s, version, ret_p);
}

int store_policy_add(struct store *s, struct store_policy *p)
{
	return s->ops->policy_add(s, p);
}

int store_policy_each(struct store *s, store_policy_fn *fn, void *ctx)
{
	return s->ops->policy_each(s, fn, ctx);
}

void store_explain(int err, struct diag *d)
{
	if (!d || d->what[0])
		return;

	switch (err) {
	case TM_ENOSPACE:
		diag_what(d, err, "the disk that holds the mesh database is full; nothing was changed");
		diag_hint(d, "make room and try again");
		break;
	case TM_EBUSY:
		diag_what(d, err, "the mesh database is in use by another process");
		diag_hint(d, "stop the other coordinator or database tool and try again");
		break;
	case TM_ECORRUPT:
		diag_what(d, err, "the mesh database is damaged");
		diag_hint(d, "restore it from a backup; the file was left as it is");
		break;
	case TM_EPERM:
		diag_what(d, err, "the mesh database may not be read and written");
		diag_hint(d, "run as root, and look at the owner and mode of the file and its directory");
		break;
	default:
		diag_what(d, err, "the mesh database cannot be used: %s", tm_strerror(err));
		diag_hint(d, "look at the disk and the system log; nothing was changed");
		break;
	}
}

void store_explain_full(struct diag *d)
{
	diag_hint(d, "remove nodes that are not used any more with `tunnelmesh node remove`");
	diag_what(d, TM_EFULL, "every address of the mesh is taken");
}
