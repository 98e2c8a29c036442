/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `top`: the peers, by which path, how far and how much goes there, again and again. */
#include <string.h>

#include "base/plain.h"
#include "cli/core/commands.h"
#include "cli/core/top.h"
#include "os/interrupt.h"
#include "os/terminal.h"

enum {
	INTERVAL_MIN_MS = 100,
	INTERVAL_MAX_MS = 3600 * 1000,
	LINES_AROUND = 6, /* of a page, beside the rows: two above, two heads, what is left out, the last */
	ROWS_MIN = 3,
};

struct top_opts {
	bool once, inverted;
	ns_t interval;
	const char *sort, *filter;
};

#define AT(field) offsetof(struct top_opts, field)
static const struct opt top_options[] = {
	{"interval", 'i', OPT_SECONDS, AT(interval), "SECONDS", "between two looks (2)", INTERVAL_MIN_MS,
		INTERVAL_MAX_MS},
	{"sort", 's', OPT_TEXT, AT(sort), "BY", "traffic (at first), received, sent, rtt, path or name", 0,
		0},
	{"reverse", 'r', OPT_FLAG, AT(inverted), NULL, "the other way round", 0, 0},
	{"filter", 'f', OPT_TEXT, AT(filter), "TEXT", "only peers with that in their name, address or path",
		0, 0},
	{"once", 0, OPT_FLAG, AT(once), NULL, "print one table, of one interval, and end", 0, 0},
	{0},
};
#undef AT

/* The page and who looks at it. */
struct page {
	struct cli *c;
	ns_t interval, next; /* look; monotonic */
	struct top top;
	size_t first; /* row that is shown */
	bool typing; /* the filter */
};

static int look(struct cli *c, struct top *t, struct diag *d)
{
	json_t *status = NULL;
	int err = cli_ask(c, "status", json_pack("{s:b}", "brief", 1), ASK_TIMEOUT_MS, &status, d);

	return err ? err : top_take(t, status, time_monotonic());
}

/* --- once --- */

static int print_once(struct cli *c, const struct top *t)
{
	if (c->g.json)
		return cli_json_take(c, top_json(t));
	top_print_head(t, c->out);
	fputc('\n', c->out);
	int err = top_print_rows(t, 0, t->n, c->out, &c->screen);
	return err ? cli_fail(c, &(struct diag){0}, err) : CLI_DONE;
}

/* Figures of a time, for which it takes two looks. */
static int once(struct cli *c, struct top *t, ns_t interval)
{
	struct diag d = {0};
	int err = look(c, t, &d);

	if (!err) {
		interrupt_catch();
		interrupt_rest(interval);
		if (interrupt_came())
			return cli_failf(c, NULL, "interrupted");
		err = look(c, t, &d);
	}
	return err ? cli_fail(c, &d, err) : print_once(c, t);
}

/* --- on a terminal --- */

static void print_keys(const struct page *p, FILE *f)
{
	const bool dim = p->c->screen.colour;

	if (p->typing)
		fprintf(f, "  only those with: %s_", p->top.filter);
	else
		fprintf(f,
			"%s  by %s%s%s%s \u00b7 t r s l p n sort, i inverts, / filters, arrows scroll, q "
			"ends%s",
			dim ? "\033[2m" : "", top_sort_name(p->top.sort),
			p->top.inverted ? " (inverted)" : "", *p->top.filter ? ", only those with " : "",
			p->top.filter, dim ? "\033[0m" : "");
	fputc('\n', f);
}

/* Each line erases what was to its right, so that nothing flickers. */
static void put_page(FILE *out, const char *text)
{
	fputs("\033[H", out);
	for (; *text; text++)
		fputs(*text == '\n' ? "\033[K\n" : (const char[]){*text, '\0'}, out);
	fputs("\033[J", out);
	fflush(out);
}

static size_t rows_of_page(const struct page *p)
{
	const unsigned height = terminal_height(fileno(p->c->out));

	return MAX(height, (unsigned)LINES_AROUND + ROWS_MIN) - LINES_AROUND;
}

static int paint(struct page *p)
{
	const size_t rows = rows_of_page(p);
	_cleanup_(freep) char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return TM_ENOMEM;
	p->c->screen.width = terminal_width(fileno(p->c->out));
	p->first = p->top.n > rows ? MIN(p->first, p->top.n - rows) : 0;
	top_print_head(&p->top, f);
	print_keys(p, f);
	int err = top_print_rows(&p->top, p->first, rows, f, &p->c->screen);
	if (fclose(f) != 0 && !err)
		err = TM_ENOMEM;
	if (!err)
		put_page(p->c->out, text);
	return err;
}

static void type(struct page *p, int key)
{
	const size_t n = strlen(p->top.filter);

	if (key == TERMINAL_ENTER) {
		p->typing = false;
	} else if (key == TERMINAL_ESCAPE) {
		p->typing = false;
		p->top.filter[0] = '\0';
	} else if (key == TERMINAL_BACKSPACE && n) {
		p->top.filter[n - 1] = '\0';
	} else if (key < 128 && n < TOP_FILTER_MAX) {
		p->top.filter[n] = (char)key;
		p->top.filter[n + 1] = '\0';
	}
}

static void scroll(struct page *p, int key)
{
	const size_t page = rows_of_page(p);
	const size_t by = key == TERMINAL_PAGE_UP || key == TERMINAL_PAGE_DOWN ? page : 1;

	if (key == TERMINAL_DOWN || key == TERMINAL_PAGE_DOWN)
		p->first += by; /* painting stops at the end */
	else
		p->first -= MIN(by, p->first);
}

/* False: that was the last. */
static bool press(struct page *p, int key)
{
	if (p->typing)
		type(p, key);
	else if (key == 'q')
		return false;
	else if (key == 'i')
		p->top.inverted = !p->top.inverted;
	else if (key == '/')
		p->typing = true;
	else if (key >= TERMINAL_UP)
		scroll(p, key);
	else
		(void)!top_sort_of_key(key, &p->top.sort); /* one that means nothing */
	top_arrange(&p->top);
	return true;
}

static int watch(struct page *p, struct diag *d)
{
	int key, err;

	for (;;) {
		err = p->top.status ? paint(p) : TM_OK;
		if (err)
			return err;
		switch (terminal_wait(p->next, &key)) {
		case TERMINAL_END:
			return TM_OK;
		case TERMINAL_KEY:
			if (!press(p, key))
				return TM_OK;
			break;
		case TERMINAL_TIME:
			err = look(p->c, &p->top, d);
			/* What came before the daemon answered is next, then he is asked again. */
			if (err && err != TM_EAGAIN)
				return err;
			if (!err)
				p->next = time_monotonic() + p->interval;
			break;
		case TERMINAL_RESIZED:
		case TERMINAL_RESUMED:
			break;
		}
	}
}

static int live(struct cli *c, const struct top *as_wanted, ns_t interval)
{
	struct page p = {.c = c, .interval = interval, .top = *as_wanted};
	struct diag d = {0};

	/* What is wrong from the start is said on the screen that there is. */
	int err = look(c, &p.top, &d);
	if (!err)
		err = terminal_begin(c->in_fd, fileno(c->out));
	if (err == TM_EUNSUPPORTED) {
		top_deinit(&p.top);
		return cli_usage(c, "--once prints one table", "top wants a terminal");
	}
	if (!err) {
		p.next = time_monotonic() + MIN(interval, SEC); /* figures soon */
		err = watch(&p, &d);
		terminal_end();
	}
	top_deinit(&p.top);
	return err ? cli_fail(c, &d, err) : CLI_DONE;
}

static int top_run(struct cli *c, const void *opts, const struct opt_words *words UNUSED)
{
	const struct top_opts *o = opts;
	struct top t = {.inverted = o->inverted};

	if (o->sort && top_sort_parse(o->sort, &t.sort) != TM_OK)
		return cli_usage(c, NULL,
			"--sort wants traffic, received, sent, rtt, path or name, not \"%.40s\"", o->sort);
	if (o->filter && (strlen(o->filter) > TOP_FILTER_MAX || !plain_is(o->filter)))
		return cli_usage(c, NULL, "--filter wants up to %d characters", TOP_FILTER_MAX);
	snprintf(t.filter, sizeof(t.filter), "%s", o->filter ? o->filter : "");
	if (!o->once && !c->g.json)
		return live(c, &t, o->interval);

	int status = once(c, &t, o->interval);
	top_deinit(&t);
	return status;
}

const struct command cmd_top = {
	.name = "top",
	.summary = "the peers live: path, round trip and traffic, until q",
	.details =
		"The keys t, r, s, l, p and n sort by traffic, what is received, what is sent, round trip, "
		"path and name; i inverts, / asks for a filter, q ends. In a mesh of hundreds only those "
		"are listed that something was sent to. Traffic is what the tunnel carries, with its own "
		"overhead. --once, and --json, take one interval and end.",
	.opts = top_options,
	.defaults = &(const struct top_opts){.interval = 2 * SEC},
	.opts_size = sizeof(struct top_opts),
	.run = top_run,
};
