/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Our side of a handshake on the command line, for wg_reference.py. All values in hex.
 *
 *   handshake_partner initiate PRIV PEER_PUB PSK E_PRIV INDEX REAL_NS      prints init; reads the response
 * from stdin handshake_partner respond  PRIV PEER_PUB PSK E_PRIV INDEX INIT         prints response
 *
 * Both then print the transport keys.
 */
#include "base/encode.h"
#include "crypto/init.h"
#include "data/peer/handshake.h"

#include <stdio.h>
#include <string.h>

struct side {
	struct hs_self self;
	uint8_t peer[WG_KEY];
	struct handshake h;
	struct aead *aead;
	uint8_t e_priv[WG_KEY];
	uint32_t index;
};

static void show(const char *name, const uint8_t *p, size_t n)
{
	char hex[HEX_LEN(WG_INIT_LEN) + 1];

	hex_encode(p, n, hex);
	printf("%s %s\n", name, hex);
	fflush(stdout);
}

static int key_arg(const char *hex, uint8_t out[static 32])
{
	return hex_decode(hex, strlen(hex), out, 32);
}

static int set_up(struct side *s, char **argv)
{
	uint8_t priv[WG_KEY], psk[NOISE_PSK];

	if (crypto_init(NULL) < 0 || aead_new(&s->aead) < 0)
		return TM_ECRYPTO;
	if (key_arg(argv[2], priv) < 0 || key_arg(argv[3], s->peer) < 0 || key_arg(argv[4], psk) < 0 ||
		key_arg(argv[5], s->e_priv) < 0 || hs_self_init(&s->self, priv) < 0)
		return TM_EINVAL;

	s->index = (uint32_t)strtoul(argv[6], NULL, 16);
	handshake_init(&s->h, s->peer, psk);
	return TM_OK;
}

static int initiate(struct side *s, const char *real, struct hs_keys *ret_keys)
{
	uint8_t init[WG_INIT_LEN], response[WG_RESPONSE_LEN];
	char line[HEX_LEN(WG_RESPONSE_LEN) + 2];
	struct wg_response m;
	int err = handshake_create_init(
		&s->h, &s->self, s->aead, s->index, strtoll(real, NULL, 10), s->e_priv, init);

	if (err < 0)
		return err;

	handshake_sign(&s->h, init, sizeof(init), 0);
	show("init", init, sizeof(init));
	if (!fgets(line, sizeof(line), stdin))
		return TM_ECLOSED;

	err = hex_decode(line, HEX_LEN(WG_RESPONSE_LEN), response, sizeof(response));
	if (err == TM_OK)
		err = wg_response_decode(response, sizeof(response), &m);
	return err < 0 ? err : handshake_consume_response(&s->h, s->aead, &m, ret_keys);
}

static int respond(struct side *s, const char *hex, struct hs_keys *ret_keys)
{
	uint8_t init[WG_INIT_LEN], response[WG_RESPONSE_LEN];
	struct cookie_oven oven;
	struct hs_incoming in;
	struct wg_init m;
	int err = hex_decode(hex, strlen(hex), init, sizeof(init));

	if (err == TM_OK)
		err = wg_init_decode(init, sizeof(init), &m);
	if (err < 0)
		return err;

	cookie_oven_init(&oven, s->self.pub);
	if (!cookie_mac1_ok(&oven, init, sizeof(init)))
		return TM_EAUTH;

	err = handshake_identify(&s->self, s->aead, &m, &in);
	if (err == TM_OK)
		err = memcmp(in.remote, s->h.remote, WG_KEY) == 0
			      ? handshake_consume_init(&s->h, &s->self, s->aead, &m, &in)
			      : TM_ENOENT;
	if (err == TM_OK)
		err = handshake_accept_init(&s->h, &in, 1);
	if (err == TM_OK)
		err = handshake_create_response(&s->h, &in, s->aead, s->index, s->e_priv, response, ret_keys);
	if (err < 0)
		return err;

	handshake_sign(&s->h, response, sizeof(response), 0);
	show("response", response, sizeof(response));
	return TM_OK;
}

int main(int argc, char **argv)
{
	struct hs_keys keys = {0};
	struct side s = {0};
	int err = TM_EINVAL;

	if (argc == 8)
		err = set_up(&s, argv);
	if (err == TM_OK)
		err = strcmp(argv[1], "initiate") == 0 ? initiate(&s, argv[7], &keys)
						       : respond(&s, argv[7], &keys);
	if (err < 0) {
		fprintf(stderr, "handshake_partner: %s\n", tm_strerror(err));
		return 1;
	}
	show("send", keys.send, sizeof(keys.send));
	show("recv", keys.recv, sizeof(keys.recv));
	printf("remote %08x\n", keys.remote_index);
	aead_free(s.aead);
	handshake_deinit(&s.h);
	hs_self_deinit(&s.self);
	return 0;
}
