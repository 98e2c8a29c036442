/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The kernel's settings as a table of the test's, which outlives the runs of the code (os_setting_get and
 * os_setting_set, wrapped). As in the kernel, a change of conf/all/forwarding is one of every interface.
 */
#ifndef TM_TEST_FAKE_SETTINGS_H
#define TM_TEST_FAKE_SETTINGS_H

#include "base/util.h"

void kernel_empty(void);
void kernel_has(
	const char *name, const char *value); /* a setting that there is from now on, and what it holds */
void kernel_loses(const char *name);
void kernel_locks(const char *name, bool locked); /* it cannot be changed */
void kernel_write(const char *name, const char *value); /* as somebody else does it */
const char *kernel_value(const char *name); /* "" = there is none */

#endif
