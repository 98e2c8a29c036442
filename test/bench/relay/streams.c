/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bench/relay/relayload.h"

#include "crypto/init.h"
#include "lab/tools/words.h"
#include "os/sockaddr.h"
#include "wire/stun.h"
#include "wire/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_S = 10, READ_BYTES = 256 << 10, PAIR_FIRST = 2 };

/* --- bytes --- */

static void die_of_tls(const char *what)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());

	errno = why ? 0 : errno;
	die("%s: %s", what, why ? why : "TLS");
}

/* Bytes read or written; 0: none now. The end of a stream ends the program. */
static size_t outcome(const struct end *e, int n, const char *what)
{
	if (n > 0)
		return (size_t)n;
	if (e->ssl) {
		const int why = SSL_get_error(e->ssl, n);

		if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
			ERR_clear_error();
			return 0;
		}
		die_of_tls(what);
	}
	if (n == 0)
		errno = ECONNRESET;
	if (errno != EAGAIN)
		die("%s", what);
	return 0;
}

static size_t read_some(struct end *e, uint8_t *p, size_t n)
{
	return outcome(
		e, e->ssl ? SSL_read(e->ssl, p, (int)n) : (int)recv(e->fd, p, n, 0), "reading a stream");
}

static size_t write_some(struct end *e, const uint8_t *p, size_t n)
{
	return outcome(e, e->ssl ? SSL_write(e->ssl, p, (int)n) : (int)send(e->fd, p, n, MSG_NOSIGNAL),
		"writing a stream");
}

/* --- connecting, which waits --- */

static int adopt(int fd)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	const int one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0)
		die("a TCP connection");
	return fd;
}

static int dial(const struct endpoint *to)
{
	const int family = to->ip.family == IP_V4 ? AF_INET : AF_INET6;
	const int fd = adopt(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));

	connect_to(fd, to);
	return fd;
}

static SSL_CTX *context(const SSL_METHOD *method)
{
	SSL_CTX *c = SSL_CTX_new(method);

	if (!c)
		die_of_tls("a TLS context");
	SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
	SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				    SSL_MODE_RELEASE_BUFFERS);
	return c;
}

static void shake_hands(struct end *e, SSL_CTX *c, bool client)
{
	e->ssl = SSL_new(c);
	if (!e->ssl || SSL_set_fd(e->ssl, e->fd) != 1 ||
		(client ? SSL_connect(e->ssl) : SSL_accept(e->ssl)) != 1)
		die_of_tls("a TLS handshake");
}

static void write_all(struct end *e, const uint8_t *p, size_t n)
{
	while (n) {
		const size_t one = write_some(e, p, n);

		errno = ETIMEDOUT;
		if (!one)
			die("writing a stream");
		p += one;
		n -= one;
	}
}

static void become_patient(struct end *e)
{
	if (fcntl(e->fd, F_SETFL, O_NONBLOCK) != 0)
		die("fcntl");
}

/* --- what is sent and what comes --- */

static void make_frame(const struct load *l, struct end *e, uint64_t pair)
{
	const size_t n = RELAY_FRAME_HEAD + l->burst * l->bytes;
	uint8_t mask[WS_MASK], *p = calloc(1, n);

	e->pair = pair;
	e->frame = malloc(WS_HEADER_MAX + n);
	if (!p || !e->frame || n > RELAY_FRAME_MAX)
		die("a frame of %zu bytes", n);
	relay_frame_head(p, pair, (uint16_t)l->bytes, 0);
	for (size_t i = 0; i < l->burst; i++)
		message_put(l, p + RELAY_FRAME_HEAD + i * l->bytes);
	random_bytes(mask, sizeof(mask));
	e->frame_len = ws_encode(WS_BINARY, p, n, mask, e->frame, WS_HEADER_MAX + n);
	free(p);
}

void stream_finish(struct end *e)
{
	while (e->unsent) {
		const size_t n = write_some(e, e->frame + e->frame_len - e->unsent, e->unsent);

		if (!n)
			return;
		e->unsent -= n;
	}
}

void stream_send(struct load *l, struct end *e)
{
	stream_finish(e);
	if (e->unsent) {
		l->held_back += l->burst;
		return;
	}
	e->unsent = e->frame_len;
	stream_finish(e);
	l->sent += l->burst;
}

/* How long the head of a message is as far as its first two bytes tell: that of the WebSocket, and ours. */
static size_t head_len(const uint8_t *head, size_t have)
{
	const unsigned len = have < 2 ? 0 : head[1] & 0x7f;
	const size_t more = len == 126 ? 2 : len == 127 ? 8 : 0;

	return have < 2 ? 2 : 2 + more + (head[1] & 0x80 ? WS_MASK : 0) + RELAY_FRAME_HEAD;
}

/* The head is whole: whose it is, and what comes behind it. Anything else than a frame ends the program. */
static void read_head(struct load *l, struct end *e)
{
	struct reading *r = &e->reading;
	uint8_t *ours = r->head + r->have - RELAY_FRAME_HEAD;
	const unsigned len = r->head[1] & 0x7f;
	const uint64_t n = len == 126 ? get_be16(r->head + 2) : len == 127 ? get_be64(r->head + 2) : len;

	errno = 0;
	if ((r->head[0] & 0x0f) != WS_BINARY || n < RELAY_FRAME_HEAD)
		die("a stream brings what is no frame");
	if (r->head[1] & 0x80)
		ws_mask(ours, RELAY_FRAME_HEAD, ours - WS_MASK, 0);
	r->left = n - RELAY_FRAME_HEAD;
	if (get_be64(ours) != e->pair || get_be16(ours + RELAY_HEADER) != l->bytes)
		die("a stream brings a frame of others");
}

static void take(struct load *l, struct end *e, const uint8_t *p, size_t n)
{
	struct reading *r = &e->reading;

	while (n) {
		const size_t want = head_len(r->head, r->have);

		if (r->have < want) {
			const size_t some = MIN(want - r->have, n);

			memcpy(r->head + r->have, p, some);
			r->have += some;
			p += some;
			n -= some;
			if (r->have > 2 && r->have == head_len(r->head, r->have))
				read_head(l, e);
			continue;
		}
		const uint64_t before = r->left, some = MIN(r->left, (uint64_t)n);

		p += some;
		n -= some;
		r->left -= some;
		/* One message more for each whose last byte has come. */
		l->received += (before + l->bytes - 1) / l->bytes - (r->left + l->bytes - 1) / l->bytes;
		if (!r->left)
			r->have = 0;
	}
}

void stream_receive(struct load *l, struct end *e)
{
	static uint8_t in[READ_BYTES];
	size_t n;

	do {
		n = read_some(e, in, sizeof(in));
		take(l, e, in, n);
	} while (n == sizeof(in) || (n && e->ssl));
}

/* --- our relay --- */

static void upgrade(struct end *e)
{
	uint8_t key[UPGRADE_KEY];
	char text[UPGRADE_HEAD_MAX];
	const struct upgrade_offer offer = {.host = "relay", .path = "/relay", .key = key};
	struct upgrade_answer answer;
	struct diag d = {0};
	size_t n = 0;
	int err;

	random_bytes(key, sizeof(key));
	if (upgrade_request_format(&offer, text, sizeof(text), &n) != TM_OK)
		abort();
	write_all(e, (uint8_t *)text, n);
	n = 0;
	do {
		const size_t got = read_some(e, (uint8_t *)text + n, sizeof(text) - n);

		errno = ETIMEDOUT;
		if (!got)
			die("the relay's answer to HTTP");
		n += got;
		err = upgrade_response_parse(text, n, key, &answer, &d);
	} while (err == TM_EAGAIN);
	errno = 0;
	if (err || answer.head_len != n)
		die("the relay does not want a stream: %s", d.what);
}

static void prove(struct members *m, size_t i, struct end *e)
{
	uint8_t question[STUN_MAX], out[STUN_MAX + WS_HEADER_MAX], in[STUN_MAX + WS_HEADER_MAX];
	uint8_t mask[WS_MASK], cookie[STUN_COOKIE];
	struct ws_event ev = {.kind = WS_EV_MORE};
	struct ws_decoder d;
	size_t n = members_question(m, i, NULL, question, sizeof(question));

	random_bytes(mask, sizeof(mask));
	write_all(e, out, ws_encode(WS_BINARY, question, n, mask, out, sizeof(out)));
	ws_decoder_init(&d, WS_CLIENT, STUN_MAX);
	while (ev.kind != WS_EV_MESSAGE) {
		n = read_some(e, in, sizeof(in));
		struct rd r = rd_over(in, n);

		errno = ETIMEDOUT;
		if (!n || ws_decode(&d, &r, &ev) != TM_OK || rd_left(&r))
			die("the relay's answer to a registration by a stream");
	}
	errno = 0;
	if (!members_answered(m, i, ev.data, ev.n, cookie))
		die("the relay does not take a stream");
	ws_decoder_deinit(&d);
}

void stream_connect(struct load *l)
{
	struct members *m = members_read(l);
	SSL_CTX *c = l->tls ? context(TLS_client_method()) : NULL;

	for (size_t i = 0; i < 2 * l->pairs; i++) {
		struct end *e = &l->ends[i / 2][i % 2];

		e->fd = dial(&l->at);
		if (c)
			shake_hands(e, c, true);
		upgrade(e);
		prove(m, i, e);
		become_patient(e);
		make_frame(l, e, relay_pair(members_host(m, i), members_host(m, i ^ 1)));
	}
	SSL_CTX_free(c);
	members_free(m);
}

/* --- a proxy between us and ourselves --- */

static int listener(const struct endpoint *at)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	struct sockaddr_storage ss;
	const socklen_t len = endpoint_to_sockaddr(at, &ss);
	const int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
		bind(fd, (struct sockaddr *)&ss, len) != 0 || listen(fd, PAIRS_MAX) != 0)
		die("listening");
	return fd;
}

static SSL_CTX *server_context(const struct load *l)
{
	SSL_CTX *c = context(TLS_server_method());

	if (!l->certificate || SSL_CTX_use_certificate_file(c, l->certificate, SSL_FILETYPE_PEM) != 1 ||
		SSL_CTX_use_PrivateKey_file(c, l->certificate, SSL_FILETYPE_PEM) != 1)
		die_of_tls("certificate=");
	SSL_CTX_set_num_tickets(c, 0);
	return c;
}

void proxy_connect(struct load *l)
{
	SSL_CTX *client = l->tls ? context(TLS_client_method()) : NULL,
		*server = l->tls ? server_context(l) : NULL;
	const int fd = listener(&l->listen);

	/* The proxy connects to us when we have connected to it, so the two are one pair. */
	for (size_t i = 0; i < l->pairs; i++) {
		struct end *near = &l->ends[i][0], *far = &l->ends[i][1];
		const uint32_t host = (uint32_t)(PAIR_FIRST + 2 * i);

		near->fd = dial(&l->at);
		if (client)
			shake_hands(near, client, true);
		far->fd = adopt(accept(fd, NULL, NULL));
		if (server)
			shake_hands(far, server, false);
		for (int k = 0; k < 2; k++) {
			become_patient(&l->ends[i][k]);
			make_frame(l, &l->ends[i][k], relay_pair(host, host + 1));
		}
	}
	close(fd);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}
