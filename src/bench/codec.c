/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bench/codec.h"

static const uint8_t magic[3] = {'T', 'M', 'B'};

/* Longer than a transfer and what may delay its end: a result beyond is nonsense. */
#define ELAPSED_MAX (2 * BENCH_TIME_MAX_S * SEC)

/* --- what all of them begin with --- */

static void put_head(struct wr *w, unsigned kind, const uint8_t id[static BENCH_ID])
{
	wr_bytes(w, magic, sizeof(magic));
	wr_u8(w, BENCH_VERSION);
	wr_u8(w, (uint8_t)kind);
	wr_bytes(w, "\0\0", 3);
	wr_bytes(w, id, BENCH_ID);
}

static void put_zeros(struct wr *w)
{
	size_t n = (size_t)(w->end - w->at);

	memset(wr_room(w, n), 0, n);
}

static int get_head(struct rd *r, size_t len, uint8_t *ret_kind, uint8_t ret_id[static BENCH_ID])
{
	if (rd_left(r) < len)
		return TM_ESHORT;
	if (rd_left(r) > len)
		return TM_EBADMSG;

	const uint8_t *m = rd_bytes(r, sizeof(magic));
	uint8_t version = rd_u8(r);

	if (!m || memcmp(m, magic, sizeof(magic)) != 0)
		return TM_EBADMSG;
	if (version != BENCH_VERSION)
		return TM_EVERSION;

	*ret_kind = rd_u8(r);
	rd_bytes(r, 3);
	rd_copy(r, ret_id, BENCH_ID);
	return TM_OK;
}

/* --- requests --- */

void bench_request_encode(const struct bench_request *r, uint8_t out[static BENCH_REQUEST_LEN])
{
	struct wr w = wr_over(out, BENCH_REQUEST_LEN);

	put_head(&w, r->type, r->id);
	wr_be32(&w, r->duration_ms);
	put_zeros(&w);
}

static bool duration_fits(const struct bench_request *r)
{
	if (r->type == BENCH_DOWNLOAD || r->type == BENCH_UPLOAD)
		return r->duration_ms >= 1 && r->duration_ms <= BENCH_TIME_MAX_S * 1000;

	return r->duration_ms == 0;
}

int bench_request_decode(const uint8_t *p, size_t n, struct bench_request *ret_r)
{
	struct rd in = rd_over(p, n);
	struct bench_request r = {0};
	uint8_t type = 0;
	int err = get_head(&in, BENCH_REQUEST_LEN, &type, r.id);

	if (err)
		return err;

	r.duration_ms = rd_be32(&in);
	if (type < BENCH_OPEN || type > BENCH_RESULT)
		return TM_EBADMSG;
	r.type = type;
	if (!duration_fits(&r))
		return TM_EBADMSG;

	*ret_r = r;
	return TM_OK;
}

/* --- replies --- */

void bench_reply_encode(const struct bench_reply *r, uint8_t out[static BENCH_REPLY_LEN])
{
	struct wr w = wr_over(out, BENCH_REPLY_LEN);

	put_head(&w, r->code, r->id);
	wr_be64(&w, r->bytes);
	wr_be64(&w, (uint64_t)r->elapsed);
	wr_be32(&w, r->retransmits);
	put_zeros(&w);
}

int bench_reply_decode(const uint8_t *p, size_t n, struct bench_reply *ret_r)
{
	struct rd in = rd_over(p, n);
	struct bench_reply r = {0};
	uint8_t code = 0;
	int err = get_head(&in, BENCH_REPLY_LEN, &code, r.id);

	if (err)
		return err;

	r.code = code <= BENCH_REFUSED ? code : BENCH_REFUSED;
	r.bytes = rd_be64(&in);
	uint64_t elapsed = rd_be64(&in);
	r.retransmits = rd_be32(&in);
	if (elapsed > (uint64_t)ELAPSED_MAX)
		return TM_EBADMSG;
	r.elapsed = (ns_t)elapsed;

	*ret_r = r;
	return TM_OK;
}

/* --- echo datagrams --- */

void bench_echo_encode(const struct bench_echo *e, uint8_t out[static BENCH_ECHO_LEN])
{
	struct wr w = wr_over(out, BENCH_ECHO_LEN);

	put_head(&w, e->type, e->id);
	wr_be32(&w, e->seq);
	put_zeros(&w);
}

int bench_echo_decode(const uint8_t *p, size_t n, struct bench_echo *ret_e)
{
	struct rd in = rd_over(p, n);
	struct bench_echo e = {0};
	uint8_t type = 0;
	int err = get_head(&in, BENCH_ECHO_LEN, &type, e.id);

	if (err)
		return err;

	e.seq = rd_be32(&in);
	if (type != BENCH_ECHO_REQUEST && type != BENCH_ECHO_REPLY)
		return TM_EBADMSG;
	e.type = type;

	*ret_e = e;
	return TM_OK;
}
