/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `capture`: how one ends, by whichever side, and what its client is told then. The tap and the connection
 * are real; the plane and the control socket are stand-ins, and minutes are short, but for a client that
 * needs them. */
#include "unit/unit.h"

#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "data/plane/tap.h"
#include "fake/quiet.h"
#include "node/capture.h"
#include "node/node_private.h"
#include "wire/pcapng.h"

enum { ROOM = 8 << 20, PACKET = 1000 };

/* What the client has at the end. */
struct told {
	size_t packets, ends;
	struct pcapng_end end;
	char comment[64]; /* of the last packet */
};

static struct rig {
	struct node n;
	struct tap *tap; /* NULL: none is open */
	int fd[2]; /* the client's, the node's; -1 */
	int open_err, release_err;
	char code[32]; /* of a refusal */
	bool patient; /* minutes are as long as they are */
	ns_t patience; /* the last one that began */
	uint8_t *bytes; /* that the client has read */
	size_t n_bytes;
	bool over;
} rig;

/* --- stand-ins --- */

int __wrap_plane_tap_open(struct plane *p, const uint8_t key[static 32], uint32_t keep, struct tap **ret_tap);
void __wrap_plane_tap_close(struct plane *p, struct tap *t);
const char *__wrap_plane_tun_name(const struct plane *p);
int __wrap_ctl_release(struct ctl_call *call, int *ret_fd);
void __wrap_ctl_reply(struct ctl_call *call, json_t *reply_take);
void __real_loop_timer_in(struct loop_timer *t, ns_t span);
void __wrap_loop_timer_in(struct loop_timer *t, ns_t span);

int __wrap_plane_tap_open(
	struct plane *p UNUSED, const uint8_t key[static 32], uint32_t keep, struct tap **ret_tap)
{
	if (rig.open_err)
		return rig.open_err;
	assert_int_equal(tap_new(key, keep, &rig.tap), TM_OK);
	*ret_tap = rig.tap;
	return TM_OK;
}

void __wrap_plane_tap_close(struct plane *p UNUSED, struct tap *t)
{
	assert_ptr_equal(t, rig.tap);
	tap_free(t);
	rig.tap = NULL;
}

const char *__wrap_plane_tun_name(const struct plane *p UNUSED)
{
	return "tm0";
}

int __wrap_ctl_release(struct ctl_call *call, int *ret_fd)
{
	assert_ptr_equal(call, &rig);
	if (rig.release_err)
		return rig.release_err;
	*ret_fd = rig.fd[1];
	rig.fd[1] = -1;
	return TM_OK;
}

void __wrap_ctl_reply(struct ctl_call *call, json_t *reply_take)
{
	assert_ptr_equal(call, &rig);
	snprintf(rig.code, sizeof(rig.code), "%s", json_string_value(json_object_get(reply_take, "code")));
	json_decref(reply_take);
}

void __wrap_loop_timer_in(struct loop_timer *t, ns_t span)
{
	rig.patience = span;
	__real_loop_timer_in(t, rig.patient ? span : span / 1000);
}

/* --- both sides --- */

static int setup(void **state UNUSED)
{
	const int small = 16 << 10;

	rig = (struct rig){.n = {.base = event_base_new()}, .bytes = malloc(ROOM)};
	log_set_sink(quiet_log, NULL);
	assert_non_null(rig.n.base);
	assert_non_null(rig.bytes);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, rig.fd), 0);
	assert_int_equal(setsockopt(rig.fd[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	return captures_open(&rig.n);
}

static int teardown(void **state UNUSED)
{
	captures_close(&rig.n);
	assert_null(rig.tap);
	for (size_t i = 0; i < ARRAY_LEN(rig.fd); i++)
		if (rig.fd[i] >= 0)
			close(rig.fd[i]);
	event_base_free(rig.n.base);
	free(rig.bytes);
	log_set_sink(NULL, NULL);
	return 0;
}

static void begin(uint32_t count, int64_t seconds)
{
	static union {
		struct mesh_node node;
		char room[sizeof(struct mesh_node) + 8];
	} peer = {.node = {.id = "00000000000000bb", .key = {2}}};

	strcpy(peer.node.name, "nas");
	captures_begin(&rig.n, &peer.node,
		&(const struct msg_capture){.count = count, .seconds = seconds, .keep = TAP_PACKET_MAX},
		(struct ctl_call *)&rig);
}

static void put(size_t n, ns_t at, enum plane_drop dropped)
{
	static const uint8_t packet[PACKET] = {0x45};

	for (size_t i = 0; i < n; i++)
		tap_put(rig.tap, &(const struct tap_packet){
					 .at = at, .dropped = dropped, .n = sizeof(packet), .p = packet});
}

static void read_some(void)
{
	ssize_t n = recv(rig.fd[0], rig.bytes + rig.n_bytes, ROOM - rig.n_bytes, 0);

	rig.n_bytes += n > 0 ? (size_t)n : 0;
	rig.over = n == 0;
}

/* Turns of the loop until the node has closed the tap; read: its client takes what comes meanwhile. */
static void run_until_closed(bool read)
{
	const ns_t deadline = time_monotonic() + 20 * SEC;

	while (rig.tap) {
		assert_true(time_monotonic() < deadline);
		event_base_loop(rig.n.base, EVLOOP_NONBLOCK);
		if (read)
			read_some();
	}
}

/* All that the client was sent, to its end. */
static struct told told(void)
{
	const ns_t deadline = time_monotonic() + 20 * SEC;
	struct told t = {0};
	struct pcapng_block b;
	struct pcapng_packet p;
	const uint8_t *at, *end;
	size_t len;

	while (!rig.over) {
		assert_true(time_monotonic() < deadline);
		read_some();
	}
	at = memchr(rig.bytes, '\n', rig.n_bytes);
	end = rig.bytes + rig.n_bytes;
	for (at = at ? at + 1 : end; at < end; at += len) {
		assert_int_equal(pcapng_next(at, (size_t)(end - at), &b, &len), TM_OK);
		if (pcapng_packet_get(&b, &p) == TM_OK) {
			t.packets++;
			snprintf(t.comment, sizeof(t.comment), "%.*s", (int)p.comment_n, p.comment);
		}
		t.ends += pcapng_end_get(&b, &t.end) == TM_OK;
	}
	return t;
}

/* --- how it ends --- */

static void with_the_count_it_ends_and_says_so(void **state UNUSED)
{
	begin(2, 0);
	assert_string_equal(rig.code, "");
	put(1, time_monotonic(), DROP_N);
	event_base_loop(rig.n.base, EVLOOP_NONBLOCK);
	assert_non_null(rig.tap);
	put(2, time_monotonic(), DROP_FILTERED);
	run_until_closed(true);
	const struct told t = told();
	assert_true(t.packets == 2 && t.ends == 1 && t.end.received == 2 && t.end.lost == 0);
	assert_string_equal(t.comment, "dropped: denied by policy");
	static const char named[] = "\"name\":\"nas\"";
	assert_non_null(memmem(rig.bytes, rig.n_bytes, named, strlen(named)));
}

static void who_stalls_behind_the_count_is_not_waited_for(void **state UNUSED)
{
	begin(100, 0);
	put(100, time_monotonic(), DROP_N);
	run_until_closed(false);
	assert_int_equal(rig.patience, CTL_PATIENCE);
}

static void who_has_said_all_is_told_what_came_until_then(void **state UNUSED)
{
	enum { MANY = 400 }; /* more than there is room for at once */

	rig.patient = true;
	begin(0, 0);
	put(MANY, time_monotonic(), DROP_N);
	event_base_loop(rig.n.base, EVLOOP_NONBLOCK);
	shutdown(rig.fd[0], SHUT_WR);
	event_base_loop(rig.n.base, EVLOOP_ONCE);
	assert_int_equal(rig.patience, CTL_PATIENCE); /* it knows */
	put(1, time_monotonic(), DROP_N);
	run_until_closed(true);
	const struct told t = told();
	assert_true(t.packets == MANY && t.ends == 1 && t.end.received == MANY);
}

static void who_has_said_all_and_stalls_is_not_waited_for(void **state UNUSED)
{
	begin(0, 0);
	put(100, time_monotonic(), DROP_N);
	shutdown(rig.fd[0], SHUT_WR);
	run_until_closed(false);
	assert_int_equal(rig.patience, CTL_PATIENCE);
}

static void with_the_client_it_is_over(void **state UNUSED)
{
	static const size_t waiting[] = {0, 100};

	for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
		begin(0, 0);
		put(waiting[i], time_monotonic(), DROP_N);
		event_base_loop(rig.n.base, EVLOOP_NONBLOCK);
		assert_non_null(rig.tap);
		close(rig.fd[0]);
		run_until_closed(false);
		assert_int_equal(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, rig.fd), 0);
	}
}

static void when_its_time_is_over_it_ends_and_says_so(void **state UNUSED)
{
	begin(0, 60);
	assert_int_equal(rig.patience, 60 * SEC);
	put(1, time_monotonic(), DROP_N);
	run_until_closed(true);
	const struct told t = told();
	assert_true(t.packets == 1 && t.ends == 1);
}

static void with_the_node_it_ends_and_says_so(void **state UNUSED)
{
	begin(0, 0);
	put(3, time_monotonic(), DROP_N);
	captures_close(&rig.n);
	assert_null(rig.tap);
	const struct told t = told();
	assert_true(t.packets == 3 && t.ends == 1);
}

static void what_found_no_room_is_counted(void **state UNUSED)
{
	const size_t many = TAP_BYTES / PACKET + 100;

	rig.patient = true;
	begin(0, 0);
	put(many, time_monotonic(), DROP_N);
	const uint64_t lost = tap_lost(rig.tap);
	assert_true(lost > 0);
	shutdown(rig.fd[0], SHUT_WR);
	run_until_closed(true);
	const struct told t = told();
	assert_true(t.ends == 1 && t.end.lost == lost && t.packets == many - lost && t.end.received == many);
}

static void one_that_cannot_begin_leaves_nothing(void **state UNUSED)
{
	rig.open_err = TM_EFULL;
	begin(0, 0);
	assert_string_equal(rig.code, tm_err_word(TM_EFULL));
	rig.open_err = TM_OK;
	rig.release_err = TM_ECLOSED; /* its client has gone meanwhile */
	begin(0, 0);
	assert_null(rig.tap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(with_the_count_it_ends_and_says_so),
		T(who_stalls_behind_the_count_is_not_waited_for),
		T(who_has_said_all_is_told_what_came_until_then),
		T(who_has_said_all_and_stalls_is_not_waited_for),
		T(with_the_client_it_is_over),
		T(when_its_time_is_over_it_ends_and_says_so),
		T(with_the_node_it_ends_and_says_so),
		T(what_found_no_room_is_counted),
		T(one_that_cannot_begin_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
