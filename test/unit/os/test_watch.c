/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "host.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "os/os.h"
#include "os/watch.h"

static unsigned n_told;

static void on_changed(void *ctx)
{
	n_told++;
	event_base_loopbreak(ctx);
}

static void on_limit(evutil_socket_t fd UNUSED, short what UNUSED, void *base)
{
	event_base_loopbreak(base);
}

static void put(const char *path, const char *text)
{
	assert_int_equal(os_rewrite_file(path, text, strlen(text), NULL), TM_OK);
}

/* Waits until it is told, or half a second. */
static bool is_told(struct event_base *base)
{
	const unsigned before = n_told;

	struct event *limit = evtimer_new(base, on_limit, base);

	evtimer_add(limit, &(struct timeval){.tv_usec = 500000});
	event_base_dispatch(base);
	event_free(limit);
	return n_told > before;
}

static void whatever_happens_to_a_file_is_told_and_nothing_else(void **state)
{
	struct host *h = *state;
	struct event_base *base = event_base_new();
	char file[HOST_PATH + 64], other[HOST_PATH + 64];
	struct os_watch *w;

	snprintf(file, sizeof(file), "%s", host_path(h, "resolv.conf"));
	snprintf(other, sizeof(other), "%s", host_path(h, "other"));
	put(other, "a");
	assert_int_equal(os_watch_new(base, MS, on_changed, base, &w), TM_OK);
	assert_true(os_watch_set(w, (const char *const[]){file, "/no/such/directory/file"}, 2));
	put(file, "a");
	assert_true(is_told(base)); /* made */
	assert_false(os_watch_set(w, (const char *const[]){file}, 1));
	put(file, "b");
	assert_true(is_told(base)); /* written */
	assert_int_equal(rename(other, file), 0);
	assert_true(is_told(base)); /* replaced */
	put(other, "b");
	assert_false(is_told(base));
	assert_int_equal(unlink(file), 0);
	assert_true(is_told(base)); /* removed */
	assert_false(os_watch_set(w, NULL, 0));
	put(file, "c");
	assert_false(is_told(base));
	os_watch_free(w);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			whatever_happens_to_a_file_is_told_and_nothing_else, host_setup, host_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
