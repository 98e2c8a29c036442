/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Between sim.c and host.c only. */
#ifndef TM_TEST_SIM_HOST_H
#define TM_TEST_SIM_HOST_H

#include "sim/sim.h"

void host_attach(struct host *h);
void host_free(struct host *h);

#endif
