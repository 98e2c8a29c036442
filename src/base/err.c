/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/err.h"

#include <errno.h>

const char *tm_strerror(int err)
{
	switch (err) {
	case TM_OK:
		return "success";
#define X(name, value, word, text)                                                                           \
	case TM_##name:                                                                                      \
		return text;
		TM_ERRORS(X)
#undef X
	default:
		return "unknown error";
	}
}

const char *tm_err_word(int err)
{
	switch (err) {
#define X(name, value, word, text)                                                                           \
	case TM_##name:                                                                                      \
		return word;
		TM_ERRORS(X)
#undef X
	default:
		return "failed";
	}
}

int tm_err_from_errno(int errno_value)
{
	switch (errno_value) {
	case 0:
		return TM_OK;
	case ENOMEM:
		return TM_ENOMEM;
	case ENOENT:
	case ESRCH:
	case ENODEV:
		return TM_ENOENT;
	case EEXIST:
		return TM_EEXIST;
	case EPERM:
	case EACCES:
	case EROFS:
		return TM_EPERM;
	case EBUSY:
	case EADDRINUSE:
	case ETXTBSY:
		return TM_EBUSY;
	case ETIMEDOUT:
		return TM_ETIMEOUT;
	case EMFILE:
	case ENFILE:
		return TM_EFILES;
	case ENOSPC:
#ifdef EDQUOT /* no system has to know quotas */
	case EDQUOT:
#endif
		return TM_ENOSPACE;
	case EAGAIN:
	case EINTR:
		return TM_EAGAIN;
	case EINVAL:
		return TM_EINVAL;
	case EPIPE:
	case ECONNRESET:
		return TM_ECLOSED;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ECONNREFUSED:
		return TM_EUNREACH;
	case EOPNOTSUPP:
	case ENOSYS:
	case EAFNOSUPPORT:
	case EPROTONOSUPPORT:
		return TM_EUNSUPPORTED;
	default:
		return TM_EIO;
	}
}
