/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A relay's control half: which members have registered with it, and by which way each is reached. No I/O, no
 * clock; one thread. The owner feeds it STUN messages and what becomes of members and streams, sends its
 * answers, and tells the plane the legs that it gives.
 *
 * A member registers itself, and nobody else can: the request is sealed with the key of the pair (control/
 * path/stun.h) and newer than the last one. Its address counts once it has shown that it receives there, by
 * the cookie of an answer (cookie.h): whoever sends with somebody else's source address gains nothing. The
 * address that registered last is the leg. It lives for its lifetime and ends with the member.
 *
 * All else is silence, and costs no more than a hash, but for the first message that claims to be from a
 * member, which costs a Diffie-Hellman, REGISTRAR_CLAIMS in a second at most. What is kept is a record per
 * member.
 */
#ifndef TM_CONTROL_RELAY_REGISTRAR_H
#define TM_CONTROL_RELAY_REGISTRAR_H

#include "base/time.h"
#include "control/path/stun.h"
#include "data/link/way.h"

struct registrar;

struct registrar_member {
	char id[NODE_ID_LEN + 1];
	uint8_t key[32]; /* X25519 */
	uint32_t host;
	uint64_t stamp; /* the newest message of its that was answered before the start (0 = none): older ones
			   stay unanswered */
};

struct registrar_config {
	const uint8_t *private_key; /* X25519, 32 bytes, borrowed for the call */
	const char *self_id; /* copied */
	struct prefix net4, net6; /* of the mesh: no leg is in there */
	size_t members_max; /* with a leg at the same time */
	void *ctx;
	/* A mesh node (no client, not ourselves); false for strangers. */
	bool (*find)(void *ctx, const char *id, struct registrar_member *ret_member);
};

/* Of one member: the first so many at once, then so many a second. Refused ones stay unanswered. */
enum { REGISTRAR_BURST = 20, REGISTRAR_RATE = 2 };
/* Keys computed in a second for messages that proved nothing yet. */
enum { REGISTRAR_CLAIMS = 1000 };
#define REGISTRAR_LIFETIME 120 /* s; granted to all */
/* A UDP leg of a member with a stream, which could take its place; members register every 25 s. */
#define REGISTRAR_PATIENCE (40 * SEC)

NODISCARD int registrar_new(const struct registrar_config *cfg, struct registrar **ret_registrar);
void registrar_free(struct registrar *r); /* wipes; NULL is fine */

/* --- what happens --- */

enum registrar_what {
	LEG_SAME, /* nothing to be told to the plane */
	LEG_PUT, /* the member is reached by that way from now on */
	LEG_GONE, /* it is not reached any more */
};

struct registrar_out {
	enum registrar_what what;
	struct registrar_member member;
	struct way_to way; /* PUT */
	bool wanted; /* registrar_stream: the member asked for its stream to be used */
	uint8_t answer[STUN_ANSWER_WHOLE];
	size_t n; /* of the answer, which goes back where the question came from; 0 = none */
};

/*
 * A message from the data socket, or by a stream that is up. False: it is no registration, and somebody
 * else's; else it was one, whatever became of it. real: as for control/path/core.h.
 */
bool registrar_stun(struct registrar *r, const struct way_to *by, const uint8_t *msg, size_t n, ns_t now,
	ns_t real, struct registrar_out *ret_out);

/*
 * The first message of a stream, which needs no cookie: a stream has a round trip behind it. TM_OK with the
 * member whose it is and the answer; then the owner gives the stream to the plane and says
 * registrar_stream_up. Of two streams of a member the newer one counts. `from`: its other end.
 */
NODISCARD int registrar_stream(struct registrar *r, const struct endpoint *from, const uint8_t *msg, size_t n,
	ns_t now, struct registrar_out *ret_out);
/*
 * wanted: the member asked for it to be used (LIFETIME not 0), which holds until it registers by UDP again;
 * else it stands by for when no UDP leg lives. The number of the stream (way->socket) tells it from others.
 */
void registrar_stream_up(struct registrar *r, const char *id, const struct way_to *way, bool wanted,
	struct registrar_out *ret_out);
void registrar_stream_down(
	struct registrar *r, const char *id, const struct way_to *way, struct registrar_out *ret_out);

/* A member is none any more, or has another key. */
void registrar_forget(struct registrar *r, const char *id, struct registrar_out *ret_out);

/* A leg whose time is over; false: none is. Call it until it says false. */
bool registrar_due(struct registrar *r, ns_t now, struct registrar_out *ret_out);
ns_t registrar_next(const struct registrar *r); /* when to call it again; NS_NEVER */

/* --- what is so --- */

/* Of the newest registration accepted from the member, to be kept across restarts; 0 = none. */
uint64_t registrar_stamp(const struct registrar *r, const char *id);

size_t registrar_size(const struct registrar *r); /* members with a leg */
uint64_t registrar_refused(const struct registrar *r); /* registrations that stayed unanswered */

#endif
