/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What this node offers, what it was told, and what the coordinator says to it. The directory of peers and
 * the file are real; the link, the coordinator's answer and the time until another try are the test's. */
#include "unit/unit.h"

#include "base/log.h"
#include "crypto/init.h"
#include "fake/quiet.h"
#include "node/node_private.h"
#include "node/offers.h"

#include <event2/event.h>
#include <unistd.h>

#define GATE "00000000000000bb"

struct scene {
	char dir[64], map[96];
	struct node n;
	uint64_t version;
	bool up; /* the link */
	/* the question that waits for an answer */
	struct node_routes asked;
	agent_offered_fn *done;
	unsigned n_asked;
	/* when it is asked again by itself; 0: it is not */
	struct loop_timer *timer;
	ns_t again;
	/* what a person was told */
	unsigned answers;
	int said;
	char why[512];
};

static struct scene *scene;

void __wrap_agent_offer_routes(
	struct agent *a, const struct node_routes *r, agent_offered_fn *done, void *ctx);
bool __wrap_agent_link_up(const struct agent *a);
bool __wrap_os_internet(struct os_routes *r, enum ip_family family, uint32_t *ret_ifindex);
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in);
void __real_loop_timer_in(struct loop_timer *t, ns_t in);

void __wrap_agent_offer_routes(
	struct agent *a UNUSED, const struct node_routes *r, agent_offered_fn *done, void *ctx)
{
	assert_ptr_equal(ctx, &scene->n);
	assert_null(scene->done); /* one question at a time */
	scene->asked = *r;
	scene->done = done;
	scene->n_asked++;
}

bool __wrap_agent_link_up(const struct agent *a UNUSED)
{
	return scene->up;
}

bool __wrap_os_internet(
	struct os_routes *r UNUSED, enum ip_family family UNUSED, uint32_t *ret_ifindex UNUSED)
{
	return true;
}

/* Of the directory of peers, too, whose timers are real. */
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in)
{
	if (in < 5 * SEC) {
		__real_loop_timer_in(t, in);
		return;
	}
	scene->timer = t;
	scene->again = in;
}

static struct prefix net(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), TM_OK);
	return p;
}

/* Our own record comes as the coordinator has it; NULL ends the list. */
static void record_says(struct scene *s, const char *const *offered, uint8_t exit)
{
	struct node_rec self = {.id = "00000000000000aa", .name = "nas", .host = 1, .key = {1}};
	struct netmap update = {.version = ++s->version, .nodes = &self, .n_nodes = 1};
	struct mesh_diff d;

	self.routes.exit = exit;
	for (size_t i = 0; offered[i]; i++)
		self.routes.v[self.routes.n++] =
			(struct node_route){.prefix = net(offered[i]), .offered = true, .approved = true};
	assert_int_equal(peers_update(s->n.peers, &update, &d), TM_OK);
	mesh_diff_deinit(&d);
}

static int scene_open(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	scene = s;
	assert_int_equal(crypto_init(NULL), TM_OK);
	log_set_sink(quiet_log, NULL);
	snprintf(s->dir, sizeof(s->dir), "/tmp/tm-offers-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->map, sizeof(s->map), "%s/netmap.db", s->dir);
	snprintf(s->n.paths.routes, sizeof(s->n.paths.routes), "%s/routes", s->dir);
	s->n.base = event_base_new();
	s->n.mesh = (struct mesh_info){.net4 = net("100.101.0.0/16"), .net6 = net("fd5c::/64")};
	snprintf(s->n.enrolment.self.id, sizeof(s->n.enrolment.self.id), "00000000000000aa");
	const struct peers_config peers = {.path = s->map,
		.mesh = &s->n.mesh,
		.self_id = s->n.enrolment.self.id,
		.coordinator_key = s->n.enrolment.coordinator_key,
		.save_delay = SEC};
	assert_int_equal(peers_new(s->n.base, &peers, &s->n.peers), TM_OK);
	record_says(s, (const char *const[]){NULL}, 0);
	assert_int_equal(offers_open(&s->n), TM_OK);
	s->up = true;
	*state = s;
	return 0;
}

static int scene_close(void **state)
{
	struct scene *s = *state;

	offers_close(&s->n);
	peers_free(s->n.peers);
	event_base_free(s->n.base);
	(void)unlink(s->map);
	(void)unlink(s->n.paths.routes);
	assert_int_equal(rmdir(s->dir), 0);
	free(s);
	return 0;
}

static void on_done(void *ctx, int err, const struct diag *d)
{
	struct scene *s = ctx;

	s->answers++;
	s->said = err;
	snprintf(s->why, sizeof(s->why), "%s", d->what);
}

/* As `route advertise`. */
static void advertise(struct scene *s, const char *text)
{
	struct route_settings next = *offers_told(&s->n);
	struct diag d = {0};

	s->answers = 0;
	next.nets[next.n++] = (struct own_net){.prefix = net(text), .snat = true};
	assert_int_equal(offers_tell(&s->n, &next, on_done, s, &d), TM_OK);
}

static void withdraw(struct scene *s, const char *text)
{
	struct route_settings next = *offers_told(&s->n);
	const struct prefix p = net(text);
	struct diag d = {0};

	s->answers = 0;
	*route_settings_net(&next, &p) = next.nets[next.n - 1];
	next.n--;
	assert_int_equal(offers_tell(&s->n, &next, on_done, s, &d), TM_OK);
}

/* As `exit-node use`, which waits for nobody. */
static void use_exit(struct scene *s, bool kill)
{
	struct route_settings next = *offers_told(&s->n);
	struct diag d = {0};

	snprintf(next.exit_use, sizeof(next.exit_use), GATE);
	next.exit_kill = kill;
	assert_int_equal(offers_tell(&s->n, &next, NULL, NULL, &d), TM_OK);
}

static void answer(struct scene *s, int err, const char *what)
{
	agent_offered_fn *done = s->done;
	struct diag d = {0};

	assert_non_null(done);
	s->done = NULL;
	snprintf(d.what, sizeof(d.what), "%s", what);
	done(&s->n, err, &d);
}

/* What the next start reads. */
static struct route_settings kept(const struct scene *s)
{
	struct route_settings r;
	struct diag d = {0};

	assert_int_equal(route_settings_load(s->n.paths.routes, &r, &d), TM_OK);
	return r;
}

static void expect_asked(const struct scene *s, const char *const *nets)
{
	size_t n = 0;

	while (nets[n])
		n++;
	assert_int_equal(s->asked.n, n);
	for (size_t i = 0; i < n; i++) {
		const struct prefix p = net(nets[i]);
		bool found = false;

		for (size_t k = 0; k < s->asked.n; k++)
			found |= prefix_eq(&s->asked.v[k].prefix, &p);
		assert_true(found);
	}
}

#define NETS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void what_is_told_is_kept_asked_once_and_said(void **state)
{
	struct scene *s = *state;

	advertise(s, "10.77.0.0/24");
	assert_int_equal(kept(s).n, 1);
	expect_asked(s, NETS("10.77.0.0/24"));
	assert_int_equal(s->answers, 0);
	answer(s, TM_OK, "");
	assert_int_equal(s->answers, 1);
	assert_int_equal(s->said, TM_OK);
	record_says(s, NETS("10.77.0.0/24"), 0);
	offers_look(&s->n);
	assert_int_equal(s->n_asked, 1);
}

static void what_is_refused_is_as_it_was(void **state)
{
	struct scene *s = *state;

	advertise(s, "10.77.0.0/24");
	answer(s, TM_EPERM, "nas2 leads to 10.77.0.0/24 already");
	assert_int_equal(s->said, TM_EPERM);
	assert_string_equal(s->why, "nas2 leads to 10.77.0.0/24 already");
	assert_int_equal(kept(s).n, 0);
	assert_int_equal(offers_told(&s->n)->n, 0);
	assert_int_equal(s->n_asked, 1);
	assert_string_equal(offers_refused(&s->n), "");
}

static void what_is_withdrawn_in_vain_is_offered_on(void **state)
{
	struct scene *s = *state;

	advertise(s, "10.77.0.0/24");
	answer(s, TM_OK, "");
	record_says(s, NETS("10.77.0.0/24"), 0);
	withdraw(s, "10.77.0.0/24");
	expect_asked(s, NETS());
	answer(s, TM_EPERM, "no");
	assert_int_equal(kept(s).n, 1);
	assert_true(kept(s).nets[0].snat);
}

/* The exit comes while the coordinator thinks about the network, and has nothing to do with it. */
static void a_refusal_takes_back_what_was_refused_alone(void **state)
{
	struct scene *s = *state;

	advertise(s, "10.77.0.0/24");
	use_exit(s, true);
	answer(s, TM_EPERM, "nas2 leads to 10.77.0.0/24 already");
	while (s->done) /* it may be asked once more, as something changed */
		answer(s, TM_EPERM, "nas2 leads to 10.77.0.0/24 already");
	assert_int_equal(s->answers, 1);
	assert_int_equal(s->said, TM_EPERM);
	assert_int_equal(kept(s).n, 0);
	assert_string_equal(kept(s).exit_use, GATE);
	assert_true(kept(s).exit_kill);
	assert_int_equal(offers_told(&s->n)->n, 0);
	assert_string_equal(offers_told(&s->n)->exit_use, GATE);
}

static void what_was_offered_beside_something_refused_is_offered_without_it(void **state)
{
	struct route_settings next;
	struct scene *s = *state;
	struct diag d = {0};

	advertise(s, "10.77.0.0/24");
	next = *offers_told(&s->n);
	next.exit_offer = true;
	assert_int_equal(offers_tell(&s->n, &next, NULL, NULL, &d), TM_OK);
	answer(s, TM_EPERM, "nas2 leads to 10.77.0.0/24 already");
	assert_non_null(s->done); /* both of it */
	answer(s, TM_EPERM, "nas2 leads to 10.77.0.0/24 already");
	assert_int_equal(s->said, TM_EPERM);
	assert_non_null(s->done); /* the exit */
	expect_asked(s, NETS());
	assert_int_equal(s->asked.exit, EXIT_IP4 | EXIT_IP6);
	answer(s, TM_OK, "");
	assert_true(kept(s).exit_offer);
	assert_int_equal(kept(s).n, 0);
}

static void trouble_that_passes_is_no_refusal(void **state)
{
	struct scene *s = *state;

	advertise(s, "10.77.0.0/24");
	answer(s, TM_ETIMEOUT, "the coordinator did not answer in time");
	assert_int_equal(s->answers, 1);
	assert_int_equal(s->said, TM_ETIMEOUT);
	assert_int_equal(kept(s).n, 1);
	assert_string_equal(offers_refused(&s->n), "");
	/* And it is asked again, with no new link. */
	assert_true(s->again > 0 && s->again <= 60 * SEC);
	__real_loop_timer_in(s->timer, 0);
	while (!s->done)
		assert_int_equal(event_base_loop(s->n.base, EVLOOP_ONCE), 0);
	expect_asked(s, NETS("10.77.0.0/24"));
	answer(s, TM_OK, "");
}

static void what_the_configuration_offers_and_is_refused_waits_for_a_new_link(void **state)
{
	struct scene *s = *state;

	s->n.config.route_advertise[0] = net("10.78.0.0/24");
	s->n.config.n_route_advertise = 1;
	offers_reload(&s->n);
	expect_asked(s, NETS("10.78.0.0/24"));
	answer(s, TM_EPERM, "gate leads to 10.78.0.0/24 already");
	assert_string_equal(offers_refused(&s->n), "gate leads to 10.78.0.0/24 already");
	offers_look(&s->n);
	assert_int_equal(s->n_asked, 1);
	offers_reload(&s->n);
	assert_int_equal(s->n_asked, 2);
	answer(s, TM_OK, "");
	assert_string_equal(offers_refused(&s->n), "");
}

static void without_a_link_it_is_kept_and_told_later(void **state)
{
	struct scene *s = *state;

	s->up = false;
	advertise(s, "10.77.0.0/24");
	assert_int_equal(s->answers, 1);
	assert_int_equal(s->said, TM_ECLOSED);
	assert_int_equal(s->n_asked, 0);
	s->up = true;
	offers_look(&s->n);
	expect_asked(s, NETS("10.77.0.0/24"));
	answer(s, TM_OK, "");
}

static void two_who_wait_at_once_are_one_too_many(void **state)
{
	struct scene *s = *state;
	struct diag d = {0};

	advertise(s, "10.77.0.0/24");
	struct route_settings next = *offers_told(&s->n);
	next.n = 0;
	assert_int_equal(offers_tell(&s->n, &next, on_done, s, &d), TM_EBUSY);
	assert_int_equal(kept(s).n, 1);
	answer(s, TM_OK, "");
}

static void who_waits_at_the_end_is_told_so(void **state)
{
	struct scene *s = *state;
	agent_offered_fn *done;

	advertise(s, "10.77.0.0/24");
	done = s->done;
	offers_close(&s->n);
	assert_int_equal(s->answers, 1);
	assert_int_equal(s->said, TM_ECLOSED);
	done(&s->n, TM_ECLOSED, &(struct diag){.what = "the end"}); /* the agent's, which comes after ours */
	assert_int_equal(s->answers, 1);
	assert_int_equal(kept(s).n, 1);
}

static void what_counts_is_what_is_offered_and_approved(void **state)
{
	struct scene *s = *state;
	struct route_settings approved;

	advertise(s, "10.77.0.0/24");
	answer(s, TM_OK, "");
	offers_approved(&s->n, &approved);
	assert_int_equal(approved.n, 0);
	record_says(s, NETS("10.77.0.0/24", "10.99.0.0/24"), EXIT_IP4 | EXIT_APPROVED);
	offers_approved(&s->n, &approved);
	assert_int_equal(approved.n, 1); /* not the other, which this run never offered */
	assert_true(approved.nets[0].snat);
	assert_false(approved.exit_offer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, scene_open, scene_close)
		T(what_is_told_is_kept_asked_once_and_said),
		T(what_is_refused_is_as_it_was),
		T(what_is_withdrawn_in_vain_is_offered_on),
		T(a_refusal_takes_back_what_was_refused_alone),
		T(what_was_offered_beside_something_refused_is_offered_without_it),
		T(trouble_that_passes_is_no_refusal),
		T(what_the_configuration_offers_and_is_refused_waits_for_a_new_link),
		T(without_a_link_it_is_kept_and_told_later),
		T(two_who_wait_at_once_are_one_too_many),
		T(who_waits_at_the_end_is_told_so),
		T(what_counts_is_what_is_offered_and_approved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
