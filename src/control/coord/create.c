/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/secret.h"
#include "base/strbuf.h"
#include "control/coord/coord_private.h"
#include "control/store/sqlite/sqlite.h"
#include "policy/bind.h"

#include <stdio.h>
#include <string.h>

static int check(const struct coord_init *init, struct diag *d)
{
	size_t n = strlen(init->mesh_name);

	if (n == 0 || n > NODE_NAME_MAX) {
		diag_hint(d, "choose another name");
		return diag_what(d, TM_EINVAL, "the mesh's name must have 1 to %d characters", NODE_NAME_MAX);
	}
	if (!node_name_allowed(init->node_name)) {
		diag_hint(d, "use 1 to %d of the characters a-z, 0-9 and -, and not \"this\"", NODE_NAME_MAX);
		return diag_what(d, TM_EINVAL, "\"%.64s\" cannot be a node's name", init->node_name);
	}
	if (!mesh_hosts_max(&init->net4, &init->net6)) {
		diag_hint(d, "use an IPv4 range of /30 or larger and an IPv6 range of /126 or larger");
		return diag_what(d, TM_EINVAL, "the mesh's address ranges are too small");
	}
	return TM_OK;
}

/* It names no node, so that there is nobody to be looked up. */
static int first_policy(const char *text, struct store_policy *ret_p, struct diag *d)
{
	_cleanup_(policy_doc_freep) struct policy_doc *doc = NULL;
	_cleanup_(policy_bindings_deinit) struct policy_bindings b = {.n = 0};
	struct strbuf nodes = {0};

	int err = policy_doc_parse("policy", text, strlen(text), &doc, d);
	if (!err)
		err = policy_bindings_of(doc, &b);
	if (err)
		return err;
	policy_bindings_format(&b, &nodes);
	ret_p->accepted = coord_tuning_default().unix_now();
	ret_p->text = strdup(text);
	ret_p->nodes = strbuf_take(&nodes);
	return ret_p->text && ret_p->nodes ? TM_OK : TM_ENOMEM;
}

int coord_create(const struct coord_init *init, struct diag *d)
{
	struct store_mesh mesh = {
		.info = {.net4 = prefix_mask(&init->net4), .net6 = prefix_mask(&init->net6)}};
	struct store_node first = {.rec = {.host = 1}};
	_cleanup_(store_policy_deinit) struct store_policy policy = {.by = "init"};

	int err = check(init, d);
	if (!err && init->policy)
		err = first_policy(init->policy, &policy, d);
	if (err)
		return err;

	mesh.created = first.created = coord_tuning_default().unix_now();
	memcpy(mesh.info.name, init->mesh_name, strlen(init->mesh_name) + 1);
	snprintf(mesh.info.zone, sizeof(mesh.info.zone), "%s", init->zone ? init->zone : "");
	memcpy(mesh.info.secret, init->secret, sizeof(mesh.info.secret));
	memcpy(first.rec.id, init->identity->id, sizeof(first.rec.id));
	memcpy(first.rec.name, init->node_name, strlen(init->node_name) + 1);
	memcpy(first.rec.key, init->identity->x_pub, sizeof(first.rec.key));
	memcpy(first.ed, init->identity->ed_pub, sizeof(first.ed));
	first.rec.kind = NODE_MESH;
	first.rec.coordinator = true;
	snprintf(first.os, sizeof(first.os), "%s", init->os ? init->os : "");
	snprintf(first.version, sizeof(first.version), "%s", TM_VERSION);
	err = store_create(&store_sqlite, init->db_path, &mesh, &first, init->policy ? &policy : NULL, d);
	wipe(&mesh, sizeof(mesh));
	return err;
}
