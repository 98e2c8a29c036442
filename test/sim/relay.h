/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A relay on a host, as docs/protocol.md describes it: members register by authenticated STUN and a cookie
 * that proves their address, and what has the relay's header goes to the leg of the other end. Streams are
 * reliable and ordered, have a delay, and pass where no UDP does. A relay knows its members only by what they
 * have proved since it started. It shares no code with the real one.
 */
#ifndef TM_TEST_SIM_RELAY_H
#define TM_TEST_SIM_RELAY_H

#include "sim/host.h"

struct relay;

/* The host, which has paths, relays from now on; control links tell members of it when they come up, and a
 * member keeps what it was told across a restart. */
struct relay *relay_new(struct host *h);
void relay_stop(struct relay *r); /* all streams break, nothing is known any more */
void relay_start(struct relay *r);
void relay_restart(struct relay *r); /* both at once */
/* The member's stream to the host's relay, if one is up, breaks; both ends notice. */
void relay_break_stream(struct host *member, struct host *relay);
void relay_end_streams(struct host *member); /* all of its: the process has ended */
/* What the member has sent to others by its streams to the host's relay. */
unsigned relay_streamed(const struct host *member, const struct host *relay);
/* The members whose UDP datagrams it would hand on now. */
unsigned relay_members(const struct relay *r);
/* Questions that came to it so far, also while it was stopped. */
unsigned relay_asked(const struct relay *r);
/* Members are told that it does; the coordinator's does from its start. */
void relay_take_streams(struct relay *r);
bool relay_takes_streams(const struct relay *r);

/* --- between the files of a host only --- */

/* Was it for the relay? */
bool relay_takes(struct relay *r, const struct datagram *dg);
/* The member wants a stream to the host's relay, or no longer: it is dialled until it is up, again and again.
 */
void relay_want_stream(struct host *member, struct host *relay, bool wanted);
/* By a stream of the member's, or, on the relay's host, to a member. */
void relay_stream_put(struct host *h, const struct way_to *by, const uint8_t *msg, size_t n);

#endif
