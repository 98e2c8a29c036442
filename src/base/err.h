/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Error codes: every fallible function returns 0 or one of these, negative. */
#ifndef TM_BASE_ERR_H
#define TM_BASE_ERR_H

#define TM_ERRORS(X)                                                                                         \
	X(ENOMEM, 1, "out of memory")                                                                        \
	X(ESHORT, 2, "message is truncated")                                                                 \
	X(EBADMSG, 3, "message is malformed")                                                                \
	X(EINVAL, 4, "invalid value")                                                                        \
	X(ENOENT, 5, "not found")                                                                            \
	X(EEXIST, 6, "already exists")                                                                       \
	X(EAUTH, 7, "authentication failed")                                                                 \
	X(EREPLAY, 8, "replayed")                                                                            \
	X(ECRYPTO, 9, "cryptographic operation failed")                                                      \
	X(EAGAIN, 10, "try again")                                                                           \
	X(EFULL, 11, "no room left")                                                                         \
	X(EIO, 12, "input/output error")                                                                     \
	X(EPERM, 13, "not permitted")                                                                        \
	X(EBUSY, 14, "busy or already in use")                                                               \
	X(ETIMEOUT, 15, "timed out")                                                                         \
	X(EVERSION, 16, "unsupported version")                                                               \
	X(EEXPIRED, 17, "expired")                                                                           \
	X(EUSED, 18, "already used")                                                                         \
	X(ERANGE, 19, "out of range")                                                                        \
	X(EPROTO, 20, "protocol violation")                                                                  \
	X(ECLOSED, 21, "closed by the other side")                                                           \
	X(EUNSUPPORTED, 22, "not supported")                                                                 \
	X(ECORRUPT, 23, "data is corrupt")                                                                   \
	X(ENOSPACE, 24, "no space left on device")                                                           \
	X(EUNREACH, 25, "unreachable")                                                                       \
	X(EFILES, 26, "too many files are open")

enum tm_err {
	TM_OK = 0,
#define X(name, value, text) TM_##name = -(value),
	TM_ERRORS(X)
#undef X
};

const char *tm_strerror(int err);

/* The error that fits an errno value; TM_EIO when none fits better. */
int tm_err_from_errno(int errno_value);

#endif
