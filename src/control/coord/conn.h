/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One control link as the coordinator sees it. The transport stays behind two functions: coord.c plugs clink
 * in, tests plug in fakes. Control thread. The transport calls back from the loop alone, never from within
 * `send` or `close`: a conn is there until conn_closed, which frees it.
 */
#ifndef TM_CONTROL_COORD_CONN_H
#define TM_CONTROL_COORD_CONN_H

#include "base/addr.h"
#include "base/err.h"
#include "base/list.h"
#include "base/time.h"

#include "control/coord/registry.h"
#include "wire/msg/msg.h"

struct clink_text;
struct coord;
struct conn;
struct jsonout;
struct member;

struct coord_conn_ops {
	/* Queues. After an error the transport closes the link itself. */
	int (*send)(void *link, struct clink_text *t);
	size_t (*queued)(const void *link); /* bytes that the other side has not taken yet */
	/* Sends what is queued, then closes and calls conn_closed. */
	void (*close)(void *link, const char *why);
};

/*
 * A member's handshakes are paid for by nobody, however many members come from one address, as long as it
 * does not come again and again. May one with this key be free, and: one was.
 */
bool conn_key_is_free(struct coord *c, const uint8_t key[static 32]);
void conn_key_came(struct coord *c, const uint8_t key[static 32]);
/* A link with a proven key is up. */
NODISCARD int conn_open(struct coord *c, const struct coord_conn_ops *ops, void *link,
	const uint8_t key[static 32], const struct endpoint *from, struct conn **ret_conn);
void conn_message(struct conn *n, const msg_object *m);
void conn_drained(struct conn *n); /* the queue is short again */
void conn_closed(struct conn *n); /* last call; link is not used any more */

enum conn_state {
	CONN_NEW, /* has not said hello */
	CONN_ENROLLING, /* its job is under way */
	CONN_MEMBER,
	CONN_CLOSING, /* only conn_closed is due */
};

/* Private to coord/. One more message, of so many a minute and at once? Then it is spent. */
bool spend_message(struct spending *s, uint64_t per_minute, uint64_t at_once);

/* Private to coord/. */
struct conn {
	/* set once */
	struct coord *c;
	uint64_t id;
	const struct coord_conn_ops *ops;
	void *link;
	uint8_t key[32];
	struct endpoint from;
	ns_t opened;
	/* changes */
	enum conn_state state;
	struct member *member; /* CONN_MEMBER only */
	uint64_t known; /* netmap version it has */
	unsigned n_requests; /* not answered yet */
	struct spending messages; /* until it is a member's */
	bool says_policy; /* policy_held.c: its node says by which version of the policy it goes: */
	uint64_t policy_held;
	size_t charged; /* push.c: bytes of snapshots in its queue */
	ns_t charged_until; /* it has taken them by then */
	struct list in_conns;
	struct list in_push; /* CONN_MEMBER only */
	struct list in_charged; /* while there is a charge */
	struct list in_relays; /* relays.c: to be told who relays */
	struct list in_policy; /* policy.c: to be told the policy */
	struct list in_fresh; /* CONN_NEW only */
	struct list in_strangers; /* while the key is not a member's */
};

/* One message for many links; empties o. The caller's. */
NODISCARD int conn_text(struct jsonout *o, struct clink_text **ret_text);
/* Empties o. A link that cannot send is closed by its transport. */
int conn_send(struct conn *n, struct jsonout *o);
int conn_send_text(struct conn *n, struct clink_text *t);
void conn_shut(struct conn *n, const char *why);
void conn_removed(struct conn *n, const char *why); /* {"t":"removed"} and close */
void conn_twin(struct conn *n, const char *why); /* the same for who is a member, but twice */

#endif
