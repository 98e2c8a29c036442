/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A coordinator's control port on loopback and everything needed to watch links to it, in one event loop. */
#ifndef TM_TEST_CONTROL_WORLD_H
#define TM_TEST_CONTROL_WORLD_H

#include "unit/unit.h"

#include "control/link/tuning.h"
#include "crypto/dh.h"
#include "crypto/identity.h"

struct event_base;

/* What one side saw. */
struct seen {
	struct clink *link; /* NULL before up (server) and after closed */
	unsigned up, messages, drained, closed;
	json_t *last; /* last message */
	int err;
	unsigned retry_ms;
	char why[320];
	/* what to do when it happens */
	bool free_on_up, free_on_message, echo, close_on_message;
	/* server: whose handshakes are free, NULL: nobody's; how many it had */
	const uint8_t *knows;
	unsigned greeted;
};

struct world {
	struct event_base *base;
	struct identity coordinator, node, stranger;
	struct clink_server *server;
	struct seen at_server; /* of all links together; link = the latest */
	struct seen at_client;
	char address[ENDPOINT_STR_LEN];
};

struct clink_tuning world_tuning(void); /* the default, with less patience when closing */
void world_open(struct world *w, const struct clink_tuning *t);
/* Its port speaks TLS as well, with a certificate in a folder that these make and remove for the group; they
 * begin with crypto_init. */
struct stream_taker;
int world_setup_tls(void **state);
int world_teardown_tls(void **state);
void world_open_streams(struct world *w, const struct stream_taker *taker);
void world_open_tls(struct world *w, const struct clink_tuning *t);
void world_close(struct world *w);

void seen_reset(struct seen *s);
struct clink_events seen_events(struct seen *s);
struct clink *world_connect(struct world *w, struct seen *s, const struct clink_tuning *t);

/* Runs the loop until *counter reaches n; fails the test after PATIENCE_S, which a busy machine may need. */
enum { PATIENCE_S = 40 };
void world_run_until(struct world *w, const unsigned *counter, unsigned n);
void world_turn(struct world *w); /* what is ready now */
void world_run_ms(struct world *w, unsigned ms);
void world_pair(
	struct world *w, const struct clink_tuning *t); /* client and server up, one message each way seen */

json_t *text_message(size_t n, char fill);
#define assert_contains(text, part)                                                                          \
	do {                                                                                                 \
		if (!strstr((text), (part)))                                                                 \
			fail_msg("\"%s\" does not contain \"%s\"", (text), (part));                          \
	} while (0)

#endif
