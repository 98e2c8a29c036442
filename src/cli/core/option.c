/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/option.h"

#include <string.h>

#include "base/suggest.h"
#include "cli/core/columns.h"

enum { OPT_HELP_WIDTH = 79 };

struct match {
	const struct opt *opt;
	void *field;
};

static bool match_name(
	const struct opt_set *sets, size_t n, const char *name, size_t len, struct match *ret_m)
{
	for (size_t i = 0; i < n; i++)
		for (const struct opt *o = sets[i].opts; o && o->name; o++)
			if (strlen(o->name) == len && strncmp(o->name, name, len) == 0) {
				*ret_m = (struct match){o, (char *)sets[i].into + o->at};
				return true;
			}
	return false;
}

static bool match_letter(const struct opt_set *sets, size_t n, char letter, struct match *ret_m)
{
	for (size_t i = 0; i < n; i++)
		for (const struct opt *o = sets[i].opts; o && o->name; o++)
			if (o->letter && o->letter == letter) {
				*ret_m = (struct match){o, (char *)sets[i].into + o->at};
				return true;
			}
	return false;
}

static int unknown(
	const struct opt_set *sets, size_t n, const char *command, const char *given, struct diag *d)
{
	struct suggest s = suggest_for(given);

	for (size_t i = 0; i < n; i++)
		for (const struct opt *o = sets[i].opts; o && o->name; o++)
			suggest_offer(&s, o->name);
	if (s.best)
		diag_hint(d, "did you mean --%s?", s.best);
	else
		diag_hint(d, "see `tunnelmesh help%s%s`", *command ? " " : "", command);
	if (*command)
		return diag_what(d, TM_EINVAL, "%s has no option --%s", command, given);

	return diag_what(d, TM_EINVAL, "there is no option --%s", given);
}

/* The number that s begins with, UINT64_MAX for one that is larger; false: with none, not even a sign. */
static bool digits_parse(const char *s, uint64_t *ret_v, const char **ret_rest)
{
	char *end;

	if (*s < '0' || *s > '9')
		return false;

	*ret_v = strtoull(s, &end, 10);
	*ret_rest = end;
	return true;
}

static int number_parse(const char *s, uint32_t min, uint32_t max, uint32_t *ret_v)
{
	const char *rest;
	uint64_t v;

	if (!digits_parse(s, &v, &rest))
		return TM_EINVAL;
	if (*rest || v < min || v > max)
		return TM_ERANGE;

	*ret_v = (uint32_t)v;
	return TM_OK;
}

int duration_parse(const char *s, uint64_t *ret_seconds)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
	uint64_t factor = 0, v;
	const char *rest;

	if (!digits_parse(s, &v, &rest))
		return TM_EINVAL;
	if (!*rest)
		factor = 1;
	for (size_t i = 0; i < ARRAY_LEN(units) && *rest && !rest[1]; i++)
		if (*rest == units[i].unit)
			factor = units[i].seconds;
	if (!factor || v > UINT32_MAX)
		return TM_EINVAL;

	*ret_seconds = v * factor;
	return TM_OK;
}

/* Decimal seconds without locale or exponent: "0.2", "3". Limits in milliseconds. */
static int seconds_parse(const char *s, uint32_t min_ms, uint32_t max_ms, ns_t *ret_t)
{
	ns_t whole = 0, fraction = 0, unit = SEC;
	bool digits = false;

	for (; *s >= '0' && *s <= '9'; s++, digits = true) {
		whole = whole * 10 + (*s - '0');
		if (whole * SEC > max_ms * MS)
			return TM_ERANGE;
	}
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++, digits = true)
			fraction += (*s - '0') * (unit /= 10); /* digits below a nanosecond add nothing */
	if (!digits || *s)
		return TM_EINVAL;

	whole = whole * SEC + fraction;
	if (whole < min_ms * MS || whole > max_ms * MS)
		return TM_ERANGE;

	*ret_t = whole;
	return TM_OK;
}

static int bad_value(const struct opt *o, const char *given, const char *wanted, struct diag *d)
{
	return diag_what(d, TM_EINVAL, "--%s wants %s, not \"%.60s\"", o->name, wanted, given);
}

/* *(type *)field without casting away alignment at each place: table rows promise the type. */
#define FIELD(type) ((type *)m->field)

static int store(const struct match *m, const char *value, struct diag *d)
{
	const struct opt *o = m->opt;
	char wanted[96];
	uint32_t v = 0;

	switch (o->kind) {
	case OPT_FLAG:
		*FIELD(bool) = true;
		break;
	case OPT_TEXT:
		*FIELD(const char *) = value;
		break;
	case OPT_LIST:
		if (FIELD(struct opt_list)->n == OPT_VALUES_MAX)
			return diag_what(
				d, TM_EINVAL, "--%s is given more than %d times", o->name, OPT_VALUES_MAX);
		FIELD(struct opt_list)->v[FIELD(struct opt_list)->n++] = value;
		break;
	case OPT_PORT:
		if (number_parse(value, 1, UINT16_MAX, &v) < 0)
			return bad_value(o, value, "a port number (1-65535)", d);
		*FIELD(uint16_t) = (uint16_t)v;
		break;
	case OPT_COUNT:
		snprintf(wanted, sizeof(wanted), "a number from %u to %u", o->min, o->max);
		if (number_parse(value, o->min, o->max, FIELD(uint32_t)) < 0)
			return bad_value(o, value, wanted, d);
		break;
	case OPT_SECONDS:
		snprintf(wanted, sizeof(wanted), "seconds from %g to %g", o->min / 1000.0, o->max / 1000.0);
		if (seconds_parse(value, o->min, o->max, FIELD(ns_t)) < 0)
			return bad_value(o, value, wanted, d);
		break;
	case OPT_DURATION:
		if (duration_parse(value, FIELD(uint64_t)) < 0)
			return bad_value(o, value, "a time such as 30m, 24h or 7d", d);
		if (*FIELD(uint64_t) < o->min || *FIELD(uint64_t) > o->max)
			return bad_value(o, value, "a time from a minute to ten years", d);
		break;
	}
	return TM_OK;
}

struct args {
	int argc, at;
	const char *const *argv;
};

/* The option's value: after '=' (given), attached to its letter (given), or the next argument. */
static int take_value(struct args *a, const struct match *m, const char *given, struct diag *d)
{
	if (m->opt->kind == OPT_FLAG) {
		if (given)
			return diag_what(d, TM_EINVAL, "--%s takes no value", m->opt->name);
		return store(m, NULL, d);
	}
	if (!given) {
		if (a->at == a->argc)
			return diag_what(d, TM_EINVAL, "--%s wants a value: %s", m->opt->name, m->opt->arg);
		given = a->argv[a->at++];
	}
	return store(m, given, d);
}

static int take_long(struct args *a, const struct opt_set *sets, size_t n, const char *command,
	const char *arg, struct diag *d)
{
	size_t len = strcspn(arg, "=");
	struct match m;
	char name[64];

	if (match_name(sets, n, arg, len, &m))
		return take_value(a, &m, arg[len] ? arg + len + 1 : NULL, d);

	snprintf(name, sizeof(name), "%.*s", (int)MIN(len, sizeof(name) - 1), arg);
	return unknown(sets, n, command, name, d);
}

/* "-4", "-c3", "-c 3", "-46". */
static int take_letters(struct args *a, const struct opt_set *sets, size_t n, const char *command,
	const char *letters, struct diag *d)
{
	struct match m;
	int err;

	for (const char *c = letters; *c; c++) {
		if (!match_letter(sets, n, *c, &m)) {
			diag_hint(d, "see `tunnelmesh help%s%s`", *command ? " " : "", command);
			return diag_what(d, TM_EINVAL, "there is no option -%c", *c);
		}
		if (m.opt->kind != OPT_FLAG)
			return take_value(a, &m, c[1] ? c + 1 : NULL, d);
		err = store(&m, NULL, d);
		if (err)
			return err;
	}
	return TM_OK;
}

int opt_parse(const struct opt_set *sets, size_t n_sets, const char *command, int argc,
	const char *const *argv, struct opt_words *words, int *ret_used, struct diag *d)
{
	struct args a = {.argc = argc, .argv = argv};
	bool only_words = false;

	while (a.at < argc) {
		const char *arg = argv[a.at];
		bool option = !only_words && arg[0] == '-' && arg[1];
		int err = TM_OK;

		if (!option && !words)
			break;
		a.at++;
		if (option && strcmp(arg, "--") == 0)
			only_words = true;
		else if (option && arg[1] == '-')
			err = take_long(&a, sets, n_sets, command, arg + 2, d);
		else if (option)
			err = take_letters(&a, sets, n_sets, command, arg + 1, d);
		else if (words->n == OPT_WORDS_MAX)
			err = diag_what(d, TM_EINVAL, "there are more than %d arguments", OPT_WORDS_MAX);
		else
			words->v[words->n++] = arg;
		if (err)
			return err;
	}
	*ret_used = a.at;
	return TM_OK;
}

static void opt_label(const struct opt *o, char *buf, size_t n)
{
	const char *space = o->arg ? " " : "", *arg = o->arg ? o->arg : "";

	if (o->letter)
		snprintf(buf, n, "-%c, --%s%s%s", o->letter, o->name, space, arg);
	else
		snprintf(buf, n, "    --%s%s%s", o->name, space, arg);
}

void opt_print(const struct opt *opts, FILE *f)
{
	char label[96];
	int width = 0;

	for (const struct opt *o = opts; o && o->name; o++) {
		opt_label(o, label, sizeof(label));
		width = MAX(width, (int)strlen(label));
	}
	for (const struct opt *o = opts; o && o->name; o++) {
		opt_label(o, label, sizeof(label));
		size_t at = (size_t)fprintf(f, "  %-*s  ", width, label);
		text_wrapped(f, o->help, at, at, OPT_HELP_WIDTH);
	}
}
