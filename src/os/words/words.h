/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is said to people in the words of this system: what they type, and where they look. Literals, so that
 * tables and longer sentences are made of them; each system's file has the same names, and those that are a
 * format take the same values in the same order.
 */
#ifndef TM_OS_WORDS_WORDS_H
#define TM_OS_WORDS_WORDS_H

#if defined(__linux__)
#include "os/words/linux.h"
#else
#error "nobody has written down how this system is spoken of: os/words/"
#endif

#endif
