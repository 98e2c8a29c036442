/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * os/tun.h and os/udp.h as memory queues: a network in which the test sees, forges and counts every datagram,
 * and TUNs whose other end is the test. Any thread.
 */
#ifndef TM_TEST_FAKE_IO_H
#define TM_TEST_FAKE_IO_H

#include "os/tun.h"
#include "os/udp.h"

enum { FAKE_BYTES = 16384 };

void fake_reset(void);
/* The next udp_open is on this host. */
void fake_host(const char *ip);
/* The host gets another address in place of its old one. */
void fake_move(const char *from, const char *to);
/* Largest UDP payload; 0 = no limit. */
void fake_path_payload(size_t n);
/* The same of the path to one host only. */
void fake_narrow_path(const char *to, size_t n);

/* What arrives there stays unseen until it is released: then all of it is there at once. */
enum fake_side { FAKE_TUNS = 1, FAKE_UDP = 2 };
void fake_hold(unsigned sides); /* enum fake_side: these, and no others */

/* TUN by name, from the kernel's side. */
void fake_tun_send(const char *name, const uint8_t *p, size_t n);
size_t fake_tun_recv(const char *name, uint8_t *buf, size_t cap); /* 0 = nothing */

/* Where a packet would be, reading ends in TM_EBADMSG once. */
void fake_tun_send_indescribable(const char *name);

/* What TUNs that are opened from now on can do (enum tun_offload); nothing after a reset. */
void fake_tun_can(unsigned offloads);
/* A super-packet, with what the kernel says about it; and what the plane said about the last one received. */
void fake_tun_send_super(const char *name, const struct vnet *v, const uint8_t *p, size_t n);
struct vnet fake_tun_last_vnet(void);
/* While set, the kernel refuses super-packets; how many it did since the last reset. */
void fake_refuse_supers(bool on);
size_t fake_supers_refused(void);

/* A datagram out of the blue to the socket that listens there. */
void fake_inject(const char *from, const char *to, uint8_t tos, const uint8_t *p, size_t n);
/* Datagrams that planes sent since the last reset, whether they arrived or not. */
size_t fake_sent(void);
size_t fake_sent_fragmented(void);
/* Those that somebody handed over as trains; each of their datagrams counts above. */
size_t fake_sent_trains(void);
/* The last datagram of WireGuard type `type`, or 'T' for a relayed one, that was sent (copied); its length, 0
 * = none. */
size_t fake_last(uint8_t type, uint8_t *buf, size_t cap, uint8_t *ret_tos);
/* Flips a bit in the tag of the k-th datagram that waits at this host. */
void fake_spoil(const char *at, size_t k);
/* From now on no socket takes trains to send. */
void fake_lose_gso(void);
/* While not TM_OK, sending a datagram fails with this, writing to a TUN with TM_EAGAIN. */
void fake_broken(int err);
/* How full every socket says that it is (udp_filled). */
void fake_fill(unsigned percent);
/* While set, every socket says that it has lost more, whenever it is asked (udp_overflows). */
void fake_overflow(bool on);
void fake_no_steering(void); /* from now on udp_steer does nothing */
unsigned fake_sockets(bool least); /* that are open; least: with no room to speak of */
/* Whether what comes from there has a socket of its own. */
bool fake_is_steered(const char *from);
/* Whether all of it but what is free goes where nobody reads. */
bool fake_is_unread(const char *from);
/* Whether of that, too, only one of some arrives: here, each such one, in turn. */
bool fake_is_heard_rarely(const char *from);
/* While set, datagrams vanish on the way (they still count as sent). */
void fake_blackhole(bool on);

#endif
