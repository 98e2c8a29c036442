/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Planes with real TUN devices and real sockets, in two private network namespaces joined by a veth pair:
 * what the memory queues cannot show. Needs root and /dev/net/tun; says so and skips otherwise.
 */
#include "fake/proc.h"
#include "unit/unit.h"

#include "base/time.h"
#include "crypto/dh.h"
#include "crypto/init.h"
#include "data/plane/plane.h"
#include "os/sockaddr.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define PATIENCE (15 * SEC)

static const char *why_not;
static int home_ns = -1, ns[2] = {-1, -1};

static void enter(int fd)
{
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
}

/* `ip ARGS`, split at blanks, in this thread's namespace. */
static void ip(const char *fmt, ...) PRINTF(1, 2);
static void ip(const char *fmt, ...)
{
	char text[256], name[] = "ip", *argv[32] = {name}, *save = NULL;
	size_t n = 1;
	va_list ap;
	pid_t pid;
	int status;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *w = strtok_r(text, " ", &save); w && n < ARRAY_LEN(argv) - 1;
		w = strtok_r(NULL, " ", &save))
		argv[n++] = w;
	assert_int_equal(posix_spawnp(&pid, "ip", NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("ip %s ... failed", argv[1]);
}

static int make_ns(void)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

static int group_set_up(void **state)
{
	(void)state;
	home_ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (geteuid() != 0)
		why_not = "not root";
	else if (access("/dev/net/tun", R_OK | W_OK) != 0)
		why_not = "no /dev/net/tun";
	else if (unshare(CLONE_NEWNET) != 0)
		why_not = "no right to make network namespaces";
	if (why_not) {
		print_message("skipping: %s\n", why_not);
		return 0;
	}
	assert_int_equal(crypto_init(NULL), TM_OK);
	ns[1] = make_ns();
	ns[0] = make_ns();
	ip("link set lo up");
	ip("link add veth0 type veth peer name veth1 netns /proc/%d/fd/%d", getpid(), ns[1]);
	ip("addr add 192.0.2.1/24 dev veth0");
	ip("addr add 2001:db8::1/64 dev veth0 nodad");
	ip("link set veth0 up");
	enter(ns[1]);
	ip("link set lo up");
	ip("addr add 192.0.2.2/24 dev veth1");
	ip("addr add 2001:db8::2/64 dev veth1 nodad");
	ip("link set veth1 up");
	enter(home_ns);
	return 0;
}

static int group_tear_down(void **state)
{
	(void)state;
	if (!why_not)
		enter(home_ns);
	for (size_t i = 0; i < 2; i++)
		closep(&ns[i]);
	closep(&home_ns);
	return 0;
}

struct node {
	struct plane *plane;
	uint8_t priv[32], pub[32];
	int sock4, sock6; /* of an application inside */
};

static struct node nodes[2];

static struct plane_config config_of(unsigned i, struct node *n)
{
	struct plane_config cfg = {
		.tun_name = i ? "tmb" : "tma",
		.mtu = 1420,
		.listen_port = 51820,
		.workers = 2,
		.private_key = n->priv,
		.limits = wg_limits_default,
	};
	char text[32];

	snprintf(text, sizeof(text), "10.77.0.%u", i + 1);
	assert_int_equal(ip_parse(text, &cfg.self4), TM_OK);
	snprintf(text, sizeof(text), "fd77::%u", i + 1);
	assert_int_equal(ip_parse(text, &cfg.self6), TM_OK);
	assert_int_equal(prefix_parse("10.77.0.0/16", &cfg.net4), TM_OK);
	assert_int_equal(prefix_parse("fd77::/64", &cfg.net6), TM_OK);
	return cfg;
}

static void node_open(unsigned i)
{
	struct node *n = &nodes[i];
	const struct plane_events ev = {0};
	struct plane_config cfg = config_of(i, n);
	struct diag d = {0};

	random_bytes(n->priv, sizeof(n->priv));
	dh_clamp(n->priv);
	assert_int_equal(dh_public(n->priv, n->pub), TM_OK);
	enter(ns[i]);
	if (plane_new(&cfg, &ev, &n->plane, &d) != TM_OK)
		fail_msg("%s", d.what);
	assert_int_equal(plane_start(n->plane), TM_OK);
	enter(home_ns);
}

static int inner_socket(const char *ip_text, uint16_t port)
{
	struct sockaddr_storage ss;
	struct endpoint ep = {.port = port};

	assert_int_equal(ip_parse(ip_text, &ep.ip), TM_OK);
	socklen_t len = endpoint_to_sockaddr(&ep, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

static void node_configure(unsigned i)
{
	const char *tun = plane_tun_name(nodes[i].plane);
	char text[32];

	enter(ns[i]);
	ip("addr add 10.77.0.%u/16 dev %s", i + 1, tun);
	ip("addr add fd77::%u/64 dev %s nodad", i + 1, tun);
	ip("link set %s up", tun);
	snprintf(text, sizeof(text), "10.77.0.%u", i + 1);
	nodes[i].sock4 = inner_socket(text, 7);
	snprintf(text, sizeof(text), "fd77::%u", i + 1);
	nodes[i].sock6 = inner_socket(text, 7);
	enter(home_ns);
}

static void node_know(unsigned i, const char *endpoint)
{
	struct plane_peer peer = {0};
	struct prefix allowed[2];
	struct way_to way = {.kind = WAY_UDP};
	char text[32];

	memcpy(peer.key, nodes[!i].pub, 32);
	snprintf(text, sizeof(text), "10.77.0.%u/32", !i + 1);
	assert_int_equal(prefix_parse(text, &allowed[0]), TM_OK);
	snprintf(text, sizeof(text), "fd77::%u/128", !i + 1);
	assert_int_equal(prefix_parse(text, &allowed[1]), TM_OK);
	peer.allowed = allowed;
	peer.n_allowed = 2;
	peer.follows = true; /* nobody chooses here */
	assert_int_equal(plane_peer_put(nodes[i].plane, &peer), TM_OK);
	assert_int_equal(endpoint_parse(endpoint, &way.remote), TM_OK);
	assert_int_equal(plane_set_way(nodes[i].plane, peer.key, &way, NULL), TM_OK);
}

static int set_up(void **state)
{
	(void)state;
	nodes[0] = nodes[1] = (struct node){.sock4 = -1, .sock6 = -1};
	if (why_not)
		return 0;
	node_open(0);
	node_open(1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		plane_free(nodes[i].plane);
		closep(&nodes[i].sock4);
		closep(&nodes[i].sock6);
	}
	return 0;
}

static void service(void)
{
	struct pollfd pf[2];

	for (size_t i = 0; i < 2; i++) {
		plane_service(nodes[i].plane, time_monotonic());
		pf[i] = (struct pollfd){.fd = plane_fd(nodes[i].plane), .events = POLLIN};
	}
	poll(pf, 2, 2);
}

/* From node i's application to the other's, until `text` of n bytes arrives; false when it does not in time.
 */
static bool arrives(unsigned i, bool v6, const void *text, size_t n, ns_t patience)
{
	struct endpoint ep = {.port = 7};
	struct sockaddr_storage ss;
	char to[32];
	uint8_t buf[2000];
	int from = v6 ? nodes[i].sock6 : nodes[i].sock4, at = v6 ? nodes[!i].sock6 : nodes[!i].sock4;

	snprintf(to, sizeof(to), v6 ? "fd77::%u" : "10.77.0.%u", !i + 1);
	assert_int_equal(ip_parse(to, &ep.ip), TM_OK);
	socklen_t len = endpoint_to_sockaddr(&ep, &ss);
	for (ns_t now = time_monotonic(), end = now + patience, next = now; now < end;
		now = time_monotonic()) {
		if (now >= next) {
			(void)!sendto(from, text, n, 0, (struct sockaddr *)&ss, len);
			next = now + 50 * MS;
		}
		service();
		if (recv(at, buf, sizeof(buf), MSG_DONTWAIT) == (ssize_t)n && memcmp(buf, text, n) == 0)
			return true;
	}
	return false;
}

static uint64_t drops_of(unsigned i, enum plane_drop d)
{
	uint64_t v[DROP_N];

	plane_drops(nodes[i].plane, v);
	return v[d];
}

static void connect_over(const char *a_to_b, const char *b_to_a)
{
	node_configure(0);
	node_configure(1);
	node_know(0, a_to_b);
	node_know(1, b_to_a);
}

static void both_families_inside_over(const char *a_to_b, const char *b_to_a)
{
	static uint8_t big[1300];

	connect_over(a_to_b, b_to_a);
	for (unsigned i = 0; i < 2; i++)
		for (int v6 = 0; v6 < 2; v6++) {
			assert_true(arrives(i, v6, "hello", 5, PATIENCE));
			big[0]++;
			assert_true(arrives(i, v6, big, sizeof(big), PATIENCE));
		}
}

static void applications_talk_over_ipv4(void **state)
{
	(void)state;
	if (why_not)
		skip();
	both_families_inside_over("192.0.2.2:51820", "192.0.2.1:51820");
}

static void applications_talk_over_ipv6(void **state)
{
	(void)state;
	if (why_not)
		skip();
	both_families_inside_over("[2001:db8::2]:51820", "[2001:db8::1]:51820");
}

static void the_tunnel_follows_a_new_address(void **state)
{
	(void)state;
	if (why_not)
		skip();
	connect_over("192.0.2.2:51820", "192.0.2.1:51820");
	assert_true(arrives(0, false, "before", 6, PATIENCE));
	assert_true(arrives(1, false, "before", 6, PATIENCE));

	/* a's sticky source address disappears: sending under it fails, without it works, and b follows. */
	enter(ns[0]);
	ip("addr add 192.0.2.77/24 dev veth0");
	ip("addr del 192.0.2.1/24 dev veth0");
	ip("addr add 192.0.2.77/24 dev veth0"); /* deleting the primary took it along */
	enter(home_ns);
	bool there = arrives(0, false, "after", 5, PATIENCE), back = arrives(1, false, "after", 5, PATIENCE);
	enter(ns[0]);
	ip("addr del 192.0.2.77/24 dev veth0");
	ip("addr add 192.0.2.1/24 dev veth0");
	enter(home_ns);
	assert_true(there);
	assert_true(back);
}

static void a_smaller_path_mtu_is_told_to_the_kernel(void **state)
{
	static uint8_t big[1390];
	(void)state;

	if (why_not)
		skip();
	connect_over("192.0.2.2:51820", "192.0.2.1:51820");
	assert_true(arrives(0, false, "warm", 4, PATIENCE));
	enter(ns[0]);
	ip("link set veth0 mtu 1400");
	enter(home_ns);
	/* The first is refused with "fragmentation needed"; from then on the kernel cuts to size. */
	(void)arrives(0, false, big, sizeof(big), 200 * MS);
	bool fits = arrives(0, false, big, sizeof(big), PATIENCE);
	enter(ns[0]);
	ip("link set veth0 mtu 1500");
	enter(home_ns);
	assert_true(fits);
	assert_true(drops_of(0, DROP_TOO_BIG) >= 1);
}

static void a_removed_peer_is_cut_off(void **state)
{
	(void)state;
	if (why_not)
		skip();
	connect_over("192.0.2.2:51820", "192.0.2.1:51820");
	assert_true(arrives(0, false, "before", 6, PATIENCE));
	assert_int_equal(plane_peers_clear(nodes[1].plane), TM_OK);
	assert_false(arrives(0, false, "after", 5, 100 * MS));
	assert_true(drops_of(1, DROP_NO_SESSION) >= 1);
}

static void strangers_hear_nothing(void **state)
{
	uint8_t msg[1500] = {0}, answer[64];
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(51820), .sin_addr.s_addr = htonl(0xc0000202)};
	(void)state;

	if (why_not)
		skip();
	connect_over("192.0.2.2:51820", "192.0.2.1:51820");
	assert_true(arrives(0, false, "warm", 4, PATIENCE));
	enter(ns[0]);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	enter(home_ns);
	for (size_t n = 0; n < sizeof(msg); n++) {
		msg[0] = (uint8_t)(n % 6);
		assert_int_equal(sendto(fd, msg, n, 0, (struct sockaddr *)&to, sizeof(to)), n);
		if (n % 16 == 0)
			service();
	}
	assert_true(arrives(0, false, "done", 4, PATIENCE));
	assert_int_equal(recv(fd, answer, sizeof(answer), MSG_DONTWAIT), -1);
	close(fd);
	assert_true(drops_of(1, DROP_MALFORMED) > 0);
	assert_true(drops_of(1, DROP_HS_MALFORMED) > 0);
	assert_true(drops_of(1, DROP_NO_SESSION) > 0);
}

/* What keeps a plane from opening is said in one sentence. */
static void refused(struct plane_config *cfg, int err, const char *part)
{
	const struct plane_events ev = {0};
	struct plane *p = NULL;
	struct diag d = {0};

	enter(ns[0]);
	int got = plane_new(cfg, &ev, &p, &d);
	enter(home_ns);
	plane_free(p);
	assert_int_equal(got, err);
	assert_null(p);
	if (!strstr(d.what, part))
		fail_msg("\"%s\" does not say \"%s\"", d.what, part);
	assert_true(d.hint[0]);
}

static void what_is_in_the_way_is_said(void **state)
{
	(void)state;
	if (why_not)
		skip();

	struct plane_config cfg = config_of(0, &nodes[0]);
	refused(&cfg, TM_EBUSY, "tma already exists");
	cfg.tun_name = "tmx";
	refused(&cfg, TM_EBUSY, "UDP port 51820 is already in use");
	cfg.listen_port = 0;
	cfg.tun_name = "sixteen-bytes-xx";
	refused(&cfg, TM_EINVAL, "not a valid interface name");
	cfg.tun_name = "tm%d";
	refused(&cfg, TM_EINVAL, "not a valid interface name");
	cfg.tun_name = "a/b";
	refused(&cfg, TM_EINVAL, "not a valid interface name");
}

static void two_hundred_lives_leave_nothing_behind(void **state)
{
	const struct plane_events ev = {0};
	size_t fds = 0, threads = 0;
	(void)state;

	if (why_not)
		skip();
	enter(ns[0]);
	for (unsigned i = 0; i < 200; i++) {
		struct plane_config cfg = config_of(0, &nodes[0]);
		struct plane *p;
		struct diag d = {0};

		cfg.tun_name = "tmx";
		cfg.listen_port = 51999;
		if (plane_new(&cfg, &ev, &p, &d) != TM_OK)
			fail_msg("life %u: %s", i, d.what);
		assert_int_equal(plane_start(p), TM_OK);
		if (i % 3 == 0) {
			plane_stop(p);
			plane_stop(p);
			assert_int_equal(plane_start(p), TM_OK);
		}
		plane_service(p, time_monotonic());
		plane_free(p);
		if (i == 0) {
			fds = proc_count("/proc/self/fd");
			threads = proc_count("/proc/self/task");
		}
	}
	assert_int_equal(if_nametoindex("tmx"), 0);
	enter(home_ns);
	assert_int_equal(proc_count("/proc/self/fd"), fds);
	assert_int_equal(proc_count("/proc/self/task"), threads);
}

static bool told_of_loss;

static void on_tun_lost(void *ctx)
{
	(void)ctx;
	told_of_loss = true;
}

static void a_deleted_tun_is_noticed(void **state)
{
	const struct plane_events ev = {.tun_lost = on_tun_lost};
	struct plane_config cfg = config_of(0, &nodes[0]);
	struct plane *p;
	(void)state;

	if (why_not)
		skip();
	cfg.tun_name = "tmx";
	cfg.listen_port = 0;
	enter(ns[0]);
	assert_int_equal(plane_new(&cfg, &ev, &p, NULL), TM_OK);
	assert_int_equal(plane_start(p), TM_OK);
	ip("link del tmx");
	for (ns_t end = time_monotonic() + PATIENCE; !told_of_loss && time_monotonic() < end;) {
		struct pollfd pf = {.fd = plane_fd(p), .events = POLLIN};

		poll(&pf, 1, 1000);
		plane_service(p, time_monotonic());
	}
	enter(home_ns);
	plane_free(p);
	assert_true(told_of_loss);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(applications_talk_over_ipv4, set_up, tear_down),
		cmocka_unit_test_setup_teardown(applications_talk_over_ipv6, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_tunnel_follows_a_new_address, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_smaller_path_mtu_is_told_to_the_kernel, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_removed_peer_is_cut_off, set_up, tear_down),
		cmocka_unit_test_setup_teardown(strangers_hear_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_in_the_way_is_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_hundred_lives_leave_nothing_behind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_deleted_tun_is_noticed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
