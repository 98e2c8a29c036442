/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Control link: JSON messages inside Noise_IK (control/link/secure.h) inside binary WebSocket messages on a
 * connection (net/conn.h). The node connects; the coordinator's static key comes from the join token, the
 * node's is its identity. Control thread only, on libevent. Every wait has a deadline: connecting, the
 * handshake, silence (ping after 20 s, closed after 45 s), a send queue that does not drain.
 */
#ifndef TM_CONTROL_LINK_CLINK_H
#define TM_CONTROL_LINK_CLINK_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"
#include "crypto/identity.h"

#include <jansson.h>

enum {
	CLINK_MSG_MAX = 16 << 20,
	CLINK_QUEUE_MAX = 32 << 20,
	CLINK_QUEUE_LOW = 64 << 10, /* the mark of `drained`; NET_QUEUE_LOW */
};

struct event_base;
struct net_released;
struct proxy;
struct stream_asker;
struct stream_taker;
struct clink;

/* The text of a message that is made once and sent on many links. Counted, immutable. */
struct clink_text;
/* Copies n bytes, the text of one JSON object. TM_ERANGE over CLINK_MSG_MAX. */
NODISCARD int clink_text_new(const char *text, size_t n, struct clink_text **ret_text);
struct clink_text *clink_text_ref(struct clink_text *t);
const char *clink_text_bytes(const struct clink_text *t, size_t *ret_n); /* not NUL-terminated */
void clink_text_unref(struct clink_text *t); /* the last one wipes it; NULL is fine */
DEFINE_CLEANUP(struct clink_text, clink_text_unref)

struct clink_events {
	void *ctx;
	void (*connected)(
		void *ctx, struct clink *l); /* client: by TCP, through the proxy if any; may not free it */
	void (*up)(void *ctx, struct clink *l); /* Noise handshake complete */
	void (*message)(void *ctx, struct clink *l, const json_t *m); /* a JSON object, borrowed */
	/* The queue was above CLINK_QUEUE_LOW and is not any more. Never called from inside a send. */
	void (*drained)(void *ctx, struct clink *l);
	/* Last call for this link, also when connecting failed; why is a sentence for people. Comes from the
	 * loop, never from within a call to the link; which is freed after it returns. */
	void (*closed)(void *ctx, struct clink *l, int err, const char *why);
	/*
	 * Server, each may be NULL: is this the key of one whose handshakes count against nobody's budget?
	 * Who claims to have it has proved nothing yet. And: somebody has finished one with such a key.
	 */
	bool (*known)(void *ctx, const uint8_t *key);
	void (*greeted)(void *ctx, const uint8_t *key);
};

struct clink_config {
	const char *address; /* what it is called: wire/address.h */
	const struct endpoint
		*at; /* where that is, or the proxy; NULL: the address says it, without a name */
	bool tls; /* not for addresses that say which themselves */
	const struct proxy *via; /* it has to connect us; copied. NULL: none */
	/* No control link, but a stream to the relay there: `up` comes once the answer was right, then
	 * clink_release. Borrowed; remote_key and identity are not used. */
	const struct stream_asker *stream;
	const uint8_t *remote_key; /* the coordinator's X25519 key, 32 bytes */
	const struct identity *identity; /* borrowed for the link's life */
	int connect_timeout_ms; /* TCP, WebSocket and Noise together */
	uint32_t mark; /* SO_MARK of its sockets, 0 = none */
};

/* Never calls back before returning. TM_EINVAL: no such address. Several of them: control/link/race.h. */
NODISCARD int clink_connect(struct event_base *base, const struct clink_config *cfg,
	const struct clink_events *ev, struct clink **ret_link);
/* Queues; m is borrowed. TM_EFULL (and the link closes) when the other side does not drain its queue.
 * TM_ECLOSED before up. */
NODISCARD int clink_send(struct clink *l, const json_t *m);
NODISCARD int clink_send_text(struct clink *l, struct clink_text *t); /* likewise; t is the caller's */
size_t clink_queued(const struct clink *l); /* bytes that wait for the other side to take them */
/* Closes after what is queued has been sent, or after 2 s; `closed` is called. */
void clink_close(struct clink *l, const char *why);
/* Closes and frees now, without calling back. NULL is fine. */
void clink_free(struct clink *l);
const uint8_t *clink_peer_key(const struct clink *l); /* the other side's X25519 key; valid once up */
/* Not set: a proxy stands between, and only it knows. */
const struct endpoint *clink_peer_address(const struct clink *l);
bool clink_is_tls(const struct clink *l); /* client */
bool clink_is_proxied(const struct clink *l); /* client */
void *clink_user(const struct clink *l);
void clink_set_user(struct clink *l, void *user);
/* Largest message taken from the other side, CLINK_MSG_MAX or the server's receive_max at first. */
void clink_limit_receive(struct clink *l, size_t bytes);
/* The network changed: closes the link unless the other side is heard from within timeout_ms, or at once when
 * the address that it comes from is no longer this machine's. */
void clink_probe(struct clink *l, int timeout_ms);
/* In `closed`: the coordinator asked to be left alone for so long; 0 = it did not. */
unsigned clink_retry_ms(const struct clink *l);
/* In `up` of a stream: the connection goes on elsewhere; then free the link. As net_release. */
NODISCARD int clink_release(struct clink *l, struct net_released *ret_r);
/* Replace the callbacks (a server hands an accepted link over). */
void clink_set_events(struct clink *l, const struct clink_events *ev);

struct clink_server;
/* Which certificate it shows: net/tls_files.h. */
struct clink_tls {
	const char *certificate, *key; /* files; NULL: one of its own */
	const char *own; /* the file of that */
	const char *const *hosts;
	size_t n_hosts;
};
struct clink_server_config {
	struct endpoint listen; /* IP unspecified v6 = dual stack */
	const struct endpoint *also; /* further ones; borrowed for the call, up to PORTS_MAX - 1 */
	size_t n_also;
	const struct clink_tls *tls; /* borrowed for the call; NULL: no TLS is spoken */
	const struct identity *identity; /* borrowed */
	unsigned max_links; /* established; control/link/admission.h bounds the others */
	size_t receive_max; /* as clink_limit_receive, from `up`; 0 = CLINK_MSG_MAX */
	size_t receive_first; /* and of the first message, which may be a stranger's; 0 = receive_max */
	const struct stream_taker *streams; /* borrowed for the server's life; NULL: none are taken */
	bool streams_only; /* nobody gets a link here; and ports that cannot be opened are left for later */
	uint32_t mark; /* SO_MARK, 0 = none */
};
/*
 * ev->up is the first call for each accepted link. It comes with the first authentic message of the node,
 * right before `message`: only that proves that the handshake was no replay. d explains a busy port.
 */
NODISCARD int clink_server_new(struct event_base *base, const struct clink_server_config *cfg,
	const struct clink_events *ev, struct clink_server **ret_server, struct diag *d);
/* Opens the ports that are not. An error: not all are open; d explains the first of them. */
NODISCARD int clink_server_listen(struct clink_server *s, struct diag *d);
uint16_t clink_server_port(const struct clink_server *s);
void clink_server_free(struct clink_server *s); /* closes all its links without calling back; NULL is fine */

#endif
