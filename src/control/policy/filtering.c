/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/policy/filtering.h"

#include <stdio.h>
#include <string.h>

#include "control/policy/counts.h"
#include "data/filter/rules.h"
#include "policy/bind.h"
#include "policy/compile.h"

struct held {
	struct policy_doc *doc; /* with this node's own rules; NULL: neither */
	char *text, *nodes; /* of the mesh's; NULL: none */
};

struct filtering {
	struct held now, before; /* before: while it is not settled whether `now` will do */
	bool unsettled, stale; /* stale: it has not the node's own rules of now */
	struct policy_local *local; /* n_local */
	size_t n_local;
	char self_id[NODE_ID_LEN + 1];
	struct ip *own; /* n_own: this machine's addresses */
	size_t n_own;
	struct counts *counts; /* NULL: nobody wants to know */
};

int filtering_new(struct filtering **ret_f)
{
	struct filtering *f = calloc(1, sizeof(*f));

	if (!f)
		return TM_ENOMEM;
	*ret_f = f;
	return TM_OK;
}

static void held_deinit(struct held *h)
{
	policy_doc_free(h->doc);
	free(h->text);
	free(h->nodes);
	*h = (struct held){.doc = NULL};
}

void filtering_free(struct filtering *f)
{
	if (!f)
		return;
	held_deinit(&f->now);
	held_deinit(&f->before);
	free(f->local);
	free(f->own);
	free(f);
}

void filtering_count(struct filtering *f, struct counts *c)
{
	f->counts = c;
}

bool filtering_is_on(const struct filtering *f)
{
	return f->now.doc;
}

bool filtering_has_policy(const struct filtering *f)
{
	return f->now.text;
}

bool filtering_grants(const struct filtering *f, const struct mesh *m, const char *self_id)
{
	const struct mesh_node *self = mesh_by_id(m, self_id);

	return self && f->now.text && policy_local_granted(f->now.doc, self);
}

static int read_mesh(const char *text, const char *nodes, struct policy_doc **ret_doc, struct diag *d)
{
	struct policy_bindings b = {.n = 0};

	int err = policy_bindings_parse(nodes, &b);
	if (!err)
		err = policy_doc_read("policy", text, strlen(text), POLICY_ACCEPTED, ret_doc, d);
	if (!err)
		policy_bind_again(*ret_doc, &b);
	policy_bindings_deinit(&b);
	return err;
}

/* Where the mesh has no policy, a node's own rules narrow everything. */
static int make_doc(const struct filtering *f, const char *text, const char *nodes,
	const struct policy_local *v, size_t n, struct policy_doc **ret_doc, struct diag *d)
{
	_cleanup_(policy_doc_freep) struct policy_doc *doc = NULL;
	int err = TM_OK;

	if (text)
		err = read_mesh(text, nodes, &doc, d);
	else if (n)
		err = read_mesh(policy_text_open(), "", &doc, d);
	for (size_t i = 0; i < n && !err; i++)
		err = policy_local_add(doc, f->self_id, &v[i]);
	if (!err)
		*ret_doc = TAKE(doc);
	return err;
}

int filtering_set(struct filtering *f, const char *text, const char *nodes, struct diag *d)
{
	_cleanup_(freep) char *text_copy = text ? strdup(text) : NULL;
	_cleanup_(freep) char *nodes_copy = text ? strdup(nodes) : NULL;
	struct policy_doc *doc = NULL;

	if (text && (!text_copy || !nodes_copy))
		return TM_ENOMEM;
	int err = make_doc(f, text, nodes, f->local, f->n_local, &doc, d);
	if (err)
		return err;
	held_deinit(&f->before);
	f->before = f->now;
	f->unsettled = true;
	f->stale = false;
	f->now = (struct held){doc, TAKE(text_copy), TAKE(nodes_copy)};
	return TM_OK;
}

void filtering_back(struct filtering *f)
{
	if (!f->unsettled)
		return;
	held_deinit(&f->now);
	f->now = f->before;
	f->before = (struct held){.doc = NULL};
	f->unsettled = false;
	if (!f->stale)
		return;
	/* Without memory for it the rules of before hold, as with any other change of them. */
	struct policy_doc *doc = NULL;
	if (make_doc(f, f->now.text, f->now.nodes, f->local, f->n_local, &doc, NULL) != TM_OK)
		return;
	policy_doc_free(f->now.doc);
	f->now.doc = doc;
}

void filtering_settle(struct filtering *f)
{
	held_deinit(&f->before);
	f->unsettled = false;
}

int filtering_set_local(struct filtering *f, const char *self_id, const struct policy_local *v, size_t n)
{
	_cleanup_(freep) struct policy_local *copy = calloc(n + 1, sizeof(*copy));
	struct policy_doc *doc = NULL;

	if (!copy)
		return TM_ENOMEM;
	if (n)
		memcpy(copy, v, n * sizeof(*v));
	snprintf(f->self_id, sizeof(f->self_id), "%s", self_id);
	int err = make_doc(f, f->now.text, f->now.nodes, copy, n, &doc, NULL);
	if (err)
		return err;
	f->stale = true;
	policy_doc_free(f->now.doc);
	free(f->local);
	f->now.doc = doc;
	f->local = TAKE(copy);
	f->n_local = n;
	return TM_OK;
}

int filtering_set_addresses(struct filtering *f, const struct ip *v, size_t n)
{
	struct ip *copy = calloc(n + 1, sizeof(*copy));

	if (!copy)
		return TM_ENOMEM;
	if (n)
		memcpy(copy, v, n * sizeof(*v));
	free(f->own);
	f->own = copy;
	f->n_own = n;
	return TM_OK;
}

/* --- rules --- */

static const enum verdict verdicts[] = {
	[POLICY_ALLOW] = VERDICT_PASS, [POLICY_DENY] = VERDICT_DROP, [POLICY_REJECT] = VERDICT_REJECT};

_Static_assert((int)POLICY_TCP == RULES_TCP && (int)POLICY_UDP == RULES_UDP &&
		       (int)POLICY_ICMP == RULES_ICMP && (int)POLICY_ICMPV6 == RULES_ICMP6 &&
		       (int)POLICY_OTHER == RULES_OTHER && (int)POLICY_PROTO_N == RULES_PROTOS,
	"one order of protocols");
_Static_assert((int)POLICY_ENDS_MAX <= RULES_ENDS_MAX && (int)POLICY_CLASSES_MAX <= RULES_CLASSES_MAX &&
		       (int)POLICY_PAIRS_MAX <= RULES_PAIRS_MAX && (int)POLICY_SETS_MAX < RULES_SETS_MAX &&
		       (int)POLICY_ROUTES_MAX < RULES_PREFIXES_MAX,
	"what the engine compiles, the filter holds");
_Static_assert((int)POLICY_IN == RULES_IN && (int)POLICY_OUT == RULES_OUT, "one order of directions");

static int put_list(struct rules_builder *b, const struct rules_at *at, const struct policy_spans *v)
{
	struct rules_span *spans = calloc(v->n + 1, sizeof(*spans));

	if (!spans)
		return TM_ENOMEM;
	for (size_t i = 0; i < v->n; i++)
		spans[i] = (struct rules_span){
			.first = v->v[i].first,
			.last = v->v[i].last,
			.verdict = (uint8_t)verdicts[v->v[i].action],
			.rule = v->v[i].rule >= 0 ? (uint32_t)v->v[i].rule + 1 : RULE_NONE,
		};
	int err = rules_put(b, at, VERDICT_DROP, spans, v->n);
	free(spans);
	return err;
}

/* The pair that has a set first, for all that come after it. */
struct first {
	uint32_t end, class;
	bool known;
};

static int put_pair(struct rules_builder *b, const struct policy_share *s, struct first *first, uint32_t end,
	uint32_t class)
{
	struct first *f = &first[s->set[(size_t) class * s->n_ends + end]];
	int err = TM_OK;

	if (f->known)
		return rules_share(b, end, class, f->end, f->class);
	*f = (struct first){end, class, true};
	for (int dir = 0; dir < RULES_DIRS; dir++)
		for (int p = 0; p < RULES_PROTOS && !err; p++) {
			const struct rules_at at = {end, class, (enum rules_dir)dir, (enum rules_proto)p};

			err = put_list(b, &at,
				policy_share_spans(
					s, end, class, (enum policy_dir)dir, (enum policy_proto)p));
		}
	return err;
}

static int put_lists(struct rules_builder *b, const struct policy_share *s)
{
	struct first *first = calloc(s->n_sets + 1, sizeof(*first));
	int err = first ? TM_OK : TM_ENOMEM;

	for (uint32_t end = 0; end < s->n_ends && !err; end++)
		for (uint32_t class = 0; class < s->n_classes && !err; class ++)
			err = put_pair(b, s, first, end, class);
	free(first);
	return err;
}

/* What is behind us; but an address of this machine is the machine, whatever network it is in, and is asked
 * for as such, or its rules would be those of its neighbours. */
static int put_own(struct rules_builder *b, const struct policy_share *s, const struct ip *own, size_t n)
{
	int err = TM_OK;

	for (size_t i = 0; i < s->n_own && !err; i++) {
		const struct prefix *p = &s->own[i].prefix;
		bool is_self = false;

		for (size_t k = 0; k < n; k++)
			is_self |= p->len == ip_bits(&p->ip) && ip_eq(&p->ip, &own[k]);
		if (!is_self)
			err = rules_put_prefix_end(b, p, s->own[i].end);
	}
	for (size_t k = 0; k < n && !err && s->n_own; k++) {
		const struct prefix p = prefix_host(&own[k]);

		err = rules_put_prefix_end(b, &p, RULES_SELF);
	}
	return err;
}

static int put_members(struct rules_builder *b, const struct policy_share *s)
{
	int err = TM_OK;

	for (uint32_t host = 0; host < s->n_hosts && !err; host++) {
		if (s->class_of[host] != POLICY_NO_CLASS)
			err = rules_put_class(b, host, s->class_of[host]);
		if (!err && s->end_of[host] != POLICY_NO_CLASS)
			err = rules_put_end(b, host, s->end_of[host]);
	}
	for (size_t i = 0; i < s->n_routes && !err; i++)
		err = rules_put_prefix(b, &s->routes[i].prefix, s->routes[i].via, s->routes[i].class);
	return err;
}

/* By the numbers that put_list gives them. */
static int count(const struct filtering *f, struct rules *r)
{
	struct hits *h = NULL;

	if (!f->counts)
		return TM_OK;
	int err = counts_begin(f->counts, f->now.doc, &h);
	if (!err)
		rules_count(r, h);
	return err;
}

static int build(const struct filtering *f, const struct policy_share *s, struct rules **ret_rules)
{
	_cleanup_(rules_builder_freep) struct rules_builder *b = NULL;
	_cleanup_(rules_freep) struct rules *r = NULL;

	int err = rules_builder_new(&b);
	if (!err)
		err = put_lists(b, s);
	if (!err)
		err = put_members(b, s);
	if (!err)
		err = put_own(b, s, f->own, f->n_own);
	if (!err)
		err = rules_build(b, &r);
	if (!err)
		err = count(f, r);
	if (!err)
		*ret_rules = TAKE(r);
	return err;
}

/* Nobody has a class: all is dropped. */
static int build_nothing(struct rules **ret_rules)
{
	_cleanup_(rules_builder_freep) struct rules_builder *b = NULL;
	int err = rules_builder_new(&b);

	return err ? err : rules_build(b, ret_rules);
}

static bool has_networks(const struct mesh *m)
{
	const struct mesh_node *n;

	for (size_t i = 0; (n = mesh_next(m, &i));)
		if (policy_leads(n))
			return true;
	return false;
}

int filtering_rules(
	const struct filtering *f, const struct mesh *m, const char *self_id, struct rules **ret_rules)
{
	_cleanup_(freep) struct policy_route *routes = NULL;
	struct policy_world w = {.mesh = m};
	_cleanup_(policy_model_freep) struct policy_model *model = NULL;
	_cleanup_(policy_share_freep) struct policy_share *share = NULL;

	if (!f->now.doc || policy_doc_is_open(f->now.doc, has_networks(m))) {
		*ret_rules = NULL;
		return TM_OK;
	}
	if (!mesh_by_id(m, self_id))
		return build_nothing(ret_rules);
	int err = policy_routes_of(m, &routes, &w.n_routes);
	w.routes = routes;
	if (!err)
		err = policy_model_new(f->now.doc, &w, &model);
	if (!err)
		err = policy_compile(model, self_id, &share);
	if (err)
		return err;
	return build(f, share, ret_rules);
}
