/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a stranger's TLS may make us keep before it has proved anything. A TLS library takes as much memory as
 * the head of a ClientHello announces (OpenSSL: up to 128 KiB for nine bytes), so the heads are read before
 * it sees them. Bytes as they come, cut anywhere; nothing is kept. RFC 8446 4, 5.1.
 */
#ifndef TM_WIRE_CLIENT_HELLO_H
#define TM_WIRE_CLIENT_HELLO_H

#include "base/err.h"
#include "base/util.h"

enum {
	CLIENT_HELLO_TLS =
		0x16, /* the first byte of TLS: a handshake record; of nothing else that we speak */
	CLIENT_HELLO_MAX = 16 << 10, /* bytes; one record holds no more, and no client asks for as much */
	CLIENT_HELLO_HEADS = 5 + 4, /* of the record and of the message */
};

struct client_hello {
	uint8_t head[CLIENT_HELLO_HEADS]; /* of the present record, as far as it has come */
	uint8_t n;
	size_t left; /* of it, behind the head */
	unsigned hellos; /* seen and found fit */
};

/* Zero at first. TM_EBADMSG: no TLS client begins like that; TM_ERANGE: a ClientHello that is too long. */
NODISCARD int client_hello_read(struct client_hello *g, const uint8_t *p, size_t n);

#endif
