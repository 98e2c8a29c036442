/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The stream to the relay between core, agent and plane, which are stand-ins here. */
#include "unit/unit.h"

#include "control/agent/stream.h"
#include "data/plane/stream.h"
#include "node/drive.h"
#include "node/node_private.h"

#include <stdlib.h>
#include <string.h>

int __wrap_agent_stream_open(struct agent *a, const char *relay, const struct agent_stream_events *ev);
void __wrap_agent_stream_lost(struct agent *a, const char *relay);
void __wrap_agent_stream_close(struct agent *a, const char *relay);
int __wrap_plane_stream_add(struct plane *p, const struct plane_stream *s_take, uint32_t *ret_stream);
void __wrap_plane_stream_remove(struct plane *p, uint32_t stream);
void __wrap_drive_input(struct node *n, const struct core_in *in);

static const char relay[] = "0123456789abcdef", another[] = "00000000000000aa";

static struct {
	struct node n;
	struct agent_stream_events events[2]; /* of the relay, and of another one */
	int open_fails;
	uint32_t number; /* of the stream that is added */
	char told_of[NODE_ID_LEN + 1];
	unsigned opened, lost, closed, told;
	struct plane_stream added;
	int add_fails;
	uint32_t removed;
	struct core_in last; /* without what it borrows */
} rig;

int __wrap_agent_stream_open(struct agent *a UNUSED, const char *id, const struct agent_stream_events *ev)
{
	rig.events[strcmp(id, relay) != 0] = *ev;
	rig.opened++;
	return rig.open_fails;
}

void __wrap_agent_stream_lost(struct agent *a UNUSED, const char *id UNUSED)
{
	rig.lost++;
}

void __wrap_agent_stream_close(struct agent *a UNUSED, const char *id UNUSED)
{
	rig.closed++;
}

int __wrap_plane_stream_add(struct plane *p UNUSED, const struct plane_stream *s_take, uint32_t *ret_stream)
{
	rig.added = *s_take;
	*ret_stream = rig.number;
	return rig.add_fails;
}

void __wrap_plane_stream_remove(struct plane *p UNUSED, uint32_t stream)
{
	rig.removed = stream;
}

void __wrap_drive_input(struct node *n UNUSED, const struct core_in *in)
{
	assert_int_equal(in->kind, CORE_STREAM);
	snprintf(rig.told_of, sizeof(rig.told_of), "%s", in->id);
	rig.last = *in;
	rig.told++;
}

static int make_rig(void **state UNUSED)
{
	memset(&rig, 0, sizeof(rig));
	rig.number = 7;
	return 0;
}

static void come_up_to(unsigned which)
{
	struct net_released r = {.fd = 5, .early = malloc(3), .n_early = 3};

	assert_int_equal(endpoint_parse("192.0.2.1:443", &r.remote), TM_OK);
	rig.events[which].up(rig.events[which].ctx, &r);
	assert_int_equal(r.fd, -1);
	assert_null(r.early); /* the plane has copied it */
}

static void come_up(void)
{
	come_up_to(0);
	if (rig.told)
		assert_string_equal(rig.told_of, relay);
}

static void a_stream_that_was_found_goes_to_the_plane_and_the_core_learns_its_number(void **state UNUSED)
{
	streaming_open(&rig.n, relay);
	assert_int_equal(rig.opened, 1);
	assert_int_equal(rig.told, 0);
	come_up();
	assert_int_equal(rig.added.fd, 5);
	assert_int_equal(rig.added.n_early, 3);
	assert_int_equal(rig.added.host, 0);
	assert_int_equal(rig.added.role, WS_CLIENT);
	assert_int_equal(rig.told, 1);
	assert_int_equal(rig.last.stream.socket, 7);
	assert_int_equal(rig.last.stream.remote.port, 443);
}

static void one_that_is_lost_is_told_and_looked_for_again(void **state UNUSED)
{
	streaming_open(&rig.n, relay);
	come_up();
	assert_true(streaming_has(&rig.n, 7));
	assert_false(streaming_has(&rig.n, 8));
	assert_false(streaming_lost(&rig.n, 8)); /* a member's */
	assert_int_equal(rig.lost, 0);
	assert_true(streaming_lost(&rig.n, 7));
	assert_int_equal(rig.lost, 1);
	assert_int_equal(rig.told, 2);
	assert_false(endpoint_is_set(&rig.last.stream.remote));
	assert_false(streaming_has(&rig.n, 7));
	assert_false(streaming_lost(&rig.n, 7));
	come_up();
	assert_int_equal(rig.told, 3);
}

static void one_that_the_plane_does_not_take_is_looked_for_again(void **state UNUSED)
{
	streaming_open(&rig.n, relay);
	rig.add_fails = TM_EFULL;
	come_up();
	assert_int_equal(rig.lost, 1);
	assert_int_equal(rig.told, 0);
}

static void when_it_is_not_wanted_any_more_it_is_closed_wherever_it_is(void **state UNUSED)
{
	streaming_open(&rig.n, relay);
	streaming_close(&rig.n, relay);
	assert_int_equal(rig.closed, 1);
	assert_int_equal(rig.removed, 0);
	streaming_open(&rig.n, relay);
	come_up();
	streaming_close(&rig.n, relay);
	assert_int_equal(rig.closed, 2);
	assert_int_equal(rig.removed, 7);
	assert_false(streaming_lost(&rig.n, 7));
}

static void each_relay_has_its_own(void **state UNUSED)
{
	streaming_open(&rig.n, relay);
	streaming_open(&rig.n, relay); /* once is enough */
	streaming_open(&rig.n, another);
	assert_int_equal(rig.opened, 2);
	come_up();
	rig.number = 8;
	come_up_to(1);
	assert_string_equal(rig.told_of, another);
	assert_int_equal(rig.last.stream.socket, 8);
	streaming_close(&rig.n, relay);
	assert_int_equal(rig.removed, 7);
	assert_false(streaming_lost(&rig.n, 7));
	assert_true(streaming_lost(&rig.n, 8));
	assert_string_equal(rig.told_of, another);
}

static void one_for_which_the_agent_has_no_room_is_none(void **state UNUSED)
{
	rig.open_fails = TM_EFULL;
	for (unsigned i = 0; i < 2 * AGENT_STREAMS_MAX; i++)
		streaming_open(&rig.n, relay);
	assert_int_equal(rig.opened, 2 * AGENT_STREAMS_MAX);
	streaming_close(&rig.n, relay);
	assert_int_equal(rig.closed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			a_stream_that_was_found_goes_to_the_plane_and_the_core_learns_its_number, make_rig),
		cmocka_unit_test_setup(one_that_is_lost_is_told_and_looked_for_again, make_rig),
		cmocka_unit_test_setup(one_that_the_plane_does_not_take_is_looked_for_again, make_rig),
		cmocka_unit_test_setup(when_it_is_not_wanted_any_more_it_is_closed_wherever_it_is, make_rig),
		cmocka_unit_test_setup(each_relay_has_its_own, make_rig),
		cmocka_unit_test_setup(one_for_which_the_agent_has_no_room_is_none, make_rig),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
