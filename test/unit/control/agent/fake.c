/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "fake.h"
#include "fake/meshjson.h"
#include "fake/quiet.h"

#include <event2/event.h>
#include <unistd.h>

#define KEY_A "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
#define KEY_B "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="

const char map_5[] = "{\"t\":\"netmap\",\"map\":{\"version\":5,\"base\":0,\"removed\":[],\"nodes\":["
		     "{\"id\":\"" PEER_A "\",\"name\":\"a\",\"host\":10,\"key\":\"" KEY_A "\"},"
		     "{\"id\":\"" PEER_B "\",\"name\":\"b\",\"host\":11,\"key\":\"" KEY_B "\"}]}}";

/* --- coordinator --- */

void fake_say(struct fake *f, const char *json)
{
	json_error_t e;
	json_t *m = json_loads(json, 0, &e);

	if (!m)
		fail_msg("%s: %s", e.text, json);
	assert_non_null(f->link);
	assert_int_equal(clink_send(f->link, m), TM_OK);
	json_decref(m);
}

static void welcome(struct fake *f)
{
	struct node_rec self = f->enrolment.self;

	self.host = f->host ? f->host : self.host;
	json_t *m = json_pack("{s:s,s:o,s:i,s:i,s:[s,s],s:s,s:i}", "t", "welcome", "node",
		meshjson_record(&self), "data_port", 51820, "pace_ms", (int)f->pace_ms, "addresses",
		"192.0.2.1:8443", "coordinator.example:8443", "observed", "127.0.0.1", "time", 1);

	if (f->data)
		json_object_set(m, "data", f->data);
	json_object_set_new(m, "mesh",
		json_pack("{s:s,s:s,s:s,s:s}", "name", "home", "net4", f->net4 ? f->net4 : "100.101.0.0/16",
			"net6", f->net6 ? f->net6 : "fd00::/64", "secret", KEY_A));
	assert_int_equal(clink_send(f->link, m), TM_OK);
	json_decref(m);
}

static void on_up(void *ctx, struct clink *l)
{
	struct fake *f = ctx;

	f->ups++;
	f->link = l;
}

static void on_message(void *ctx, struct clink *l UNUSED, const json_t *m)
{
	struct fake *f = ctx;
	const char *t = json_string_value(json_object_get(m, "t"));

	assert_non_null(t);
	if (strcmp(t, "hello") != 0) {
		f->messages++;
		json_decref(f->last);
		f->last = json_deep_copy(m);
		return;
	}
	f->hellos++;
	json_decref(f->hello);
	f->hello = json_deep_copy(m);
	for (size_t i = 0; i < ARRAY_LEN(f->on_hello) && f->on_hello[i]; i++) {
		if (strcmp(f->on_hello[i], "welcome") == 0)
			welcome(f);
		else if (strcmp(f->on_hello[i], "close") == 0)
			clink_close(f->link, "the test says so");
		else
			fake_say(f, f->on_hello[i]);
	}
}

static void on_closed(void *ctx, struct clink *l, int err UNUSED, const char *why UNUSED)
{
	struct fake *f = ctx;

	if (f->link == l)
		f->link = NULL;
}

void fake_serve(struct fake *f)
{
	struct clink_server_config cfg = {
		.listen = f->at, .identity = &f->coordinator, .max_links = 10, .streams = f->streams};
	struct clink_events ev = {.ctx = f, .up = on_up, .message = on_message, .closed = on_closed};

	assert_int_equal(clink_server_new(f->base, &cfg, &ev, &f->server, NULL), TM_OK);
	f->at.port = clink_server_port(f->server);
	endpoint_format(&f->at, f->enrolment.addresses[0]);
}

void fake_stop_serving(struct fake *f)
{
	clink_server_free(TAKE(f->server));
	f->link = NULL;
}

/* --- agent --- */

static void on_mesh_changed(void *ctx, const struct mesh_diff *d)
{
	struct fake *f = ctx;

	f->netmaps++;
	assert_true(d->n > 0);
}

static void on_candidates(void *ctx, const char *id, const struct candidates *c, bool looks)
{
	struct fake *f = ctx;

	f->candidates++;
	snprintf(f->candidates_of, sizeof(f->candidates_of), "%s", id);
	f->last_candidates = *c;
	f->last_looks = looks;
}

static void on_link(void *ctx, bool up)
{
	struct fake *f = ctx;

	*(up ? &f->link_ups : &f->link_downs) += 1;
	assert_int_equal(agent_link_up(f->agent), up);
}

static void on_report(void *ctx, const struct msg_report_ask *ask)
{
	struct fake *f = ctx;

	f->report_asks++;
	f->report_ask = *ask;
}

static int on_policy(void *ctx, const struct policy_kept *k)
{
	struct fake *f = ctx;

	f->policies++;
	f->policy_version = k->version;
	snprintf(f->policy_text, sizeof(f->policy_text), "%s", k->text ? k->text : "");
	return k->version && k->version == f->policy_refuses ? TM_EINVAL : TM_OK;
}

static void on_relays(void *ctx, const struct relays *r)
{
	struct fake *f = ctx;

	f->relays_told++;
	f->relays = *r;
}

static void on_removed(void *ctx, const char *why, bool twin)
{
	struct fake *f = ctx;

	f->removals++;
	f->twin = twin;
	snprintf(f->removed_why, sizeof(f->removed_why), "%s", why);
}

void fake_on_reply(void *ctx, json_t *reply_take)
{
	struct fake *f = ctx;

	f->replies++;
	json_decref(f->reply);
	f->reply = reply_take;
}

void fake_start(struct fake *f)
{
	const struct peers_config known = {.path = f->cache,
		.mesh = &f->enrolment.mesh,
		.self_id = f->enrolment.self.id,
		.coordinator_key = f->enrolment.coordinator_key,
		.save_delay = 10 * MS};
	struct agent_events ev = {.ctx = f,
		.mesh_changed = on_mesh_changed,
		.candidates = on_candidates,
		.relays = on_relays,
		.policy = on_policy,
		.report = on_report,
		.link = on_link,
		.removed = on_removed};

	assert_int_equal(peers_new(f->base, &known, &f->peers), TM_OK);
	struct agent_config cfg = {.enrolment = &f->enrolment,
		.identity = &f->node,
		.peers = f->peers,
		.version = "0.1.0",
		.relay = f->relay,
		.relay_tcp = {f->relay_tcp},
		.n_relay_tcp = f->relay_tcp != 0};
	assert_int_equal(agent_new_tuned(f->base, &cfg, &ev, &f->tuning, &f->agent, NULL), TM_OK);
	agent_start(f->agent);
}

void fake_stop(struct fake *f)
{
	agent_free(TAKE(f->agent));
	peers_free(TAKE(f->peers));
}

void fake_open(struct fake *f)
{
	*f = (struct fake){.on_hello = {"welcome", map_5}, .tuning = agent_tuning_default};
	log_set_sink(quiet_log, NULL);
	f->base = event_base_new();
	assert_non_null(f->base);
	snprintf(f->dir, sizeof(f->dir), "/tmp/test-agent-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->cache, sizeof(f->cache), "%s/netmap.db", f->dir);
	assert_int_equal(identity_generate(&f->coordinator), TM_OK);
	assert_int_equal(identity_generate(&f->node), TM_OK);
	assert_int_equal(endpoint_parse("127.0.0.1:0", &f->at), TM_OK);
	f->tuning.retry_min = 5 * MS;
	f->tuning.retry_max = 40 * MS;
	f->tuning.stream_retry_max = 40 * MS;
	f->tuning.removed_retry = 50 * MS;
	f->tuning.want_every = 100 * MS;
	f->enrolment.n_addresses = 1;
	memcpy(f->enrolment.coordinator_key, f->coordinator.x_pub, 32);
	memcpy(f->enrolment.self.id, f->node.id, sizeof(f->enrolment.self.id));
	memcpy(f->enrolment.self.key, f->node.x_pub, 32);
	memcpy(f->enrolment.self.name, "me", 3);
	f->enrolment.self.host = 2;
	assert_int_equal(prefix_parse("100.101.0.0/16", &f->enrolment.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd00::/64", &f->enrolment.mesh.net6), TM_OK);
	/* A port nobody listens on, until fake_serve takes it. */
	fake_serve(f);
	fake_stop_serving(f);
}

void fake_close(struct fake *f)
{
	fake_stop(f);
	fake_stop_serving(f);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	event_base_free(f->base);
	json_decref(f->hello);
	json_decref(f->last);
	json_decref(f->reply);
	(void)unlink(f->cache);
	if (rmdir(f->dir) != 0)
		fail_msg("%s is not empty", f->dir);
	log_set_sink(NULL, NULL);
}

static void on_time(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	*(bool *)arg = true;
}

static bool run(struct fake *f, unsigned ms, const unsigned *counter, unsigned n)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	bool over = false;
	struct event *ev = event_new(f->base, -1, EV_TIMEOUT, on_time, &over);

	event_add(ev, &tv);
	while (!over && (!counter || *counter < n))
		event_base_loop(f->base, EVLOOP_ONCE);
	event_free(ev);
	return !over;
}

void fake_run_until(struct fake *f, const unsigned *counter, unsigned n)
{
	if (!run(f, 60000, counter, n))
		fail_msg("still %u of %u after a minute; the agent says: %s", *counter, n,
			f->agent ? agent_last_error(f->agent) : "-");
}

void fake_run_ms(struct fake *f, unsigned ms)
{
	run(f, ms, NULL, 0);
}

void fake_link(struct fake *f)
{
	fake_serve(f);
	fake_start(f);
	fake_run_until(f, &f->netmaps, 1);
}
