/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/data/plane/fake_private.h"

#include <assert.h>
#include <string.h>

struct tun {
	char name[16];
	unsigned queues, next, offloads;
	struct queue in[4]; /* to the plane, one per worker */
	struct queue out;
};

static struct tun *tuns[FAKE_SOCKETS];
static unsigned tun_can;
static bool refuse_supers;
static size_t supers_refused;
static struct vnet last_vnet;

void fake_tun_reset_locked(void)
{
	tun_can = 0;
	refuse_supers = false;
	supers_refused = 0;
}

void fake_tun_wake_locked(void)
{
	for (size_t i = 0; i < FAKE_SOCKETS; i++)
		for (unsigned q = 0; tuns[i] && q < tuns[i]->queues; q++)
			queue_wake(&tuns[i]->in[q]);
}

/* --- os/tun.h --- */

static void tun_free(struct tun *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < ARRAY_LEN(t->in); i++)
		queue_deinit(&t->in[i]);
	queue_deinit(&t->out);
	free(t);
}

int tun_open(const char *name, unsigned queues, uint16_t mtu, unsigned offloads, struct tun **ret_tun,
	struct diag *d)
{
	GUARD;
	struct tun *t = calloc(1, sizeof(*t));
	bool ok = t != NULL;

	(void)mtu;
	assert(queues <= ARRAY_LEN(t->in) && strlen(name) < sizeof(t->name));
	for (unsigned i = 0; i < queues && ok; i++)
		ok = queue_init(&t->in[i]);
	ok = ok && queue_init(&t->out);
	if (!ok) {
		tun_free(t);
		return diag_what(d, TM_ENOMEM, "out of memory");
	}
	memcpy(t->name, name, strlen(name));
	t->queues = queues;
	t->offloads = offloads & tun_can;
	for (size_t i = 0; i < FAKE_SOCKETS; i++)
		if (!tuns[i]) {
			tuns[i] = t;
			break;
		}
	*ret_tun = t;
	return TM_OK;
}

int tun_keep(const struct tun *t)
{
	GUARD;
	(void)t;
	return TM_OK;
}

void tun_close(struct tun *t)
{
	GUARD;
	if (!t)
		return;
	for (size_t i = 0; i < FAKE_SOCKETS; i++)
		if (tuns[i] == t)
			tuns[i] = NULL;
	tun_free(t);
}

const char *tun_name(const struct tun *t)
{
	return t->name;
}

int tun_fd(const struct tun *t, unsigned queue)
{
	return t->in[queue].fd;
}

static struct tun *tun_find(const char *name)
{
	for (size_t i = 0; i < FAKE_SOCKETS; i++)
		if (tuns[i] && strcmp(tuns[i]->name, name) == 0)
			return tuns[i];
	assert(!"no such TUN");
	return NULL;
}

bool tun_steered(const struct tun *t)
{
	(void)t;
	return false; /* in turn, to_plane_locked */
}

unsigned tun_offloads(const struct tun *t)
{
	return t->offloads;
}

int tun_read(const struct tun *t, unsigned queue, uint8_t *buf, size_t cap, struct vnet *ret_v, size_t *ret_n)
{
	GUARD;
	struct tun *w = tun_find(t->name);
	struct cell c;
	bool got = false;

	got = !fake_held_locked(FAKE_TUNS) && queue_pop(&w->in[queue], &c);
	if (!got)
		return TM_EAGAIN;
	if (c.err)
		return c.err;

	*ret_v = c.vnet;
	*ret_n = MIN(c.n, cap);
	memcpy(buf, c.bytes, *ret_n);
	return TM_OK;
}

int tun_write(
	const struct tun *t, unsigned queue, const struct vnet *v, const struct part *parts, size_t n_parts)
{
	GUARD;
	struct cell c = {.vnet = *v};

	(void)queue;
	if (fake_broken_locked())
		return TM_EAGAIN;
	if (v->gso && (refuse_supers || !t->offloads)) {
		supers_refused++;
		return TM_EINVAL;
	}
	for (size_t i = 0; i < n_parts; i++) {
		assert(parts[i].n <= FAKE_BYTES - c.n);
		memcpy(c.bytes + c.n, parts[i].p, parts[i].n);
		c.n += parts[i].n;
	}
	queue_push(&tun_find(t->name)->out, &c, false);
	return TM_OK;
}

void fake_tun_can(unsigned offloads)
{
	GUARD;
	tun_can = offloads;
}

void fake_refuse_supers(bool on)
{
	GUARD;
	refuse_supers = on;
}

size_t fake_supers_refused(void)
{
	GUARD;
	size_t n = 0;

	n = supers_refused;
	return n;
}

struct vnet fake_tun_last_vnet(void)
{
	GUARD;
	struct vnet v = {0};

	v = last_vnet;
	return v;
}

static void to_plane_locked(const char *name, const struct cell *c)
{
	struct tun *t = tun_find(name);

	queue_push(&t->in[t->next++ % t->queues], c, fake_held_locked(FAKE_TUNS));
}

void fake_tun_send(const char *name, const uint8_t *p, size_t n)
{
	fake_tun_send_super(name, &(struct vnet){0}, p, n);
}

void fake_tun_send_super(const char *name, const struct vnet *v, const uint8_t *p, size_t n)
{
	GUARD;
	struct cell c = {.n = n, .vnet = *v};

	assert(n <= FAKE_BYTES);
	memcpy(c.bytes, p, n);
	to_plane_locked(name, &c);
}

void fake_tun_send_indescribable(const char *name)
{
	GUARD;
	struct cell c = {.err = TM_EBADMSG};

	to_plane_locked(name, &c);
}

size_t fake_tun_recv(const char *name, uint8_t *buf, size_t cap)
{
	GUARD;
	struct cell c = {0};
	bool got = false;

	got = queue_pop(&tun_find(name)->out, &c);
	if (!got)
		return 0;
	assert(c.n <= cap);
	memcpy(buf, c.bytes, c.n);
	last_vnet = c.vnet;
	return c.n;
}
