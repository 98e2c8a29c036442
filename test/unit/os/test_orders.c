/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include <event2/event.h>
#include <signal.h>

#include "os/orders.h"

struct told {
	char by[16];
	unsigned stops, reloads;
};

static void on_stop(void *ctx, const char *by)
{
	struct told *t = ctx;

	snprintf(t->by, sizeof(t->by), "%s", by);
	t->stops++;
}

static void on_reload(void *ctx)
{
	struct told *t = ctx;

	t->reloads++;
}

static void each_signal_is_the_order_that_it_stands_for(void **state UNUSED)
{
	static const struct {
		int sig;
		const char *by;
		unsigned stops, reloads;
	} rows[] = {{SIGTERM, "TERM", 1, 0}, {SIGINT, "INT", 1, 0}, {SIGHUP, "", 0, 1}, {SIGPIPE, "", 0, 0}};
	struct event_base *base = event_base_new();
	struct os_orders *o;
	struct told t;

	assert_non_null(base);
	assert_int_equal(
		os_orders_new(base,
			&(struct os_orders_events){.ctx = &t, .stop = on_stop, .reload = on_reload}, &o),
		TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		t = (struct told){.stops = 0};
		assert_int_equal(raise(rows[i].sig), 0);
		event_base_loop(base, EVLOOP_NONBLOCK);
		assert_string_equal(t.by, rows[i].by);
		assert_int_equal(t.stops, rows[i].stops);
		assert_int_equal(t.reloads, rows[i].reloads);
	}
	os_orders_free(o);
	os_orders_free(NULL);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_signal_is_the_order_that_it_stands_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
