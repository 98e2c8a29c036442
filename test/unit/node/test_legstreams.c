/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who owns the stream of a member, and until when. Registrar and plane are stand-ins. */
#include "unit/unit.h"

#include <unistd.h>

#include "control/relay/registrar.h"
#include "data/plane/stream.h"
#include "node/drive.h"
#include "node/legstreams.h"
#include "node/node_private.h"
#include "node/relaying.h"

static struct {
	bool no_relay, full;
	uint32_t next; /* number that the plane gives */
	unsigned added, removed, ups, downs, acts;
	struct plane_stream given;
	char early[16];
	uint32_t last_removed, last_down, last_gone; /* gone: for the path core */
	bool wanted;
	char id[NODE_ID_LEN + 1];
} seen;

struct registrar *__wrap_relaying_registrar(const struct node *n);
void __wrap_relaying_act(struct node *n, const struct registrar_out *out);
int __wrap_registrar_stream(struct registrar *r, const struct endpoint *from, const uint8_t *msg, size_t n,
	ns_t now, struct registrar_out *ret_out);
void __wrap_registrar_stream_up(struct registrar *r, const char *id, const struct way_to *way, bool wanted,
	struct registrar_out *ret_out);
void __wrap_registrar_stream_down(
	struct registrar *r, const char *id, const struct way_to *way, struct registrar_out *ret_out);
int __wrap_plane_stream_add(struct plane *p, const struct plane_stream *s_take, uint32_t *ret_stream);
void __wrap_plane_stream_remove(struct plane *p, uint32_t stream);
void __wrap_drive_input(struct node *n, const struct core_in *in);

struct registrar *__wrap_relaying_registrar(const struct node *n UNUSED)
{
	return seen.no_relay ? NULL : (struct registrar *)&seen;
}

void __wrap_relaying_act(struct node *n UNUSED, const struct registrar_out *out UNUSED)
{
	seen.acts++;
}

/* "a" is the first member; capitals want to be used. */
int __wrap_registrar_stream(struct registrar *r UNUSED, const struct endpoint *from UNUSED,
	const uint8_t *msg, size_t n UNUSED, ns_t now UNUSED, struct registrar_out *ret_out)
{
	unsigned host = (msg[0] | 0x20) - 'a' + 1u;

	if (host > 26)
		return TM_EAUTH;
	*ret_out =
		(struct registrar_out){.member.host = host, .wanted = msg[0] < 'a', .answer = "yes", .n = 3};
	snprintf(ret_out->member.id, sizeof(ret_out->member.id), "%016x", host);
	return TM_OK;
}

void __wrap_registrar_stream_up(struct registrar *r UNUSED, const char *id, const struct way_to *way,
	bool wanted, struct registrar_out *ret_out UNUSED)
{
	assert_int_equal(way->kind, WAY_RELAY_TCP);
	assert_int_equal(way->socket, seen.next);
	seen.ups++;
	seen.wanted = wanted;
	snprintf(seen.id, sizeof(seen.id), "%s", id);
}

void __wrap_registrar_stream_down(struct registrar *r UNUSED, const char *id, const struct way_to *way,
	struct registrar_out *ret_out UNUSED)
{
	seen.downs++;
	seen.last_down = way->socket;
	snprintf(seen.id, sizeof(seen.id), "%s", id);
}

int __wrap_plane_stream_add(struct plane *p UNUSED, const struct plane_stream *s_take, uint32_t *ret_stream)
{
	seen.added++;
	seen.given = *s_take;
	snprintf(seen.early, sizeof(seen.early), "%.*s", (int)s_take->n_early, s_take->early);
	assert_int_equal(close(s_take->fd), 0); /* it owns it */
	if (seen.full)
		return TM_EFULL;
	*ret_stream = ++seen.next;
	return TM_OK;
}

void __wrap_plane_stream_remove(struct plane *p UNUSED, uint32_t stream)
{
	seen.removed++;
	seen.last_removed = stream;
}

void __wrap_drive_input(struct node *n UNUSED, const struct core_in *in)
{
	assert_int_equal(in->kind, CORE_STREAM_GONE);
	assert_string_equal(in->id, seen.id);
	seen.last_gone = in->gone;
}

static struct node node;
static struct legstreams *streams;

static bool proves(const char *who)
{
	const struct stream_taker *t = legstreams_taker(streams);
	uint8_t answer[STREAM_PROOF_MAX];
	struct endpoint from;
	size_t n;

	assert_int_equal(endpoint_parse("192.0.2.7:4000", &from), TM_OK);
	if (!t->prove(t->ctx, &from, (const uint8_t *)who, strlen(who), answer, sizeof(answer), &n))
		return false;
	assert_int_equal(n, 3);
	assert_memory_equal(answer, "yes", 3);
	return true;
}

static void comes(const char *who)
{
	const struct stream_taker *t = legstreams_taker(streams);
	struct net_released r = {.fd = dup(0), .early = (uint8_t *)strdup("early"), .n_early = 5};

	assert_true(proves(who));
	assert_int_equal(endpoint_parse("192.0.2.7:4000", &r.remote), TM_OK);
	t->take(t->ctx, &r);
	assert_int_equal(r.fd, -1);
	assert_null(r.early);
}

static int setup(void **state UNUSED)
{
	memset(&seen, 0, sizeof(seen));
	return legstreams_new(&node, &streams);
}

static int teardown(void **state UNUSED)
{
	legstreams_free(streams);
	return 0;
}

static void a_member_s_stream_goes_to_the_plane_and_becomes_its_leg(void **state UNUSED)
{
	comes("B");
	assert_int_equal(seen.given.role, WS_SERVER);
	assert_int_equal(seen.given.host, 2);
	assert_null(seen.given.io);
	assert_string_equal(seen.early, "early");
	assert_int_equal(seen.ups, 1);
	assert_true(seen.wanted);
	assert_string_equal(seen.id, "0000000000000002");
	assert_int_equal(seen.acts, 1);
	comes("a");
	assert_false(seen.wanted);
}

static void nobody_proves_anything_where_nothing_is_relayed_or_to_no_member(void **state UNUSED)
{
	assert_false(proves("1"));
	seen.no_relay = true;
	assert_false(proves("a"));
}

static void the_next_stream_of_a_member_takes_the_place_of_the_last(void **state UNUSED)
{
	comes("a");
	comes("b");
	comes("a");
	assert_int_equal(seen.removed, 1);
	assert_int_equal(seen.last_removed, 1);
	assert_int_equal(seen.last_down, 1);
	assert_int_equal(seen.last_gone, 1);
	assert_false(legstreams_has(streams, 1));
	assert_true(legstreams_has(streams, 2) && legstreams_has(streams, 3));
	assert_false(legstreams_lost(streams, 1)); /* nobody's number any more */
	assert_true(legstreams_lost(streams, 3));
	assert_int_equal(seen.last_down, 3);
	assert_int_equal(seen.last_gone, 3);
	assert_int_equal(seen.removed, 1); /* the plane knows */
}

static void one_that_the_plane_does_not_take_is_none(void **state UNUSED)
{
	seen.full = true;
	comes("a");
	assert_int_equal(seen.ups, 0);
	assert_false(legstreams_lost(streams, 1));
}

static void streams_end_with_their_member_and_with_the_relay(void **state UNUSED)
{
	for (const char *who = "abcdefgh"; *who; who++)
		comes((const char[]){*who, '\0'});
	legstreams_forget(streams, "00000000000000ff");
	assert_int_equal(seen.removed, 0);
	legstreams_forget(streams, "0000000000000003");
	assert_int_equal(seen.last_removed, 3);
	assert_int_equal(seen.removed, 1);
	legstreams_forget(streams, NULL);
	assert_int_equal(seen.removed, 8);
	assert_int_equal(seen.downs, 8);
	comes("a");
	assert_int_equal(seen.ups, 9);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_member_s_stream_goes_to_the_plane_and_becomes_its_leg),
		T(nobody_proves_anything_where_nothing_is_relayed_or_to_no_member),
		T(the_next_stream_of_a_member_takes_the_place_of_the_last),
		T(one_that_the_plane_does_not_take_is_none),
		T(streams_end_with_their_member_and_with_the_relay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
