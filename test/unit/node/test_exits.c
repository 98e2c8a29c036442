/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* An exit node in use, from start to end; what is done on the host is a stand-in's. */
#include "unit/unit.h"

#include <string.h>

#include "node/exits.h"
#include "node/node_private.h"
#include "node/offers.h"
#include "node/router.h"
#include "node/routing.h"
#include "os/os.h"

#include <unistd.h>

static struct {
	struct route_settings told;
	unsigned sets, clears;
	bool held;
	int set_err;
	const char *unguarded;
	char former[16], noted[64]; /* what was noted at the last set */
} host;
static const char *noted(void);

int __wrap_os_exit_new(const char *ifname, uint32_t mark, struct os_exit **ret_exit);
void __wrap_os_exit_free(struct os_exit *x);
int __wrap_os_exit_set(struct os_exit *x, bool lan, bool hold, struct diag *unguarded, struct diag *d);
int __wrap_os_exit_clear(struct os_exit *x, struct diag *d);
const char *__wrap_plane_tun_name(const struct plane *p);
const struct route_settings *__wrap_offers_told(const struct node *n);
const struct mesh *__wrap_peers_mesh(const struct peers *p);
const struct mesh_node *__wrap_mesh_by_id(const struct mesh *m, const char *id);
void __wrap_routing_again(struct node *n);
void __wrap_router_look(struct node *n);

int __wrap_os_exit_new(const char *ifname UNUSED, uint32_t mark UNUSED, struct os_exit **ret_exit)
{
	*ret_exit = NULL;
	return TM_OK;
}

void __wrap_os_exit_free(struct os_exit *x UNUSED)
{
}

int __wrap_os_exit_set(
	struct os_exit *x UNUSED, bool lan UNUSED, bool hold, struct diag *unguarded, struct diag *d)
{
	if (host.set_err)
		return diag_what(d, host.set_err, "no");
	host.sets++;
	snprintf(host.noted, sizeof(host.noted), "%s", noted());
	host.held = hold;
	if (host.unguarded)
		snprintf(unguarded->what, sizeof(unguarded->what), "%s", host.unguarded);
	return TM_OK;
}

void __wrap_os_exit_former(struct os_exit *x, const char *ifname);

void __wrap_os_exit_former(struct os_exit *x UNUSED, const char *ifname)
{
	snprintf(host.former, sizeof(host.former), "%s", ifname);
}

int __wrap_os_exit_clear(struct os_exit *x UNUSED, struct diag *d UNUSED)
{
	host.clears++;
	host.held = false;
	return TM_OK;
}

const char *__wrap_plane_tun_name(const struct plane *p UNUSED)
{
	return "tm0";
}

const struct route_settings *__wrap_offers_told(const struct node *n UNUSED)
{
	return &host.told;
}

const struct mesh *__wrap_peers_mesh(const struct peers *p UNUSED)
{
	return NULL;
}

const struct mesh_node *__wrap_mesh_by_id(const struct mesh *m UNUSED, const char *id UNUSED)
{
	static const struct mesh_node gate = {.exit = EXIT_IP4 | EXIT_IP6 | EXIT_APPROVED};

	return &gate;
}

void __wrap_routing_again(struct node *n UNUSED)
{
}

void __wrap_router_look(struct node *n UNUSED)
{
}

static struct node *n;

/* What the note says: its lines with commas between them. */
static const char *noted(void)
{
	static char text[64];
	FILE *f = fopen(n->paths.undo_exit, "r");

	if (!f)
		return "none";
	size_t len = fread(text, 1, sizeof(text) - 1, f);
	text[len] = '\0';
	for (char *at = strchr(text, '\n'); at; at = strchr(at, '\n'))
		*at = at[1] ? ',' : '\0';
	fclose(f);
	return text;
}

static int set_up(void **state)
{
	(void)state;
	memset(&host, 0, sizeof(host));
	n = calloc(1, sizeof(*n));
	n->base = event_base_new();
	snprintf(n->paths.routes, sizeof(n->paths.routes), "/tmp/tm-exits-XXXXXX");
	assert_non_null(mkdtemp(n->paths.routes));
	snprintf(n->paths.undo_exit, sizeof(n->paths.undo_exit), "%.400s/undo-exit", n->paths.routes);
	strcat(n->paths.routes, "/routes");
	return n->base ? 0 : -1;
}

static int tear_down(void **state)
{
	exits_close(n);
	event_base_free(n->base);
	(void)state;
	(void)unlink(n->paths.routes);
	(void)unlink(n->paths.undo_exit);
	*strrchr(n->paths.routes, '/') = '\0';
	int left = rmdir(n->paths.routes);
	free(n);
	return left;
}

static void open_it(bool use, bool kill)
{
	snprintf(host.told.exit_use, sizeof(host.told.exit_use), "%s", use ? "0123456789abcdef" : "");
	host.told.exit_kill = kill;
	assert_int_equal(exits_open(n), TM_OK);
	exits_look(n);
}

static const char *trouble(void)
{
	struct exit_view v;

	exits_view(n, &v);
	return v.trouble;
}

static void a_kill_switch_holds_at_every_end_but_one_that_is_wanted(void **state)
{
	(void)state;
	for (unsigned kill = 0; kill < 2; kill++)
		for (unsigned wanted = 0; wanted < 2; wanted++) {
			open_it(true, kill);
			assert_int_equal(host.held, kill);
			if (wanted)
				exits_end(n);
			host.clears = 0;
			exits_close(n);
			if (host.clears != (kill && !wanted ? 0 : 1))
				fail_msg("kill %u, wanted %u", kill, wanted);
		}
}

static void a_start_clears_what_nobody_told_and_nothing_that_cannot_be_read(void **state)
{
	struct diag d = {0};

	(void)state;
	open_it(false, false);
	assert_int_equal(host.clears, 1);
	exits_close(n);

	assert_int_equal(os_write_file(n->paths.routes, "us", 2, 0600, NULL), TM_OK);
	host.clears = 0;
	open_it(false, false);
	exits_look(n);
	assert_int_equal(host.clears, 0);
	exits_close(n);
	assert_int_equal(host.clears, 0);
	open_it(false, false);
	assert_int_equal(exits_apply(n, &d), TM_OK); /* `exit-node off` */
	assert_int_equal(host.clears, 1);
	exits_close(n);
	assert_int_equal(host.clears, 1);
}

static void what_is_set_is_noted_before_and_until_it_is_gone(void **state)
{
	struct diag d = {0};

	(void)state;
	open_it(false, false);
	assert_string_equal(noted(), "none");
	exits_close(n);
	open_it(true, true);
	assert_string_equal(host.noted, "tm0");
	exits_close(n); /* which holds */
	assert_string_equal(noted(), "tm0");
	open_it(false, false);
	assert_string_equal(noted(), "none");
	exits_close(n);

	/* Another name: both, until what is under the earlier one is taken over. */
	assert_int_equal(os_write_file(n->paths.undo_exit, "tm7\n", 4, 0600, NULL), TM_OK);
	host.set_err = TM_EPERM;
	open_it(true, true);
	assert_string_equal(host.former, "tm7");
	assert_string_equal(noted(), "tm0,tm7");
	host.set_err = TM_OK;
	assert_int_equal(exits_apply(n, &d), TM_OK);
	assert_string_equal(host.noted, "tm0,tm7");
	assert_string_equal(noted(), "tm0");
	exits_end(n);
	exits_close(n);
	assert_string_equal(noted(), "none");

	/* What cannot be noted is not done. */
	const unsigned sets = host.sets;
	snprintf(n->paths.undo_exit, sizeof(n->paths.undo_exit), "/nowhere/undo-exit");
	open_it(true, false);
	assert_int_equal(host.sets, sets);
	assert_non_null(strstr(trouble(), "/nowhere"));
}

static void what_cannot_be_set_is_said_and_tried_again(void **state)
{
	struct diag d = {0};

	(void)state;
	host.set_err = TM_EPERM;
	open_it(true, false);
	assert_string_equal(trouble(), "no");
	assert_int_equal(exits_apply(n, &d), TM_EPERM);
	assert_string_equal(d.what, "no");
	host.set_err = TM_OK;
	assert_int_equal(exits_apply(n, &d), TM_OK);
	assert_string_equal(trouble(), "");
	assert_int_equal(host.sets, 1);
	host.unguarded = "nftables may not be used by this process";
	exits_look(n);
	assert_non_null(strstr(trouble(), "go past the exit node"));
	assert_non_null(strstr(trouble(), host.unguarded));
}

static void a_pause_ends_when_somebody_tells_or_its_time_is_over(void **state)
{
	struct exit_view v;
	struct diag d = {0};

	(void)state;
	open_it(true, true);
	exits_pause(n, 3600 * SEC);
	assert_false(host.held);
	assert_string_equal(exits_in_force(n), "");
	assert_int_equal(exits_apply(n, &d), TM_OK);
	assert_true(host.held);
	exits_pause(n, 1);
	assert_int_equal(event_base_loop(n->base, EVLOOP_ONCE), 0);
	assert_true(host.held);
	exits_view(n, &v);
	assert_int_equal(v.paused_s, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(a_kill_switch_holds_at_every_end_but_one_that_is_wanted),
		T(a_start_clears_what_nobody_told_and_nothing_that_cannot_be_read),
		T(what_is_set_is_noted_before_and_until_it_is_gone),
		T(what_cannot_be_set_is_said_and_tried_again),
		T(a_pause_ends_when_somebody_tells_or_its_time_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
