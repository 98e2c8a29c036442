/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A herd: thousands of members of a mesh in one process and one thread, each with a real control link over
 * real TCP, doing what docs/protocol.md says a node does: enrol, greet, keep the version of its map, come
 * back when the link is lost. The map itself is not kept: its messages are looked at and counted.
 */
#ifndef TM_TEST_BENCH_SCALE_HERD_H
#define TM_TEST_BENCH_SCALE_HERD_H

#include "base/time.h"
#include "crypto/identity.h"
#include "wire/stun.h"
#include "wire/token.h"

#include <jansson.h>

struct clink;
struct event_base;
struct loop_timer;

enum { HERD_MAX = 1 << 16, HERD_WATCH_MAX = 127 };

struct herd;

enum member_state {
	MEMBER_ENROL, /* a link for the enrolment alone, as `tunnelmesh join` opens it */
	MEMBER_WAIT, /* for its timer */
	MEMBER_CONNECT,
	MEMBER_GREET, /* hello is sent */
	MEMBER_UP, /* welcomed */
	MEMBER_GONE, /* removed from the mesh, or gave up */
};

struct member {
	struct herd *herd;
	struct identity id;
	unsigned index;
	uint32_t host; /* number, of its enrolment; 0 = not yet */
	enum member_state state;
	struct clink *link;
	struct loop_timer *timer;
	uint64_t version; /* of the map it holds, 0 = none */
	ns_t backoff, up_since, pace;
	unsigned failures;
	ns_t begun, enrolled, ready; /* of its join; 0 = not yet */
	ns_t seen; /* when it was told what is watched for */
	bool current; /* since the last mark: greeted, and told all there was to tell */
	/* its question to the coordinator's STUN server */
	uint8_t stun_key[STUN_KEY];
	bool has_stun_key;
	ns_t stun_asked;
};

struct herd_counters {
	uint64_t attempts, ups, downs, refused; /* links */
	uint64_t received; /* bytes from the sockets */
	uint64_t messages, bytes; /* of text, as it is read */
	uint64_t snapshots, snapshot_bytes, deltas, delta_bytes, misfits;
	uint64_t candidates; /* messages that tell them */
};

struct guests;

struct herd {
	struct event_base *base;
	struct guests *guests; /* NULL: none */
	struct token token;
	bool has_token;
	char address[TOKEN_ADDR_LEN]; /* of the coordinator, instead of those in the token; "" = the token's
				       */
	struct member *members[HERD_MAX];
	size_t n, n_up, n_current;
	uint64_t newest; /* version that any member has been told */
	struct herd_counters count;
	/* joins under way */
	struct {
		size_t first, want, begun, done, failed, parallel, running;
		ns_t started;
		bool active;
	} join;
	/* when has everybody been told this text? */
	struct {
		char text[HERD_WATCH_MAX + 1];
		size_t need, got;
		ns_t since;
		bool active;
	} watch;
};

/* member.c */
NODISCARD int member_new(struct herd *h, struct member **ret_member);
void member_free(struct member *m);
void member_join(struct member *m);
void member_start(struct member *m, ns_t wait); /* enrolled already */
void member_cut(struct member *m); /* its link is gone, as after a failure of the network */
void member_end(struct member *m); /* likewise, and it does not come back */
void member_want(struct member *m, const struct member *target); /* asks for its candidates */
void member_report(struct member *m, unsigned pairs, unsigned round); /* report.c */
json_t *member_hello(unsigned index, uint64_t version); /* what that one says, holding that map */

/*
 * guest.c: links that are there to cost the coordinator something, `n` in all and at most `parallel` at once.
 * Each has a new key, or all have that of `as` (which had better have no link of its own).
 */
enum guest_manner {
	GUEST_SILENT, /* Noise is through, and nothing is said */
	GUEST_SMALL, /* says what is no greeting */
	GUEST_LARGE, /* likewise, as much and as intricate as a first message may be */
	GUEST_ALMOST, /* that without its last byte */
	GUEST_VISIT, /* says hello, and goes when it is welcomed */
	GUEST_WANDER, /* says hello, and then other candidates again and again */
	GUEST_WANT, /* says hello, and asks for `target`'s candidates as often as it can */
};
struct guest_plan {
	enum guest_manner manner;
	size_t n, parallel;
	const struct member *as, *target; /* NULL: none */
};
NODISCARD int guests_start(struct herd *h, const struct guest_plan *plan);
void guests_report(struct herd *h, const char *event); /* {"ev":event, and what they have had so far */
void guests_end(struct herd *h);

/* herd.c: what members report. */
void herd_joined(struct herd *h, bool ok);
void herd_told(struct herd *h); /* a member has been told what is watched for */

/* text.c: the coordinator's messages, before anybody builds objects of them. */
struct map_message {
	uint64_t version, base;
	bool watched; /* the watched text is in it */
};
void text_look(struct herd *h);
/* {"t":"netmap"} was seen: its head. */
struct map_message text_map(const json_t *m);

/* source.c: from which addresses the herd's links come, one after the other; n 0 = as the system likes. */
NODISCARD int source_set(const char *first, unsigned n);

/* stun.c */
bool member_stun_key(struct member *m); /* that m->stun_key is there */
/* Every member asks the coordinator once under which address it is seen, `rate` of them a second; says
 * {"ev":"stunned"}. */
NODISCARD int stun_start(struct herd *h, const char *coordinator_id, const char *endpoint, unsigned rate);

/* herd.c: events are JSON objects, a line each, on stdout. */
void report_times(const char *name, ns_t *v, size_t n); /* ,"name":{...}; sorts v */
ns_t herd_clock(void); /* CLOCK_MONOTONIC, which the driver has too */

#endif
