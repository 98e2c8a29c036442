/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* When what other programs take from the tunnel's interface is put back. The interface is a stand-in. */
#include "unit/unit.h"

#include <event2/event.h>

#include "base/log.h"
#include "node/exits.h"
#include "node/fence.h"
#include "node/interface.h"
#include "node/node_private.h"
#include "node/routing.h"

static struct {
	struct node n;
	int err; /* of the next restoring */
	unsigned restored, warnings;
	ns_t wait; /* until the next try; 0: none is due */
} rig;

const char *__wrap_plane_tun_name(const struct plane *p);
int __wrap_os_if_configure(const char *ifname, const struct prefix *addrs, size_t n, struct diag *d);
int __wrap_os_if_restore(const char *ifname, const struct prefix *addrs, size_t n,
	struct os_if_restored *ret_restored, struct diag *d);
void __wrap_exits_look(struct node *n);
void __wrap_fence_look(struct node *n);
void __wrap_routing_network(struct node *n);
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in);

const char *__wrap_plane_tun_name(const struct plane *p UNUSED)
{
	return "tm7";
}

int __wrap_os_if_configure(
	const char *ifname UNUSED, const struct prefix *addrs UNUSED, size_t n UNUSED, struct diag *d UNUSED)
{
	return TM_OK;
}

int __wrap_os_if_restore(const char *ifname, const struct prefix *addrs UNUSED, size_t n,
	struct os_if_restored *ret_restored, struct diag *d)
{
	assert_string_equal(ifname, "tm7");
	assert_int_equal(n, 2);
	rig.restored++;
	*ret_restored = (struct os_if_restored){.addresses = 2};
	return rig.err ? diag_what(d, rig.err, "cannot put back a route of tm7") : TM_OK;
}

void __wrap_exits_look(struct node *n UNUSED)
{
}

void __wrap_fence_look(struct node *n UNUSED)
{
}

void __wrap_routing_network(struct node *n UNUSED)
{
}

void __wrap_loop_timer_in(struct loop_timer *t, ns_t in)
{
	assert_ptr_equal(t, rig.n.interface.again);
	rig.wait = in;
}

static void count(void *ctx UNUSED, const char *line, size_t n UNUSED)
{
	rig.warnings += strstr(line, "lacks what another program took away") != NULL;
}

static int setup(void **state UNUSED)
{
	memset(&rig, 0, sizeof(rig));
	log_set_sink(count, NULL);
	rig.n.base = event_base_new();
	assert_int_equal(interface_configure(&rig.n), TM_OK);
	return 0;
}

static int teardown(void **state UNUSED)
{
	interface_close(&rig.n);
	event_base_free(rig.n.base);
	log_set_sink(NULL, NULL);
	return 0;
}

/* An address that somebody takes away while its route is put back. */
static void what_fails_is_tried_again_at_once_and_ever_more_rarely(void **state UNUSED)
{
	static const ns_t waits[] = {
		100 * MS, 200 * MS, 400 * MS, 800 * MS, 1600 * MS, 3200 * MS, 6400 * MS, 10 * SEC, 10 * SEC};

	rig.err = TM_EINVAL;
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		interface_on_changed(&rig.n);
		assert_int_equal(rig.restored, i + 1);
		assert_int_equal(rig.wait, waits[i]);
		assert_int_equal(rig.warnings, i ? 1 : 0); /* once may be by chance */
	}
	rig.err = TM_OK;
	rig.wait = 0;
	interface_on_changed(&rig.n);
	assert_int_equal(rig.wait, 0);
	rig.err = TM_EINVAL;
	interface_on_changed(&rig.n);
	assert_int_equal(rig.wait, 100 * MS);
}

/* Its end ends the node elsewhere. */
static void a_device_that_is_gone_is_not_waited_for(void **state UNUSED)
{
	rig.err = TM_ENOENT;
	interface_on_changed(&rig.n);
	assert_int_equal(rig.wait, 0);
	assert_int_equal(rig.warnings, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_fails_is_tried_again_at_once_and_ever_more_rarely, setup, teardown),
		cmocka_unit_test_setup_teardown(a_device_that_is_gone_is_not_waited_for, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
