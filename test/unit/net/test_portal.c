/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Asking over loopback who answers HTTP: the coordinator's own layers, others, nobody. */
#include "wire.h"

#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crypto/init.h"
#include "net/listen.h"
#include "net/portal.h"
#include "net/tcp.h"
#include "net/websocket.h"

static const char *const paths[] = {"/control", NULL};
static const struct websocket_server server = {.paths = paths, .page = "a page\n"};

static struct scene {
	struct event_base *base;
	struct listener *listener;
	struct endpoint at;
	const char *says; /* NULL: it is the coordinator; "": it hangs up */
	struct net_conn conn;
	struct net_layer owner;
	bool connected;
	unsigned done;
	enum portal_verdict verdict;
	struct portal *portal;
} scene;

static const struct net_ops owner_ops = {.ready = NULL};

static void on_accepted(void *ctx UNUSED, int fd, const struct endpoint *from UNUSED)
{
	if (scene.says) {
		assert_int_equal(send(fd, scene.says, strlen(scene.says), MSG_NOSIGNAL), strlen(scene.says));
		close(fd);
		return;
	}
	assert_int_equal(net_tcp_push(&scene.conn, scene.base, fd), TM_OK);
	assert_int_equal(websocket_server_push(&scene.conn, &server), TM_OK);
	scene.owner.ops = &owner_ops;
	net_push(&scene.conn, &scene.owner);
	scene.connected = true;
	net_begin(&scene.conn);
}

static void on_done(void *ctx UNUSED, enum portal_verdict verdict)
{
	scene.verdict = verdict;
	scene.done++;
	portal_free(TAKE(scene.portal));
}

static void open_scene(const char *says)
{
	const struct listener_events ev = {.accepted = on_accepted};

	scene = (struct scene){.base = event_base_new(), .says = says};
	assert_int_equal(endpoint_parse("127.0.0.1:0", &scene.at), TM_OK);
	assert_int_equal(listener_new(scene.base, &scene.at, 0, &ev, &scene.listener), TM_OK);
}

static void ask(void)
{
	assert_int_equal(
		portal_new(scene.base, &scene.at, "hub:8443", 0, on_done, NULL, &scene.portal), TM_OK);
}

static void close_scene(void)
{
	portal_free(TAKE(scene.portal));
	if (scene.connected)
		net_close(&scene.conn, NULL);
	listener_free(scene.listener);
	event_base_free(scene.base);
}

static enum portal_verdict verdict_on(const char *says)
{
	open_scene(says);
	ask();
	while (!scene.done)
		assert_int_equal(event_base_loop(scene.base, EVLOOP_ONCE), 0);
	assert_int_equal(scene.done, 1);
	close_scene();
	return scene.verdict;
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
	ask();
	while (!scene.done)
		assert_int_equal(event_base_loop(scene.base, EVLOOP_ONCE), 0);
	assert_int_equal(scene.verdict, PORTAL_CLOSED);
	close_scene();
}

static void who_gives_up_hears_no_more(void **state UNUSED)
{
	for (unsigned turns = 0; turns < 6; turns++) {
		open_scene(NULL);
		ask();
		for (unsigned i = 0; i < turns && !scene.done; i++)
			(void)event_base_loop(scene.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		portal_free(TAKE(scene.portal));
		unsigned heard = scene.done;
		for (unsigned i = 0; i < 10; i++)
			(void)event_base_loop(scene.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		assert_int_equal(scene.done, heard);
		close_scene();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_coordinators_port_is_told_from_others),
		cmocka_unit_test(a_closed_port_is_told),
		cmocka_unit_test(who_gives_up_hears_no_more),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
