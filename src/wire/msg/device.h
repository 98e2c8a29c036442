/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a stock WireGuard device is configured with: the answer to client.add (docs/protocol.md, "Every node")
 * and the private key that nobody but the device is to have. Pure.
 */
#ifndef TM_WIRE_MSG_DEVICE_H
#define TM_WIRE_MSG_DEVICE_H

#include "wire/msg/msg.h"

/* HOST:PORT: one word, with a port. Names are the device's to resolve. */
bool msg_device_endpoint_valid(const char *s);
/* Has the answer all that a configuration needs, but perhaps the endpoint? */
bool msg_device_whole(const msg_object *answer);
/* In WireGuard's own format; private_key: base64. NULL: out of memory. The caller's, and to be wiped. */
NODISCARD char *msg_device_config(const msg_object *answer, const char *private_key);

#endif
