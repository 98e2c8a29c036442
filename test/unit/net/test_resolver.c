/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Looking names up with systems that know, do not know, or do not answer until the test lets them. */
#include "unit/unit.h"

#include <event2/event.h>
#include <pthread.h>

#include "base/time.h"
#include "net/resolver.h"

/* Time that has passed without anybody waiting. */
static _Atomic ns_t passed;

ns_t __real_time_monotonic(void);
ns_t __wrap_time_monotonic(void);

ns_t __wrap_time_monotonic(void)
{
	return __real_time_monotonic() + passed;
}

/* The system: "slow" stands still at the gate, "unknown" is, all others are known. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool open;
	unsigned asked, at_gate;
	const char *addresses[LOOKUP_MAX];
	size_t n;
} sys = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int find(const char *host, struct endpoint *found, size_t max, size_t *ret_n)
{
	int err = TM_OK;

	pthread_mutex_lock(&sys.lock);
	sys.asked++;
	if (strcmp(host, "slow") == 0) {
		sys.at_gate++;
		pthread_cond_broadcast(&sys.changed);
		while (!sys.open)
			pthread_cond_wait(&sys.changed, &sys.lock);
		sys.at_gate--;
		pthread_cond_broadcast(&sys.changed);
	}
	if (strcmp(host, "unknown") == 0)
		err = TM_ENOENT;
	for (size_t i = 0; i < sys.n && i < max && !err; i++)
		err = ip_parse(sys.addresses[i], &found[i].ip);
	*ret_n = sys.n;
	pthread_mutex_unlock(&sys.lock);
	return err;
}

static void gate(bool open)
{
	pthread_mutex_lock(&sys.lock);
	sys.open = open;
	pthread_cond_broadcast(&sys.changed);
	pthread_mutex_unlock(&sys.lock);
}

static void wait_at_gate(unsigned n)
{
	pthread_mutex_lock(&sys.lock);
	while (sys.at_gate != n)
		pthread_cond_wait(&sys.changed, &sys.lock);
	pthread_mutex_unlock(&sys.lock);
}

struct result {
	unsigned done;
	int err;
	size_t n;
	struct endpoint found[LOOKUP_MAX];
	char why[100];
};

static void on_done(void *ctx, int err, const struct endpoint *found, size_t n, const char *why)
{
	struct result *r = ctx;

	r->done++;
	r->err = err;
	r->n = n;
	memcpy(r->found, found, n * sizeof(*found));
	snprintf(r->why, sizeof(r->why), "%s", why);
}

struct scene {
	struct event_base *base;
	struct resolver *resolver;
};

static void scene_open(struct scene *s)
{
	sys.asked = 0;
	sys.open = false;
	sys.addresses[0] = "192.0.2.1";
	sys.n = 1;
	s->base = event_base_new();
	assert_int_equal(resolver_new(s->base, find, &s->resolver), TM_OK);
}

/* Whatever still stands at the gate gets through, and is gone. */
static void scene_close(struct scene *s)
{
	resolver_free(s->resolver);
	gate(true);
	wait_at_gate(0);
	event_base_free(s->base);
}

static struct lookup *look_up(struct scene *s, const char *host, struct result *r)
{
	struct lookup *l;

	*r = (struct result){0};
	assert_int_equal(lookup_new(s->resolver, host, 8443, on_done, r, &l), TM_OK);
	assert_int_equal(r->done, 0);
	return l;
}

static void run_until_done(struct scene *s, const struct result *r)
{
	ns_t end = time_monotonic() + 40 * SEC;

	while (!r->done && time_monotonic() < end)
		event_base_loop(s->base, EVLOOP_ONCE);
	assert_int_equal(r->done, 1);
}

static void families_take_turns_in_the_systems_order(void **state UNUSED)
{
	static const struct {
		const char *system[5], *found[5];
	} rows[] = {
		{{"2001:db8::1", "2001:db8::2", "192.0.2.1"}, {"2001:db8::1", "192.0.2.1", "2001:db8::2"}},
		{{"192.0.2.1", "192.0.2.2", "2001:db8::1"}, {"192.0.2.1", "2001:db8::1", "192.0.2.2"}},
		{{"192.0.2.1", "192.0.2.2"}, {"192.0.2.1", "192.0.2.2"}},
		{{"2001:db8::1"}, {"2001:db8::1"}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct scene s;
		struct result r;
		size_t n = 0;

		scene_open(&s);
		for (; rows[i].system[n]; n++)
			sys.addresses[n] = rows[i].system[n];
		sys.n = n;
		(void)look_up(&s, "hub.example.org", &r);
		run_until_done(&s, &r);
		assert_int_equal(r.n, n);
		for (size_t k = 0; k < n; k++) {
			char text[IP_STR_LEN];

			assert_string_equal(ip_format(&r.found[k].ip, text), rows[i].found[k]);
			assert_int_equal(r.found[k].port, 8443);
		}
		scene_close(&s);
	}
}

static void why_a_name_is_not_found_is_told(void **state UNUSED)
{
	struct scene s;
	struct result r;

	scene_open(&s);
	(void)look_up(&s, "unknown", &r);
	run_until_done(&s, &r);
	assert_int_equal(r.err, TM_ENOENT);
	assert_int_equal(r.n, 0);
	assert_non_null(strstr(r.why, "unknown"));
	scene_close(&s);
}

static void a_slow_name_is_asked_for_once_however_often_one_comes_back(void **state UNUSED)
{
	struct scene s;
	struct result given_up, first, second;

	scene_open(&s);
	struct lookup *l = look_up(&s, "slow", &given_up);
	wait_at_gate(1);
	lookup_cancel(l);
	(void)look_up(&s, "slow", &first);
	(void)look_up(&s, "slow", &second);
	gate(true);
	run_until_done(&s, &first);
	run_until_done(&s, &second);
	assert_int_equal(second.n, 1);
	assert_int_equal(given_up.done, 0);
	assert_int_equal(sys.asked, 1);
	scene_close(&s);
}

static void give_up_and_be_answered(struct scene *s)
{
	struct result given_up, other;
	struct lookup *l = look_up(s, "slow", &given_up);

	wait_at_gate(1);
	lookup_cancel(l);
	(void)look_up(s, "hub", &other); /* behind it, so that it is through when this is */
	gate(true);
	run_until_done(s, &other);
}

static void an_answer_that_nobody_waited_for_is_kept_for_who_comes_back(void **state UNUSED)
{
	struct scene s;
	struct result back;

	scene_open(&s);
	give_up_and_be_answered(&s);
	(void)look_up(&s, "slow", &back);
	run_until_done(&s, &back);
	assert_int_equal(back.n, 1);
	assert_int_equal(sys.asked, 2);

	/* Once: the next one may want to know what is new. */
	(void)look_up(&s, "slow", &back);
	run_until_done(&s, &back);
	assert_int_equal(sys.asked, 3);
	scene_close(&s);
}

static void a_system_that_never_answers_holds_nobody_up_at_the_end(void **state UNUSED)
{
	struct scene s;
	struct result r, behind;

	scene_open(&s);
	struct lookup *l = look_up(&s, "slow", &r);
	struct lookup *waiting = look_up(&s, "hub", &behind);
	wait_at_gate(1);
	lookup_cancel(l);
	lookup_cancel(waiting);
	resolver_free(TAKE(s.resolver)); /* while it stands at the gate */
	assert_int_equal(r.done + behind.done, 0);
	scene_close(&s);
}

static void on_time(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	event_base_loopbreak(arg);
}

static void after_a_change_of_the_network_the_system_is_asked_anew(void **state UNUSED)
{
	struct scene s;
	struct result r, behind;

	scene_open(&s);
	(void)look_up(&s, "slow", &r);
	(void)look_up(&s, "hub", &behind);
	wait_at_gate(1);
	resolver_renew(s.resolver); /* it was asked a moment ago */
	event_base_once(s.base, -1, EV_TIMEOUT, on_time, s.base, &(struct timeval){.tv_sec = 1});
	event_base_dispatch(s.base);
	resolver_renew(s.resolver); /* now it was a second ago */
	wait_at_gate(2);
	gate(true);
	run_until_done(&s, &r);
	run_until_done(&s, &behind);
	assert_int_equal(r.n, 1);
	assert_int_equal(sys.asked, 3); /* the second name waited, and was asked for once */
	scene_close(&s);
}

static void but_not_for_longer_than_ten_seconds(void **state UNUSED)
{
	static const struct {
		ns_t later;
		unsigned asked;
	} rows[] = {{9 * SEC, 2}, {11 * SEC, 3}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct result back;
		struct scene s;

		scene_open(&s);
		give_up_and_be_answered(&s);
		passed += rows[i].later;
		(void)look_up(&s, "slow", &back);
		run_until_done(&s, &back);
		assert_int_equal(back.n, 1);
		assert_int_equal(sys.asked, rows[i].asked);
		scene_close(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families_take_turns_in_the_systems_order),
		cmocka_unit_test(why_a_name_is_not_found_is_told),
		cmocka_unit_test(a_slow_name_is_asked_for_once_however_often_one_comes_back),
		cmocka_unit_test(an_answer_that_nobody_waited_for_is_kept_for_who_comes_back),
		cmocka_unit_test(but_not_for_longer_than_ten_seconds),
		cmocka_unit_test(a_system_that_never_answers_holds_nobody_up_at_the_end),
		cmocka_unit_test(after_a_change_of_the_network_the_system_is_asked_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
