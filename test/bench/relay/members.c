/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bench/relay/relayload.h"

#include "base/encode.h"
#include "control/path/stun.h"
#include "crypto/init.h"
#include "lab/tools/words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct member {
	struct stun_self self;
	uint32_t host;
	uint8_t key[STUN_KEY];
	uint64_t stamp; /* of its last question */
};

struct members {
	const char *relay;
	struct member v[];
};

static uint32_t any_number(void *ctx UNUSED)
{
	return random_u32();
}

static void read_member(FILE *f, const char *name, struct member *m)
{
	char key[HEX_LEN(STUN_KEY) + 1];
	unsigned host;

	if (fscanf(f, "%16s %u %64s", m->self.id, &host, key) != 3 ||
		hex_decode(key, strlen(key), m->key, sizeof(m->key)) != TM_OK) {
		errno = 0;
		die("%s has too few members", name);
	}
	m->host = host;
	m->self.random = any_number;
}

struct members *members_read(const struct load *l)
{
	const size_t n = 2 * l->pairs;
	struct members *m = calloc(1, sizeof(*m) + n * sizeof(m->v[0]));
	FILE *f = l->members ? fopen(l->members, "r") : NULL;

	if (!m || !f || !l->relay_id)
		die("members= and relay=");
	m->relay = l->relay_id;
	for (size_t i = 0; i < n; i++)
		read_member(f, l->members, &m->v[i]);
	fclose(f);
	return m;
}

void members_free(struct members *m)
{
	free(m);
}

uint32_t members_host(const struct members *m, size_t i)
{
	return m->v[i].host;
}

size_t members_question(struct members *m, size_t i, const uint8_t *cookie, uint8_t *out, size_t max)
{
	enum { LIFETIME_S = 120 };
	struct stun_msg q = {.has_lifetime = true, .lifetime_s = LIFETIME_S, .has_cookie = true};

	if (cookie)
		memcpy(q.cookie, cookie, sizeof(q.cookie));
	m->v[i].self.real = time_real();
	return stun_ask(&m->v[i].self, m->relay, m->v[i].key, &q, out, max, &m->v[i].stamp);
}

bool members_answered(struct members *m, size_t i, const uint8_t *p, size_t n, uint8_t ret_cookie[static 8])
{
	char sender[NODE_ID_LEN + 1];
	struct stun_msg a;

	errno = 0;
	if (stun_open(&m->v[i].self, p, n, &a, sender) != TM_OK || a.class != STUN_SUCCESS ||
		stun_stamp(&a) != m->v[i].stamp || stun_verify(p, n, &a, m->v[i].key) != TM_OK)
		die("the relay's answer to a registration is none");
	if (!a.has_lifetime || (!a.lifetime_s && !a.has_cookie))
		die("the relay takes no registrations");
	memcpy(ret_cookie, a.cookie, sizeof(a.cookie));
	return a.lifetime_s;
}

/* Of this transaction. */
static bool same_transaction(const uint8_t *question, const uint8_t *answer, size_t n)
{
	return stun_classify(answer, n) && memcmp(question + 8, answer + 8, STUN_TXID) == 0;
}

/* The first answer has the cookie that the second question shows. A question that is lost is asked again as
 * it was, which is in order here: nobody has answered it. */
static void register_member(struct members *m, size_t i, int fd)
{
	uint8_t question[STUN_MAX], answer[STUN_MAX], cookie[STUN_COOKIE];
	size_t n = members_question(m, i, NULL, question, sizeof(question));

	n = ask(fd, question, n, answer, sizeof(answer), same_transaction);
	if (members_answered(m, i, answer, n, cookie))
		return;
	n = members_question(m, i, cookie, question, sizeof(question));
	n = ask(fd, question, n, answer, sizeof(answer), same_transaction);
	errno = 0;
	if (!members_answered(m, i, answer, n, cookie))
		die("the relay does not know its own cookie");
}

void member_connect(struct load *l)
{
	struct members *m = members_read(l);

	for (size_t i = 0; i < 2 * l->pairs; i++) {
		struct end *e = &l->ends[i / 2][i % 2];

		e->fd = datagram_socket(l, &l->at);
		register_member(m, i, e->fd);
		relay_put(e->before_out, relay_pair(members_host(m, i), members_host(m, i ^ 1)));
		memcpy(e->before_in, e->before_out, RELAY_HEADER);
		e->n_out = e->n_in = RELAY_HEADER;
	}
	members_free(m);
}
