/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "world.h"

#include <event2/event.h>
#include <unistd.h>

#include "base/time.h"
#include "crypto/init.h"

static char folder[64], certificate[96];

static void on_up(void *ctx, struct clink *l)
{
	struct seen *s = ctx;

	s->up++;
	s->link = l;
	if (s->free_on_up) {
		s->link = NULL;
		clink_free(l);
	}
}

static void on_message(void *ctx, struct clink *l, const json_t *m)
{
	struct seen *s = ctx;

	s->messages++;
	json_decref(s->last);
	s->last = json_deep_copy(m);
	if (s->echo)
		assert_int_equal(clink_send(l, m), TM_OK);
	if (s->close_on_message)
		clink_close(l, "that was all");
	if (s->free_on_message) {
		s->link = NULL;
		clink_free(l);
	}
}

static void on_drained(void *ctx, struct clink *l UNUSED)
{
	struct seen *s = ctx;

	s->drained++;
}

static void on_closed(void *ctx, struct clink *l, int err, const char *why)
{
	struct seen *s = ctx;

	if (s->link == l)
		s->link = NULL;
	s->closed++;
	s->err = err;
	s->retry_ms = clink_retry_ms(l);
	snprintf(s->why, sizeof(s->why), "%s", why);
}

static bool on_known(void *ctx, const uint8_t *key)
{
	const struct seen *s = ctx;

	return s->knows && memcmp(key, s->knows, DH_KEY) == 0;
}

static void on_greeted(void *ctx, const uint8_t *key)
{
	struct seen *s = ctx;

	assert_memory_equal(key, s->knows, DH_KEY);
	s->greeted++;
}

struct clink_events seen_events(struct seen *s)
{
	return (struct clink_events){
		.ctx = s,
		.up = on_up,
		.message = on_message,
		.drained = on_drained,
		.closed = on_closed,
		.known = on_known,
		.greeted = on_greeted,
	};
}

void seen_reset(struct seen *s)
{
	json_decref(s->last);
	*s = (struct seen){0};
}

struct clink_tuning world_tuning(void)
{
	struct clink_tuning t = clink_tuning_default;

	t.linger_ms = 1000;
	return t;
}

static void open_with(
	struct world *w, const struct clink_tuning *t, const struct stream_taker *taker, bool with_tls)
{
	const struct clink_tls tls = {.own = certificate};
	struct clink_server_config cfg = {.identity = &w->coordinator,
		.max_links = 1000,
		.streams = taker,
		.tls = with_tls ? &tls : NULL};
	struct clink_tuning usual = world_tuning();
	struct clink_events ev = seen_events(&w->at_server);
	struct diag d = {0};

	*w = (struct world){0};
	w->base = event_base_new();
	assert_non_null(w->base);
	assert_int_equal(identity_generate(&w->coordinator), TM_OK);
	assert_int_equal(identity_generate(&w->node), TM_OK);
	assert_int_equal(identity_generate(&w->stranger), TM_OK);
	assert_int_equal(endpoint_parse("127.0.0.1:0", &cfg.listen), TM_OK);
	assert_int_equal(clink_server_new_tuned(w->base, &cfg, &ev, t ? t : &usual, &w->server, &d), TM_OK);
	snprintf(w->address, sizeof(w->address), "127.0.0.1:%u", clink_server_port(w->server));
}

void world_open(struct world *w, const struct clink_tuning *t)
{
	open_with(w, t, NULL, false);
}

int world_setup_tls(void **state UNUSED)
{
	struct diag d = {0};

	assert_int_equal(crypto_init(&d), TM_OK);
	snprintf(folder, sizeof(folder), "/tmp/link-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(certificate, sizeof(certificate), "%s/tls.pem", folder);
	return 0;
}

int world_teardown_tls(void **state UNUSED)
{
	unlink(certificate);
	return rmdir(folder);
}

void world_open_tls(struct world *w, const struct clink_tuning *t)
{
	open_with(w, t, NULL, true);
}

void world_open_streams(struct world *w, const struct stream_taker *taker)
{
	open_with(w, NULL, taker, true);
}

void world_close(struct world *w)
{
	clink_free(w->at_client.link);
	clink_server_free(w->server);
	world_turn(w);
	event_base_free(w->base);
	json_decref(w->at_server.last);
	json_decref(w->at_client.last);
}

struct clink *world_connect(struct world *w, struct seen *s, const struct clink_tuning *t)
{
	struct clink_config cfg = {.address = w->address,
		.remote_key = w->coordinator.x_pub,
		.identity = &w->node,
		.connect_timeout_ms = 5000};
	struct clink_events ev = seen_events(s);
	struct clink *l;

	assert_int_equal(clink_connect_tuned(w->base, &cfg, &ev, t ? t : &clink_tuning_default, &l), TM_OK);
	return l;
}

static void on_too_long(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	*(bool *)arg = true;
}

void world_run_until(struct world *w, const unsigned *counter, unsigned n)
{
	struct timeval tv = {.tv_sec = PATIENCE_S};
	bool too_long = false;
	struct event *ev = event_new(w->base, -1, EV_TIMEOUT, on_too_long, &too_long);

	event_add(ev, &tv);
	while (*counter < n && !too_long)
		event_base_loop(w->base, EVLOOP_ONCE);
	event_free(ev);
	if (too_long)
		fail_msg("still %u of %u after a long wait; server: \"%s\", client: \"%s\"", *counter, n,
			w->at_server.why, w->at_client.why);
}

void world_turn(struct world *w)
{
	event_base_loop(w->base, EVLOOP_NONBLOCK);
}

void world_run_ms(struct world *w, unsigned ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	bool over = false;
	struct event *ev = event_new(w->base, -1, EV_TIMEOUT, on_too_long, &over);

	event_add(ev, &tv);
	while (!over)
		event_base_loop(w->base, EVLOOP_ONCE);
	event_free(ev);
}

json_t *text_message(size_t n, char fill)
{
	char *s = malloc(n + 1);

	memset(s, fill, n);
	s[n] = '\0';
	json_t *j = json_pack("{s:s,s:s}", "t", "test", "text", s);
	free(s);
	assert_non_null(j);
	return j;
}

void world_pair(struct world *w, const struct clink_tuning *t)
{
	json_t *m = text_message(3, 'x');
	unsigned up = w->at_client.up, messages = w->at_server.messages;

	w->at_client.link = world_connect(w, &w->at_client, t);
	world_run_until(w, &w->at_client.up, up + 1);
	assert_int_equal(clink_send(w->at_client.link, m), TM_OK);
	world_run_until(w, &w->at_server.messages, messages + 1);
	json_decref(m);
}
