/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One request line as a local user may send it: an object comes out, or a sentence. */
#include "node/ctl.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct diag d = {0};
	json_t *req = NULL;

	if (ctl_request_parse((const char *)data, n, &req, &d) == TM_OK) {
		assert(json_is_object(req));
		json_decref(req);
	} else {
		assert(!req && d.what[0]);
	}
	return 0;
}
