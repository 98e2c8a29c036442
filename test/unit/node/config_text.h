/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A configuration that is no file. */
#ifndef TM_UNIT_CONFIG_TEXT_H
#define TM_UNIT_CONFIG_TEXT_H

#include <string.h>

#include "node/config.h"

static inline int parse(const char *text, struct config *c, struct diag *d)
{
	return config_parse("config.yaml", text, strlen(text), c, d);
}

#endif
