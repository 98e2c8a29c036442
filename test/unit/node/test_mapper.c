/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The journal of what is mapped: on disk before anything is asked for, and never in the way. The gateway is a
 * stand-in that speaks NAT-PMP. */
#include "node/mapper.h"
#include "unit/unit.h"

#include "base/bytes.h"
#include "base/log.h"
#include "crypto/init.h"
#include "node/undo.h"
#include "os/dgram.h"
#include "os/os.h"

#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 51820, ANSWERS = 16 };

static const struct endpoint gateway = {.ip = {IP_V4, {192, 168, 1, 1}}, .port = PCP_PORT};

static struct rig {
	struct event_base *base;
	struct mapper *mapper;
	char dir[64], journal[96];
	int line; /* a byte to the mapper for each answer */
	struct {
		uint8_t p[16];
		size_t n;
	} answers[ANSWERS];
	size_t n_answers, n_taken;
	unsigned asked, unkept; /* for a port; of these, before it was on disk */
	unsigned deleted;
	unsigned warnings;
	bool mapped, ended;
} rig;

void __wrap_os_gateway(
	struct os_routes *r, enum ip_family family, struct endpoint *ret_gateway, struct ip *ret_source);
int __wrap_dgram_open(const struct ip *own, uint32_t mark, int *ret_fd);
int __wrap_dgram_listen(const struct endpoint *group, int *ret_fd);
int __wrap_dgram_send(int fd, const struct endpoint *to, const void *p, size_t n);
int __wrap_dgram_recv(int fd, void *p, size_t n, size_t *ret_n, struct endpoint *ret_from);
void __wrap_dgram_close(int fd);

void __wrap_os_gateway(struct os_routes *r UNUSED, enum ip_family family, struct endpoint *ret_gateway,
	struct ip *ret_source)
{
	if (family != IP_V4)
		return;
	*ret_gateway = gateway;
	*ret_source = ip_v4_host(0xc0a80107);
}

int __wrap_dgram_open(const struct ip *own UNUSED, uint32_t mark UNUSED, int *ret_fd)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
	*ret_fd = fds[0];
	rig.line = fds[1];
	rig.n_answers = rig.n_taken = 0;
	return TM_OK;
}

int __wrap_dgram_listen(const struct endpoint *group UNUSED, int *ret_fd UNUSED)
{
	return TM_EBUSY;
}

void __wrap_dgram_close(int fd)
{
	close(fd);
	close(rig.line);
}

static void answer(const uint8_t *p, size_t n)
{
	assert_true(rig.n_answers < ANSWERS);
	memcpy(rig.answers[rig.n_answers].p, p, n);
	rig.answers[rig.n_answers++].n = n;
	assert_int_equal(write(rig.line, "", 1), 1);
}

static size_t on_disk(struct portmap_owed ret_v[static PORTMAP_OWED_MAX])
{
	size_t n;

	assert_int_equal(undo_load(rig.journal, ret_v, &n), TM_OK);
	return n;
}

static void map(const uint8_t *p)
{
	struct portmap_owed v[PORTMAP_OWED_MAX];
	uint8_t a[16] = {0, 129};
	bool deletes = get_be32(p + 8) == 0;

	rig.deleted += deletes;
	rig.asked += !deletes;
	rig.unkept += !deletes && on_disk(v) == 0;
	put_be32(a + 4, 1000);
	memcpy(a + 8, p + 4, 8);
	answer(a, sizeof(a));
}

int __wrap_dgram_send(int fd UNUSED, const struct endpoint *to, const void *msg, size_t n)
{
	const uint8_t *p = msg, no_pcp[8] = {0, 128, 0, 1},
		      address[12] = {0, 128, 0, 0, 0, 0, 3, 232, 203, 0, 113, 9};

	if (to->port != PCP_PORT)
		return TM_OK;
	if (p[0] == 2)
		answer(no_pcp, sizeof(no_pcp));
	else if (n == 2)
		answer(address, sizeof(address));
	else
		map(p);
	return TM_OK;
}

int __wrap_dgram_recv(int fd, void *p, size_t n, size_t *ret_n, struct endpoint *ret_from)
{
	char byte;

	if (read(fd, &byte, 1) != 1)
		return TM_EAGAIN;
	*ret_n = rig.answers[rig.n_taken].n;
	assert_true(*ret_n <= n);
	memcpy(p, rig.answers[rig.n_taken++].p, *ret_n);
	*ret_from = gateway;
	return TM_OK;
}

static void on_log(void *ctx UNUSED, const char *line, size_t n UNUSED)
{
	rig.warnings += strstr(line, "cannot be kept on disk") || strstr(line, "cannot be read");
}

static void on_changed(void *ctx UNUSED)
{
	struct portmap_view v;

	rig.mapped = mapper_look(rig.mapper, IP_V4, &v) && v.protocol == PORTMAP_NATPMP;
}

static void on_ended(void *ctx UNUSED)
{
	rig.ended = true;
}

static int setup(void **state UNUSED)
{
	memset(&rig, 0, sizeof(rig));
	rig.base = event_base_new();
	snprintf(rig.dir, sizeof(rig.dir), "/tmp/test-mapper-XXXXXX");
	assert_non_null(mkdtemp(rig.dir));
	snprintf(rig.journal, sizeof(rig.journal), "%s/undo", rig.dir);
	log_set_sink(on_log, NULL);
	return 0;
}

static int teardown(void **state UNUSED)
{
	event_base_free(rig.base);
	(void)unlink(rig.journal);
	assert_int_equal(rmdir(rig.dir), 0);
	log_set_sink(NULL, NULL);
	return 0;
}

static void on_late(evutil_socket_t fd UNUSED, short what UNUSED, void *late)
{
	*(bool *)late = true;
}

static void until(const bool *what)
{
	const struct timeval most = {.tv_sec = 40};
	bool late = false;
	struct event *e = event_new(rig.base, -1, EV_TIMEOUT, on_late, &late);

	event_add(e, &most);
	while (!*what && !late)
		event_base_loop(rig.base, EVLOOP_ONCE);
	event_free(e);
	assert_false(late);
}

static void start(void)
{
	const struct mapper_config cfg = {
		.port = PORT, .lease = PORTMAP_LEASE, .journal = rig.journal, .changed = on_changed};

	assert_int_equal(mapper_new(rig.base, &cfg, &rig.mapper), TM_OK);
	mapper_switch(rig.mapper, true);
	until(&rig.mapped);
}

static void end(void)
{
	mapper_end(rig.mapper, on_ended, NULL);
	until(&rig.ended);
	mapper_free(rig.mapper);
}

static void what_is_asked_for_is_on_disk_before_and_until_it_is_given_back(void **state UNUSED)
{
	struct portmap_owed v[PORTMAP_OWED_MAX];

	start();
	assert_true(rig.asked);
	assert_int_equal(rig.unkept, 0);
	assert_int_equal(on_disk(v), 1);
	assert_int_equal(v[0].by, PORTMAP_NATPMP);
	assert_int_equal(v[0].internal, PORT);
	end();
	assert_true(rig.deleted);
	assert_int_equal(on_disk(v), 0);
	assert_int_equal(rig.warnings, 0);
}

static void a_crash_leaves_what_is_mapped_to_the_next_run(void **state UNUSED)
{
	static const char left[] = "nat-pmp 192.168.1.1 192.168.1.7 40001 0\n";
	struct portmap_owed v[PORTMAP_OWED_MAX];

	assert_int_equal(os_write_file(rig.journal, left, strlen(left), 0600, NULL), TM_OK);
	start();
	mapper_free(rig.mapper); /* as in a crash, nothing is given back */
	assert_int_equal(on_disk(v), 2);
	rig.mapped = false;
	start();
	for (unsigned i = 0; on_disk(v) != 1; i++) {
		assert_true(i < 1000);
		event_base_loopexit(rig.base, &(struct timeval){.tv_usec = 10000});
		event_base_dispatch(rig.base);
	}
	assert_int_equal(v[0].internal, PORT);
	end();
	assert_int_equal(on_disk(v), 0);
}

static void a_disk_that_takes_nothing_is_said_once_and_a_port_is_mapped_all_the_same(void **state UNUSED)
{
	snprintf(rig.journal, sizeof(rig.journal), "%s/none/undo", rig.dir);
	start();
	assert_true(rig.asked);
	end();
	assert_true(rig.deleted);
	assert_int_equal(rig.warnings, 1);
}

static void a_damaged_journal_is_said_once_and_written_anew(void **state UNUSED)
{
	static const char left[] = "nat-pmp 192.168.1.1 192.168.1.7 400";
	struct portmap_owed v[PORTMAP_OWED_MAX];

	assert_int_equal(os_write_file(rig.journal, left, strlen(left), 0600, NULL), TM_OK);
	start();
	assert_int_equal(rig.warnings, 1);
	assert_int_equal(on_disk(v), 1);
	end();
	assert_int_equal(rig.warnings, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(what_is_asked_for_is_on_disk_before_and_until_it_is_given_back),
		T(a_crash_leaves_what_is_mapped_to_the_next_run),
		T(a_damaged_journal_is_said_once_and_written_anew),
		T(a_disk_that_takes_nothing_is_said_once_and_a_port_is_mapped_all_the_same),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
