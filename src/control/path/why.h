/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Why the path core does what it does: the one list for enum, log lines and tests. */
#ifndef TM_CONTROL_PATH_WHY_H
#define TM_CONTROL_PATH_WHY_H

#include "mesh/path_not.h"

#define PATH_WHYS(X)                                                                                         \
	X(ASKED, "somebody wants the peer")                                                                  \
	X(CHECK, "does this address answer?")                                                                \
	X(HEARTBEAT, "traffic goes out and nothing comes back")                                              \
	X(ANSWER, "a check of the peer")                                                                     \
	X(RELAY, "under which address are we seen, and does it relay for us?")                               \
	X(REGISTERED, "other relays know us now")                                                            \
	X(PROBE, "what stands between us and the world?")                                                    \
	X(FIRST, "the first address that answered")                                                          \
	X(BETTER, "a better address answered")                                                               \
	X(RELAYED, "through a relay, until a direct address answers")                                        \
	X(DOUBT, "it may be dead, so by another way as well")                                                \
	X(UNSURE, "it may not have arrived")                                                                 \
	X(SURE, "it lives, so by it alone")                                                                  \
	X(UPGRADE, "is there something better than the detour?")                                             \
	X(REMEMBERED, "reached there last")                                                                  \
	X(HEARD, "the peer's packets come from there, and nothing else works")                               \
	X(SIZE, "the longest that passes there")                                                             \
	X(SOURCE, "the peer reaches us at that address of ours")                                             \
	X(SUCCESSOR, "the one in use is silent, this one lives")                                             \
	X(DEAD, "the one in use does not answer")                                                            \
	X(ANSWERED, "answers")                                                                               \
	X(FAILED, "does not answer")                                                                         \
	X(FOUND, "an address of the peer that nobody told us")                                               \
	X(HELP, "the peer looks for us")                                                                     \
	X(RETRY, "nothing answered, once more")                                                              \
	X(GIVEN_UP, "nobody has wanted the peer for long")                                                   \
	X(IDLE, "not used for long")                                                                         \
	X(LOOP, "it is reached through the mesh itself")                                                     \
	X(GUESS, "guessing ports: one of us has a hard translator")                                          \
	X(MEET, "both try fresh ports at one moment")                                                        \
	X(GUESSED, "a guess was right, and the other sockets are not needed")                                \
	X(KEEP, "so that the translator keeps what was guessed")                                             \
	X(MISSED, "no guess was right")                                                                      \
	X(LINKED, "the coordinator can be asked again")                                                      \
	X(NETWORK, "our network changed")                                                                    \
	X(SAMPLE, "is the path alive?")                                                                      \
	X(CHANGED, "our addresses changed")                                                                  \
	X(TELL, "our addresses, as long as the coordinator is away")                                         \
	X(REMOVED, "no member any more")

enum path_why {
#define X(name, text) WHY_##name,
	PATH_WHYS(X)
#undef X
		WHY_N,
};

const char *path_why_text(enum path_why why);

#endif
