/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/proxy.h"

#include <stdlib.h>

const char *cli_proxy(
	struct cli *c, const struct config *cfg, const char *remembered, struct proxy_choice *ret_choice)
{
	char text[sizeof(struct diag) + 16];
	struct diag d = {0};
	const char *from;
	int err = config_proxy(cfg, remembered, ret_choice, &from, &d);

	if (err)
		cli_note(c, "going without a proxy: %s", diag_format(&d, err, text, sizeof(text)));
	return from && getenv(from) ? from : NULL;
}
