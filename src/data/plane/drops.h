/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every packet that is not delivered is counted under one of these names: enum, text, CLI and metrics come
 * from this list. */
#ifndef TM_DATA_PLANE_DROPS_H
#define TM_DATA_PLANE_DROPS_H

#define PLANE_DROPS(X)                                                                                       \
	X(NOT_IP, "not_ip", "inner packet is neither IPv4 nor IPv6, or its header lies")                     \
	X(NO_ROUTE, "no_route", "no peer owns the destination address; none owns broadcasts and groups")     \
	X(NO_PATH, "no_path", "handshake gave up or no endpoint is known for the peer")                      \
	X(STAGED_FULL, "staged_full", "too many packets waiting for a session")                              \
	X(SEND_EXPIRED, "send_expired", "session too old to send under")                                     \
	X(SEND_FAILED, "send_failed", "the UDP socket refused the datagram")                                 \
	X(NO_SENDER, "no_sender", "the peer's way needs a stream or a socket that is not there")             \
	X(TOO_BIG, "too_big", "packet larger than the path allows")                                          \
	X(LOOP, "loop", "the peer's endpoint is inside the mesh itself")                                     \
	X(MALFORMED, "malformed", "datagram is no message we know, or has an impossible length")             \
	X(TRUNCATED, "truncated", "datagram larger than the receive buffer")                                 \
	X(NO_SESSION, "no_session", "receiver index belongs to no live session")                             \
	X(RECV_EXPIRED, "recv_expired", "session too old to receive under")                                  \
	X(AUTH, "auth", "authentication tag is wrong")                                                       \
	X(REPLAY, "replay", "counter already seen or behind the window")                                     \
	X(SPOOF, "spoof", "inner source address is not this peer's")                                         \
	X(ECN, "ecn", "congestion mark on a packet that cannot carry it (RFC 6040)")                         \
	X(FILTERED, "filtered", "denied by policy")                                                          \
	X(REJECTED, "rejected", "denied by policy, and its sender was told")                                 \
	X(STRAY, "stray", "belongs to no connection that policy let begin")                                  \
	X(HIDDEN, "hidden", "headers that lead to nothing a policy could be about")                          \
	X(PIECE, "piece", "fragment whose first one did not come before it, was denied, or overlaps it")     \
	X(FLOWS_FULL, "flows_full", "its peer has as many connections as there is room for")                 \
	X(NOT_FOR_US, "not_for_us", "for an address that is not ours, where we forward nothing")             \
	X(TTL, "ttl", "time to live ended here")                                                             \
	X(TUN_QUEUE_FULL, "tun_queue_full", "the kernel's queue from the TUN to us was full")                \
	X(UDP_QUEUE_FULL, "udp_queue_full", "the kernel's receive buffer of the UDP socket was full")        \
	X(TUN_FULL, "tun_full", "the TUN device refused the packet")                                         \
	X(QUEUE_FULL, "queue_full", "too many handshake messages waiting for the control thread")            \
	X(STUN_FLOOD, "stun_flood", "too many STUN messages from this address")                              \
	X(HS_MALFORMED, "hs_malformed", "handshake message with an impossible length")                       \
	X(HS_MAC1, "hs_mac1", "sender does not know our public key")                                         \
	X(HS_COOKIE, "hs_cookie", "under load: a cookie was demanded instead")                               \
	X(HS_RATE, "hs_rate", "too many handshakes from this address")                                       \
	X(HS_DECRYPT, "hs_decrypt", "handshake message does not decrypt")                                    \
	X(HS_UNKNOWN_PEER, "hs_unknown_peer", "handshake from a key that is not in the mesh")                \
	X(HS_REPLAY, "hs_replay", "handshake timestamp is not newer than the last")                          \
	X(HS_FLOOD, "hs_flood", "initiations from one peer too close together")                              \
	X(HS_UNEXPECTED, "hs_unexpected", "answer to a handshake that we did not start")                     \
	X(RELAY_STRANGER, "relay_stranger", "relayed message from an address that is no relay of ours")      \
	X(RELAY_OTHERS, "relay_others", "relayed message for others, and we relay nothing")                  \
	X(RELAY_UNPROVEN, "relay_unproven", "to be relayed, from an address that neither end has proved")    \
	X(RELAY_UNBOUND, "relay_unbound", "to be relayed to a member that has not registered with us")       \
	X(RELAY_SHAPE, "relay_shape", "to be relayed, but neither WireGuard nor STUN")                       \
	X(RELAY_MAC1, "relay_mac1", "to be relayed: a handshake that does not know whom it is for")          \
	X(RELAY_SHARE, "relay_share", "its sender wants more of a busy relay than each of the others has")   \
	X(NO_USE, "no_use",                                                                                  \
		"its sender floods a relay with what is of no use, or it is no message that we know")        \
	X(RELAY_SEND, "relay_send", "to be relayed, and the socket or the path did not take it")             \
	X(STREAM_FULL, "stream_full", "a stream to a relay or member could not carry more; the oldest go")   \
	X(STUN_AUTH, "stun_auth", "STUN message without the right integrity tag, or replayed")               \
	X(NO_MEMORY, "no_memory", "out of memory")

enum plane_drop {
#define X(name, label, text) DROP_##name,
	PLANE_DROPS(X)
#undef X
		DROP_N
};

const char *plane_drop_label(enum plane_drop d);
const char *plane_drop_text(enum plane_drop d);

#endif
