/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The OpenSSH private-key file (PROTOCOL.key of OpenSSH), Ed25519 and unencrypted only:
 *
 *   "openssh-key-v1\0"
 *   string cipher, string kdf, string kdf options
 *   u32 number of keys, for each: string public key
 *   string { u32 check, u32 check again,
 *            for each: string "ssh-ed25519", string public (32), string seed and public (64), string comment,
 *            padding 1 2 3 ... to a multiple of the cipher's block (8 without cipher) }
 *
 * in base64 between two lines of armour. Strings have a u32 length in front, numbers are big-endian.
 */
#include "crypto/identity.h"

#include <string.h>

#include "base/bytes.h"
#include "base/encode.h"
#include "base/secret.h"
#include "base/text.h"
#include "crypto/init.h"

enum {
	LINE = 70, /* base64 digits in a line, as ssh-keygen writes them */
	BLOCK = 8,
	COMMENT_MAX = 256,
};

static const char armour_begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
static const char armour_end[] = "-----END OPENSSH PRIVATE KEY-----";
static const char magic[] = "openssh-key-v1"; /* with its NUL */
static const char key_type[] = "ssh-ed25519";

/* A heap buffer that is wiped before it is freed. */
struct secret {
	uint8_t *p;
	size_t n;
};

static void secret_deinit(struct secret *s)
{
	if (s->p)
		wipe(s->p, s->n);
	free(s->p);
	s->p = NULL;
}

static int garbled(struct diag *d)
{
	diag_hint(d, "restore the file from a copy, or create a new key with ssh-keygen -t ed25519");
	return diag_what(d, TM_EBADMSG, "the private key is garbled or cut short");
}

static int wrong_type(struct diag *d, const char *what)
{
	diag_hint(d, "create one with ssh-keygen -t ed25519 -N ''");
	return diag_what(
		d, TM_EUNSUPPORTED, "this is %s, and a node's identity is an Ed25519 private key", what);
}

static int encrypted(struct diag *d)
{
	diag_hint(d, "a daemon cannot ask for it: copy the key and remove its passphrase with ssh-keygen -p "
		     "-N ''");
	return diag_what(d, TM_EUNSUPPORTED, "the private key is protected by a passphrase");
}

static bool starts_with(const char *text, size_t n, const char *with)
{
	size_t len = strlen(with);

	return n >= len && strncmp(text, with, len) == 0;
}

static int not_openssh(const char *text, size_t n, struct diag *d)
{
	if (starts_with(text, n, "ssh-") || starts_with(text, n, "ecdsa-"))
		return wrong_type(d, "a public key");
	if (starts_with(text, n, "-----BEGIN ENCRYPTED "))
		return encrypted(d);
	if (starts_with(text, n, "-----BEGIN "))
		return wrong_type(d, "a key in PEM format");
	if (starts_with(text, n, "PuTTY-User-Key-File"))
		return wrong_type(d, "a key in PuTTY's format");

	diag_hint(d, "it starts with \"%s\"", armour_begin);
	return diag_what(d, TM_EBADMSG, "this is not an OpenSSH private key");
}

/* The bytes between the lines of armour. */
static int dearmour(const char *text, size_t n, struct secret *ret_blob, struct diag *d)
{
	_cleanup_(secret_deinit) struct secret digits = {.p = malloc(n + 1), .n = n};
	_cleanup_(secret_deinit) struct secret blob = {.p = malloc(n + 1), .n = n};
	const char *at, *end;
	size_t len = 0;
	int err;

	if (!digits.p || !blob.p)
		return TM_ENOMEM;

	at = text + strlen(armour_begin);
	end = bytes_find(at, n - strlen(armour_begin), armour_end, strlen(armour_end));
	if (!end)
		return garbled(d);

	for (; at < end; at++)
		if (*at != '\n' && *at != '\r' && *at != ' ' && *at != '\t')
			digits.p[len++] = (uint8_t)*at;
	err = base64_decode((const char *)digits.p, len, blob.p, blob.n, &len);
	if (err < 0)
		return garbled(d);

	*ret_blob = (struct secret){.p = TAKE(blob.p), .n = len};
	return TM_OK;
}

struct text {
	const uint8_t *p;
	size_t n;
};

static struct text rd_string(struct rd *r)
{
	struct text t = {.n = rd_be32(r)};

	t.p = rd_bytes(r, t.n);
	if (!t.p)
		t.n = 0;
	return t;
}

static bool text_is(struct text t, const char *s)
{
	return t.n == strlen(s) && strncmp((const char *)t.p, s, t.n) == 0;
}

static bool padding_ok(const struct rd *r)
{
	const size_t n = rd_left(r);

	if (n >= BLOCK)
		return false;

	for (size_t i = 0; i < n; i++)
		if (r->at[i] != i + 1)
			return false;
	return true;
}

/* The inner part; pub is the public key that the outer part announced. */
static int parse_private(struct text section, struct text pub, struct identity *ret_id, struct diag *d)
{
	struct rd r = rd_over(section.p, section.n);
	uint32_t check = rd_be32(&r);
	uint32_t again = rd_be32(&r);
	struct text type, inner_pub, pair;
	struct identity id;
	int err;

	if (r.bad || check != again)
		return garbled(d);

	type = rd_string(&r);
	if (r.bad || !text_is(type, key_type))
		return garbled(d); /* the outer part said ssh-ed25519 */

	inner_pub = rd_string(&r);
	pair = rd_string(&r);
	rd_string(&r); /* comment */
	if (r.bad || inner_pub.n != ED_KEY || pair.n != 2 * ED_KEY || section.n % BLOCK != 0 ||
		!padding_ok(&r))
		return garbled(d);

	err = identity_from_seed(pair.p, &id);
	if (err < 0)
		return err;

	if (!ct_eq(id.ed_pub, pair.p + ED_KEY, ED_KEY) || !ct_eq(id.ed_pub, inner_pub.p, ED_KEY) ||
		!ct_eq(id.ed_pub, pub.p, ED_KEY)) {
		identity_wipe(&id);
		diag_hint(d, "restore the file from a copy");
		return diag_what(
			d, TM_ECORRUPT, "the private and the public part of the key do not belong together");
	}
	*ret_id = id;
	identity_wipe(&id);
	return TM_OK;
}

static int parse_blob(const uint8_t *p, size_t n, struct identity *ret_id, struct diag *d)
{
	struct rd r = rd_over(p, n);
	const uint8_t *head = rd_bytes(&r, sizeof(magic));
	struct text cipher, kdf, public, section, type, pub;
	struct rd inner;
	uint32_t keys;

	if (!head || !ct_eq(head, magic, sizeof(magic)))
		return garbled(d);

	cipher = rd_string(&r);
	kdf = rd_string(&r);
	rd_string(&r); /* kdf options */
	keys = rd_be32(&r);
	if (r.bad)
		return garbled(d);
	if (!text_is(cipher, "none") || !text_is(kdf, "none"))
		return encrypted(d);
	if (keys != 1) {
		diag_hint(d, "use a file with exactly one key");
		return diag_what(d, TM_EUNSUPPORTED, "the file holds %u keys", keys);
	}

	public = rd_string(&r);
	section = rd_string(&r);
	if (r.bad || rd_left(&r) > 0)
		return garbled(d);

	inner = rd_over(public.p, public.n);
	type = rd_string(&inner);
	if (inner.bad)
		return garbled(d);
	if (text_is(type, "ssh-rsa"))
		return wrong_type(d, "an RSA key");
	if (!text_is(type, key_type))
		return wrong_type(d, type.n > 5 && starts_with((const char *)type.p, type.n, "ecdsa")
					     ? "an ECDSA key"
					     : "a key of another type");
	pub = rd_string(&inner);
	if (inner.bad || pub.n != ED_KEY || rd_left(&inner) > 0)
		return garbled(d);

	return parse_private(section, pub, ret_id, d);
}

int identity_parse(const char *text, size_t n, struct identity *ret_id, struct diag *d)
{
	_cleanup_(secret_deinit) struct secret blob = {0};
	int err;

	if (n > IDENTITY_TEXT_MAX)
		return diag_what(d, TM_ERANGE, "the file is too large for a private key");

	for (; n > 0 && (*text == '\n' || *text == '\r' || *text == ' '); n--)
		text++;
	if (n == 0) {
		diag_hint(d, "create a key with ssh-keygen -t ed25519");
		return diag_what(d, TM_EBADMSG, "the file is empty");
	}
	if (!starts_with(text, n, armour_begin))
		return not_openssh(text, n, d);

	err = dearmour(text, n, &blob, d);
	if (err < 0)
		return err;

	return parse_blob(blob.p, blob.n, ret_id, d);
}

static void wr_string(struct wr *w, const void *p, size_t n)
{
	wr_be32(w, (uint32_t)n);
	wr_bytes(w, p, n);
}

static void wr_public(struct wr *w, const struct identity *id)
{
	wr_be32(w, (uint32_t)(4 + strlen(key_type) + 4 + ED_KEY));
	wr_string(w, key_type, strlen(key_type));
	wr_string(w, id->ed_pub, ED_KEY);
}

static void wr_private(struct wr *w, const struct identity *id, const char *comment)
{
	uint8_t pair[2 * ED_KEY];
	const uint32_t check = random_u32();

	memcpy(pair, id->ed_seed, ED_KEY);
	memcpy(pair + ED_KEY, id->ed_pub, ED_KEY);
	wr_be32(w, check);
	wr_be32(w, check);
	wr_string(w, key_type, strlen(key_type));
	wr_string(w, id->ed_pub, ED_KEY);
	wr_string(w, pair, sizeof(pair));
	wr_string(w, comment, strlen(comment));
	for (uint8_t i = 1; wr_len(w) % BLOCK != 0; i++)
		wr_u8(w, i);
	wipe(pair, sizeof(pair));
}

static char *put(char *at, const char *text, size_t n)
{
	memcpy(at, text, n);
	at[n] = '\n';
	return at + n + 1;
}

/* Lines of 70 digits between the armour; out is large enough. */
static void armour(const char *digits, char *out)
{
	char *at = put(out, armour_begin, strlen(armour_begin));

	for (size_t left = strlen(digits), n; left > 0; left -= n, digits += n) {
		n = MIN(left, (size_t)LINE);
		at = put(at, digits, n);
	}
	*put(at, armour_end, strlen(armour_end)) = '\0';
}

int identity_format(const struct identity *id, const char *comment, char **ret_text)
{
	uint8_t section[512], blob[1024];
	char digits[BASE64_LEN(sizeof(blob)) + 1];
	const size_t text_max =
		sizeof(digits) + sizeof(digits) / LINE + sizeof(armour_begin) + sizeof(armour_end) + 2;
	struct wr in = wr_over(section, sizeof(section)), w = wr_over(blob, sizeof(blob));
	char *text;

	if (!comment)
		comment = "";
	if (strlen(comment) > COMMENT_MAX)
		return TM_ERANGE;

	text = malloc(text_max);
	if (!text)
		return TM_ENOMEM;

	wr_private(&in, id, comment);
	wr_bytes(&w, magic, sizeof(magic));
	wr_string(&w, "none", 4);
	wr_string(&w, "none", 4);
	wr_string(&w, "", 0);
	wr_be32(&w, 1);
	wr_public(&w, id);
	wr_string(&w, section, wr_len(&in));
	base64_encode(blob, wr_len(&w), digits);
	armour(digits, text);

	wipe(section, sizeof(section));
	wipe(blob, sizeof(blob));
	wipe(digits, sizeof(digits));
	*ret_text = text;
	return TM_OK;
}
