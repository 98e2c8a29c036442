/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What becomes of an offer by what the coordinator says to it, and by what happens to the link. */
#include "unit/control/agent/fake.h"

#include "crypto/init.h"

struct outcome {
	unsigned n;
	int err;
	char what[sizeof(((struct diag *)0)->what)];
};

static void on_done(void *ctx, int err, const struct diag *d)
{
	struct outcome *o = ctx;

	o->n++;
	o->err = err;
	memcpy(o->what, d->what, sizeof(o->what));
}

static void offer(struct fake *f, struct outcome *o)
{
	struct node_routes r = {.n = 1};

	*o = (struct outcome){.n = 0};
	assert_int_equal(prefix_parse("10.77.0.0/24", &r.v[0].prefix), TM_OK);
	r.v[0].offered = true;
	agent_offer_routes(f->agent, &r, on_done, o);
}

/* The coordinator has the question, and answers with these members. */
static void answer(struct fake *f, struct outcome *o, const char *members)
{
	char text[256];

	do
		fake_run_until(f, &f->messages, f->messages + 1);
	while (strcmp(json_string_value(json_object_get(f->last, "t")), "route.offer") != 0);
	snprintf(text, sizeof(text), "{\"t\":\"reply\",\"id\":%" JSON_INTEGER_FORMAT ",%s}",
		json_integer_value(json_object_get(f->last, "id")), members);
	fake_say(f, text);
	fake_run_until(f, &o->n, 1);
}

static void a_decision_is_told_from_trouble(void **state UNUSED)
{
	static const struct {
		const char *members;
		int err;
	} rows[] = {
		{"\"ok\":true", TM_OK},
		{"\"ok\":false,\"code\":\"exists\",\"error\":\"nas leads to it already\"", TM_EPERM},
		{"\"ok\":false,\"code\":\"refused\",\"error\":\"no\"", TM_EPERM},
		{"\"ok\":false,\"error\":\"an old one, without a code\"", TM_EPERM},
		{"\"ok\":false,\"code\":\"busy\",\"error\":\"too much\"", TM_EAGAIN},
		{"\"ok\":false,\"code\":\"no_space\",\"error\":\"the disk is full\"", TM_EAGAIN},
	};
	struct outcome o;
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		offer(&f, &o);
		answer(&f, &o, rows[i].members);
		assert_int_equal(o.err, rows[i].err);
	}
	assert_string_equal(o.what, "the disk is full");
	fake_close(&f);
}

static void without_a_link_it_was_not_asked(void **state UNUSED)
{
	struct outcome o;
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	/* The link goes while the coordinator thinks. */
	offer(&f, &o);
	fake_run_until(&f, &f.messages, f.messages + 1);
	fake_stop_serving(&f);
	fake_run_until(&f, &o.n, 1);
	assert_int_equal(o.err, TM_ECLOSED);
	/* And there is none. */
	offer(&f, &o);
	fake_run_until(&f, &o.n, 1);
	assert_int_equal(o.err, TM_ECLOSED);
	fake_close(&f);
}

static int init(void **state UNUSED)
{
	return crypto_init(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_decision_is_told_from_trouble),
		cmocka_unit_test(without_a_link_it_was_not_asked),
	};

	return cmocka_run_group_tests_name("offer", tests, init, NULL);
}
