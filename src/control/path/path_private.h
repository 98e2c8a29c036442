/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the files of a path share: path.c (what happened), path_step.c (what is due), path_doubt.c (relays,
 * and what to do while it is not sure which way lives), path_mtu.c (how long messages may be). Private to
 * control/path.
 */
#ifndef TM_CONTROL_PATH_PATH_PRIVATE_H
#define TM_CONTROL_PATH_PATH_PRIVATE_H

#include "control/path/pairs.h"

/* --- path.c --- */

/* Uses that pair from now on; the step that follows says so. `proof`: when something authentic came over it;
 * 0 = not yet. */
void path_choose(struct path *p, int at, enum path_why why, ns_t proof, struct turn *t);
/* Checks it, unless that is under way or was answered just now. */
void path_check_now(struct path *p, int at, ns_t now);

/* Checks everything, from the first try, and asks for what else there is. */
void path_start_over(struct path *p, enum path_why why, struct turn *t);
void path_begin_checking(struct path *p, enum path_why why, struct turn *t); /* nothing works (any more) */
/* Is an answer that came so one to a check by the pair? */
bool path_came_back(const struct pair *pair, const struct way_to *a);

/* --- path_step.c --- */

/* The chosen pair is none any more. The plane keeps sending by it until something better is known. */
void path_chosen_died(struct path *p, struct turn *t);

/* --- path_doubt.c --- */

/* Has pairs for all relays by which the peer can be reached now; uses one if nothing else is in use. */
void path_use_relays(struct path *p, struct turn *t);
/* A stream to a relay, while something better works: it stands by for when nothing does, and is asked then. A
 * node that talks to many would ask the same stream for each of them. */
bool path_is_spare(const struct path *p, unsigned i);
/* Chosen by a relay, and not yet proved: it is given more time than one that worked. */
bool path_is_trusting(const struct path *p, unsigned i);
/* Something shows that what goes by the pair may arrive now: its question, if it has none of its answers yet,
 * is repeated at once. */
void path_hurry(struct path *p, unsigned i, ns_t now);
/* The chosen pair, if it is direct and there is a relay beside it, has to answer once more. */
void path_try(struct path *p, ns_t now);
/* Looks for something better than the detour in use, when that is due. */
void path_upgrade(struct path *p, struct turn *t);
/* Says which ways are used if that changed: the chosen one, and another as well while it is in doubt. */
void path_use(struct path *p, struct turn *t);
/* The chosen pair is about to be told that it was heard at that time: after a gap in which much was lost? */
void path_hears_again(struct path *p, ns_t at, ns_t now);
/* The pair is about to be told that it was answered: was something lost before that? */
void path_recovers(struct path *p, unsigned i, ns_t now);
/* The chosen pair lives, after a gap or without one. */
void path_lives_again(struct path *p, bool gap);
/* The chosen pair is about to be left for another. If it was silent, what left by it may be lost. */
void path_leave(struct path *p);
/* The chosen pair is about to be left for being silent: what left since it was last proved may be lost. */
void path_be_unsure(struct path *p);
/* When one of these has something to do by itself. */
ns_t path_doubt_next(const struct path *p, ns_t now);

/* --- path_mtu.c --- */

/* Asks which length passes by the chosen pair, when that is due; returns when it is again. */
ns_t path_mtu_step(struct path *p, struct turn *t);
/* False: the stamp is none of a question of path_mtu_step. */
bool path_mtu_answered(struct path *p, uint64_t stamp, const struct way_to *a, ns_t now);
/* Our network changed: what was known is about the old one. */
void path_mtu_forget(struct path *p);

#endif
