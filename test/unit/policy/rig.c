/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "unit/policy/rig.h"

static const struct mesh_info info = {
	.net4 = {{IP_V4, {100, 101}}, 16},
	.net6 = {{IP_V6, {0xfd}}, 64},
};

void rig_id(const char *name, char ret_id[static NODE_ID_LEN + 1])
{
	uint64_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (uint8_t)*name;
	snprintf(ret_id, NODE_ID_LEN + 1, "%016" PRIx64, h);
}

const struct mesh_node *rig_node(const struct mesh *m, const char *name)
{
	const struct mesh_node *n = mesh_by_name(m, name);

	if (!n)
		fail_msg("no %s", name);
	return n;
}

static struct node_rec member(char *word, uint32_t host)
{
	struct node_rec r = {.host = host};
	char *tags = strchr(word, ':'), *via = strchr(word, '@'), *rest = NULL;

	if (tags)
		*tags++ = '\0';
	if (via)
		*via++ = '\0';
	snprintf(r.name, sizeof(r.name), "%s", word);
	rig_id(word, r.id);
	snprintf((char *)r.key, sizeof(r.key), "%u", host);
	for (char *t = tags ? strtok_r(tags, ",", &rest) : NULL; t; t = strtok_r(NULL, ",", &rest))
		snprintf(r.tags[r.n_tags++], sizeof(r.tags[0]), "%s", t);
	if (via) {
		r.kind = NODE_CLIENT;
		rig_id(via, r.via);
	}
	return r;
}

struct mesh *rig_mesh(const char *members)
{
	char *copy = strdup(members), *rest = NULL;
	struct mesh *m = NULL;
	uint32_t host = 0;

	assert_non_null(copy);
	assert_int_equal(mesh_new(&info, &m), TM_OK);
	for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
		const struct node_rec r = member(w, ++host);

		assert_int_equal(mesh_add(m, &r), TM_OK);
	}
	free(copy);
	return m;
}

struct policy_doc *rig_doc(const struct mesh *m, const char *text)
{
	struct policy_doc *doc = NULL;
	struct diag d = {0};
	int err = policy_doc_parse("policy.yaml", text, strlen(text), &doc, &d);

	if (!err && m)
		err = policy_bind(doc, m, NULL, "policy.yaml", &d);
	if (err)
		fail_msg("%s: %s (%s)\n%s", d.where, d.what, d.hint, text);
	return doc;
}
