/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any bytes as a configuration: either a valid one, or an error with a sentence; what was there before stays.
 */
#include <assert.h>
#include <string.h>

#include "node/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct config c, before;
	struct diag d = {0};

	memset(&c, 0xee, sizeof(c));
	before = c;
	int err = config_parse("fuzz", (const char *)data, n, &c, &d);
	if (err) {
		assert(memcmp(&c, &before, sizeof(c)) == 0);
		assert(err == TM_ENOMEM || (d.what[0] && strncmp(d.where, "fuzz", 4) == 0));
		return 0;
	}
	assert(c.n_advertise <= CONFIG_LIST_MAX && c.n_addresses <= CONFIG_LIST_MAX);
	assert(memchr(c.tun, '\0', sizeof(c.tun)) && memchr(c.api_listen, '\0', sizeof(c.api_listen)));
	assert(c.mtu >= 1280 && c.api_port >= 1 && c.log_level < LOG_LEVEL_N);
	return 0;
}
