/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Descriptors as what is left of them when a function ends. Any thread. */
#ifndef TM_OS_LOW_DESCRIPTOR_H
#define TM_OS_LOW_DESCRIPTOR_H

/* Of a file, or of what another door of os/ gave as an int. Below 0: nothing. */
void descriptor_close(int fd);

#endif
