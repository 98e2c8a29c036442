/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Members of answers (docs/protocol.md, "Administration") for who shows them to people: what is missing, null
 * or of another kind is "", 0, false or nothing. Texts and objects are the answer's. Pure.
 */
#ifndef TM_WIRE_MSG_SHOWN_H
#define TM_WIRE_MSG_SHOWN_H

#include "wire/msg/msg.h"

const char *msg_shown_text(const msg_object *o, const char *key);
int64_t msg_shown_int(const msg_object *o, const char *key);
double msg_shown_number(const msg_object *o, const char *key); /* -1: there is none */
bool msg_shown_true(const msg_object *o, const char *key);
bool msg_shown_false(const msg_object *o, const char *key); /* it is there, and false */
const msg_object *msg_shown_object(const msg_object *o, const char *key); /* NULL: there is none */

/* for (size_t i = 0; (m = msg_shown_member(o, "nodes", &i)); ) ... objects of a list. */
const msg_object *msg_shown_member(const msg_object *o, const char *key, size_t *at);
/* The same for texts. */
const char *msg_shown_word(const msg_object *o, const char *key, size_t *at);
size_t msg_shown_count(const msg_object *o, const char *key);

#endif
