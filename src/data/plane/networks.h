/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How many networks behind this machine a plane knows: looked through one by one, by the packets that are not
 * for the machine itself. */
#ifndef TM_DATA_PLANE_NETWORKS_H
#define TM_DATA_PLANE_NETWORKS_H

enum { PLANE_NETWORKS_MAX = 18 };

#endif
