/* SPDX-License-Identifier: AGPL-3.0-or-later */
#define ZLIB_CONST /* its input is const, as it should be */

#include "cli/core/gzip.h"

#include <limits.h>
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16 }; /* zlib.h, deflateInit2: with gzip's header and sum */

int gzip_pack(const uint8_t *p, size_t n, uint8_t **ret_bytes, size_t *ret_n)
{
	z_stream z = {0};
	int err = TM_ENOMEM;

	if (n > UINT_MAX || deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
				    Z_DEFAULT_STRATEGY) != Z_OK)
		return TM_ENOMEM;

	const size_t room = deflateBound(&z, n);
	uint8_t *bytes = malloc(room);

	z.next_in = p;
	z.avail_in = (uInt)n;
	z.next_out = bytes;
	z.avail_out = (uInt)MIN(room, (size_t)UINT_MAX);
	if (bytes && deflate(&z, Z_FINISH) == Z_STREAM_END) {
		*ret_bytes = bytes;
		*ret_n = z.total_out;
		err = TM_OK;
	} else {
		free(bytes);
	}
	deflateEnd(&z);
	return err;
}
