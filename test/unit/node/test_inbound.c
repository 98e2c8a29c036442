/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The question whether the mesh's answers reach this machine's programs, with a kernel that answers, does
 * not, or cannot be asked. */
#include "unit/unit.h"

#include "node/inbound.h"

#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/os.h"

/* What the wrapped door does; each side by its family. */
static struct {
	bool answers[2], refuses[2];
	unsigned asked[2];
	struct ip to[2];
	int far[64];
	unsigned n_far;
} kernel;

int __wrap_os_knock(const char *ifname, const struct ip *from, const struct ip *to, int *ret_fd);
int __wrap_os_knock(const char *ifname, const struct ip *from, const struct ip *to, int *ret_fd)
{
	const size_t i = from->family == IP_V4 ? 0 : 1;
	int pair[2];

	assert_string_equal(ifname, "tm0");
	assert_int_equal(from->family, to->family);
	kernel.asked[i]++;
	kernel.to[i] = *to;
	if (kernel.refuses[i])
		return TM_EUNREACH;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	if (kernel.answers[i])
		assert_int_equal(write(pair[1], "", 1), 1);
	assert_true(kernel.n_far < ARRAY_LEN(kernel.far));
	kernel.far[kernel.n_far++] = pair[1];
	*ret_fd = pair[0];
	return TM_OK;
}

static bool last_host_taken;

static bool taken(void *ctx UNUSED, const struct ip *ip)
{
	return last_host_taken && ip->family == IP_V4;
}

static struct event_base *base;
static struct inbound *in;

static int set_up(void **state UNUSED)
{
	struct inbound_config cfg = {.ifname = "tm0", .taken = taken};

	memset(&kernel, 0, sizeof(kernel));
	last_host_taken = false;
	kernel.answers[0] = kernel.answers[1] = true;
	base = event_base_new();
	assert_int_equal(ip_parse("100.101.0.5", &cfg.side[0].self), TM_OK);
	assert_int_equal(prefix_parse("100.101.0.0/16", &cfg.side[0].net), TM_OK);
	assert_int_equal(ip_parse("fd5c:1::5", &cfg.side[1].self), TM_OK);
	assert_int_equal(prefix_parse("fd5c:1::/64", &cfg.side[1].net), TM_OK);
	assert_int_equal(inbound_new(base, &cfg, &in), TM_OK);
	return 0;
}

static int tear_down(void **state UNUSED)
{
	inbound_free(in);
	event_base_free(base);
	for (unsigned i = 0; i < kernel.n_far; i++)
		close(kernel.far[i]);
	return 0;
}

static void run_until_known(void)
{
	inbound_ask(in);
	while (!inbound_known(in))
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void an_answer_ends_the_question_at_once(void **state UNUSED)
{
	char text[IP_STR_LEN];

	assert_false(inbound_known(in));
	run_until_known();
	assert_false(inbound_dropped(in, 0) || inbound_dropped(in, 1));
	assert_true(kernel.asked[0] == 1 && kernel.asked[1] == 1);
	assert_string_equal(ip_format(&kernel.to[0], text), "100.101.255.254");
}

static void silence_counts_when_it_came_twice_and_until_an_answer(void **state UNUSED)
{
	kernel.answers[0] = false;
	run_until_known();
	assert_true(inbound_dropped(in, 0));
	assert_false(inbound_dropped(in, 1));
	assert_int_equal(kernel.asked[0], 2);

	kernel.answers[0] = true;
	inbound_ask(in);
	while (inbound_dropped(in, 0))
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

static void on_change(evutil_socket_t fd UNUSED, short what UNUSED, void *ctx UNUSED)
{
	inbound_ask_soon(in);
}

static void a_network_that_never_rests_does_not_put_the_question_off(void **state UNUSED)
{
	struct event *changes = event_new(base, -1, EV_PERSIST, on_change, NULL);

	run_until_known();
	assert_int_equal(event_add(changes, &(struct timeval){.tv_usec = 200000}), 0);
	while (kernel.asked[0] == 1)
		assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
	event_free(changes);
}

static void what_cannot_be_asked_is_not_in_question(void **state UNUSED)
{
	kernel.refuses[1] = true;
	last_host_taken = true;
	run_until_known();
	assert_false(inbound_dropped(in, 0) || inbound_dropped(in, 1));
	assert_int_equal(kernel.asked[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_ends_the_question_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			silence_counts_when_it_came_twice_and_until_an_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_network_that_never_rests_does_not_put_the_question_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_asked_is_not_in_question, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
