/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A configuration as strangers may read it: the keys that are known to hold nothing secret with their values,
 * of all others that they are given. What is new is hidden until somebody says otherwise. Pure.
 */
#ifndef TM_CLI_CORE_REDACT_H
#define TM_CLI_CORE_REDACT_H

#include "base/err.h"
#include "base/strbuf.h"

#define REDACTED "(hidden)"

/* The text of a configuration file. Nothing of one that is no YAML is shown but the line where that ends. */
void redact_config(const char *text, size_t n, struct strbuf *out);
/* "group.key" */
bool redact_shows(const char *key);
/* Those that are shown, by number, from 0; NULL: there are no more. */
const char *redact_shown(size_t i);

#endif
