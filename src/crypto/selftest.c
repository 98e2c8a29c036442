/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One known answer of each primitive, run at every start: a broken library must not carry traffic. */
#include "crypto/init.h"

#include <string.h>

#include "base/encode.h"
#include "base/secret.h"
#include "crypto/aead.h"
#include "crypto/dh.h"
#include "crypto/identity.h"
#include "crypto/kdf.h"
#include "crypto/noise.h"

enum { BYTES_MAX = 160 };

struct bytes {
	uint8_t p[BYTES_MAX];
	size_t n;
};

static struct bytes unhex(const char *s)
{
	struct bytes b = {.n = strlen(s) / 2};

	if (b.n > sizeof(b.p) || hex_decode(s, strlen(s), b.p, b.n) < 0)
		b.n = 0;
	return b;
}

static bool is(const uint8_t *p, size_t n, const char *hex)
{
	struct bytes b = unhex(hex);

	return b.n == n && ct_eq(p, b.p, n);
}

/* RFC 8439 A.5, whose nonce has the four zero bytes in front that Noise wants. */
static bool aead_works(struct aead *a)
{
	static const char text[] =
		"Internet-Drafts are draft documents valid for a maximum of six months and may be "
		"updated, replaced, or obsoleted by other documents at any time. It is "
		"inappropriate to use Internet-Drafts as reference material or to cite them "
		"other than as /\xe2\x80\x9cwork in progress./\xe2\x80\x9d";
	enum { TEXT = sizeof(text) - 1 };
	const struct bytes key = unhex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
	const struct bytes ad = unhex("f33388860000000000004e91");
	const uint64_t counter = 0x0807060504030201;
	uint8_t sealed[TEXT + AEAD_TAG], opened[TEXT] = {0};

	if (aead_seal(a, key.p, counter, ad.p, ad.n, (const uint8_t *)text, TEXT, sealed) < 0 ||
		!is(sealed, 16, "64a0861575861af460f062c79be643bd") ||
		!is(sealed + TEXT, AEAD_TAG, "eead9d67890cbb22392336fea1851f38"))
		return false;
	if (aead_open(a, key.p, counter, ad.p, ad.n, sealed, sizeof(sealed), opened) < 0 ||
		!ct_eq(opened, text, TEXT))
		return false;

	sealed[3] ^= 1;
	return aead_open(a, key.p, counter, ad.p, ad.n, sealed, sizeof(sealed), opened) == TM_EAUTH;
}

/* draft-irtf-cfrg-xchacha-03 A.3.1 */
static bool xaead_works(struct aead *a)
{
	static const char text[] =
		"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
		"the future, sunscreen would be it.";
	enum { TEXT = sizeof(text) - 1 };
	const struct bytes key = unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
	const struct bytes ad = unhex("50515253c0c1c2c3c4c5c6c7");
	const struct bytes nonce = unhex("404142434445464748494a4b4c4d4e4f5051525354555657");
	uint8_t out[TEXT + AEAD_TAG];

	return xaead_seal(a, key.p, nonce.p, ad.p, ad.n, (const uint8_t *)text, TEXT, out) == TM_OK &&
	       is(out, 16, "bd6d179d3e83d43b9576579493c0e939") &&
	       is(out + TEXT, AEAD_TAG, "c0875924c1c7987947deafd8780acf49") &&
	       xaead_open(a, key.p, nonce.p, ad.p, ad.n, out, sizeof(out), out) == TM_OK &&
	       ct_eq(out, text, TEXT);
}

/* RFC 7693 appendix B. The keyed form with 16 bytes of output has no published answer: hashlib's. */
static bool blake2s_works(struct aead *a)
{
	uint8_t key[HASH_LEN], out[HASH_LEN];

	(void)a;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	blake2s(&(struct hash_part){"abc", 3}, 1, out);
	if (!is(out, HASH_LEN, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"))
		return false;

	blake2s_mac(key, sizeof(key), "abc", 3, out);
	return is(out, BLAKE2S_MAC_LEN, "61ba5f165c194692e09d12520cc4c74a");
}

/* RFC 7748 6.1 */
static bool x25519_works(struct aead *a)
{
	const struct bytes priv = unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
	const struct bytes theirs = unhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
	uint8_t out[DH_KEY];

	(void)a;
	return dh_public(priv.p, out) == TM_OK &&
	       is(out, DH_KEY, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a") &&
	       dh(priv.p, theirs.p, out) == TM_OK &&
	       is(out, DH_KEY, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
}

/* RFC 8032 7.1, test 1; and both ways to the X25519 public key agree. */
static bool ed25519_works(struct aead *a)
{
	const struct bytes seed = unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
	struct identity id;
	uint8_t sig[ED_SIG], x[32];

	(void)a;
	return identity_from_seed(seed.p, &id) == TM_OK &&
	       is(id.ed_pub, ED_KEY, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a") &&
	       identity_sign(&id, "", 0, sig) == TM_OK &&
	       is(sig, ED_SIG,
		       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
		       "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b") &&
	       identity_verify(id.ed_pub, "", 0, sig) == TM_OK &&
	       identity_verify(id.ed_pub, "x", 1, sig) == TM_EAUTH &&
	       identity_x_from_ed_public(id.ed_pub, x) == TM_OK && ct_eq(x, id.x_pub, sizeof(x));
}

/* RFC 5869 A.1 */
static bool hkdf_works(struct aead *a)
{
	const struct bytes ikm = unhex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
	const struct bytes salt = unhex("000102030405060708090a0b0c");
	static const char info[] = "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9";
	uint8_t out[42];

	(void)a;
	return hkdf_sha256(ikm.p, ikm.n, salt.p, salt.n, info, out, sizeof(out)) == TM_OK &&
	       is(out, sizeof(out),
		       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b88718586"
		       "5");
}

/* Noise_IKpsk2, both sides, with the inputs of the cacophony project's published vector. */
static bool noise_works(struct aead *a)
{
	static const char prologue[] = "John Galt", hello[] = "Ludwig von Mises",
			  answer[] = "Murray Rothbard";
	const struct bytes psk = unhex("54686973206973206d7920417573747269616e20706572737065637469766521");
	const struct bytes i_priv = unhex("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1");
	const struct bytes r_priv = unhex("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893");
	const struct bytes r_pub = unhex("31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62");
	const struct bytes i_eph = unhex("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a");
	const struct bytes r_eph = unhex("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b");
	struct noise_config cfg = {.pattern = NOISE_IKPSK2,
		.role = NOISE_INITIATOR,
		.prologue = prologue,
		.prologue_len = sizeof(prologue) - 1,
		.rs = r_pub.p,
		.psk = psk.p};
	_cleanup_(dh_key_freep) struct dh_key *i_key = NULL;
	_cleanup_(dh_key_freep) struct dh_key *r_key = NULL;
	struct noise_cipher send, recv;
	uint8_t msg[256], text[256];
	struct noise i, r;
	size_t n, text_n;
	bool ok = dh_key_new(i_priv.p, &i_key) == TM_OK && dh_key_new(r_priv.p, &r_key) == TM_OK;

	cfg.s = i_key;
	ok = ok && noise_init(&i, &cfg) == TM_OK;
	cfg.role = NOISE_RESPONDER;
	cfg.s = r_key;
	cfg.rs = NULL;
	ok = ok && noise_init(&r, &cfg) == TM_OK &&
	     noise_write(&i, a, i_eph.p, hello, sizeof(hello) - 1, msg, sizeof(msg), &n) == TM_OK &&
	     noise_read(&r, a, msg, n, text, &text_n) == TM_OK &&
	     noise_write(&r, a, r_eph.p, answer, sizeof(answer) - 1, msg, sizeof(msg), &n) == TM_OK &&
	     noise_read(&i, a, msg, n, text, &text_n) == TM_OK &&
	     is(i.h, HASH_LEN, "f5191b875290abcd41347ac3622d9679688a7e980229cb937ef748336cfde0e5") &&
	     ct_eq(i.h, r.h, HASH_LEN) && noise_split(&i, &send, &recv) == TM_OK &&
	     noise_cipher_seal(&send, a, NULL, 0, (const uint8_t *)"F. A. Hayek", 11, msg) == TM_OK &&
	     is(msg, 11 + AEAD_TAG, "8153ca9833bc3c1b91a7e66e5f4d4f5b59bf9e64c2f20d15f0bba7");
	return ok;
}

int crypto_selftest(struct diag *d)
{
	static const struct {
		const char *name;
		bool (*works)(struct aead *a);
	} tests[] = {
		{"ChaCha20-Poly1305", aead_works},
		{"XChaCha20-Poly1305", xaead_works},
		{"BLAKE2s", blake2s_works},
		{"X25519", x25519_works},
		{"Ed25519", ed25519_works},
		{"HKDF-SHA256", hkdf_works},
		{"Noise_IKpsk2", noise_works},
	};
	_cleanup_(aead_freep) struct aead *a = NULL;
	int err = aead_new_with(AEAD_LIBCRYPTO, &a);

	if (err < 0)
		return diag_what(d, err, "the crypto self-test cannot start");

	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		if (!tests[i].works(a)) {
			diag_hint(d, "the installed program is damaged or this machine computes wrongly");
			return diag_what(d, TM_ECRYPTO, "the crypto self-test of %s failed", tests[i].name);
		}
	return TM_OK;
}
