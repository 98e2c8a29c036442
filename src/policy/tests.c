/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "policy/tests.h"

#include <stdio.h>

#include "base/plain.h"
#include "policy/sweep.h"

void policy_tests_deinit(struct policy_tests *t)
{
	for (size_t i = 0; i < t->n; i++)
		policy_statement_deinit(&t->v[i]);
	free(t->v);
	*t = (struct policy_tests){.v = NULL};
}

static void at_test(const struct policy_test *t, const char *name, struct diag *d)
{
	diag_where(d, "%s:%u:%u", name, t->line, t->column);
}

/* Whom nobody but this test names is named here. */
static void take_place(struct policy_doc *doc, size_t known, const struct policy_test *t)
{
	for (size_t i = known; i < doc->n_selectors; i++) {
		doc->selectors[i]->line = t->line;
		doc->selectors[i]->column = t->column;
	}
}

int policy_tests_parse(struct policy_doc *doc, const char *name, struct policy_tests *ret_t, struct diag *d)
{
	struct policy_tests t = {.v = calloc(doc->n_tests + 1, sizeof(*t.v))};
	int err = t.v ? TM_OK : TM_ENOMEM;

	for (size_t i = 0; i < doc->n_tests && !err; i++) {
		const size_t known = doc->n_selectors;

		at_test(&doc->tests[i], name, d);
		err = policy_statement_parse(doc, NULL, doc->tests[i].text, &t.v[t.n], d);
		t.n += !err;
		take_place(doc, known, &doc->tests[i]);
	}
	if (err) {
		policy_tests_deinit(&t);
		return err;
	}
	if (d)
		*d = (struct diag){0}; /* places noted on the way */
	*ret_t = t;
	return TM_OK;
}

const char *policy_counter_format(const struct policy_model *m, const struct policy_violation *v, bool can,
	char buf[static POLICY_COUNTER_LEN])
{
	const uint16_t port = policy_service_lowest(&v->service);
	const struct policy_service at = {v->service.proto, port, port};
	char from[POLICY_SUBJECT_LEN], to[POLICY_SUBJECT_LEN], service[POLICY_SERVICE_LEN];
	int n = snprintf(buf, POLICY_COUNTER_LEN, "%s %s %s by %s: ", policy_subject_format(v->from, from),
		can ? "does not reach" : "reaches", policy_subject_format(v->to, to),
		policy_service_format(&at, service));
	size_t left = (size_t)n < POLICY_COUNTER_LEN ? POLICY_COUNTER_LEN - (size_t)n : 0;

	if (!left)
		return buf;
	if (v->rule == POLICY_RULE_LOCAL)
		snprintf(buf + n, left, "%s",
			can ? "no rule allows it but that node's own, perhaps"
			    : "that node's own rules may allow it");
	else if (v->rule < 0)
		snprintf(buf + n, left, "no rule allows it");
	else
		snprintf(buf + n, left, "rule %s %s it", m->doc->rules[v->rule].id,
			m->doc->rules[v->rule].action == POLICY_ALLOW  ? "allows"
			: m->doc->rules[v->rule].action == POLICY_DENY ? "denies"
								       : "rejects");
	return buf;
}

static int failed(const struct policy_model *m, const struct policy_test *t, const struct policy_proof *p,
	bool can, const char *name, struct diag *d)
{
	char counter[POLICY_COUNTER_LEN], quoted[PLAIN_QUOTE_LEN];

	at_test(t, name, d);
	diag_hint(d, "%.250s", policy_counter_format(m, &p->v[0], can, counter));
	diag_code(d, "policy_test");
	return diag_what(d, TM_EPERM, "the test \"%s\" does not hold", plain_quote(t->text, quoted));
}

int policy_tests_run(const struct policy_tests *t, const struct policy_model *m, const char *name,
	size_t *ret_of_nobody, struct diag *d)
{
	int err = TM_OK;

	*ret_of_nobody = 0;
	for (size_t i = 0; i < t->n && !err; i++) {
		struct policy_proof p = {.holds = false};

		err = policy_prove_of_today(m, &t->v[i], &p);
		if (!err && !p.holds)
			err = failed(m, &m->doc->tests[i], &p, t->v[i].can, name, d);
		*ret_of_nobody += p.holds && (p.nobody_from || p.nobody_to);
		policy_proof_deinit(&p);
	}
	return err;
}

static int tell_broken(const struct policy_model *m, const struct policy_test *t,
	const struct policy_proof *p, bool can, policy_warning_fn *fn, void *ctx)
{
	char counter[POLICY_COUNTER_LEN], quoted[PLAIN_QUOTE_LEN];
	char sentence[sizeof(counter) + sizeof(quoted) + 64];

	snprintf(sentence, sizeof(sentence), "the test \"%s\" on line %u does not hold any more: %s",
		plain_quote(t->text, quoted), t->line, policy_counter_format(m, &p->v[0], can, counter));
	return fn(ctx, sentence);
}

int policy_tests_broken(const struct policy_tests *t, const struct policy_model *m, size_t work, size_t *at,
	policy_warning_fn *fn, void *ctx)
{
	size_t done = 0;
	int err = TM_OK;

	for (; *at < t->n && done < MAX(work, (size_t)1) && !err; ++*at) {
		const struct policy_statement *s = &t->v[*at];
		struct policy_proof p;

		err = policy_prove_of_today(m, s, &p);
		if (err)
			return err;
		if (!p.holds)
			err = tell_broken(m, &m->doc->tests[*at], &p, s->can, fn, ctx);
		/* To sort a subject is a small part of what a pair takes. */
		done += 1 + p.n_pairs * s->n_services + m->n_subjects / 16;
		policy_proof_deinit(&p);
	}
	return err;
}
