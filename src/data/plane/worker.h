/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One worker: a thread, a TUN queue, sockets, buffers and counters of its own. It runs every packet to
 * completion. The control thread has a struct worker too, without thread, queue and receive buffers, to send
 * with (plane->self).
 */
#ifndef TM_DATA_PLANE_WORKER_H
#define TM_DATA_PLANE_WORKER_H

#include "data/offload/coalesce.h"
#include "data/peer/device.h"
#include "data/plane/askers.h"
#include "data/plane/drops.h"
#include "data/plane/event.h"
#include "data/plane/seal.h"
#include "data/plane/snapshot.h"
#include "data/plane/staging.h"
#include "data/plane/turn.h"
#include "os/crowd.h"
#include "os/low/bell.h"
#include "os/low/thread.h"
#include "os/wait.h"
#include "packet/reject.h"

#include <assert.h>

struct again;
struct device;
struct index_table;
struct kept;
struct legs;
struct relayed_run;
struct relays;
struct ring_mpsc;
struct stream;
struct stream_memory;
struct streams;
struct tun;

/* To each peer, and to our own host, of each kind: who floods us takes nobody else's answers, and rejections
 * no place of what path MTU needs. Slots by host number, so that now and then two peers share one. */
enum { ICMP_PER_SECOND = 100, ICMP_SLOTS = 64 };
enum icmp_kind { ICMP_ERROR, ICMP_REJECTION, ICMP_KINDS };
/* Slots of a worker that receives trains: also where nothing comes in trains, a receive should be worth its
 * call. */
enum { RX_TRAINS = 16 };

/* What all workers share. Set once, except where atomic. */
struct worker_env {
	struct tun *tun;
	uint16_t mtu;
	struct epoch *epoch;
	struct event_queue *events;
	struct staging *staging;
	struct index_table *index;
	const struct device *device; /* for device_screen alone */
	uint32_t host; /* ours, for relays; 0 = none */
	const struct sockets *sockets; /* beside each worker's own */
	_Atomic(struct relays *) *relays; /* that we are reached through; NULL: none */
	_Atomic(struct streams *) *streams; /* NULL: none yet */
	_Atomic(struct legs *) *legs; /* that we are a relay between; NULL: none, we are no relay */
	_Atomic(struct snapshot *) *live;
	const struct bell *stop; /* rings: end */
	size_t slot_bytes, packet_bytes; /* of one buffer; of the message in it */
	const char *aead; /* provider, NULL = the best */
};

struct worker;

/* One thing that a worker reads from, a batch at a time. */
struct inlet {
	/* True: there may be more already. */
	bool (*burst)(struct worker *w, unsigned number);
	unsigned number; /* of the TUN queue */
	size_t place; /* in worker.waits */
	bool ready;
	bool told; /* never read unless it said that there is something */
};
enum { INLETS = 3 }; /* own socket, TUN, crowd */
enum { OWED_MAX = 64 };

/*
 * What a worker reads besides: further sockets, many at times, and let in and out by the control thread while
 * it runs. They are in the worker's crowd, which leads here; gone through the epoch.
 */
struct guest {
	bool (*burst)(struct worker *w, struct guest *g, unsigned what); /* enum wait_what; as above */
	struct turn turn;
};

/* Who fills a socket (siding.h). */
enum { TALLY_MAX = 16 };
struct tally {
	struct endpoint who[TALLY_MAX];
	uint64_t cost[TALLY_MAX]; /* 0: nobody */
};

struct worker {
	/* set once */
	const struct worker_env *env;
	unsigned id; /* TUN queue and epoch slot */
	struct aead *aead;
	uint8_t *rx_mem, *scratch;
	uint8_t *super; /* a packet or super-packet of the TUN, TUN_PACKET_MAX */
	struct coalescer *merge;
	size_t n_rx; /* slots in use of rx */
	struct wait_set *waits; /* NULL in the control thread's */
	struct crowd *crowd; /* of struct guest */
	size_t stop_place; /* in it, of env->stop */
	struct inlet inlet[INLETS];
	unsigned n_inlets;
	struct stream_memory *streams; /* NULL: there is no stream yet */
	struct {
		struct guest guest;
		struct ring_mpsc *ring, *urgent; /* handshakes and checks do not wait behind the rest */
		struct bell bell;
		_Atomic(bool) woken;
	} post; /* what other threads send by streams of this one's, and what they ask of it */
	_Atomic(struct again *) again; /* asked by the control thread (again.h) */
	struct kept *kept; /* NULL in the control thread's */
	struct thread thread, owner; /* owner: who may call what is below */
	bool running; /* control thread */
	/* the thread's own */
	bool tun_lost;
	bool crowded; /* some guest had something the last time */
	uint64_t heard; /* runs of messages that proved to be a peer's */
	unsigned udp_offloads, merge_told; /* as last told to the control thread */
	ns_t now;
	const struct snapshot *snap;
	struct datagram rx[UDP_RECV_MAX];
	uint32_t rx_socket; /* that rx came from */
	bool rx_stream; /* rx_socket is the number of a stream */
	struct askers askers;
	struct {
		size_t slots; /* filled in a row, by full batches */
		bool counting;
		struct tally tally;
		uint64_t lost; /* by the socket, before what is counted */
		uint8_t slot[UDP_RECV_MAX]; /* of rx, while it is counted: enum slot_is */
		struct tally junk, asking, good; /* by address (pit_whole); asking: of the junk */
		uint64_t cost; /* of all */
		struct endpoint who; /* was heaviest in junk, the last `blamed` times */
		unsigned blamed;
	} watch; /* siding.h */
	struct filter_worker filter;
	struct seal seal;
	struct out out; /* also: its own socket, which it receives from */
	struct {
		ns_t since;
		unsigned n;
	} icmp[ICMP_KINDS][ICMP_SLOTS];
	struct stream *leaving; /* of those that it owns, when this burst is over (mates.h) */
	struct {
		uint32_t stream[OWED_MAX]; /* by number: it may be gone by then */
		unsigned n;
		ns_t due; /* the first of them */
	} owed; /* to streams (owed.h) */
	/* letters to the control thread: the worker writes one while it is not set, the control thread takes
	 * it */
	struct {
		_Atomic(bool) is_set;
		struct udp_cast source; /* is to have a siding */
	} wish, blame; /* of blame: is to be read no longer (pit_cast) */
	struct {
		_Atomic(bool) is_set;
		uint32_t stream, other; /* are mates, and the other is not ours */
	} match;
	/* the control thread's */
	unsigned n_streams; /* that it owns, or will soon */
	/* read by the control thread */
	_Atomic(unsigned) merge_refused; /* enum tun_offload: super-packets that the kernel does not take */
	_Atomic(uint64_t) drops[DROP_N];
	struct {
		_Atomic(uint64_t) packets, bytes;
	} relayed;
};

/* Whoever calls anything about a worker's packets is its thread, or the one that made it if it has none. */
#define ON_WORKER(w) assert(thread_is_self(&(w)->owner))

/* with_buffers: a thread will run it. */
NODISCARD int worker_init(
	struct worker *w, const struct worker_env *env, unsigned id, struct udp *udp, bool with_buffers);
void worker_deinit(struct worker *w); /* not the socket */
/* Any thread: the worker looks at its post. */
void worker_wake(struct worker *w);
NODISCARD int worker_start(struct worker *w);
void worker_join(struct worker *w); /* env->stop rings */

static inline void worker_drop_n(struct worker *w, enum plane_drop why, uint64_t packets)
{
	/* One writer per counter: no locked instruction needed. */
	uint64_t n = atomic_load_explicit(&w->drops[why], memory_order_relaxed);

	atomic_store_explicit(&w->drops[why], n + packets, memory_order_relaxed);
}

static inline void worker_drop(struct worker *w, enum plane_drop why)
{
	worker_drop_n(w, why, 1);
}

/* The longest inner packet that is sent: its copies, sealed, fit everywhere. */
static inline size_t worker_packet_max(const struct worker *w)
{
	return w->env->packet_bytes - WG_DATA_OVERHEAD;
}

/* ingress.c: what a refused handshake message is counted as. */
enum plane_drop drop_of_verdict(enum device_verdict v);

/* ingress.c, egress.c: one batch from a socket, or from a TUN queue (struct inlet). */
NODISCARD bool ingress_burst(struct worker *w, unsigned ignored);
NODISCARD bool ingress_burst_from(struct worker *w, struct udp *u, uint32_t socket);
/* Likewise; how many slots it filled, of w->n_rx. */
size_t ingress_batch(struct worker *w, struct udp *u, uint32_t socket);
/* Messages for us that came by a stream, without headers, and a STUN message. */
void ingress_frame(
	struct worker *w, const struct endpoint *remote, uint32_t stream, const struct relayed_run *run);
void ingress_stream_stun(
	struct worker *w, const struct endpoint *remote, uint32_t stream, const uint8_t *p, size_t n);
NODISCARD bool egress_burst(struct worker *w, unsigned queue);
/* deliver.c: an authentic packet that v is a view of; it stays where it is until worker_flush_tun. */
void worker_to_tun(struct worker *w, uint8_t *packet, const struct ip_view *v);
void worker_flush_tun(struct worker *w);
/* Not for us: on to another peer, if one of the two is a client. */
void worker_pass_on(struct worker *w, struct peer *from, uint8_t *packet, const struct ip_view *v);
/* The coalescer makes what the TUN takes. */
void worker_allow_merging(struct worker *w);
/* Something that the kernel did for us it does no more: the control thread says so. */
void worker_offload_lost(struct worker *w);
/* TUN was deleted: egress_burst reports it here. */
void worker_tun_lost(struct worker *w);

/*
 * A packet of n bytes for peer p, checked and filtered: seal and send under its session, or stage a copy and
 * ask for one. The packet has headroom and tailroom (packet.h) and stays where it
 * is until worker_flush.
 */
void egress_to_peer(struct worker *w, struct peer *p, uint8_t *packet, size_t n, bool from_tun);
/* The same with a copy of it: the packet has no room around it, and belongs to somebody else. */
void egress_copy_to_peer(struct worker *w, struct peer *p, const uint8_t *packet, size_t n);

/* relays.c: whether we are reached through a relay there. */
bool worker_knows_relay(const struct worker *w, const struct endpoint *at);

/* Timer inputs (data/peer/peer.h). */
void worker_sent(struct worker *w, struct peer *p, bool data);
void worker_received(struct worker *w, struct peer *p, bool data);
void worker_want_renewal(struct worker *w, struct peer *p);
/* p's sticky source address does not work any more. */
void worker_unstick(struct worker *w, struct peer *p);

/* icmp.c: an error about a packet back to where it came from, or that it is rejected, within the rate limit.
 */
void worker_icmp(
	struct worker *w, enum icmp_error kind, uint32_t mtu, const struct ip_view *v, bool from_tun);
void worker_reject(struct worker *w, const struct ip_view *v, bool from_tun);

/* fit.c: a packet for p is longer than the `mtu` bytes that its way takes. */

bool worker_may_cut(const struct ip_view *v);
/* Sends it in pieces; false: that must not be done, and nothing has been. */
NODISCARD bool worker_cut(
	struct worker *w, struct peer *p, const struct ip_view *v, size_t mtu, bool from_tun);
/* Tells its sender that it is lost, and `packets` with it, and what is not. */
void worker_tell_mtu(struct worker *w, const struct ip_view *v, unsigned packets, size_t mtu, bool from_tun);

/* What is asked about packets that come to the filter together. */
struct judged {
	enum filter_dir dir;
	struct peer *peer; /* at the other end of the tunnel */
	unsigned packets; /* that each stands for: super-packets */
	bool from_tun; /* where their senders are told */
};
/* judge.c: asks the filter that there is about n <= FILTER_BATCH packets. A bit for each that must not pass:
 * it has been counted, and answered. */
unsigned worker_judge(struct worker *w, const struct judged *j, const struct ip_view *v, size_t n);

/* Whether this one may pass. */
static inline bool worker_admits(struct worker *w, const struct judged *j, const struct ip_view *v)
{
	return LIKELY(!w->snap->filter) || !worker_judge(w, j, v, 1);
}

#endif
