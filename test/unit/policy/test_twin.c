/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Random documents on random meshes: what compile, explain, prove and diff say is what the slow reference
 * (twin.h) finds by trying every packet between every two. TM_POLICY_RUNS=n runs so many; each prints the
 * seed that repeats it when it fails (TM_POLICY_SEED=n).
 */
#include "unit/unit.h"

#include "base/strbuf.h"
#include "fake/random.h"
#include "policy/compile.h"
#include "policy/diff.h"
#include "policy/explain.h"
#include "policy/local.h"
#include "policy/prove.h"
#include "unit/policy/rig.h"
#include "unit/policy/trial.h"
#include "unit/policy/twin.h"

static uint64_t packets;

/* --- compile --- */

static const struct policy_span *span_at(const struct policy_spans *v, unsigned port)
{
	for (size_t i = 0; i < v->n; i++)
		if (port >= v->v[i].first && port <= v->v[i].last)
			return &v->v[i];
	fail_msg("no span has port %u", port);
	return NULL;
}

static void check_compiled(const struct trial *t, const struct policy_share *s, uint32_t end_no,
	const struct twin_subject *ours, uint32_t class, const struct twin_subject *theirs)
{
	for (int dir = 0; dir < POLICY_DIRS; dir++)
		for (int p = 0; p < POLICY_PROTO_N; p++) {
			const struct policy_spans *v = policy_share_spans(
				s, end_no, class, (enum policy_dir)dir, (enum policy_proto)p);

			FOR_PORTS((enum policy_proto)p, port)
			{
				const struct policy_span *x = span_at(v, port);
				packets++;
				struct twin_verdict w =
					dir == POLICY_IN
						? twin_judge(t->doc, theirs, ours, (enum policy_proto)p, port)
						: twin_judge(
							  t->doc, ours, theirs, (enum policy_proto)p, port);

				if (dir == POLICY_OUT && w.local)
					w.action = POLICY_ALLOW;
				if (x->action != w.action || (x->rule >= 0 ? x->rule : -1) != w.rule ||
					(x->rule == POLICY_RULE_LOCAL) != w.local)
					fail_msg("compiled: end %u class %u dir %d proto %d port %u: rule "
						 "%d, not %d\n%s",
						end_no, class, dir, p, port, x->rule, w.rule, t->text);
			}
		}
}

static uint32_t class_of(const struct policy_share *s, const struct twin_subject *x)
{
	uint32_t class = POLICY_NO_CLASS;
	unsigned best = 0;

	if (x->ip.family == IP_NONE)
		return s->class_of[x->node->host];
	for (size_t i = 0; i < s->n_routes; i++)
		if (s->routes[i].via == x->node->host && prefix_contains(&s->routes[i].prefix, &x->ip) &&
			s->routes[i].prefix.len >= best) {
			best = s->routes[i].prefix.len;
			class = s->routes[i].class;
		}
	return class;
}

/* An address of ours that is behind us. */
static uint32_t own_end_of(const struct policy_share *s, const struct ip *ip)
{
	uint32_t end_no = POLICY_NO_CLASS;
	unsigned best = 0;

	for (size_t i = 0; i < s->n_own; i++)
		if (prefix_contains(&s->own[i].prefix, ip) && s->own[i].prefix.len >= best) {
			best = s->own[i].prefix.len;
			end_no = s->own[i].end;
		}
	return end_no;
}

static void compiled_shares_are_what_the_twin_says(const struct trial *t)
{
	const struct twin_subject *self = &t->who[trial_rnd((uint32_t)t->n_members)];
	struct policy_share *s;

	assert_int_equal(policy_compile(t->model, self->node->id, &s), TM_OK);
	assert_int_equal(s->class_of[self->node->host], POLICY_NO_CLASS);
	for (size_t i = 0; i < t->n_old; i++) {
		const struct twin_subject *x = &t->who[i];

		if (!twin_meet(self, x))
			continue;
		check_compiled(t, s, 0, self, class_of(s, x), x);
		for (size_t k = t->n_members; k < t->n_old; k++)
			if (t->who[k].node == self->node)
				check_compiled(
					t, s, own_end_of(s, &t->who[k].ip), &t->who[k], class_of(s, x), x);
		for (size_t k = 0; k < t->n_members; k++)
			if (strcmp(t->who[k].node->via, self->node->id) == 0 && twin_meet(&t->who[k], x))
				check_compiled(
					t, s, s->end_of[t->who[k].node->host], &t->who[k], class_of(s, x), x);
	}
	policy_share_free(s);
}

/* --- explain --- */

static const struct policy_subject *find(const struct trial *t, const struct twin_subject *x)
{
	char text[IP_STR_LEN];

	return x->ip.family == IP_NONE ? policy_model_member(t->model, x->node)
				       : policy_model_find(t->model, ip_format(&x->ip, text));
}

static void explanations_are_what_the_twin_says(const struct trial *t)
{
	for (int i = 0; i < 40; i++) {
		const struct twin_subject *a = &t->who[trial_rnd((uint32_t)t->n_old)],
					  *b = &t->who[trial_rnd((uint32_t)t->n_old)];
		const struct policy_subject *x = find(t, a), *y = find(t, b);
		enum policy_proto p = (enum policy_proto)trial_rnd(POLICY_PROTO_N);
		unsigned port = 1 + trial_rnd(PORTS);
		struct policy_explanation e;

		/* An address behind two is explained behind one of them. */
		if (x->node != a->node || y->node != b->node || !policy_subjects_meet(x, y))
			continue;
		const struct policy_service s = {(uint8_t)p, (uint16_t)port, (uint16_t)port};
		const struct twin_verdict w = twin_judge(t->doc, a, b, p, port);
		assert_int_equal(policy_explain(t->model, x, y, &s, &e), TM_OK);
		assert_int_equal(e.decision.action, w.action);
		assert_int_equal(e.decision.rule >= 0 ? e.decision.rule : -1, w.rule);
		assert_int_equal(e.n_rules ? (int)e.rules[0] : -1, w.rule);
		policy_explanation_deinit(&e);
		packets++;
	}
}

/* --- prove --- */

static bool is_in(const struct policy_statement *s, enum policy_proto p, unsigned port)
{
	for (size_t i = 0; i < s->n_services; i++)
		if (s->services[i].proto == p && port >= s->services[i].first && port <= s->services[i].last)
			return true;
	return false;
}

static bool is_wrong(const struct trial *t, const struct policy_statement *s, size_t a, size_t b)
{
	for (int p = 0; p < POLICY_PROTO_N; p++)
		FOR_PORTS((enum policy_proto)p, port)
		{
			if (!is_in(s, (enum policy_proto)p, port))
				continue;
			const struct twin_verdict w =
				twin_judge(t->doc, &t->who[a], &t->who[b], (enum policy_proto)p, port);

			packets++;
			if (s->can ? w.action != POLICY_ALLOW : w.action == POLICY_ALLOW || w.local)
				return true;
		}
	return false;
}

static bool carries(const struct trial *t, size_t a, size_t b)
{
	static const enum policy_proto carriers[] = {POLICY_TCP, POLICY_UDP, POLICY_OTHER};

	for (size_t p = 0; p < ARRAY_LEN(carriers); p++)
		FOR_PORTS(carriers[p], port)
		{
			const struct twin_verdict w =
				twin_judge(t->doc, &t->who[a], &t->who[b], carriers[p], port);

			if (w.action == POLICY_ALLOW || w.local)
				return true;
		}
	return false;
}

/* What a node leads to, or sends in the name of. */
static bool is_behind(const struct twin_subject *node, const struct twin_subject *x)
{
	if (!node->node || node->ip.family != IP_NONE || !x->node)
		return false;
	if (x->ip.family != IP_NONE)
		return x->node == node->node;
	return x->node->kind == NODE_CLIENT && strcmp(x->node->via, node->node->id) == 0;
}

/* One after the other, until nobody is added. */
static void spread(const struct trial *t, bool *taken)
{
	for (bool more = true; more;) {
		more = false;
		for (size_t a = 0; a < t->n_who; a++)
			for (size_t b = 0; b < t->n_who; b++)
				if (taken[a] && !taken[b] &&
					(is_behind(&t->who[a], &t->who[b]) ||
						(trial_meet(t, a, b) && carries(t, a, b))))
					more = taken[b] = true;
	}
}

static bool twin_holds(const struct trial *t, const struct policy_statement *s, bool transitive)
{
	bool from[SUBJECTS_MAX] = {false};

	for (size_t a = 0; a < t->n_who; a++)
		from[a] = twin_is(t->doc, &s->from, &t->who[a]);
	if (transitive)
		spread(t, from);
	for (size_t a = 0; a < t->n_who; a++)
		for (size_t b = 0; b < t->n_who; b++)
			if (from[a] && twin_is(t->doc, &s->to, &t->who[b]) && trial_meet(t, a, b) &&
				is_wrong(t, s, a, b))
				return false;
	return true;
}

static char *random_statement(bool can)
{
	struct strbuf b = {0};

	trial_add_selector(&b, 0);
	strbuf_puts(&b, can ? " can reach " : " cannot reach ");
	trial_add_selector(&b, 0);
	strbuf_puts(&b, " ");
	trial_add_service(&b);
	for (size_t i = 0; i < b.len; i++) /* quotes are YAML's */
		if (b.s[i] == '\'')
			memmove(&b.s[i], &b.s[i + 1], b.len - i);
	return strbuf_take(&b);
}

static void proofs_are_what_the_twin_says(struct trial *t)
{
	for (int i = 0; i < 12; i++) {
		bool can = trial_rnd(3) == 0, transitive = !can && trial_rnd(3) == 0;
		char *text = random_statement(can);
		struct policy_statement s;
		struct policy_proof p;
		struct diag d = {0};

		if (policy_statement_parse(t->doc, t->mesh, text, &s, &d) != TM_OK)
			fail_msg("%s: %s", text, d.what);
		policy_model_free(TAKE(t->model));
		assert_int_equal(policy_model_new(t->doc, &t->world, &t->model), TM_OK);
		assert_int_equal(policy_prove(t->model, &s, transitive, &p), TM_OK);
		if (p.holds != twin_holds(t, &s, transitive))
			fail_msg("%s%s: proved %s\n%s", text, transitive ? " (transitive)" : "",
				p.holds ? "true" : "false", t->text);
		policy_proof_deinit(&p);
		policy_statement_deinit(&s);
		free(text);
	}
}

/* --- diff --- */

struct pair_change {
	bool gained, lost;
};

static struct pair_change twin_diff(const struct trial *t, const struct policy_doc *after, size_t a, size_t b)
{
	struct pair_change c = {false, false};

	for (int p = 0; p < POLICY_PROTO_N; p++)
		FOR_PORTS((enum policy_proto)p, port)
		{
			const struct twin_verdict was_v =
				twin_judge(t->doc, &t->who[a], &t->who[b], (enum policy_proto)p, port);
			const struct twin_verdict is_v =
				twin_judge(after, &t->who[a], &t->who[b], (enum policy_proto)p, port);
			const bool was = was_v.action == POLICY_ALLOW || was_v.local,
				   is = is_v.action == POLICY_ALLOW || is_v.local;

			packets++;
			c.gained |= is && !was;
			c.lost |= was && !is;
		}
	return c;
}

static void diffs_are_what_the_twin_says(const struct trial *t)
{
	char *text = trial_random_text();
	struct policy_doc *after = rig_doc(t->mesh, text);
	struct policy_world w = t->world;
	struct policy_model *x, *y;
	struct policy_diff d;

	w.beside = after;
	assert_int_equal(policy_model_new(t->doc, &w, &x), TM_OK);
	w.beside = t->doc;
	assert_int_equal(policy_model_new(after, &w, &y), TM_OK);
	assert_int_equal(policy_diff_of(x, y, &d), TM_OK);
	assert_true(d.n_all == d.n);
	for (size_t a = 0; a < t->n_members; a++)
		for (size_t b = 0; b < t->n_members; b++) {
			struct pair_change c = {false, false}, want = {false, false};

			if (a == b)
				continue;
			want = twin_diff(t, after, a, b);
			for (size_t i = 0; i < d.n; i++) {
				bool about = d.v[i].from_class == d.class_of[a] &&
					     d.v[i].to_class == d.class_of[b];

				c.gained |= about && d.v[i].gained;
				c.lost |= about && !d.v[i].gained;
			}
			if (c.gained != want.gained || c.lost != want.lost)
				fail_msg("diff of %zu to %zu: gained %d not %d, lost %d not %d\n%s---\n%s", a,
					b, c.gained, want.gained, c.lost, want.lost, t->text, text);
		}
	policy_diff_deinit(&d);
	policy_model_free(x);
	policy_model_free(y);
	policy_doc_free(after);
	free(text);
}

static void the_engine_agrees_with_the_twin(void **state)
{
	const char *runs = getenv("TM_POLICY_RUNS"), *one = getenv("TM_POLICY_SEED");
	unsigned long n = one ? 1 : runs ? strtoul(runs, NULL, 10) : 200;

	(void)state;
	for (unsigned long i = 1; i <= n; i++) {
		struct trial t = {.n_who = 0};

		trial_seed = one ? strtoull(one, NULL, 10) : i * UINT64_C(0x9e3779b97f4a7c15);
		print_message(n == 1 || getenv("TM_POLICY_TRACE") ? "seed %" PRIu64 "\n" : "", trial_seed);
		trial_begin(&t);
		compiled_shares_are_what_the_twin_says(&t);
		explanations_are_what_the_twin_says(&t);
		diffs_are_what_the_twin_says(&t);
		proofs_are_what_the_twin_says(&t);
		trial_end(&t);
	}
	print_message("%lu policies, %" PRIu64 " packets\n", n, packets);
	assert_true(packets > n * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_engine_agrees_with_the_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
