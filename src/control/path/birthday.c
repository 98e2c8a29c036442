/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/birthday.h"

/* Blocks are powers of two. Providers hand out 64 ports (RFC 7422's examples go down there) to 2,048. */
enum { BLOCK_MIN = 64, BLOCK_OF_TWO = 512, BLOCK_MAX = 2048, ALL_PORTS = UINT16_MAX + 1 - BIRTHDAY_LOWEST };

/* --- blocks --- */

/* The smallest aligned block with all ports of `seen` that have this address (NULL: any). */
static struct birthday_block block_of(const struct stun_guess *seen, const struct ip *ip)
{
	uint16_t low = UINT16_MAX, high = 0;
	unsigned n = 0, size = BLOCK_MIN;

	for (unsigned i = 0; i < seen->n; i++) {
		const struct endpoint *ep = &seen->seen[i];

		if (ip && !ip_eq(&ep->ip, ip))
			continue;
		low = MIN(low, ep->port);
		high = MAX(high, ep->port);
		n++;
	}
	while (size <= BLOCK_MAX && low / size != high / size)
		size *= 2;
	/* Two ports of 64,512 lie in one block of 512 by chance in one case of a hundred, three in one of
	 * 2,048 in one of a thousand. */
	if (n < 2 || low < BIRTHDAY_LOWEST || size > (n == 2 ? BLOCK_OF_TWO : BLOCK_MAX))
		return (struct birthday_block){.size = 0};
	return (struct birthday_block){.base = (uint16_t)(low / size * size), .size = (uint16_t)size};
}

static bool is_known(const struct birthday *b, const struct ip *ip)
{
	for (unsigned i = 0; i < b->n_blocks; i++)
		if (ip_eq(&b->blocks[i].ip, ip))
			return true;
	return false;
}

/* That of the only port that was seen of one address among several: who has several is a provider. */
static struct birthday_block block_around(uint16_t port)
{
	if (port < BIRTHDAY_LOWEST)
		return (struct birthday_block){.size = 0};
	return (struct birthday_block){
		.base = (uint16_t)(port / BLOCK_OF_TWO * BLOCK_OF_TWO), .size = BLOCK_OF_TWO};
}

static bool is_pool(const struct stun_guess *seen)
{
	for (unsigned i = 1; i < seen->n; i++)
		if (!ip_eq(&seen->seen[i].ip, &seen->seen[0].ip))
			return true;
	return false;
}

static bool is_single(const struct stun_guess *seen, const struct ip *ip)
{
	unsigned n = 0;

	for (unsigned i = 0; i < seen->n; i++)
		n += ip_eq(&seen->seen[i].ip, ip);
	return n == 1;
}

/* One for each address. What a single port does not suggest, those of all addresses may. */
static void find_blocks(struct birthday *b, const struct stun_guess *seen)
{
	const struct birthday_block whole = block_of(seen, NULL);
	const bool pool = is_pool(seen);

	b->n_blocks = 0;
	for (unsigned i = 0; i < seen->n && b->n_blocks < BIRTHDAY_ADDRESSES; i++) {
		const struct ip *ip = &seen->seen[i].ip;

		if (is_known(b, ip))
			continue;
		struct birthday_block block = block_of(seen, ip);
		if (!block.size)
			block = whole.size                    ? whole
				: pool && is_single(seen, ip) ? block_around(seen->seen[i].port)
							      : block;
		block.ip = *ip;
		b->blocks[b->n_blocks++] = block;
	}
}

unsigned birthday_sockets(const struct stun_guess *seen)
{
	struct birthday b = {.n_blocks = 0};

	find_blocks(&b, seen);
	for (unsigned i = 0; i < b.n_blocks; i++)
		if (b.blocks[i].size)
			return BIRTHDAY_SOCKETS_IN_BLOCK;
	return BIRTHDAY_SOCKETS;
}

/* --- guesses --- */

/* The i-th of n numbers in an order that the dice decide, each once: multiplication by what has no factor in
 * common with n, a power of two or 64,512 = 2^10 * 3^2 * 7. */
static unsigned shuffled(const struct birthday *b, unsigned i, unsigned n)
{
	unsigned step = (b->dice >> 16) | 1;

	while (step % 3 == 0 || step % 7 == 0)
		step += 2;
	return (unsigned)(((uint64_t)step * i + b->dice) % n);
}

/* In the block, then in its neighbour, the other half of the block twice as large, and so on; then anywhere.
 */
static uint16_t port_of(const struct birthday *b, const struct birthday_block *block, unsigned i)
{
	unsigned base = block->base, size = block->size;

	if (!size || i >= BIRTHDAY_IN_BLOCK)
		return (uint16_t)(BIRTHDAY_LOWEST + shuffled(b, i, ALL_PORTS));
	if (i < size)
		return (uint16_t)(base + shuffled(b, i, size));
	for (i -= size; i >= size; size *= 2) {
		i -= size;
		base &= ~(2 * size - 1);
	}
	return (uint16_t)((base ^ size) + shuffled(b, i, size));
}

struct endpoint birthday_guess(const struct birthday *b, unsigned n)
{
	const struct birthday_block *block = &b->blocks[n % b->n_blocks];

	return (struct endpoint){.ip = block->ip, .port = port_of(b, block, n / b->n_blocks)};
}

/* --- the attempt --- */

void birthday_begin(struct birthday *b, enum stun_guess_role role, const struct endpoint *to,
	const struct stun_guess *seen, uint32_t random, ns_t now)
{
	*b = (struct birthday){.role = role, .began = now, .due = now, .dice = random};
	if (role == STUN_GUESS_OPENS) {
		b->to = *to;
		b->due = now + BIRTHDAY_FOR;
	} else {
		find_blocks(b, seen);
	}
}

void birthday_opened(struct birthday *b, const uint32_t *sockets, size_t n, ns_t now)
{
	b->n_sockets = (unsigned)MIN(n, (size_t)BIRTHDAY_SOCKETS);
	for (unsigned i = 0; i < b->n_sockets; i++)
		b->sockets[i] = sockets[i];
	if (b->role == STUN_GUESS_OPENS)
		b->round_began = now;
	b->due = MAX(b->round_began, now);
}

/* The n-th datagram since a batch began leaves with it, or the next batch is due later: never two at once,
 * however late this comes. */
static void pace(struct birthday *b, unsigned n, ns_t now)
{
	if (n % BIRTHDAY_BATCH == 0)
		b->due = now + BIRTHDAY_PACE;
}

void birthday_only_at(struct birthday *b, const struct stun_guess *at)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->n_blocks; i++)
		for (unsigned k = 0; k < at->n; k++)
			if (ip_eq(&b->blocks[i].ip, &at->seen[k].ip)) {
				b->blocks[n++] = b->blocks[i];
				break;
			}
	b->n_blocks = n;
}

void birthday_limit(struct birthday *b, unsigned most)
{
	b->most = most;
}

/* Of n datagrams that the role has. */
static unsigned limited(const struct birthday *b, unsigned n)
{
	return b->most ? MIN(n, b->most) : n;
}

static bool step_opens(struct birthday *b, ns_t now, uint32_t *ret_socket, struct endpoint *ret_to)
{
	const unsigned all = BIRTHDAY_ROUNDS * b->n_sockets;

	if (b->round * b->n_sockets + b->next >= limited(b, all)) {
		b->due = b->began + BIRTHDAY_FOR;
		return false;
	}
	*ret_socket = b->sockets[b->next++];
	*ret_to = b->to;
	pace(b, b->next, now);
	if (b->next == b->n_sockets) {
		b->due = MAX(now + BIRTHDAY_PACE, b->round_began + (BIRTHDAY_AGAIN << b->round));
		b->round_began = b->due;
		b->round++;
		b->next = 0;
	}
	return true;
}

static bool step_guesses(struct birthday *b, ns_t now, uint32_t *ret_socket, struct endpoint *ret_to)
{
	if (!b->n_blocks || b->guessed >= limited(b, BIRTHDAY_GUESSES)) {
		b->due = b->began + BIRTHDAY_FOR;
		return false;
	}
	*ret_socket = 0;
	*ret_to = birthday_guess(b, b->guessed++);
	pace(b, b->guessed, now);
	return true;
}

/* --- meeting --- */

void birthday_meet(
	struct birthday *b, enum stun_guess_role role, const struct endpoint *to, ns_t at, ns_t now)
{
	*b = (struct birthday){.role = role, .began = now, .to = *to, .round_began = at};
	b->due = now + BIRTHDAY_FOR; /* until there are sockets */
}

/* When a batch leaves that comes after the burst. */
static ns_t batch_at(const struct birthday *b, unsigned batch)
{
	enum { BATCHES = (BIRTHDAY_MEETINGS - BIRTHDAY_BURST) / BIRTHDAY_MEETINGS_BATCH };
	ns_t at = b->round_began + BIRTHDAY_LEAD + (batch + 1) * BIRTHDAY_PACE;

	if (b->role == STUN_GUESS_MEETS)
		at += (2 * (int)batch - (BATCHES - 1)) * BIRTHDAY_LEAD / (BATCHES - 1);
	return at;
}

/*
 * The two sides begin at opposite ends, of the burst and of each batch: where a line takes less time than it
 * takes to send one more datagram, and nobody keeps time so well, some two of the burst cross all the same.
 */
static unsigned ticket(const struct birthday *b)
{
	const bool burst = b->next < BIRTHDAY_BURST;
	const unsigned n = burst ? limited(b, BIRTHDAY_BURST) : BIRTHDAY_MEETINGS_BATCH;
	const unsigned first = burst ? 0 : b->next / n * n;

	return b->role == STUN_GUESS_MEETS ? first + n - 1 - (b->next - first) : b->next;
}

static bool step_meets(struct birthday *b, ns_t now, uint32_t *ret_socket, struct endpoint *ret_to)
{
	const unsigned all = limited(b, BIRTHDAY_MEETINGS);

	while (b->n_sockets && b->next < all && b->due <= now) {
		const unsigned i = ticket(b);

		b->next++;
		if (b->next >= BIRTHDAY_BURST && b->next % BIRTHDAY_MEETINGS_BATCH == 0)
			b->due = MAX(
				now + MS, batch_at(b, (b->next - BIRTHDAY_BURST) / BIRTHDAY_MEETINGS_BATCH));
		*ret_socket = b->sockets[i];
		*ret_to = b->to;
		ret_to->port = (uint16_t)(ret_to->port + i);
		if (*ret_socket)
			return true;
	}
	if (!b->n_sockets || b->next >= all)
		b->due = b->began + BIRTHDAY_FOR;
	return false;
}

/* --- either --- */

bool birthday_step(struct birthday *b, ns_t now, uint32_t *ret_socket, struct endpoint *ret_to)
{
	if (now < b->due || birthday_is_over(b, now))
		return false;
	switch (b->role) {
	case STUN_GUESS_OPENS:
		return step_opens(b, now, ret_socket, ret_to);
	case STUN_GUESS_GUESSES:
		return step_guesses(b, now, ret_socket, ret_to);
	case STUN_GUESS_OFFERS:
	case STUN_GUESS_MEETS:
		return step_meets(b, now, ret_socket, ret_to);
	case STUN_GUESS_NONE:
		break;
	}
	return false;
}

/* Only who guesses waits: what the other side repeats may be what its own guess needs. Of those who meet the
 * first by a fresh port is enough: it has opened both routers. */
void birthday_hint(struct birthday *b, uint32_t socket, bool question, ns_t now)
{
	bool ours = false;

	for (unsigned i = 0; socket && i < b->n_sockets; i++) {
		if (b->sockets[i] != socket)
			continue;
		ours = b->hit[i] = true;
		b->asked[i] = (uint8_t)MIN(b->asked[i] + question, 2);
	}
	if (b->role == STUN_GUESS_GUESSES)
		b->due = MAX(b->due, now + BIRTHDAY_HINT);
	if (ours && b->role != STUN_GUESS_OPENS)
		b->next = BIRTHDAY_MEETINGS;
}

void birthday_kept(const struct birthday *b, bool ret_kept[static BIRTHDAY_SOCKETS])
{
	unsigned room = BIRTHDAY_SOCKETS_IN_BLOCK;

	for (unsigned i = 0; i < BIRTHDAY_SOCKETS; i++)
		ret_kept[i] = false;
	for (int least = 2; least >= 0; least--)
		for (unsigned i = 0; room && i < b->n_sockets; i++)
			if (b->hit[i] && !ret_kept[i] && b->asked[i] >= least) {
				ret_kept[i] = true;
				room--;
			}
}

bool birthday_is_over(const struct birthday *b, ns_t now)
{
	return now - b->began >= BIRTHDAY_FOR;
}
