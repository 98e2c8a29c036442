/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A file as gzip has it (RFC 1952), by zlib. Pure. */
#ifndef TM_CLI_CORE_GZIP_H
#define TM_CLI_CORE_GZIP_H

#include "base/err.h"
#include "base/util.h"

/* Caller frees *ret_bytes. TM_ENOMEM. */
NODISCARD int gzip_pack(const uint8_t *p, size_t n, uint8_t **ret_bytes, size_t *ret_n);

#endif
