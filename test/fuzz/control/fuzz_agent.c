/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a coordinator says after the Noise handshake: text to JSON, then the agent's handlers, several
 * messages (one a line) in a row. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "control/agent/agent_private.h"
#include "control/link/text.h"
#include "crypto/init.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void ignore(void *ctx UNUSED, const char *line UNUSED, size_t n UNUSED)
{
}

/* An agent that never reaches its coordinator: nobody turns the loop but for what is due at once. */
static struct agent *agent_make(struct event_base *base)
{
	static struct identity id;
	static struct enrolment e;
	const struct agent_config cfg = {
		.enrolment = &e, .identity = &id, .cache_path = "/nonexistent/netmap.json", .version = "0"};
	struct agent *a;

	memset(id.ed_seed, 1, sizeof(id.ed_seed));
	memcpy(e.self.id, "0123456789abcdef", 17);
	if (agent_new(base, &cfg, &(struct agent_events){0}, &a, NULL) != TM_OK)
		abort();
	return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool ready;
	const char *at = (const char *)data, *end = at + n;

	if (!ready && crypto_init(NULL) != TM_OK)
		abort();
	ready = true;
	log_set_sink(ignore, NULL);

	struct event_base *base = event_base_new();
	struct agent *a = agent_make(base);

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
	a->dirty = false; /* nothing to write where nothing can be */
	agent_free(a);
	event_base_free(base);
	return 0;
}
