/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Error codes: every fallible function returns 0 or one of these, negative. */
#ifndef TM_BASE_ERR_H
#define TM_BASE_ERR_H

#define TM_ERRORS(X)                                                                                         \
	X(ENOMEM, 1, "out_of_memory", "out of memory")                                                       \
	X(ESHORT, 2, "bad_message", "message is truncated")                                                  \
	X(EBADMSG, 3, "bad_message", "message is malformed")                                                 \
	X(EINVAL, 4, "invalid", "invalid value")                                                             \
	X(ENOENT, 5, "not_found", "not found")                                                               \
	X(EEXIST, 6, "exists", "already exists")                                                             \
	X(EAUTH, 7, "not_authentic", "authentication failed")                                                \
	X(EREPLAY, 8, "replayed", "replayed")                                                                \
	X(ECRYPTO, 9, "crypto", "cryptographic operation failed")                                            \
	X(EAGAIN, 10, "try_again", "try again")                                                              \
	X(EFULL, 11, "full", "no room left")                                                                 \
	X(EIO, 12, "io", "input/output error")                                                               \
	X(EPERM, 13, "no_permission", "not permitted")                                                       \
	X(EBUSY, 14, "busy", "busy or already in use")                                                       \
	X(ETIMEOUT, 15, "timeout", "timed out")                                                              \
	X(EVERSION, 16, "version", "unsupported version")                                                    \
	X(EEXPIRED, 17, "expired", "expired")                                                                \
	X(EUSED, 18, "used", "already used")                                                                 \
	X(ERANGE, 19, "out_of_range", "out of range")                                                        \
	X(EPROTO, 20, "protocol", "protocol violation")                                                      \
	X(ECLOSED, 21, "closed", "closed by the other side")                                                 \
	X(EUNSUPPORTED, 22, "unsupported", "not supported")                                                  \
	X(ECORRUPT, 23, "corrupt", "data is corrupt")                                                        \
	X(ENOSPACE, 24, "no_space", "no space left on device")                                               \
	X(EUNREACH, 25, "unreachable", "unreachable")                                                        \
	X(EFILES, 26, "too_many_files", "too many files are open")

enum tm_err {
	TM_OK = 0,
#define X(name, value, word, text) TM_##name = -(value),
	TM_ERRORS(X)
#undef X
};

const char *tm_strerror(int err);
/* One word, for programs: docs/json.md. */
const char *tm_err_word(int err);

/* The error that fits an errno value; TM_EIO when none fits better. */
int tm_err_from_errno(int errno_value);

#endif
