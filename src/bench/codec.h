/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The bench between two nodes, inside the tunnel: requests and replies of fixed length over TCP, echo
 * datagrams over UDP. Pure codecs; docs/protocol.md says who sends what when.
 *
 *   all of them begin   "TMB" version=1 | type or code 1 | zero 3 | session 16
 *   a request goes on   duration_ms 4 | zero 4
 *   a reply             bytes 8 | elapsed_ns 8 | retransmits 4 | zero 4
 *   an echo             sequence 4 | zero 36
 *
 * The first five bytes and the lengths are the same in every version, so that versions can tell each other
 * apart. Zero bytes are not looked at.
 */
#ifndef TM_BENCH_CODEC_H
#define TM_BENCH_CODEC_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/time.h"

enum {
	BENCH_PORT = 5209, /* TCP and UDP; below the ports that outgoing connections take */
	BENCH_VERSION = 1,
	BENCH_ID = 16,
	BENCH_REQUEST_LEN = 4 + 4 + BENCH_ID + 4 + 4,
	BENCH_REPLY_LEN = 4 + 4 + BENCH_ID + 8 + 8 + 4 + 4,
	BENCH_ECHO_LEN = 64, /* what `ping` sends */
	BENCH_STREAMS_MAX = 16,
	BENCH_TIME_MAX_S = 60, /* of one transfer */
};
#define BENCH_RETRANSMITS_UNKNOWN UINT32_MAX
_Static_assert(BENCH_REQUEST_LEN == 32, "docs/protocol.md");
_Static_assert(BENCH_REPLY_LEN == 48, "docs/protocol.md");

enum bench_type { BENCH_OPEN = 1, BENCH_DOWNLOAD = 2, BENCH_UPLOAD = 3, BENCH_RESULT = 4 };

/* A receiver takes codes that it does not know for BENCH_REFUSED. */
enum bench_code {
	BENCH_OK = 0,
	BENCH_BUSY = 1, /* with somebody else's session */
	BENCH_OTHER_VERSION = 2,
	BENCH_NO_SESSION = 3, /* none with that id, or it is over */
	BENCH_REFUSED = 4, /* over a limit */
};

struct bench_request {
	enum bench_type type;
	uint8_t id[BENCH_ID]; /* zero in BENCH_OPEN */
	uint32_t duration_ms; /* of a transfer, 1..BENCH_TIME_MAX_S * 1000; else 0 */
};

struct bench_reply {
	enum bench_code code;
	uint8_t id[BENCH_ID];
	/* of BENCH_RESULT, else 0 */
	uint64_t bytes; /* received in an upload, given to TCP in a download */
	ns_t elapsed;
	uint32_t retransmits; /* segments sent again in a download */
};

/* The first is answered with the second, which nobody answers. */
enum bench_echo_type { BENCH_ECHO_REQUEST = 1, BENCH_ECHO_REPLY = 2 };

struct bench_echo {
	enum bench_echo_type type;
	uint8_t id[BENCH_ID];
	uint32_t seq;
};

void bench_request_encode(const struct bench_request *r, uint8_t out[static BENCH_REQUEST_LEN]);
void bench_reply_encode(const struct bench_reply *r, uint8_t out[static BENCH_REPLY_LEN]);
void bench_echo_encode(const struct bench_echo *e, uint8_t out[static BENCH_ECHO_LEN]);

/* TM_ESHORT; TM_EBADMSG for something else altogether or a value out of range; TM_EVERSION. */
NODISCARD int bench_request_decode(const uint8_t *p, size_t n, struct bench_request *ret_r);
NODISCARD int bench_reply_decode(const uint8_t *p, size_t n, struct bench_reply *ret_r);
NODISCARD int bench_echo_decode(const uint8_t *p, size_t n, struct bench_echo *ret_e);

#endif
