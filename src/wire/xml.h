/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * As much XML as UPnP needs: the elements of a document one after the other, each with the text behind its
 * start. No tree, no entities but the five of XML 1.0, no DTD; prefixes of namespaces are dropped, because
 * routers invent them. Each byte is looked at once. Pure; text is borrowed.
 */
#ifndef TM_WIRE_XML_H
#define TM_WIRE_XML_H

#include "base/util.h"

struct xml {
	const char *at, *end;
};

struct xml_tag {
	const char *name; /* without its prefix */
	size_t name_len;
	bool closes; /* </name>; <name/> opens only */
	const char *text; /* up to the next '<', without blanks at both ends */
	size_t text_len;
};

struct xml xml_over(const char *p, size_t n);
bool xml_next(struct xml *x, struct xml_tag *ret_tag); /* false at the end, or where it is no XML any more */
bool xml_is(const struct xml_tag *t, const char *name);
/* The text with its entities replaced; false when it does not fit, or holds a control character. */
bool xml_copy(const struct xml_tag *t, char *out, size_t out_len);
/* The text of the first element of that name, likewise. */
bool xml_value(const char *p, size_t n, const char *name, char *out, size_t out_len);

#endif
