/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Each test in a network namespace of its own; skipped where that is not allowed. */
#include "host.h"

#include <event2/event.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "os/os.h"

enum {
	PATIENCE_MS = 20000,
	QUIET_MS = 450, /* longer than the debounce */
};

struct watch {
	struct event_base *base;
	struct os_netmon *mon;
	unsigned calls, own; /* since the last wait */
	enum os_network most; /* of these calls */
};

static void on_change(void *ctx, enum os_network what)
{
	struct watch *w = ctx;

	w->calls++;
	w->most = MAX(w->most, what);
	event_base_loopbreak(w->base);
}

static void on_own(void *ctx)
{
	struct watch *w = ctx;

	w->own++;
	event_base_loopbreak(w->base);
}

static void watch_start(struct watch *w)
{
	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	host_ip("link add wan0 type veth peer name far0");
	host_ip("link set far0 up");
	host_ip("link set wan0 up");
	host_ip("addr add 192.0.2.10/24 dev wan0");
	host_ip("link add tm0 type veth peer name other0");
	host_ip("link set other0 up");
	/* An address of the link would be there a second or two later. */
	host_ip("link set tm0 addrgenmode none");
	host_ip("link set tm0 up");
	*w = (struct watch){.base = event_base_new()};
	assert_non_null(w->base);
	const struct os_netmon_events ev = {.ctx = w, .changed = on_change, .own = on_own};
	assert_int_equal(os_netmon_new(w->base, "tm0", &ev, &w->mon), TM_OK);
}

static void watch_end(struct watch *w)
{
	os_netmon_free(w->mon);
	event_base_free(w->base);
}

static void on_quiet(evutil_socket_t fd UNUSED, short what UNUSED, void *ctx)
{
	event_base_loopbreak(ctx);
}

/* Until a call about anything but our own interface, or the time is over; true for a call. */
static bool call_within(struct watch *w, int ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	struct event *timer = evtimer_new(w->base, on_quiet, w->base);

	assert_non_null(timer);
	w->calls = w->own = 0;
	w->most = OS_NETWORK_ROUTES;
	evtimer_add(timer, &tv);
	do {
		event_base_loop(w->base, 0);
	} while (!w->calls && evtimer_pending(timer, NULL));
	event_free(timer);
	return w->calls > 0;
}

/* Carriers come up in their own time. */
static void settle(struct watch *w)
{
	while (call_within(w, QUIET_MS))
		;
}

/* What the kernel has sent so far has been read; did it arm the debounce timer, the only event besides the
 * socket's? */
static bool call_is_coming(struct watch *w)
{
	event_base_loop(w->base, EVLOOP_NONBLOCK);
	return event_base_get_num_events(w->base, EVENT_BASE_COUNT_ADDED) > 1;
}

enum told { NOTHING, OWN, LOOK, ADDRESSES, MOVED };

/* What is told about all that happened so far. */
static enum told told(struct watch *w)
{
	w->calls = w->own = 0;
	w->most = OS_NETWORK_ROUTES;
	while (call_is_coming(w))
		event_base_loop(w->base, EVLOOP_ONCE);
	return w->calls ? LOOK + w->most : w->own ? OWN : NOTHING;
}

/* "NAME=VALUE" below /proc/sys, which shows the network namespace of who looks. */
static void write_setting(const char *text)
{
	char path[96];
	const char *value = strchr(text, '=') + 1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/%.*s", (int)(value - 1 - text), text);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(value, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void what_has_a_consequence_is_told_and_noise_is_not(void **state)
{
	static const struct {
		const char *ip[4];
		enum told told;
	} rows[] = {
		{{NULL}, NOTHING},
		{{"addr add 192.0.2.11/24 dev wan0"}, ADDRESSES},
		{{"addr add 192.0.2.12/24 dev wan0", "addr del 192.0.2.11/24 dev wan0",
			 "link set wan0 mtu 1400"},
			ADDRESSES},
		{{"link set wan0 mtu 1500"}, NOTHING},
		{{"addr add 192.0.2.13/24 dev wan0", "addr del 192.0.2.13/24 dev wan0"}, LOOK},
		{{"addr change 192.0.2.12/24 dev wan0 valid_lft 1000 preferred_lft 1000"},
			NOTHING}, /* as advertisements do */
		{{"addr add 2001:db8:5::1/64 dev wan0 nodad"}, ADDRESSES},
		{{"addr change 2001:db8:5::1/64 dev wan0 valid_lft 1000 preferred_lft 0"},
			ADDRESSES}, /* deprecated */
		{{"route add default via 192.0.2.1"}, MOVED},
		{{"route add 198.51.100.0/24 via 192.0.2.1"}, LOOK},
		{{"rule add to 198.51.100.0/24 lookup 7"}, LOOK},
		{{"route del default"}, MOVED},
		/* Ours that hold back. */
		{{"route add unreachable default metric 1000 table 8484 proto 84"}, LOOK},
		{{"route del unreachable default metric 1000 table 8484 proto 84"}, LOOK},
		{{"-6 route add unreachable default metric 1000 table 8484 proto 84"}, LOOK},
		/* Who takes in router advertisements itself repeats what they say with each of them. */
		{{"-6 route replace default via fe80::1 dev wan0"}, MOVED},
		{{"-6 route replace default via fe80::1 dev wan0 mtu 1400"}, NOTHING},
		{{"-6 route replace default via fe80::2 dev wan0"}, MOVED},
		{{"-6 route replace default via fe80::1 dev wan0"}, MOVED},
		{{"-6 route add default via fe80::2 dev wan0 metric 7"}, MOVED},
		{{"-6 route del default via fe80::1 dev wan0"}, MOVED},
		{{"-6 route del default via fe80::2 dev wan0"}, MOVED},
		{{"addr add 100.101.0.5/16 dev tm0", "route add 0.0.0.0/1 dev tm0"}, OWN},
		{{"link add idle0 type veth peer name idle1", "link del idle0"}, NOTHING},
		/* A container without a bridge: its gateway has the same address on every interface. */
		{{"link add pod0 type veth peer name in0", "link set in0 up", "link set pod0 up",
			 "addr add 10.1.0.1/32 dev pod0"},
			ADDRESSES},
		{{"link add pod1 type veth peer name in1", "link set in1 up", "link set pod1 up",
			 "addr add 10.1.0.1/32 dev pod1"},
			LOOK},
		{{"route add 10.1.0.3 dev pod1"}, LOOK},
		{{"link del pod1"}, LOOK},
		/* A bridge of containers, too. */
		{{"link add br0 type bridge", "link set br0 up", "addr add 10.2.0.1/24 dev br0"}, ADDRESSES},
		/* Somebody switches off, or on, what a router depends on. */
		{{"=net/ipv4/conf/wan0/forwarding=1"}, LOOK},
		{{"=net/ipv4/conf/wan0/forwarding=1"}, NOTHING},
		{{"=net/ipv4/ip_forward=1"}, LOOK},
		{{"=net/ipv6/conf/all/forwarding=1"}, LOOK},
		{{"=net/ipv6/conf/all/forwarding=0"}, LOOK},
		{{"link set wan0 down"}, ADDRESSES},
		{{"link set wan0 up"}, ADDRESSES},
	};
	struct watch w;

	(void)state;
	watch_start(&w);
	settle(&w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t k = 0; k < ARRAY_LEN(rows[i].ip) && rows[i].ip[k]; k++)
			*rows[i].ip[k] == '=' ? write_setting(rows[i].ip[k] + 1) : host_ip(rows[i].ip[k]);
		enum told got = told(&w);
		if (got != rows[i].told)
			fail_msg("row %zu (%s): told %d", i, rows[i].ip[0] ? rows[i].ip[0] : "-", got);
	}
	watch_end(&w);
}

static void a_burst_is_told_once(void **state)
{
	struct watch w;

	(void)state;
	watch_start(&w);
	settle(&w);
	/* All of it has come before the first of it is read: on a busy machine two programs are further apart
	 * than what counts as one burst. */
	host_ip("addr add 192.0.2.11/24 dev wan0");
	host_ip("addr add 192.0.2.12/24 dev wan0");
	assert_true(call_is_coming(&w));
	assert_true(call_within(&w, PATIENCE_MS));
	assert_false(call_is_coming(&w));
	assert_int_equal(w.calls, 1);
	watch_end(&w);
}

static void the_own_interface_is_recognized_when_it_comes_back(void **state)
{
	struct watch w;

	(void)state;
	watch_start(&w);
	settle(&w);
	host_ip("link del tm0");
	host_ip("link add tm0 type veth peer name other0");
	settle(&w);
	host_ip("link set tm0 up");
	host_ip("addr add 100.101.0.5/16 dev tm0");
	assert_int_equal(told(&w), OWN);
	watch_end(&w);
}

static void lost_messages_count_as_a_change_and_watching_goes_on(void **state)
{
	struct host *h = *state;
	struct watch w;
	char line[HOST_PATH + 80];
	FILE *f = fopen(host_path(h, "batch"), "w");

	assert_non_null(f);
	for (int i = 0; i < 4000; i++)
		fprintf(f, "addr add 10.%d.%d.1/32 dev wan0\n", i / 250, i % 250);
	for (int i = 0; i < 4000; i++)
		fprintf(f, "addr del 10.%d.%d.1/32 dev wan0\n", i / 250, i % 250);
	assert_int_equal(fclose(f), 0);

	watch_start(&w);
	snprintf(line, sizeof(line), "-batch %s", host_path(h, "batch"));
	host_ip(line);
	assert_true(call_within(&w, PATIENCE_MS));
	settle(&w);
	host_ip("addr add 192.0.2.11/24 dev wan0");
	assert_true(call_within(&w, PATIENCE_MS));
	watch_end(&w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_has_a_consequence_is_told_and_noise_is_not),
		T(a_burst_is_told_once),
		T(the_own_interface_is_recognized_when_it_comes_back),
		T(lost_messages_count_as_a_change_and_watching_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
