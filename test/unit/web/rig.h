/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A server on loopback and those who ask it, by real sockets in one thread. The clock of time_monotonic and
 * of the timers stands still and is moved by hand, so that no machine is too slow. What goes through the
 * kernel arrives when the kernel has time for it, even on loopback: it is waited for.
 */
#ifndef TM_TEST_WEB_RIG_H
#define TM_TEST_WEB_RIG_H

#include "unit/unit.h"

#include "web/http.h"

enum { ANSWER_MAX = 1 << 20 };

struct rig {
	struct event_base *base;
	struct web_server *server;
	struct endpoint at;
	bool pretends; /* rig_dial_as has been used */
	/* of the handlers */
	enum web_role role; /* of everybody */
	unsigned handled, gone;
	char said[256]; /* what the last handler read */
	struct web_request *kept;
	struct web_stream *stream;
};

/* connections, each: of web_config */
void rig_open(struct rig *g, uint32_t connections, uint32_t each);
void rig_serve(struct rig *g, const struct web_config *cfg); /* the same with handlers of another one */
void rig_close(struct rig *g);
void rig_turn(struct rig *g); /* what is due now, and what becomes due by it */
void rig_pass(struct rig *g, ns_t time); /* time goes by, and each timer comes when it is due */

/* Until that holds; after some patience of the machine's clock the test has failed. */
#define RIG_EXPECT(g, cond)                                                                                  \
	do {                                                                                                 \
		const ns_t deadline_ = rig_deadline();                                                       \
		while (rig_turn(g), !(cond))                                                                 \
			if (!rig_wait(deadline_))                                                            \
				fail_msg("%s: not so", #cond);                                               \
	} while (0)
ns_t rig_deadline(void);
bool rig_wait(ns_t deadline); /* for a moment; false: it is over */

int rig_dial(struct rig *g); /* the server has let it in, or has not */
struct visit *rig_visit(struct rig *g); /* the youngest, as the server has it */
int rig_dial_as(struct rig *g, const char *source); /* as if it came from that address */
void rig_say(struct rig *g, int fd, const char *text);
/* Until there is a whole answer by its length, or the end. "" when it was hung up on without a word. Static.
 */
const char *rig_hear(struct rig *g, int fd);
const char *rig_hear_end(struct rig *g, int fd); /* all until the other side hangs up */
bool rig_is_over(int fd); /* hung up on by now: nothing more has been said */
/* Dials, says, hears, hangs up. */
const char *rig_ask(struct rig *g, const char *text);

#define HOST "Host: this.mesh\r\n"

#endif
