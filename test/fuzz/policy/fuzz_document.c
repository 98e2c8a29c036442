/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Any bytes as a policy: an error with a sentence and a place, or a document whose every part is sound, that
 * a model can be made of. What stands behind the first NUL, if there is one, is a statement about it.
 */
#include "fuzz/fuzz.h"
#include "policy/tests.h"

static void check_list(const struct policy_doc *doc, const struct policy_list *l, bool flat)
{
	for (size_t i = 0; i < l->n; i++) {
		assert(l->v[i] < doc->n_selectors);
		assert(!flat || doc->selectors[l->v[i]]->kind != POLICY_GROUP);
		for (size_t k = 0; k < i && l->n < 100; k++)
			assert(l->v[i] != l->v[k]);
	}
}

static void check(const struct policy_doc *doc)
{
	for (size_t i = 0; i < doc->n_selectors; i++) {
		const struct policy_selector *s = doc->selectors[i];

		assert(s->index == i && s->name >= s->text && strlen(s->text) <= POLICY_SELECTOR_MAX);
		assert((s->kind == POLICY_GROUP) == (s->group != NULL));
	}
	for (size_t i = 0; i < doc->n_groups; i++) {
		check_list(doc, &doc->groups[i].members, false);
		check_list(doc, &doc->groups[i].flat, true);
	}
	for (size_t i = 0; i < doc->n_rules; i++) {
		const struct policy_rule *r = &doc->rules[i];

		assert(r->id[0] && r->from.n && r->to.n && r->n_services);
		assert(policy_doc_rule(doc, r->id) == r);
		check_list(doc, &r->from, false);
		check_list(doc, &r->to, false);
		for (size_t k = 0; k < r->n_services; k++) {
			const struct policy_service *s = &r->services[k];

			assert(s->first <= s->last && s->last <= policy_proto_whole(s->proto).last);
		}
	}
}

static void ask(struct policy_doc *doc, const char *statement)
{
	static const struct mesh_info info = {
		.net4 = {{IP_V4, {100, 101}}, 16}, .net6 = {{IP_V6, {0xfd}}, 64}};
	_cleanup_(mesh_freep) struct mesh *mesh = NULL;
	_cleanup_(policy_model_freep) struct policy_model *m = NULL;
	struct policy_statement s;
	struct policy_proof p;
	struct diag d = {0};

	assert(mesh_new(&info, &mesh) == TM_OK);
	int err = policy_statement_parse(doc, NULL, statement, &s, &d);
	if (err) {
		assert(err == TM_ENOMEM || d.what[0]);
		return;
	}
	const struct policy_world w = {.mesh = mesh};
	assert(policy_model_new(doc, &w, &m) == TM_OK);
	assert(policy_prove(m, &s, false, &p) == TM_OK);
	assert(p.nobody_from && p.nobody_to && p.holds);
	policy_proof_deinit(&p);
	policy_statement_deinit(&s);
}

/* As it is read where it is stored: all that is taken now, and at least that. */
static void read_stored(const char *text, size_t n, const struct policy_doc *fresh)
{
	_cleanup_(policy_doc_freep) struct policy_doc *stored = NULL;
	struct diag d = {0};

	int err = policy_doc_read("fuzz", text, n, POLICY_ACCEPTED, &stored, &d);
	if (!err)
		check(stored);
	if (!fresh)
		return;
	assert(!err && stored->n_rules == fresh->n_rules);
	for (size_t i = 0; i < fresh->n_rules; i++)
		assert(strcmp(stored->rules[i].id, fresh->rules[i].id) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct policy_doc *doc = NULL;
	struct diag d = {0};

	assert(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	const char *nul = memchr(text, '\0', size);
	const size_t n = nul ? (size_t)(nul - text) : size;
	int err = policy_doc_parse("fuzz", text, n, &doc, &d);
	if (err) {
		assert(!doc && (err == TM_ENOMEM || (d.what[0] && strncmp(d.where, "fuzz", 4) == 0)));
	} else {
		check(doc);
		if (nul)
			ask(doc, nul + 1);
	}
	read_stored(text, n, doc);
	policy_doc_free(doc);
	free(text);
	return 0;
}
