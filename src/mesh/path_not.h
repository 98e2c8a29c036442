/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Why a peer is not reached directly: the one list for enum, messages, views and tests. The path core finds
 * it out, the first that applies; OFFLINE is the coordinator's to say, so nobody but the view does
 * (node/view.h). Nodes tell each by its word: a word stays, its sentence may change.
 */
#ifndef TM_MESH_PATH_NOT_H
#define TM_MESH_PATH_NOT_H

#include <stdbool.h>

#define PATH_NOTS(X)                                                                                         \
	X(NOTHING, "", "")                                                                                   \
	X(OFFLINE, "offline", "it has no link to the coordinator, so it is off or offline")                  \
	X(UNUSED, "unused", "nobody has looked for one lately")                                              \
	X(UDP, "udp", "UDP does not pass here, so only a relay by TCP is left")                              \
	X(UDP_THERE, "udp_there", "UDP does not pass where it is, so only a relay by TCP is left")           \
	X(UNKNOWN, "unknown", "none of its addresses is known")                                              \
	X(FAMILY, "family", "one of the two has IPv4 alone and the other IPv6")                              \
	X(LOOP, "loop", "its addresses lead into the mesh itself")                                           \
	X(ROUTE, "route", "there is no route to its addresses")                                              \
	X(GUESSING, "guessing",                                                                              \
		"a router takes another port for each destination, and these are being guessed")             \
	X(MEETING, "meeting",                                                                                \
		"its addresses do not answer, and both sides are trying fresh ports at one moment")          \
	X(MISSED, "missed", "no guess at the ports of the router on one side was right")                     \
	X(UNMET, "unmet",                                                                                    \
		"neither its addresses answer nor did fresh ports that both sides tried at one moment")      \
	X(TRYING, "trying", "its addresses are being tried")                                                 \
	X(SYMMETRIC, "symmetric", "the routers on both sides take another port for each destination")        \
	X(SILENT, "silent", "none of its addresses answers")

enum path_not {
#define X(name, word, text) PATH_NOT_##name,
	PATH_NOTS(X)
#undef X
		PATH_NOT_N,
};

const char *path_not_text(enum path_not why); /* "" for PATH_NOT_NOTHING */
const char *path_not_word(enum path_not why); /* likewise */
/* NULL and words that are not known are NOTHING. */
enum path_not path_not_parse(const char *word);

#endif
