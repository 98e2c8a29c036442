/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "vec/protocol_name.h"

#include <string.h>

enum { PARTS = 5, PART_MAX = 32 };

static bool is_one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (strcmp(s, *list) == 0)
			return true;
	return false;
}

/* "a+b" of which each is in the list. */
static bool are_all_of(const char *s, const char *const *list)
{
	char copy[PART_MAX], *rest = copy, *one;

	strncpy(copy, s, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = '\0';
	while ((one = strsep(&rest, "+")))
		if (!is_one_of(one, list))
			return false;
	return true;
}

/* "N", "XX", "IK", and with deferred tokens "I1K1" (18.1 in the appendices). */
static const char *parse_base(const char *s, char ret_letters[static 2])
{
	if (!strchr("NKXI", *s) || !*s)
		return NULL;

	ret_letters[0] = *s++;
	if (*s == '1')
		s++;
	ret_letters[1] = '\0';
	if (*s && strchr("NKX", *s)) {
		ret_letters[1] = *s++;
		if (*s == '1')
			s++;
	}
	return ret_letters[1] || ret_letters[0] != 'I' ? s : NULL;
}

static unsigned message_count(const char letters[static 2])
{
	if (!letters[1])
		return 1;
	return letters[0] == 'X' ? 3 : 2;
}

static bool parse_modifiers(const char *s, unsigned messages, bool *ret_psk)
{
	char copy[PART_MAX], *rest = copy, *one;

	*ret_psk = false;
	if (!*s)
		return true;

	strncpy(copy, s, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = '\0';
	while ((one = strsep(&rest, "+"))) {
		if (strcmp(one, "hfs") == 0 || strcmp(one, "fallback") == 0 || strcmp(one, "noidh") == 0)
			continue;
		if (strncmp(one, "psk", 3) != 0 || strlen(one) != 4 || one[3] < '0' ||
			one[3] > (char)('0' + messages))
			return false;
		*ret_psk = true;
	}
	return true;
}

bool protocol_name_parse(const char *name, struct protocol_name *ret_name)
{
	static const char *const prefixes[] = {"Noise", "NoisePSK", NULL};
	static const char *const curves[] = {"25519", "448", "NewHope", "P256", "secp256k1", NULL};
	static const char *const ciphers[] = {"ChaChaPoly", "AESGCM", "XChaChaPoly", NULL};
	static const char *const hashes[] = {"SHA256", "SHA512", "BLAKE2s", "BLAKE2b", "BLAKE3", NULL};
	char copy[PARTS * PART_MAX], *rest = copy, *part[PARTS];
	struct protocol_name n = {0};
	const char *modifiers;
	char letters[2];

	if (strlen(name) >= sizeof(copy))
		return false;

	stpcpy(copy, name);
	for (size_t i = 0; i < PARTS; i++) {
		part[i] = strsep(&rest, "_");
		if (!part[i] || strlen(part[i]) >= PART_MAX)
			return false;
	}
	if (rest || !is_one_of(part[0], prefixes) || !are_all_of(part[2], curves) ||
		!is_one_of(part[3], ciphers) || !is_one_of(part[4], hashes))
		return false;

	modifiers = parse_base(part[1], letters);
	if (!modifiers || !parse_modifiers(modifiers, message_count(letters), &n.psk))
		return false;

	n.init_knows_resp = letters[1] == 'K' || !letters[1];
	n.resp_knows_init = letters[0] == 'K';
	*ret_name = n;
	return true;
}
