/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Asking over loopback who answers HTTP: the coordinator's own layers, others, nobody, by proxies and names.
 */
#include "wire.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/init.h"
#include "loop/timer.h"
#include "net/listen.h"
#include "net/portal.h"
#include "net/resolver.h"
#include "net/tcp.h"
#include "net/websocket.h"

#define CONNECTED "HTTP/1.1 200 Connection established\r\n\r\n"

static bool short_of_time;

void __real_loop_timer_in(struct loop_timer *t, ns_t in);
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in);

void __wrap_loop_timer_in(struct loop_timer *t, ns_t in)
{
	__real_loop_timer_in(t, short_of_time && in == PORTAL_PATIENCE ? 20 * MS : in);
}

static const char *const paths[] = {"/control", NULL};
static const struct websocket_server server = {.paths = paths, .page = "a page\n"};

/* At the server's end. */
struct served {
	struct event *request; /* is to come */
	struct net_conn conn;
	struct net_layer owner;
	bool connected;
};

/* How far one who asks has come, as far as others see it. */
enum stage { ASKED, LOOKED_UP, ACCEPTED, REQUESTED };

static struct scene {
	struct event_base *base;
	struct resolver *resolver;
	struct listener *listener;
	struct endpoint at;
	const char *says; /* NULL: it is the coordinator; "": it hangs up */
	const char *proxy_says; /* first, to CONNECT; NULL: it is no proxy */
	char asked[256]; /* of the proxy */
	struct served served[2];
	size_t n_served;
	enum stage stage;
	bool given_up;
	unsigned done;
	enum portal_verdict verdict;
	struct portal *portal;
} scene;

static const struct net_ops owner_ops = {.ready = NULL};

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void serve(struct served *s, int fd)
{
	if (scene.says) {
		say(fd, scene.says);
		close(fd);
		return;
	}
	assert_int_equal(net_tcp_push(&s->conn, scene.base, fd), TM_OK);
	assert_int_equal(websocket_server_push(&s->conn, &server), TM_OK);
	s->owner.ops = &owner_ops;
	net_push(&s->conn, &s->owner);
	s->connected = true;
	net_begin(&s->conn);
}

/* The request for the tunnel is short, and comes whole. Who gave up may have written none. */
static void on_request(evutil_socket_t fd, short what UNUSED, void *ctx)
{
	struct served *s = ctx;
	ssize_t n = recv(fd, scene.asked, sizeof(scene.asked) - 1, 0);

	event_free(TAKE(s->request));
	if (n == 0 && scene.given_up) {
		close(fd);
		return;
	}
	assert_true(n > 0);
	scene.stage = REQUESTED;
	say(fd, scene.proxy_says);
	if (strcmp(scene.proxy_says, CONNECTED) == 0)
		serve(s, fd);
	else
		close(fd);
}

static void on_accepted(void *ctx UNUSED, int fd, const struct endpoint *from UNUSED)
{
	assert_true(scene.n_served < ARRAY_LEN(scene.served));
	struct served *s = &scene.served[scene.n_served++];
	scene.stage = ACCEPTED;
	event_base_loopbreak(scene.base); /* so that one can give up before he has written anything */
	if (!scene.proxy_says) {
		serve(s, fd);
		return;
	}
	s->request = event_new(scene.base, fd, EV_READ, on_request, s);
	assert_int_equal(event_add(s->request, NULL), 0);
}

static void on_done(void *ctx UNUSED, enum portal_verdict verdict)
{
	scene.verdict = verdict;
	scene.done++;
	portal_free(TAKE(scene.portal));
}

/* "hub.example" is where nobody listens, and at ours. */
static int find(const char *host, struct endpoint *found, size_t max, size_t *ret_n)
{
	if (strcmp(host, "hub.example") != 0 || max < 2)
		return TM_ENOENT;
	*ret_n = 2;
	int err = ip_parse("127.0.0.2", &found[0].ip);
	return err ? err : ip_parse("127.0.0.1", &found[1].ip);
}

static void open_scene(const char *says)
{
	const struct listener_events ev = {.accepted = on_accepted};

	scene = (struct scene){.base = event_base_new(), .says = says};
	assert_int_equal(endpoint_parse("127.0.0.1:0", &scene.at), TM_OK);
	assert_int_equal(listener_new(scene.base, &scene.at, 0, &ev, &scene.listener), TM_OK);
	assert_int_equal(resolver_new(scene.base, find, &scene.resolver), TM_OK);
}

static struct portal_config asks(const char *host)
{
	struct portal_config cfg = {.to.port = scene.at.port, .resolver = scene.resolver};

	snprintf(cfg.to.host, sizeof(cfg.to.host), "%s", host);
	return cfg;
}

static void ask(const struct portal_config *cfg)
{
	assert_int_equal(portal_new(scene.base, cfg, on_done, NULL, &scene.portal), TM_OK);
}

static void close_scene(void)
{
	portal_free(TAKE(scene.portal));
	for (struct served *s = scene.served; s < scene.served + scene.n_served; s++) {
		if (s->connected)
			net_close(&s->conn, NULL);
		if (s->request) {
			close(event_get_fd(s->request));
			event_free(s->request);
		}
	}
	listener_free(scene.listener);
	resolver_free(scene.resolver);
	event_base_free(scene.base);
}

static enum portal_verdict verdict_of(const struct portal_config *cfg)
{
	ask(cfg);
	while (!scene.done)
		assert_int_equal(event_base_loop(scene.base, EVLOOP_ONCE), 0);
	assert_int_equal(scene.done, 1);
	close_scene();
	return scene.verdict;
}

static enum portal_verdict verdict_on(const char *says)
{
	open_scene(says);
	const struct portal_config cfg = asks("127.0.0.1");
	return verdict_of(&cfg);
}

static void the_coordinators_port_is_told_from_others(void **state UNUSED)
{
	assert_int_equal(verdict_on(NULL), PORTAL_CLEAN);
	assert_int_equal(
		verdict_on("HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n"), PORTAL_SIGN_IN);
	assert_int_equal(verdict_on("HTTP/1.1 200 OK\r\n\r\n<html>welcome"), PORTAL_OTHER);
	assert_int_equal(verdict_on(""), PORTAL_SILENT);
}

static void a_closed_port_is_told(void **state UNUSED)
{
	open_scene("");
	listener_free(TAKE(scene.listener));
	const struct portal_config cfg = asks("127.0.0.1");
	assert_int_equal(verdict_of(&cfg), PORTAL_CLOSED);
}

/* A port whose queue is full: the kernel drops who knocks, as a firewall does. */
static void who_is_not_let_in_in_time_is_no_connection(void **state UNUSED)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), knocks[4];
	socklen_t len = sizeof(at);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	for (size_t i = 0; i < ARRAY_LEN(knocks); i++) {
		knocks[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)!connect(knocks[i], (struct sockaddr *)&at, len);
	}
	open_scene("");
	scene.at.port = ntohs(at.sin_port);
	short_of_time = true;
	const struct portal_config cfg = asks("127.0.0.1");
	assert_int_equal(verdict_of(&cfg), PORTAL_CLOSED);
	short_of_time = false;
	for (size_t i = 0; i < ARRAY_LEN(knocks); i++)
		close(knocks[i]);
	close(fd);
}

static void a_name_is_looked_up_unless_its_address_is_known(void **state UNUSED)
{
	static const struct {
		const char *name;
		bool known;
		enum portal_verdict verdict;
	} rows[] = {
		{"hub.example", false, PORTAL_CLEAN}, /* by its second address */
		{"nobody.example", false, PORTAL_CLOSED},
		{"nobody.example", true, PORTAL_CLEAN},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		open_scene(NULL);
		struct portal_config cfg = asks(rows[i].name);
		if (rows[i].known)
			cfg.at = scene.at.ip;
		assert_int_equal(verdict_of(&cfg), rows[i].verdict);
	}
}

static void a_proxy_is_asked_for_the_way_and_what_it_says_is_not_the_coordinators(void **state UNUSED)
{
	static const struct {
		const char *proxy, *says; /* first the proxy, and who is behind it */
		bool tls;
		enum portal_verdict verdict;
	} rows[] = {
		{CONNECTED, NULL, false, PORTAL_CLEAN},
		{CONNECTED, "HTTP/1.1 511 Network Authentication Required\r\n\r\n", false, PORTAL_SIGN_IN},
		{CONNECTED, "", false, PORTAL_SILENT},
		{CONNECTED, "HTTP/1.1 200 OK\r\n\r\n", true, PORTAL_SILENT}, /* it speaks no TLS */
		{"HTTP/1.1 403 Forbidden\r\n\r\n", NULL, false, PORTAL_REFUSED},
		{"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", NULL, false, PORTAL_REFUSED},
		{"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n", NULL, false, PORTAL_REFUSED},
		{"", NULL, false, PORTAL_REFUSED},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct proxy via = {.host = "hub.example"};

		open_scene(rows[i].says);
		scene.proxy_says = rows[i].proxy;
		struct portal_config cfg = asks("elsewhere.example");
		via.port = scene.at.port;
		cfg.via = &via;
		cfg.tls = rows[i].tls;
		cfg.to.port = 8443;
		enum portal_verdict is = verdict_of(&cfg);
		if (is != rows[i].verdict)
			fail_msg("row %zu: %d", i, (int)is);
		assert_ptr_equal(
			strstr(scene.asked, "CONNECT elsewhere.example:8443 HTTP/1.1\r\n"), scene.asked);
	}
}

static void a_proxy_that_is_not_there_is_no_connection(void **state UNUSED)
{
	struct proxy via = {.host = "127.0.0.1"};

	open_scene(NULL);
	listener_free(TAKE(scene.listener));
	struct portal_config cfg = asks("127.0.0.1");
	via.port = scene.at.port;
	cfg.via = &via;
	assert_int_equal(verdict_of(&cfg), PORTAL_CLOSED);
}

static void on_heard(void *ctx UNUSED, enum portal_verdict verdict)
{
	fail_msg("he has %s, and hears %d", scene.given_up ? "given up" : "not given up yet", (int)verdict);
}

/* The same question has answered whoever asked it before. */
static void on_looked_up(void *ctx UNUSED, int err UNUSED, const struct endpoint *found UNUSED,
	size_t n UNUSED, const char *why UNUSED)
{
	scene.stage = LOOKED_UP;
}

/* Whoever asks after him takes the same way, and is told; by then there is nothing left that he could hear.
 */
static void give_up_and_let_another_ask(const struct portal_config *cfg, enum stage stage)
{
	struct portal *portal;
	struct lookup *lookup;

	assert_int_equal(portal_new(scene.base, cfg, on_heard, NULL, &portal), TM_OK);
	if (stage != ASKED)
		assert_int_equal(
			lookup_new(scene.resolver, "hub.example", 1, on_looked_up, NULL, &lookup), TM_OK);
	while (scene.stage < stage)
		assert_int_equal(event_base_loop(scene.base, EVLOOP_ONCE), 0);
	scene.given_up = true;
	portal_free(portal);
	assert_int_equal(verdict_of(cfg), PORTAL_CLEAN);
}

static void who_gives_up_hears_no_more(void **state UNUSED)
{
	for (enum stage stage = ASKED; stage <= ACCEPTED; stage++) {
		open_scene(NULL);
		const struct portal_config cfg = asks("hub.example");
		give_up_and_let_another_ask(&cfg, stage);
	}
}

static void who_gives_up_on_a_proxy_hears_no_more(void **state UNUSED)
{
	for (enum stage stage = ASKED; stage <= REQUESTED; stage++) {
		struct proxy via = {.host = "hub.example"};

		open_scene(NULL);
		scene.proxy_says = CONNECTED;
		struct portal_config cfg = asks("elsewhere.example");
		via.port = scene.at.port;
		cfg.via = &via;
		give_up_and_let_another_ask(&cfg, stage);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_coordinators_port_is_told_from_others),
		cmocka_unit_test(a_closed_port_is_told),
		cmocka_unit_test(who_is_not_let_in_in_time_is_no_connection),
		cmocka_unit_test(a_name_is_looked_up_unless_its_address_is_known),
		cmocka_unit_test(a_proxy_is_asked_for_the_way_and_what_it_says_is_not_the_coordinators),
		cmocka_unit_test(a_proxy_that_is_not_there_is_no_connection),
		cmocka_unit_test(who_gives_up_hears_no_more),
		cmocka_unit_test(who_gives_up_on_a_proxy_hears_no_more),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
