/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a coordinator says after the Noise handshake: text to JSON, then the agent's handlers, several
 * messages (one a line) in a row. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "control/agent/agent_private.h"
#include "control/link/text.h"
#include "crypto/init.h"
#include "fake/quiet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A diff must say what is so. */
static void follow(void *ctx UNUSED, const struct mesh_diff *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct mesh_change *c = &d->v[i];

		if (!c->what || !!c->before != (c->what != MESH_ADDED) ||
			!!c->after != (c->what != MESH_REMOVED))
			abort();
	}
}

/* An agent that never reaches its coordinator: nobody turns the loop but for what is due at once. */
static struct agent *agent_make(struct event_base *base, struct peers **ret_peers)
{
	static struct identity id;
	static struct enrolment e;
	const struct peers_config known = {.path = "/nonexistent/netmap.db",
		.mesh = &e.mesh,
		.self_id = e.self.id,
		.coordinator_key = e.coordinator_key,
		.save_delay = SEC};
	struct agent_config cfg = {.enrolment = &e, .identity = &id, .version = "0"};
	struct agent *a;

	memset(id.ed_seed, 1, sizeof(id.ed_seed));
	memcpy(e.self.id, "0123456789abcdef", 17);
	if (prefix_parse("100.101.0.0/16", &e.mesh.net4) != TM_OK ||
		prefix_parse("fd00::/64", &e.mesh.net6) != TM_OK)
		abort();
	if (peers_new(base, &known, ret_peers) != TM_OK)
		abort();
	cfg.peers = *ret_peers;
	if (agent_new(base, &cfg, &(struct agent_events){.mesh_changed = follow}, &a, NULL) != TM_OK)
		abort();
	agent_start(a);
	return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool ready;
	const char *at = (const char *)data, *end = at + n;

	if (!ready && crypto_init(NULL) != TM_OK)
		abort();
	ready = true;
	log_set_sink(quiet_log, NULL);

	struct event_base *base = event_base_new();
	struct peers *peers;
	struct agent *a = agent_make(base, &peers);

	a->state = AGENT_GREET;
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline ? newline : end) - at);
		const char *why;
		json_t *m;

		if (text_parse(at, len, &m, &why) == TM_OK) {
			message_handle(a, m);
			json_decref(m);
			if (a->state == AGENT_WAIT)
				a->state = AGENT_GREET;
		}
		at += newline ? len + 1 : len;
	}
	agent_free(a);
	peers_free(peers);
	event_base_free(base);
	return 0;
}
