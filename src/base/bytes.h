/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Cursors over borrowed memory with a sticky error: read or write straight through a message, test `bad`
 * once. A cursor that went bad yields zeros and writes nothing. One consuming call per statement (C leaves
 * the order of initializers open).
 */
#ifndef TM_BASE_BYTES_H
#define TM_BASE_BYTES_H

#include "base/util.h"

#include <string.h>

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t get_be64(const uint8_t *p)
{
	return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

static inline uint32_t get_le32(const uint8_t *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static inline uint64_t get_le64(const uint8_t *p)
{
	return (uint64_t)get_le32(p + 4) << 32 | get_le32(p);
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, (uint16_t)(v >> 16));
	put_be16(p + 2, (uint16_t)v);
}

static inline void put_be64(uint8_t *p, uint64_t v)
{
	put_be32(p, (uint32_t)(v >> 32));
	put_be32(p + 4, (uint32_t)v);
}

static inline void put_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

static inline void put_le64(uint8_t *p, uint64_t v)
{
	put_le32(p, (uint32_t)v);
	put_le32(p + 4, (uint32_t)(v >> 32));
}

struct rd {
	const uint8_t *at, *end;
	bool bad;
};

static inline struct rd rd_over(const uint8_t *p, size_t n)
{
	return (struct rd){.at = p, .end = p + n};
}

static inline size_t rd_left(const struct rd *r)
{
	return (size_t)(r->end - r->at);
}

/* n borrowed bytes, or NULL (and bad) when fewer are left. */
static inline const uint8_t *rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = r->at;

	if (r->bad || rd_left(r) < n) {
		r->bad = true;
		return NULL;
	}
	r->at += n;
	return p;
}

static inline uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 1);
	return p ? p[0] : 0;
}

static inline uint16_t rd_be16(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 2);
	return p ? get_be16(p) : 0;
}

static inline uint32_t rd_be32(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 4);
	return p ? get_be32(p) : 0;
}

static inline uint64_t rd_be64(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 8);
	return p ? get_be64(p) : 0;
}

static inline uint32_t rd_le32(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 4);
	return p ? get_le32(p) : 0;
}

static inline uint64_t rd_le64(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 8);
	return p ? get_le64(p) : 0;
}

/* Copies n bytes out; zeros when the cursor is or goes bad. */
static inline void rd_copy(struct rd *r, void *out, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);

	if (p)
		memcpy(out, p, n);
	else
		memset(out, 0, n);
}

struct wr {
	uint8_t *begin, *at, *end;
	bool bad;
};

static inline struct wr wr_over(uint8_t *p, size_t n)
{
	return (struct wr){.begin = p, .at = p, .end = p + n};
}

static inline size_t wr_len(const struct wr *w)
{
	return (size_t)(w->at - w->begin);
}

/* Room for n bytes that the caller fills, or NULL (and bad). */
static inline uint8_t *wr_room(struct wr *w, size_t n)
{
	uint8_t *p = w->at;

	if (w->bad || (size_t)(w->end - w->at) < n) {
		w->bad = true;
		return NULL;
	}
	w->at += n;
	return p;
}

static inline void wr_u8(struct wr *w, uint8_t v)
{
	uint8_t *p = wr_room(w, 1);
	if (p)
		p[0] = v;
}

static inline void wr_be16(struct wr *w, uint16_t v)
{
	uint8_t *p = wr_room(w, 2);
	if (p)
		put_be16(p, v);
}

static inline void wr_be32(struct wr *w, uint32_t v)
{
	uint8_t *p = wr_room(w, 4);
	if (p)
		put_be32(p, v);
}

static inline void wr_be64(struct wr *w, uint64_t v)
{
	uint8_t *p = wr_room(w, 8);
	if (p)
		put_be64(p, v);
}

static inline void wr_le32(struct wr *w, uint32_t v)
{
	uint8_t *p = wr_room(w, 4);
	if (p)
		put_le32(p, v);
}

static inline void wr_le64(struct wr *w, uint64_t v)
{
	uint8_t *p = wr_room(w, 8);
	if (p)
		put_le64(p, v);
}

static inline void wr_bytes(struct wr *w, const void *src, size_t n)
{
	uint8_t *p = wr_room(w, n);
	if (p && n)
		memcpy(p, src, n);
}

#endif
