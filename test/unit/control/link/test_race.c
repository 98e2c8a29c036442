/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A coordinator of whose addresses some lead elsewhere, nowhere, or are not known yet. */
#include "parrot.h"
#include "world.h"

#include <pthread.h>
#include <unistd.h>

#include "control/link/race.h"
#include "crypto/init.h"

/* --- names, as the system would know them --- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open; /* until then "slow.example" stands still */
	bool inside;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void gate_set(bool open)
{
	pthread_mutex_lock(&gate.lock);
	gate.open = open;
	pthread_cond_broadcast(&gate.changed);
	while (open && gate.inside)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

static int find(const char *host, struct endpoint *found, size_t max, size_t *ret_n)
{
	static const uint8_t last_bytes[] = {2, 1}; /* something else lives at the first one */

	pthread_mutex_lock(&gate.lock);
	gate.inside = true;
	while (strcmp(host, "slow.example") == 0 && !gate.open)
		pthread_cond_wait(&gate.changed, &gate.lock);
	gate.inside = false;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
	if (strcmp(host, "unknown.example") == 0)
		return TM_ENOENT;
	for (*ret_n = 0; *ret_n < MIN(max, ARRAY_LEN(last_bytes)); ++*ret_n)
		found[*ret_n] = (struct endpoint){.ip = ip_v4_host(0x7f000000 | last_bytes[*ret_n])};
	return TM_OK;
}

/* --- links that end without a word, where a test wants that: the linker puts this in front --- */

static bool wordless;
static void (*say_closed)(void *ctx, struct clink *l, int err, const char *why);
int __real_clink_connect_tuned(struct event_base *base, const struct clink_config *cfg,
	const struct clink_events *ev, const struct clink_tuning *t, struct clink **ret_link);
int __wrap_clink_connect_tuned(struct event_base *base, const struct clink_config *cfg,
	const struct clink_events *ev, const struct clink_tuning *t, struct clink **ret_link);

static void close_without_a_word(void *ctx, struct clink *l, int err, const char *why UNUSED)
{
	say_closed(ctx, l, err, "");
}

int __wrap_clink_connect_tuned(struct event_base *base, const struct clink_config *cfg,
	const struct clink_events *ev, const struct clink_tuning *t, struct clink **ret_link)
{
	struct clink_events of_test = *ev;

	if (wordless) {
		say_closed = ev->closed;
		of_test.closed = close_without_a_word;
	}
	return __real_clink_connect_tuned(base, cfg, &of_test, t, ret_link);
}

/* --- a race --- */

struct course {
	struct world w;
	struct resolver *resolver;
	struct race_tuning tuning;
	struct race_config cfg;
	struct race *race;
	unsigned over, won;
	char address[ENDPOINT_STR_LEN]; /* that won */
	struct endpoint at;
	int err;
	char why[RACE_WHY_MAX];
};

static void on_won(void *ctx, struct clink *link_take, const char *address)
{
	struct course *c = ctx;

	c->over++;
	c->won++;
	c->at = *clink_peer_address(link_take);
	snprintf(c->address, sizeof(c->address), "%s", address ? address : "");
	race_free(TAKE(c->race));
	clink_free(link_take);
}

static void on_lost(void *ctx, int err, const char *why, unsigned retry_ms UNUSED)
{
	struct course *c = ctx;

	c->over++;
	c->err = err;
	snprintf(c->why, sizeof(c->why), "%s", why);
	race_free(TAKE(c->race));
}

static void course_open(struct course *c)
{
	*c = (struct course){.tuning = race_tuning_default};
	world_open(&c->w, NULL);
	assert_int_equal(resolver_new(c->w.base, find, &c->resolver), TM_OK);
	c->tuning.stagger_ms = 10;
	c->tuning.patience_ms = 50;
	c->tuning.names_ms = 200;
	c->cfg = (struct race_config){.resolver = c->resolver,
		.remote_key = c->w.coordinator.x_pub,
		.identity = &c->w.node,
		.timeout_ms = 20000};
	gate_set(false);
}

static void course_address(struct course *c, const char *address)
{
	c->cfg.addresses[c->cfg.n++] = address;
}

static void course_start(struct course *c)
{
	const struct race_events ev = {.ctx = c, .won = on_won, .lost = on_lost};

	assert_int_equal(race_new(c->w.base, &c->cfg, &ev, &c->tuning, &c->race), TM_OK);
	assert_int_equal(c->over, 0);
}

static void course_run(struct course *c)
{
	course_start(c);
	world_run_until(&c->w, &c->over, 1);
	assert_int_equal(c->over, 1);
}

static void course_close(struct course *c)
{
	race_free(c->race);
	resolver_free(c->resolver);
	gate_set(true);
	world_close(&c->w);
}

static void what_answers_at_one_address_does_not_keep_the_coordinator_away(void **state UNUSED)
{
	static const struct {
		const char *text;
		bool hang_up;
	} rows[] = {
		{"HTTP/1.1 404 Not Found\r\n\r\n", true},
		{"", false}, /* it accepts, and is silent */
		{"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\n\r\n", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct parrot p = {.text = rows[i].text, .hang_up = rows[i].hang_up};
		struct course c;
		char other[ENDPOINT_STR_LEN];

		course_open(&c);
		parrot_open(&p, c.w.base, "127.0.0.1:0", other);
		course_address(&c, other);
		course_address(&c, c.w.address);
		course_run(&c);
		assert_string_equal(c.address, c.w.address);
		parrot_close(&p);
		course_close(&c);
	}
}

static void all_addresses_of_a_name_take_part(void **state UNUSED)
{
	struct parrot p = {.text = ""};
	struct course c;
	char name[ENDPOINT_STR_LEN], other[ENDPOINT_STR_LEN], at[ENDPOINT_STR_LEN];

	course_open(&c);
	snprintf(other, sizeof(other), "127.0.0.2%s", strchr(c.w.address, ':'));
	parrot_open(&p, c.w.base, other, other);
	snprintf(name, sizeof(name), "hub.example%s", strchr(c.w.address, ':'));
	course_address(&c, name);
	course_run(&c);
	assert_string_equal(c.address, name);
	assert_string_equal(endpoint_format(&c.at, at), c.w.address);
	assert_int_equal(p.accepted, 1); /* it was tried before */
	parrot_close(&p);
	course_close(&c);
}

static void nobody_there_does_not_hold_up_the_next(void **state UNUSED)
{
	struct course c;
	char hole[ENDPOINT_STR_LEN];
	int fill[8];

	course_open(&c);
	int fd = black_hole(hole, fill);
	course_address(&c, hole);
	course_address(&c, "127.0.0.1:1");
	course_address(&c, c.w.address);
	course_run(&c);
	assert_string_equal(c.address, c.w.address);
	close(fd);
	for (unsigned i = 0; i < 8; i++)
		close(fill[i]);
	course_close(&c);
}

static void an_address_that_is_quick_to_connect_is_given_time(void **state UNUSED)
{
	struct parrot p = {.text = ""};
	struct course c;
	char other[ENDPOINT_STR_LEN];

	course_open(&c);
	parrot_open(&p, c.w.base, "127.0.0.1:0", other);
	c.tuning.stagger_ms = 5000; /* the first connects at once, so this is not what counts */
	c.tuning.patience_ms = 20000;
	course_address(&c, c.w.address);
	course_address(&c, other);
	course_run(&c);
	assert_string_equal(c.address, c.w.address);
	assert_int_equal(p.accepted, 0);
	parrot_close(&p);
	course_close(&c);
}

static void where_it_was_last_is_tried_while_the_name_is_looked_up(void **state UNUSED)
{
	struct course c;

	course_open(&c);
	course_address(&c, "slow.example:8443");
	assert_int_equal(endpoint_parse(c.w.address, &c.cfg.first), TM_OK);
	course_run(&c);
	assert_int_equal(c.won, 1);
	assert_string_equal(c.address, "slow.example:8443"); /* as it is called */
	course_close(&c);
}

static void the_last_resort_is_taken_when_all_else_fails(void **state UNUSED)
{
	struct course c;

	course_open(&c);
	course_address(&c, "127.0.0.1:1");
	course_address(&c, "unknown.example:8443");
	assert_int_equal(endpoint_parse(c.w.address, &c.cfg.last[1]), TM_OK);
	course_run(&c);
	assert_int_equal(c.won, 1);
	assert_string_equal(c.address, "");
	course_close(&c);
}

static void a_name_that_is_still_looked_up_comes_before_the_last_resort(void **state UNUSED)
{
	char name[64];
	struct course c;

	course_open(&c);
	c.tuning.names_ms = 10000;
	snprintf(name, sizeof(name), "some.example%s", strrchr(c.w.address, ':'));
	course_address(&c, name);
	assert_int_equal(endpoint_parse(c.w.address, &c.cfg.last[0]), TM_OK);
	course_run(&c);
	assert_int_equal(c.won, 1);
	assert_string_equal(c.address, name);
	course_close(&c);
}

static void the_last_resort_does_not_wait_for_a_name_for_ever(void **state UNUSED)
{
	struct course c;

	course_open(&c);
	course_address(&c, "slow.example:8443");
	assert_int_equal(endpoint_parse(c.w.address, &c.cfg.last[0]), TM_OK);
	course_run(&c);
	assert_int_equal(c.won, 1);
	assert_string_equal(c.address, "");
	course_close(&c);
}

static void every_address_that_failed_is_told(void **state UNUSED)
{
	struct course c;

	course_open(&c);
	course_address(&c, "127.0.0.1:1");
	course_address(&c, "127.0.0.2:1");
	course_address(&c, "unknown.example:8443");
	course_address(&c, "nonsense");
	course_run(&c);
	assert_int_equal(c.won, 0);
	assert_contains(c.why, "127.0.0.1:1 cannot be reached: connection refused");
	assert_contains(c.why, "127.0.0.2:1 cannot be reached: connection refused");
	assert_contains(c.why, "unknown.example:8443 cannot be resolved: the name is unknown");
	assert_contains(c.why, "\"nonsense\" is not an address");
	course_close(&c);
}

static void a_failure_without_a_word_is_told_as_what_it_is(void **state UNUSED)
{
	struct course c;

	course_open(&c);
	course_address(&c, "127.0.0.1:1");
	wordless = true;
	course_run(&c);
	wordless = false;
	assert_int_equal(c.err, TM_EUNREACH);
	assert_string_equal(c.why, tm_strerror(TM_EUNREACH));
	course_close(&c);
}

static void a_name_that_nobody_answers_for_is_told_with_the_rest(void **state UNUSED)
{
	for (unsigned alone = 0; alone < 2; alone++) {
		struct course c;

		course_open(&c);
		course_address(&c, "slow.example:8443");
		if (alone)
			c.cfg.timeout_ms = 100;
		else
			course_address(&c, "127.0.0.1:1");
		course_run(&c);
		assert_int_equal(c.err, alone ? TM_ENOENT : TM_EUNREACH);
		assert_contains(
			c.why, "slow.example:8443 cannot be resolved: the system's resolver does not answer");
		course_close(&c);
	}
}

static void another_coordinators_key_tells_more_than_the_rest(void **state UNUSED)
{
	struct course c;

	course_open(&c);
	c.cfg.remote_key = c.w.stranger.x_pub;
	course_address(&c, "127.0.0.1:1");
	course_address(&c, c.w.address);
	course_address(&c, "127.0.0.2:1");
	course_run(&c);
	assert_int_equal(c.err, TM_EAUTH);
	assert_contains(c.why, "another key");
	assert_null(strstr(c.why, "refused"));
	course_close(&c);
}

static void without_any_address_that_is_said(void **state UNUSED)
{
	struct course c;

	course_open(&c);
	course_run(&c);
	assert_int_equal(c.err, TM_EINVAL);
	assert_contains(c.why, "no address of the coordinator is known");
	course_close(&c);
}

static void one_that_is_given_up_at_any_moment_leaves_nothing_behind(void **state UNUSED)
{
	for (unsigned turns = 0; turns < 12; turns++) {
		struct course c;

		course_open(&c);
		course_address(&c, c.w.address);
		course_address(&c, "slow.example:8443");
		course_address(&c, "127.0.0.1:1");
		course_start(&c);
		for (unsigned i = 0; i < turns; i++)
			world_turn(&c.w);
		course_close(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_answers_at_one_address_does_not_keep_the_coordinator_away),
		cmocka_unit_test(all_addresses_of_a_name_take_part),
		cmocka_unit_test(nobody_there_does_not_hold_up_the_next),
		cmocka_unit_test(an_address_that_is_quick_to_connect_is_given_time),
		cmocka_unit_test(where_it_was_last_is_tried_while_the_name_is_looked_up),
		cmocka_unit_test(the_last_resort_is_taken_when_all_else_fails),
		cmocka_unit_test(a_name_that_is_still_looked_up_comes_before_the_last_resort),
		cmocka_unit_test(the_last_resort_does_not_wait_for_a_name_for_ever),
		cmocka_unit_test(every_address_that_failed_is_told),
		cmocka_unit_test(a_failure_without_a_word_is_told_as_what_it_is),
		cmocka_unit_test(a_name_that_nobody_answers_for_is_told_with_the_rest),
		cmocka_unit_test(another_coordinators_key_tells_more_than_the_rest),
		cmocka_unit_test(without_any_address_that_is_said),
		cmocka_unit_test(one_that_is_given_up_at_any_moment_leaves_nothing_behind),
	};
	struct diag d = {0};

	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
