/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The input are blocks of pcapng. What is read lies inside it, and a packet that was read is read the same
 * after it was written again. */
#include "fuzz/fuzz.h"
#include "wire/pcapng.h"

enum { COMMENT_MAX = PCAPNG_TEXT_MAX };

static void write_again(const struct pcapng_packet *p)
{
	const size_t room = (size_t)p->kept + PCAPNG_OVER;
	uint8_t *bytes = malloc(room);
	char comment[COMMENT_MAX + 1] = "";
	struct wr w = wr_over(bytes, room);
	struct pcapng_packet copy = *p, again;
	struct pcapng_block b;
	size_t len;

	assert(bytes);
	if (p->comment_n)
		memcpy(comment, p->comment, p->comment_n < COMMENT_MAX ? p->comment_n : COMMENT_MAX);
	copy.comment = comment;
	pcapng_packet_put(&w, &copy);
	assert(!w.bad);
	assert(pcapng_next(bytes, wr_len(&w), &b, &len) == TM_OK && len == wr_len(&w));
	assert(pcapng_packet_get(&b, &again) == TM_OK);
	assert(again.at == p->at && again.out == p->out && again.n == p->n && again.kept == p->kept);
	assert(again.lost == p->lost && again.comment_n == strlen(comment));
	assert(p->kept == 0 || memcmp(again.p, p->p, p->kept) == 0);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pcapng_block b;
	struct pcapng_packet p;
	struct pcapng_end e;

	for (size_t at = 0, len; pcapng_next(data + at, size - at, &b, &len) == TM_OK; at += len) {
		assert(len >= 12 && at + len <= size && b.body >= data + at &&
			b.body + b.n <= data + at + len);
		if (pcapng_packet_get(&b, &p) == TM_OK) {
			assert(p.p >= b.body && p.p + p.kept <= b.body + b.n);
			assert(!p.comment_n ||
				((const uint8_t *)p.comment >= b.body &&
					(const uint8_t *)p.comment + p.comment_n <= b.body + b.n));
			if (p.kept <= UINT16_MAX) /* as all that is written */
				write_again(&p);
		}
		(void)!pcapng_end_get(&b, &e);
	}
	return 0;
}
