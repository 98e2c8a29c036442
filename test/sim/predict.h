/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Must a direct path appear between two hosts? Reasoned from the kinds of the NATs between them and how these
 * are nested, without ports, clocks or packets: an oracle for what the real code achieves.
 *
 * The abilities reasoned with are today's: one socket per host; the coordinator tells each host under which
 * address it saw the other (server-reflexive), and its addresses on its own interfaces; both send checks to
 * all that they know of each other, again and again, and learn the address from which a check comes
 * (peer-reflexive). A check proves an address only when its answer comes from there (RFC 8445 7.2.5.2.1).
 *
 * The rules, by RFC 4787 (4.1 mapping, 5 filtering, 6 hairpin) and RFC 5128 (3.3):
 *  1. Outside, a host is seen as (host, what its mapping was made for). Through several NATs the most
 * dependent mapping decides; the endpoint towards the coordinator is the endpoint towards the peer only when
 * all map independently of it.
 *  2. A NAT lets a datagram in when its filter finds the sender among those that were written to through that
 *     same mapping: through any mapping of the host where the NATs up to there map independently.
 *  3. Hosts behind a common NAT meet either below it, when one has its address there, or by its outside
 *     addresses, when it hairpins; a hairpin that shows the internal source teaches an address below it.
 *  4. From what is known at first, sending teaches; what is learnt is sent to. When nothing new comes any
 * more, a path is possible if somebody knows an address whose answer comes back from it.
 *
 * For two hosts with one NAT each, this comes down to (e, a, p: filter independent, by address, by port):
 *     both map independently                  always
 *     one does                                when that one's filter is e or a
 *     neither, one at least maps by address   when one's filter is e and the other's no p
 *     both map by port                        never
 * A pool that gives a host several addresses makes some of these a matter of luck: PERHAPS.
 */
#ifndef TM_TEST_SIM_PREDICT_H
#define TM_TEST_SIM_PREDICT_H

#include "sim/host.h"

enum prediction { DIRECT_NEVER, DIRECT_PERHAPS, DIRECT_ALWAYS };

/* By IPv4, over the first face of each. */
enum prediction direct_possible(const struct host *a, const struct host *b);
/*
 * Where that is not so: do they meet by guessing ports, with a relay to agree by (decision 39)? When one maps
 * independently and the other by address and port, and no NAT is common to both: always but for chance. A
 * pool of addresses makes the chance smaller, a common NAT may let them meet, and a mapping by address shows
 * only to who asks several servers: PERHAPS. So do two whose ports are kept, whatever they map by (decision
 * 51).
 */
enum prediction guess_possible(const struct host *a, const struct host *b);
const char *prediction_name(enum prediction p);

#endif
