/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A UDP socket for both address families, in batches, with the ancillary facts a tunnel needs: local address
 * and ECN of each datagram. Opened by the control thread; immutable afterwards, so that any thread may send;
 * one worker receives.
 */
#ifndef TM_OS_UDP_H
#define TM_OS_UDP_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"

struct udp;

/* Of one call. Receiving and sending differ because one received slot may hold many datagrams. */
enum { UDP_RECV_MAX = 64, UDP_SEND_MAX = 192 };
/* Bytes of a slot that many datagrams fit into. */
enum { UDP_TRAIN_MAX = 65536 };
/* What one train may hold that is sent: UDP_MAX_SEGMENTS of the kernels before 6.9, and the IPv4 packet that
 * carries it must stay below 64 KiB. */
enum { UDP_SEND_TRAIN_DATAGRAMS = 64, UDP_SEND_TRAIN_BYTES = 65000 };

/* The kernel cuts one long buffer into datagrams (UDP_SEGMENT), or hands over a train of them (UDP_GRO). */
enum udp_offload { UDP_OFFLOAD_GSO = 1, UDP_OFFLOAD_GRO = 2 };

struct datagram {
	uint8_t *data;
	size_t n, cap; /* cap: receiving, room at data */
	/*
	 * A train of datagrams of this size, one after the other in data, only the last may be shorter. 0 =
	 * just one. Sending: it leaves as it is, with one err for the whole.
	 */
	uint16_t segment;
	struct endpoint remote;
	struct ip local; /* our address; sending: IP_NONE = the kernel chooses */
	uint32_t local_ifindex; /* sending: only used with a link-local `local` */
	uint8_t tos; /* DSCP and ECN of the outer header */
	bool no_wait; /* sending: lost at once (TM_EAGAIN) where others wait some ms for room in the socket */
	bool truncated; /* received: larger than cap */
	bool local_refused; /* sent, but only after leaving `local` out */
	/* sent: TM_OK, TM_ERANGE (larger than the path MTU), TM_EAGAIN (no room in the socket), TM_EUNREACH,
	 * TM_EIO */
	int err;
};

struct udp_config {
	uint16_t port; /* 0 = any */
	uint32_t mark; /* SO_MARK, 0 = none */
	unsigned offloads; /* enum udp_offload: wanted */
	size_t recv_bytes, send_bytes; /* the kernel's buffers, as far as we are allowed; 0 = default */
	const struct udp *with; /* NULL, or a socket whose port and traffic this one shares (SO_REUSEPORT) */
};

/*
 * The first socket of a port is bound exclusively, so that a second daemon gets TM_EBUSY and a sentence
 * instead of half of our packets; only then is sharing switched on.
 */
NODISCARD int udp_open(const struct udp_config *cfg, struct udp **ret_udp, struct diag *d);
void udp_close(struct udp *u); /* NULL is fine */

/*
 * Which of the sockets that share a port receives a datagram, by their numbers in the order of opening. If
 * there are heads, what begins with none of them, or is shorter than `least` bytes, goes to number `nobodys`.
 * So does what comes from one that is `cast`, but for what begins with a head that is `free` and is no longer
 * than free_most; and of that, too, all but one of `heard_of`, by chance, from one who is to be heard so
 * rarely. Of the rest, what comes from one of the sources goes to the socket named there, what begins with
 * first_byte and three zeros to number (byte at lane_at) modulo lanes, and all others to one of the first
 * `lanes`, where addresses and ports happen to lead, also while nobody has a socket of its own any more and
 * those that were opened for it are not closed yet. A train is judged by its head and its length in all.
 * False: the kernel cannot, and that leads everywhere. After the last socket was opened, and again when one
 * was opened or closed; any program, any user may do so.
 */
struct udp_source {
	struct endpoint from;
	unsigned socket;
};
struct udp_head {
	uint8_t at; /* of four bytes, big endian, of which those in `mask` are to be `value` */
	uint32_t mask, value;
	bool free;
};
struct udp_cast {
	struct endpoint from; /* port 0: all ports of the address, of IPv6 of all addresses of its /64 */
	bool rarely;
};
enum { UDP_SOURCES_MAX = 64, UDP_CAST_MAX = 64, UDP_HEADS_MAX = 8 };
struct udp_steering {
	const struct udp_head *heads;
	size_t n_heads;
	uint16_t least; /* so long that all heads lie in it */
	uint16_t free_most;
	unsigned nobodys;
	uint8_t first_byte;
	uint16_t lane_at;
	unsigned lanes;
	const struct udp_source *sources;
	size_t n_sources;
	const struct udp_cast *cast;
	size_t n_cast; /* 0 without heads */
	uint32_t heard_of; /* a power of two; of use if one of them is to be heard rarely */
	bool others; /* there are sockets beyond the lanes, or were; true if n_sources or n_heads */
	uint32_t salt; /* random: by what strangers cannot choose sources that go the way of others */
};
bool udp_steer(const struct udp *any, const struct udp_steering *by);

int udp_fd(const struct udp *u); /* for poll */
uint16_t udp_port(const struct udp *u);
bool udp_has_v6(const struct udp *u);
/* Datagrams that the kernel dropped because the receive buffer was full. */
uint64_t udp_overflows(const struct udp *u);
/* How full that buffer is, in percent; 0 where nobody knows. A system call. */
unsigned udp_filled(const struct udp *u);

/*
 * Those in use, of the wanted ones. UDP_OFFLOAD_GSO goes away for good when the kernel refuses trains that it
 * takes one by one (a device without checksum offload: EIO).
 */
unsigned udp_offloads(const struct udp *u);

/* Fills up to n (<= UDP_RECV_MAX) datagrams whose data and cap are set; returns how many, never waiting. */
size_t udp_recv(const struct udp *u, struct datagram *v, size_t n);
/*
 * Sends n (<= UDP_SEND_MAX) with "don't fragment" and sets err and local_refused in each; returns how many
 * failed. The order of those with the same destination is kept. Neighbours in memory travel cheapest.
 */
size_t udp_send(struct udp *u, struct datagram *v, size_t n);
/* Sends one that is larger than the path MTU in fragments. Slow; for packets that nobody can make smaller. */
NODISCARD int udp_send_fragmented(struct udp *u, struct datagram *dg);
/* What the kernel knows about the path to ep: largest UDP payload. 0 = unknown. Slow. */
size_t udp_path_payload(const struct udp *u, const struct endpoint *ep);

#endif
