/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One end of a control link for a test against another WebSocket implementation.
 * `clink_echo`: listens, prints the port, echoes messages, until standard input ends. `clink_echo PORT`:
 * connects, prints why the link ended.
 */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/link/clink.h"
#include "crypto/init.h"

static void on_message(void *ctx UNUSED, struct clink *l, const json_t *m)
{
	if (clink_send(l, m) != TM_OK)
		clink_close(l, "echo failed");
}

static void on_closed(void *ctx, struct clink *l UNUSED, int err UNUSED, const char *why)
{
	printf("%s\n", why);
	if (ctx)
		event_base_loopbreak(ctx);
}

static void on_stdin(evutil_socket_t fd, short what UNUSED, void *arg)
{
	char c;

	if (read(fd, &c, 1) <= 0)
		event_base_loopbreak(arg);
}

static int serve(struct event_base *base, const struct identity *id)
{
	struct clink_server_config cfg = {.identity = id, .max_links = 10};
	struct clink_events ev = {.message = on_message, .closed = on_closed};
	struct event *in = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_stdin, base);
	struct clink_server *s;

	if (!in || endpoint_parse("127.0.0.1:0", &cfg.listen) != TM_OK ||
		clink_server_new(base, &cfg, &ev, &s, NULL) != TM_OK)
		return 1;

	event_add(in, NULL);
	printf("%u\n", clink_server_port(s));
	fflush(stdout);
	event_base_dispatch(base);
	clink_server_free(s);
	event_free(in);
	return 0;
}

static int call(struct event_base *base, const struct identity *id, const char *port)
{
	char address[32];
	struct clink_config cfg = {
		.address = address, .remote_key = id->x_pub, .identity = id, .connect_timeout_ms = 5000};
	struct clink_events ev = {.ctx = base, .closed = on_closed};
	struct clink *l;

	snprintf(address, sizeof(address), "127.0.0.1:%s", port);
	if (clink_connect(base, &cfg, &ev, &l) != TM_OK)
		return 1;
	event_base_dispatch(base);
	return 0;
}

int main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct identity id;

	if (!base || crypto_init(NULL) != TM_OK || identity_generate(&id) != TM_OK)
		return 1;
	int status = argc > 1 ? call(base, &id, argv[1]) : serve(base, &id);
	event_base_free(base);
	return status;
}
