/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* As much of TURN (RFC 8656) as a client needs that nobody asks who it is: Allocate, ChannelBind,
 * ChannelData. */
#include "bench/relay/relayload.h"

#include "crypto/init.h"
#include "lab/tools/words.h"
#include "wire/stun.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	ALLOCATE = 0x0003,
	REFRESH = 0x0004,
	CHANNEL_BIND = 0x0009,
	SUCCESS = 0x0100,
	CHANNEL_NUMBER = 0x000c,
	LIFETIME = 0x000d,
	XOR_PEER_ADDRESS = 0x0012,
	XOR_RELAYED_ADDRESS = 0x0016,
	REQUESTED_TRANSPORT = 0x0019,
	PROTOCOL_UDP = 17, /* 18.7: the number of IP */
	CHANNEL = 0x4000, /* the lowest; each client has them all */
	ANSWER_MAX = 1500,
	TRIES = 10,
};

static struct wr begin(uint8_t *out, size_t max, uint16_t type)
{
	struct wr w = wr_over(out, max);
	uint8_t id[STUN_TXID];

	random_bytes(id, sizeof(id));
	wr_be16(&w, type);
	wr_be16(&w, 0); /* the length, by `finish` */
	wr_be32(&w, STUN_MAGIC);
	wr_bytes(&w, id, sizeof(id));
	return w;
}

static size_t finish(const struct wr *w, uint8_t *out)
{
	put_be16(out + 2, (uint16_t)(wr_len(w) - STUN_HEADER));
	return wr_len(w);
}

static void put_address(struct wr *w, const struct endpoint *ep)
{
	wr_be16(w, XOR_PEER_ADDRESS);
	wr_be16(w, 8);
	wr_be16(w, 1); /* IPv4 */
	wr_be16(w, ep->port ^ (uint16_t)(STUN_MAGIC >> 16));
	wr_be32(w, get_be32(ep->ip.bytes) ^ STUN_MAGIC);
}

static bool is_answer(const uint8_t *question, const uint8_t *answer, size_t n)
{
	return n >= STUN_HEADER && memcmp(answer + 8, question + 8, STUN_TXID) == 0;
}

static bool succeeded(const uint8_t *question, const uint8_t *answer)
{
	return get_be16(answer) == (get_be16(question) | SUCCESS);
}

static struct endpoint relayed_address(const uint8_t *p, size_t n)
{
	struct rd r = rd_over(p + STUN_HEADER, n - STUN_HEADER);

	while (rd_left(&r) >= 4) {
		const uint16_t type = rd_be16(&r), len = rd_be16(&r);
		const uint8_t *v = rd_bytes(&r, (len + 3U) & ~3U);

		if (v && type == XOR_RELAYED_ADDRESS && len == 8)
			return (struct endpoint){.ip = ip_v4_host(get_be32(v + 4) ^ STUN_MAGIC),
				.port = get_be16(v + 2) ^ (uint16_t)(STUN_MAGIC >> 16)};
	}
	errno = 0;
	die("the relay gives no address of IPv4");
}

static bool allocate(int fd, struct endpoint *ret_relayed)
{
	uint8_t question[64], answer[ANSWER_MAX];
	struct wr w = begin(question, sizeof(question), ALLOCATE);

	wr_be16(&w, REQUESTED_TRANSPORT);
	wr_be16(&w, 4);
	wr_be32(&w, (uint32_t)PROTOCOL_UDP << 24);
	const size_t n = ask(fd, question, finish(&w, question), answer, sizeof(answer), is_answer);

	if (!succeeded(question, answer))
		return false;
	*ret_relayed = relayed_address(answer, n);
	return true;
}

static bool bind_channel(int fd, const struct endpoint *peer)
{
	uint8_t question[64], answer[ANSWER_MAX];
	struct wr w = begin(question, sizeof(question), CHANNEL_BIND);

	wr_be16(&w, CHANNEL_NUMBER);
	wr_be16(&w, 4);
	wr_be32(&w, (uint32_t)CHANNEL << 16);
	put_address(&w, peer);
	(void)ask(fd, question, finish(&w, question), answer, sizeof(answer), is_answer);
	return succeeded(question, answer);
}

static bool connect_pair(struct load *l, struct end *client, struct end *peer)
{
	struct endpoint relayed, own;

	client->fd = datagram_socket(l, &l->at);
	if (!allocate(client->fd, &relayed)) {
		close(client->fd);
		return false;
	}
	peer->fd = datagram_socket(l, &relayed);
	own = own_endpoint(peer->fd);
	if (!bind_channel(client->fd, &own)) {
		close(client->fd);
		close(peer->fd);
		return false;
	}
	/* 12.4: the channel, and the length of what follows */
	put_be16(client->before_out, CHANNEL);
	put_be16(client->before_out + 2, (uint16_t)l->bytes);
	memcpy(client->before_in, client->before_out, 4);
	client->n_out = client->n_in = 4;
	return true;
}

/* A port that a client had before is refused for a while even when its allocation has ended, so the next one
 * is tried. */
void turn_connect(struct load *l)
{
	for (size_t i = 0; i < l->pairs; i++)
		for (int tries = 1; !connect_pair(l, &l->ends[i][0], &l->ends[i][1]); tries++)
			if (tries == TRIES) {
				errno = 0;
				die("the relay refuses an allocation, or a channel, %d times", TRIES);
			}
}

/* 7.1: a lifetime of 0 ends it. A relay would take the next run's clients, from the same ports, for these.
 * Asked again because the answer was lost it says that there is none: just as well. */
void turn_disconnect(struct load *l)
{
	for (size_t i = 0; i < l->pairs; i++) {
		uint8_t question[64], answer[ANSWER_MAX];
		struct wr w = begin(question, sizeof(question), REFRESH);

		wr_be16(&w, LIFETIME);
		wr_be16(&w, 4);
		wr_be32(&w, 0);
		(void)ask(
			l->ends[i][0].fd, question, finish(&w, question), answer, sizeof(answer), is_answer);
	}
}
