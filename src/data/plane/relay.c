/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Relays: declared in plane.h, built in the changes that follow. */
#include "data/plane/plane_private.h"

#include "data/plane/stream.h"

int plane_relay_offer(struct plane *p, bool on)
{
	ON_CONTROL(p);
	return on ? TM_EUNSUPPORTED : TM_OK;
}

int plane_relay_put(struct plane *p, uint32_t host, const struct plane_leg *leg)
{
	ON_CONTROL(p);
	(void)host, (void)leg;
	return TM_EBUSY;
}

void plane_relay_remove(struct plane *p, uint32_t host)
{
	ON_CONTROL(p);
	(void)host;
}

struct plane_relayed plane_relayed(const struct plane *p, uint32_t host)
{
	ON_CONTROL(p);
	(void)host;
	return (struct plane_relayed){0};
}

int plane_stream_add(struct plane *p, const struct plane_stream *s_take, uint32_t *ret_stream)
{
	ON_CONTROL(p);
	(void)ret_stream;
	if (s_take->io)
		s_take->io->free(s_take->ctx);
	closep(&s_take->fd);
	return TM_EUNSUPPORTED;
}

void plane_stream_remove(struct plane *p, uint32_t stream)
{
	ON_CONTROL(p);
	(void)stream;
}
