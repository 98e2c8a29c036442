/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * `join` on a machine that is in the token's mesh already, so that the same command may be given again and
 * again, by a container's entry point or by whoever has a token that names the coordinator's new address.
 */
#ifndef TM_CLI_CMD_REJOIN_H
#define TM_CLI_CMD_REJOIN_H

#include "cli/cmd/setup.h"

/* Is this machine in that mesh, and not as its coordinator? Then its enrolment, to be wiped. */
bool rejoin_applies(const struct cli *c, const struct token *t, struct enrolment *ret_was);
/*
 * Asks the coordinator: a machine that was removed is enrolled again. The daemon knows the token's addresses
 * afterwards and runs, unless the options say otherwise. A coordinator that does not answer is no failure,
 * but told in `unheard`; TM_EPERM: it refuses. After a failure the node is what it was, and runs if it ran. s
 * comes from setup_begin_again.
 */
NODISCARD int rejoin(struct setup *s, const struct token *t, const struct enrolment *was,
	struct enrolment *ret_now, struct diag *unheard, struct diag *d);

#endif
