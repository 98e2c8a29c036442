/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/coord/policy.h"

#include "base/encode.h"
#include "base/secret.h"
#include "base/strbuf.h"
#include "base/text.h"
#include "control/store/mesh.h"
#include "control/store/node.h"
#include "policy/warnings.h"

#include <stdio.h>
#include <string.h>

struct newcomer_texts {
	char label[NODE_NAME_MAX + 64];
	char tags[NODE_TAGS_MAX * (NODE_TAG_MAX + 1) + 1]; /* as mesh_node.tags */
};

struct loader {
	struct policy_scene *x;
	int64_t now;
	size_t room;
};

void policy_scene_deinit(struct policy_scene *x)
{
	policy_tests_deinit(&x->tests);
	policy_doc_free(x->doc);
	policy_bindings_deinit(&x->bound);
	store_policy_deinit(&x->before);
	mesh_free(x->mesh);
	free(x->newcomers);
	free(x->texts);
	free(x->routes);
	*x = (struct policy_scene){.mesh = NULL};
}

static int add_node(void *ctx, const struct store_node *n)
{
	struct policy_scene *x = ctx;
	int err = mesh_add(x->mesh, &n->rec);

	return err == TM_EEXIST ? TM_ECORRUPT : err;
}

static void put_tags(const struct store_token *t, char *out)
{
	for (size_t i = 0; i < t->n_tags; i++) {
		size_t n = strlen(t->tags[i]) + 1;

		memcpy(out, t->tags[i], n);
		out += n;
	}
	*out = '\0';
}

/* The next, all zero; it counts once x->n_newcomers says so. */
static int reserve_newcomer(struct loader *l)
{
	struct policy_scene *x = l->x;

	if (x->n_newcomers == l->room) {
		size_t room = l->room ? 2 * l->room : 16;
		struct newcomer_texts *texts = array_resize(x->texts, room, sizeof(*texts));

		if (!texts)
			return TM_ENOMEM;
		x->texts = texts;
		struct policy_newcomer *v = array_resize(x->newcomers, room, sizeof(*v));
		if (!v)
			return TM_ENOMEM;
		x->newcomers = v;
		l->room = room;
	}
	x->texts[x->n_newcomers] = (struct newcomer_texts){.label = ""};
	x->newcomers[x->n_newcomers] = (struct policy_newcomer){.many = false};
	return TM_OK;
}

static int add_token(void *ctx, const struct store_token *t)
{
	struct loader *l = ctx;
	struct policy_scene *x = l->x;
	char id[HEX_LEN(TOKEN_ID) + 1];

	if (store_token_usable(t, l->now, NULL) != TM_OK)
		return TM_OK;
	int err = reserve_newcomer(l);
	if (err)
		return err;
	struct newcomer_texts *texts = &x->texts[x->n_newcomers];
	hex_encode(t->id, sizeof(t->id), id);
	snprintf(texts->label, sizeof(texts->label), "a new node by token %s", id);
	put_tags(t, texts->tags);
	x->newcomers[x->n_newcomers++].many = t->uses - t->used > 1;
	return TM_OK;
}

static bool is_gateway(const char *tags)
{
	for (const char *t = tags; *t; t += strlen(t) + 1)
		if (strcmp(t, "gateway") == 0)
			return true;
	return false;
}

static int add_client_of(struct loader *l, const char *who)
{
	struct policy_scene *x = l->x;
	char label[sizeof(x->texts->label)];

	snprintf(label, sizeof(label), "a new client of %s", who); /* before `who` moves */
	int err = reserve_newcomer(l);
	if (err)
		return err;
	memcpy(x->texts[x->n_newcomers].label, label, sizeof(label));
	x->newcomers[x->n_newcomers++].many = true;
	return TM_OK;
}

/* A gateway makes clients without asking anybody, and they have no tags: one stands for all of them. Who may
 * yet join as a gateway may do that, too. */
static int add_client(struct loader *l)
{
	struct policy_scene *x = l->x;
	const struct mesh_node *n;

	for (size_t i = 0; (n = mesh_next(x->mesh, &i));)
		if (n->kind == NODE_MESH && is_gateway(n->tags))
			return add_client_of(l, n->name);
	for (size_t i = 0; i < x->n_newcomers; i++)
		if (is_gateway(x->texts[i].tags))
			return add_client_of(l, x->texts[i].label);
	return TM_OK;
}

int policy_scene_read(struct policy_scene *x)
{
	struct diag *d = &x->unreadable;

	int err = policy_bindings_parse(x->before.nodes, &x->bound);
	if (err && err != TM_ENOMEM)
		diag_what(d, err, "whom its names meant cannot be read in the database");
	if (!err)
		err = policy_doc_read(
			"policy", x->before.text, strlen(x->before.text), POLICY_ACCEPTED, &x->doc, d);
	if (!err)
		err = policy_tests_parse(x->doc, "policy", &x->tests, d);
	if (err)
		policy_doc_free(TAKE(x->doc));
	if (err == TM_ENOMEM)
		return err;
	if (err && !d->what[0])
		diag_what(d, err, "%s", tm_strerror(err));
	if (!err)
		policy_bind_again(x->doc, &x->bound);
	return TM_OK;
}

static int read_in_force(struct store *s, struct policy_scene *x)
{
	int err = store_policy_load(s, 0, &x->before);

	if (err == TM_ENOENT)
		return TM_OK;
	return err ? err : policy_scene_read(x);
}

static int load(struct store *s, struct loader *l)
{
	struct policy_scene *x = l->x;
	struct store_mesh mesh;

	int err = store_mesh_load(s, &mesh);
	if (!err)
		err = mesh_new(&mesh.info, &x->mesh);
	wipe(&mesh, sizeof(mesh));
	if (!err)
		err = store_node_each(s, add_node, x);
	if (!err)
		err = store_token_each(s, add_token, l);
	if (!err)
		err = add_client(l);
	if (!err)
		err = read_in_force(s, x);
	return err;
}

int policy_scene_load(struct store *s, int64_t now, struct policy_scene *ret_scene)
{
	struct policy_scene x = {.mesh = NULL};
	struct loader l = {.x = &x, .now = now};

	size_t n_routes = 0;
	int err = load(s, &l);

	if (!err)
		err = policy_routes_of(x.mesh, &x.routes, &n_routes);
	if (err) {
		policy_scene_deinit(&x);
		return err;
	}
	for (size_t i = 0; i < x.n_newcomers; i++) {
		x.newcomers[i].label = x.texts[i].label;
		x.newcomers[i].tags = x.texts[i].tags;
	}
	x.world = (struct policy_world){.mesh = x.mesh,
		.routes = x.routes,
		.n_routes = n_routes,
		.newcomers = x.newcomers,
		.n_newcomers = x.n_newcomers};
	*ret_scene = x;
	return TM_OK;
}

static int add_line(void *ctx, const char *sentence)
{
	struct strbuf *b = ctx;

	strbuf_printf(b, "%s\n", sentence);
	return b->failed ? TM_ENOMEM : TM_OK;
}

int policy_scene_warnings(const struct policy_scene *x, const struct policy_doc *doc, struct strbuf *out)
{
	return policy_warnings(doc, &x->world, add_line, out);
}

int policy_scene_tests(const struct policy_scene *x, const struct policy_model *m, size_t work, size_t *at,
	struct strbuf *out)
{
	return policy_tests_broken(&x->tests, m, work, at, add_line, out);
}
