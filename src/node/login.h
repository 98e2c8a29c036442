/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The password by which the dashboard is asked outside of the mesh, and who has said it. What is kept of it
 * is a hash that takes its time (scrypt): made on the command line, and looked at by a helper thread.
 *
 * A password that the program has made has 144 bits, which nobody guesses. Of such a one a few bytes of a
 * quick hash are kept, too: what does not fit them is wrong for certain, so that guesses at it neither keep
 * the machine busy nor have to be limited, and nobody is shut out for what others try. Guesses at one that
 * somebody has chosen are limited by who asks here, and a browser that has logged in once is told from the
 * others that come from its address: it has been vouched for.
 *
 * Sessions are remembered by a hash until they are over or the program ends. Pure but for random numbers; the
 * caller brings the time. Private to node/ and the command line.
 */
#ifndef TM_NODE_LOGIN_H
#define TM_NODE_LOGIN_H

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

enum {
	LOGIN_HASH = 32,
	LOGIN_SALT = 16,
	LOGIN_FILTER = 4,
	LOGIN_MADE_LEN = 24, /* base64url of 18 bytes */
	LOGIN_OWN_MIN = 12, /* bytes of one that somebody has chosen */
	LOGIN_PASSWORD_MAX = 128,
	LOGIN_KEPT_MAX = 160, /* the line that is kept, with its end */
	LOGIN_SESSIONS = 16, /* at once; the oldest makes room */
	LOGIN_SECRET_LEN = 43, /* base64url of 32 bytes: of a session, or what vouches for a browser */
	LOGIN_ID = 16,
};
#define LOGIN_LASTS (12 * 3600 * SEC)
#define LOGIN_FILE "dashboard-password" /* in the state directory */

/* --- what is kept of a password --- */

struct login_kept {
	uint8_t salt[LOGIN_SALT], hash[LOGIN_HASH];
	bool made; /* by the program: then there is a filter */
	uint8_t filter[LOGIN_FILTER];
};

void login_make(char ret_password[static LOGIN_MADE_LEN + 1]);
/* A tenth of a second, or more, and 32 MiB. TM_ENOMEM. */
NODISCARD int login_hash(
	const char *password, const uint8_t salt[static LOGIN_SALT], uint8_t ret_hash[static LOGIN_HASH]);
/* The same, of a password that begins; made: by login_make. A line of text. */
NODISCARD int login_keep(const char *password, bool made, char ret_kept[static LOGIN_KEPT_MAX]);
/* TM_EBADMSG. */
NODISCARD int login_kept_parse(const char *line, size_t n, struct login_kept *ret_kept);

/* --- who has said it --- */

struct login {
	bool has_password;
	struct login_kept kept;
	struct login_session {
		uint8_t hash[LOGIN_HASH];
		ns_t until; /* 0: free */
	} sessions[LOGIN_SESSIONS];
};

/* From now on it is this one; who is logged in is not any more. */
void login_set(struct login *l, const struct login_kept *kept);
void login_wipe(struct login *l);
/* It cannot be the password, whatever its hash is: found out at no cost. */
bool login_rules_out(const struct login *l, const char *password);
/* Is that the hash of the password? Then a session has begun, whose secret is its own. */
NODISCARD bool login_begin(struct login *l, const uint8_t hash[static LOGIN_HASH], ns_t now,
	char ret_secret[static LOGIN_SECRET_LEN + 1]);
/* Is it the secret of a session? *ret_id is the same for the same one, and begins with a zero byte. */
NODISCARD bool login_has(
	const struct login *l, const char *secret, size_t n, ns_t now, uint8_t ret_id[static LOGIN_ID]);
bool login_lives(const struct login *l, const uint8_t id[static LOGIN_ID], ns_t now);
void login_end(struct login *l, const char *secret, size_t n);

/* Tells a browser that has logged in from others, for as long as the password stays. */
void login_vouch(const struct login *l, char ret_text[static LOGIN_SECRET_LEN + 1]);
NODISCARD bool login_vouched(
	const struct login *l, const char *text, size_t n, uint8_t ret_browser[static LOGIN_ID]);

#endif
