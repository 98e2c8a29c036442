/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who may call this node's addresses past the tunnel, and when the kernel is told. The fence is a stand-in.
 */
#include "unit/unit.h"

#include "base/log.h"
#include "fake/quiet.h"
#include "node/fence.h"
#include "node/node_private.h"
#include "node/offers.h"

static struct {
	struct node n;
	struct route_settings approved;
	int err;
	unsigned n_set, n_freed;
	struct prefix callers[4];
	size_t n_callers;
} s;

int __wrap_os_fence_new(const char *ifname, uint32_t mark, struct os_fence **ret_fence);
void __wrap_os_fence_free(struct os_fence *f);
int __wrap_os_fence_set(struct os_fence *f, const struct prefix *callers, size_t n, struct diag *d);
const char *__wrap_plane_tun_name(const struct plane *p);
void __wrap_offers_approved(const struct node *n, struct route_settings *ret_s);

int __wrap_os_fence_new(const char *ifname, uint32_t mark, struct os_fence **ret_fence)
{
	assert_string_equal(ifname, "tm7");
	assert_int_equal(mark, 0x54000000);
	*ret_fence = (struct os_fence *)(void *)&s;
	return TM_OK;
}

void __wrap_os_fence_free(struct os_fence *f)
{
	s.n_freed += f != NULL;
}

int __wrap_os_fence_set(struct os_fence *f UNUSED, const struct prefix *callers, size_t n, struct diag *d)
{
	s.n_set++;
	s.n_callers = n;
	memcpy(s.callers, callers, n * sizeof(*callers));
	return s.err ? diag_what(d, s.err, "no rules can be made") : TM_OK;
}

const char *__wrap_plane_tun_name(const struct plane *p UNUSED)
{
	return "tm7";
}

void __wrap_offers_approved(const struct node *n UNUSED, struct route_settings *ret_s)
{
	*ret_s = s.approved;
}

static int set_up(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	s.n.config.fwmark = 0x54000000;
	log_set_sink(quiet_log, NULL);
	return fence_open(&s.n);
}

static int tear_down(void **state)
{
	(void)state;
	fence_close(&s.n);
	fence_close(&s.n);
	return s.n_freed == 1 ? 0 : -1;
}

static void approve(const char *text, bool snat)
{
	struct own_net *net = &s.approved.nets[s.approved.n++];

	assert_int_equal(prefix_parse(text, &net->prefix), TM_OK);
	net->snat = snat;
}

static void networks_that_are_seen_may_call(void **state)
{
	struct prefix seen;

	(void)state;
	approve("10.77.1.0/24", true);
	approve("10.77.2.0/24", false);
	s.approved.exit_offer = true; /* nobody there is seen */
	s.approved.exit_families = EXIT_IP4 | EXIT_IP6;
	fence_look(&s.n);
	assert_int_equal(s.n_callers, 1);
	assert_int_equal(prefix_parse("10.77.2.0/24", &seen), TM_OK);
	assert_true(prefix_eq(&s.callers[0], &seen));
}

static void the_kernel_is_told_of_routes_when_they_are_others(void **state)
{
	(void)state;
	fence_routes(&s.n);
	assert_int_equal(s.n_set, 0); /* the first look comes with the interface */
	fence_look(&s.n);
	fence_look(&s.n); /* guests may be others */
	assert_int_equal(s.n_set, 2);
	approve("10.77.1.0/24", true);
	fence_routes(&s.n);
	assert_int_equal(s.n_set, 2);
	approve("10.77.2.0/24", false);
	fence_routes(&s.n);
	fence_routes(&s.n);
	assert_int_equal(s.n_set, 3);
	s.approved.nets[1].prefix.ip.bytes[2] = 9; /* as many, and another one */
	fence_routes(&s.n);
	assert_int_equal(s.n_set, 4);
	s.approved.n = 0;
	fence_routes(&s.n);
	assert_int_equal(s.n_set, 5);
	assert_int_equal(s.n_callers, 0);
}

static void a_kernel_without_rules_is_asked_again(void **state)
{
	(void)state;
	s.err = TM_EUNSUPPORTED;
	fence_look(&s.n);
	fence_look(&s.n);
	assert_int_equal(s.n_set, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(networks_that_are_seen_may_call),
		T(the_kernel_is_told_of_routes_when_they_are_others),
		T(a_kernel_without_rules_is_asked_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
