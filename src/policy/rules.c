/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Ids of rules, and the rules that every mesh has. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/siphash.h"
#include "base/strbuf.h"
#include "policy/document_private.h"

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The entries of a list in the order of the alphabet: their order means nothing. */
static int add_sorted(const struct policy_doc *doc, const struct policy_list *l, struct strbuf *b)
{
	const char **v = calloc(l->n + 1, sizeof(*v));

	if (!v)
		return TM_ENOMEM;
	for (size_t i = 0; i < l->n; i++)
		v[i] = doc->selectors[l->v[i]]->text;
	qsort(v, l->n, sizeof(*v), by_text);
	for (size_t i = 0; i < l->n; i++)
		strbuf_printf(b, " %s", v[i]);
	strbuf_puts(b, ";");
	free(v);
	return TM_OK;
}

static int by_service(const void *a, const void *b)
{
	const struct policy_service *x = a, *y = b;

	return x->proto != y->proto   ? x->proto - y->proto
	       : x->first != y->first ? x->first - y->first
				      : x->last - y->last;
}

/* What the rule says, in one spelling. */
static int say(const struct policy_doc *doc, const struct policy_rule *r, struct strbuf *b)
{
	struct policy_service *v = calloc(r->n_services + 1, sizeof(*v));

	if (!v)
		return TM_ENOMEM;
	if (r->n_services)
		memcpy(v, r->services, r->n_services * sizeof(*v));
	qsort(v, r->n_services, sizeof(*v), by_service);
	strbuf_puts(b, policy_action_name(r->action));
	int err = add_sorted(doc, &r->from, b);
	if (!err)
		err = add_sorted(doc, &r->to, b);
	for (size_t i = 0; i < r->n_services; i++)
		strbuf_printf(b, " %u:%u-%u", v[i].proto, v[i].first, v[i].last);
	free(v);
	return err ? err : b->failed ? TM_ENOMEM : TM_OK;
}

/* Ten digits: two of 4,000 rules have the same with a chance of 1 in 100,000, and then one is given an id. */
static int derive_id(const struct policy_doc *doc, struct policy_rule *r)
{
	/* Any key would do, as long as it is always this one: ids are compared between machines and versions.
	 */
	static const struct siphash_key key = {UINT64_C(0x706f6c6963792072), UINT64_C(0x756c652069642031)};
	struct strbuf b = {0};

	int err = say(doc, r, &b);
	if (!err)
		snprintf(r->id, sizeof(r->id), "r-%010" PRIx64, siphash(&key, b.s, b.len) >> 24);
	strbuf_deinit(&b);
	return err;
}

static const void *key_id(const void *record, size_t *ret_len)
{
	const struct policy_rule *r = record;

	*ret_len = strlen(r->id);
	return r->id;
}

int policy_rules_name(struct policy_doc *doc, size_t *ret_twice, size_t *ret_first)
{
	struct hashset ids;

	int err = hashset_init(&ids, key_id);
	if (!err)
		err = hashset_reserve(&ids, doc->n_rules);
	for (size_t i = 0; i < doc->n_rules && !err; i++) {
		struct policy_rule *r = &doc->rules[i];

		if (!r->id_given)
			err = derive_id(doc, r);
		const struct policy_rule *first = err ? NULL : hashset_get(&ids, r->id, strlen(r->id));
		if (first) {
			*ret_twice = i;
			*ret_first = (size_t)(first - doc->rules);
			err = TM_EEXIST;
		} else if (!err) {
			hashset_put(&ids, r);
		}
	}
	hashset_deinit(&ids);
	return err;
}

static int one(uint32_t index, struct policy_list *ret_l)
{
	ret_l->v = malloc(sizeof(*ret_l->v));
	if (!ret_l->v)
		return TM_ENOMEM;
	ret_l->v[0] = index;
	ret_l->n = 1;
	return TM_OK;
}

/*
 * Echo requests are let through, so that "it does not answer" means something: whoever wants it otherwise
 * denies it. Nothing else of the mesh travels inside of the tunnel: links, checks and relays have sockets of
 * their own outside of it (decision 46).
 */
int policy_rules_add_builtin(struct policy_doc *doc)
{
	struct policy_rule *r = &doc->rules[doc->n_rules++];
	struct policy_selector *any;
	struct policy_service ping[POLICY_PROTO_N];
	size_t n;

	*r = (struct policy_rule){
		.id = "builtin:ping", .id_given = true, .builtin = true, .action = POLICY_ALLOW};
	int err = policy_selector_intern(doc, "any", &any, NULL);
	if (!err)
		err = one(any->index, &r->from);
	if (!err)
		err = one(any->index, &r->to);
	if (!err)
		err = policy_service_parse("ping", ping, &n, NULL);
	if (err)
		return err;

	r->services = calloc(n, sizeof(*r->services));
	if (!r->services)
		return TM_ENOMEM;
	memcpy(r->services, ping, n * sizeof(*ping));
	r->n_services = n;
	return TM_OK;
}
