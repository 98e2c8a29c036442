/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A mistake explained to a person: filled where it is found, printed once where it is handled.
 * `where` is a file, line or option ("config.yaml:7"), `what` one sentence, `hint` what to do, `code` a word
 * for programs where the error says too little ("not_running"). Fields may be empty.
 */
#ifndef TM_BASE_DIAG_H
#define TM_BASE_DIAG_H

#include "base/util.h"

struct diag {
	char where[256];
	char what[384];
	char hint[256];
	char code[24];
};

/* Each sets one field, printf-like, truncating. d may be NULL. Returns err so that a caller can `return
 * diag_what(...)`. */
int diag_what(struct diag *d, int err, const char *fmt, ...) PRINTF(3, 4);
void diag_where(struct diag *d, const char *fmt, ...) PRINTF(2, 3);
void diag_hint(struct diag *d, const char *fmt, ...) PRINTF(2, 3);

/* Leaves a code that is there already: who found it knows best. */
void diag_code(struct diag *d, const char *code);

/* "where: what (hint)" with the empty parts left out; err's own text stands in for an empty `what`. Returns
 * buf. */
const char *diag_format(const struct diag *d, int err, char *buf, size_t buf_len);

#endif
