/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One WireGuard peer. Created and destroyed by the control thread (data/peer/device.h); workers hold it only
 * between two quiescent points, found through the route snapshot or a keypair. After removal `dead` is set,
 * its keypairs are cut, and the memory is released through the epoch.
 */
#ifndef TM_DATA_PEER_PEER_H
#define TM_DATA_PEER_PEER_H

#include "base/addr.h"
#include "base/epoch.h"
#include "base/heap.h"
#include "base/list.h"
#include "data/link/way.h"
#include "data/peer/handshake.h"
#include "data/peer/keypair.h"
#include "data/peer/timers.h"

struct peer {
	/* set once */
	uint8_t key[32];
	void *owner; /* chosen by the owner, never interpreted here */
	/* control thread */
	struct handshake hs;
	struct timers timers;
	/* The owner's view; what workers see is `current` and `answered` below. */
	struct keypair *keys_current, *keys_previous, *keys_next;
	uint16_t persistent_keepalive_s; /* 0 = off */
	/* Chosen by the owner: the receiver that its messages are for (data/peer/index.h), from the next
	 * handshake on. */
	uint8_t lane;
	/* Chosen by the owner: a stock WireGuard peer, which nobody chooses a way for. The device moves it to
	 * where its authentic packets come from. */
	bool follows;
	struct heap_node due; /* in device's deadline heap */
	struct list all; /* in device's list */
	ns_t last_handshake_real; /* for display; 0 = never */
	bool session_up; /* as last told through session_changed */
	struct epoch_retired retired;
	/* workers, atomic */
	_Atomic(struct keypair *) current; /* NULL = no session: stage and ask */
	_Atomic(struct keypair *) answered; /* the session that we answered and that is not yet current */
	_Atomic(struct way *) way; /* NULL = none known */
	_Atomic(struct way *) also; /* in doubt about `way`: everything leaves by this one too; NULL mostly */
	_Atomic(bool) dead;
	_Atomic(uint32_t) id; /* of the member, for the filter: plane_peer */
	_Atomic(bool) forwards; /* packets from it may go on to other peers (client gateway) */
	_Atomic(uint64_t) tx_bytes, rx_bytes, tx_packets, rx_packets;
	/* What was sent since then, and whether it was much before: the owner's (data/plane/kept.h). */
	_Atomic(ns_t) spell_since;
	_Atomic(uint64_t) spell_bytes;
	_Atomic(bool) spell_much;
	/*
	 * Timer inputs. 0 = nothing pending. Workers write them, the control thread samples them in
	 * device_observe. A worker that turns one of the first two from 0 to a time, while `armed` is false,
	 * sets armed and posts an event.
	 */
	_Atomic(ns_t) data_sent_unanswered; /* first data sent since we last authenticated anything from it */
	_Atomic(ns_t) data_recv_unacked; /* first data received since we last sent anything */
	_Atomic(ns_t) last_auth_sent, last_auth_recv;
	_Atomic(ns_t) last_way_recv; /* as last_auth_recv, but only what came by the chosen way */
	/* Something authentic came by another way: the worker that turns this to true posts an event. */
	_Atomic(bool) heard_pending;
	_Atomic(ns_t) heard_again; /* not before this time, however often it happens */
	_Atomic(bool) armed, renew_pending, wanted;
};

/*
 * Worker: the session to send under now, NULL: stage. A session that we answered takes over as soon as its
 * first packet has proved that the other side has the keys (keypair.confirmed): the other side may have
 * forgotten the old session in a restart. Only where there was none before do packets wait for the control
 * thread, which sends what is staged first.
 *
 * Only the control thread writes the two pointers. A worker that published one itself could do so after the
 * control thread retired it, for a second worker whose quiescent point for that retirement is already past.
 */
static inline struct keypair *peer_sending_keys(const struct peer *p)
{
	struct keypair *kp = atomic_load_explicit(&p->current, memory_order_acquire), *answered;

	if (!kp)
		return NULL;

	answered = atomic_load_explicit(&p->answered, memory_order_acquire);
	return answered && atomic_load_explicit(&answered->confirmed, memory_order_relaxed) ? answered : kp;
}

#endif
