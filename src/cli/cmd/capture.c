/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `capture`: what goes inside of the tunnel to a peer, as lines or as a file for Wireshark. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "cli/core/commands.h"
#include "cli/core/packet_line.h"
#include "os/interrupt.h"
#include "os/local.h"
#include "os/terminal.h"
#include "wire/pcapng.h"

enum { FOR_MAX_S = 30 * 86400, ROOM = 512 << 10 };
#define LOOK_EVERY (500 * MS) /* for an interrupt that came between two waits */
#define END_PATIENCE (10 * SEC) /* for what is still to come after we said that it is enough */

struct capture_opts {
	const char *write;
	uint32_t count, keep;
	uint64_t for_s;
};

#define AT(field) offsetof(struct capture_opts, field)
static const struct opt capture_options[] = {
	{"write", 'w', OPT_TEXT, AT(write), "FILE",
		"into a file that is not there yet, as pcapng; - is standard output", 0, 0},
	{"count", 'c', OPT_COUNT, AT(count), "COUNT", "end after so many packets", 1, UINT32_MAX},
	{"for", 0, OPT_DURATION, AT(for_s), "TIME", "end after so long, such as 10s or 5m", 1, FOR_MAX_S},
	{"bytes", 'b', OPT_COUNT, AT(keep), "BYTES", "keep so many of each packet, instead of all", 1, 65535},
	{0},
};
#undef AT

struct capture {
	struct cli *c;
	const char *path; /* NULL: lines are shown */
	FILE *f; /* where it goes */
	json_t *reply;
	int fd;
	bool ending; /* we have said so */
	ns_t patience; /* until then, monotonic */
	bool ended; /* with the counts */
	uint64_t packets, lost; /* lost: known when it has ended */
	uint8_t bytes[ROOM];
	size_t n;
};

static bool to_stdout(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

/* --- what comes --- */

static void show_line(const struct capture *k, const struct pcapng_packet *p)
{
	const time_t at = (time_t)(p->at / SEC);
	char line[PACKET_LINE_LEN], stamp[16] = "-";
	struct tm tm;

	if (localtime_r(&at, &tm))
		strftime(stamp, sizeof(stamp), "%H:%M:%S", &tm);
	if (p->lost)
		fprintf(k->f, "  (%" PRIu64 " more, which came faster than they were shown)\n", p->lost);
	fprintf(k->f, "  %s.%06d  %s\n", stamp, (int)(p->at % SEC / US), packet_line(p, line));
}

static int take_block(struct capture *k, const struct pcapng_block *b, const uint8_t *whole, size_t len)
{
	struct pcapng_packet p;
	struct pcapng_end e;

	if (b->type == PCAPNG_PACKET && pcapng_packet_get(b, &p) == TM_OK) {
		k->packets++;
		if (!k->path)
			show_line(k, &p);
	} else if (b->type == PCAPNG_STATISTICS && pcapng_end_get(b, &e) == TM_OK) {
		k->ended = true;
		k->lost = e.lost;
	}
	if (k->path && fwrite(whole, 1, len, k->f) != len)
		return TM_EIO;
	return TM_OK;
}

/* All whole blocks. */
static int take_blocks(struct capture *k)
{
	size_t at = 0, len;
	struct pcapng_block b;
	int err;

	while ((err = pcapng_next(k->bytes + at, k->n - at, &b, &len)) == TM_OK) {
		err = take_block(k, &b, k->bytes + at, len);
		if (err)
			return err;
		at += len;
	}
	k->n -= at;
	memmove(k->bytes, k->bytes + at, k->n);
	return err == TM_ESHORT ? TM_OK : err;
}

/* Ctrl-C ends it in order. False: that takes too long. */
static bool go_on(struct capture *k)
{
	if (k->ending)
		return time_monotonic() < k->patience;
	if (interrupt_came()) {
		os_local_finish(k->fd);
		k->ending = true;
		k->patience = time_monotonic() + END_PATIENCE;
	}
	return true;
}

static int receive(struct capture *k, struct diag *d)
{
	int err = TM_OK;
	size_t n;

	while (!err && go_on(k)) {
		err = os_local_wait(k->fd, false, time_monotonic() + LOOK_EVERY);
		if (!err)
			err = os_local_recv(k->fd, k->bytes + k->n, sizeof(k->bytes) - k->n, &n);
		if (err == TM_ETIMEOUT || err == TM_EAGAIN) {
			err = fflush(k->f) == 0 ? TM_OK : TM_EIO;
			continue;
		}
		if (err == TM_ECLOSED)
			return k->ended ? TM_OK
					: diag_what(d, err, "tunnelmesh stopped before the capture was over");
		if (err)
			break;
		k->n += n;
		err = take_blocks(k);
		if (!err && !k->path && fflush(k->f) != 0)
			err = TM_EIO;
	}
	if (err == TM_EIO)
		return diag_what(d, err, "the packets cannot be written: %s", strerror(errno));
	if (err)
		return diag_what(d, err, "what the daemon says makes no sense");
	return TM_OK;
}

/* --- where it goes --- */

static int open_file(struct capture *k, struct diag *d)
{
	k->f = k->c->out;
	if (!k->path || to_stdout(k->path))
		return TM_OK;

	k->f = fopen(k->path, "wxe");
	if (k->f)
		return TM_OK;
	const int err = errno;
	if (err == EEXIST)
		return diag_what(d, TM_EEXIST, "%s is there already", k->path);
	return diag_what(d, tm_err_from_errno(err), "cannot make %s: %s", k->path, strerror(err));
}

static int close_file(struct capture *k, struct diag *d)
{
	if (!k->f || k->f == k->c->out)
		return TM_OK;
	if (fclose(k->f) == 0)
		return TM_OK;
	return diag_what(d, tm_err_from_errno(errno), "%s cannot be written: %s", k->path, strerror(errno));
}

static int say_done(const struct capture *k)
{
	if (k->c->g.json)
		return cli_json_take(
			k->c, json_pack("{s:b, s:s, s:s, s:s, s:I, s:o}", "ok", 1, "name",
				      json_text(k->reply, "name"), "id", json_text(k->reply, "id"), "file",
				      k->path, "packets", (json_int_t)k->packets, "lost",
				      k->ended ? json_integer((json_int_t)k->lost) : json_null()));
	fflush(k->c->out);
	cli_note(k->c, "%" PRIu64 " packet%s", k->packets, k->packets == 1 ? "" : "s");
	if (!k->ended)
		cli_note(k->c, "the daemon did not say how many more there were");
	else if (k->lost)
		cli_note(k->c, "%" PRIu64 " more came faster than they were taken", k->lost);
	return CLI_DONE;
}

static json_t *question(const struct capture_opts *o, const char *peer)
{
	json_t *q = json_pack("{s:s, s:I, s:I}", "node", peer, "count", (json_int_t)o->count, "seconds",
		(json_int_t)o->for_s);

	if (q && o->keep)
		json_object_set_new(q, "keep", json_integer((json_int_t)o->keep));
	return q;
}

static int run(struct capture *k, const struct capture_opts *o, const char *peer)
{
	struct diag d = {0};
	int err = cli_ask_open(k->c, "capture", question(o, peer), &k->reply, &k->fd, &d);

	if (!err)
		err = open_file(k, &d);
	if (!err) {
		interrupt_catch_first();
		err = receive(k, &d);
		const int unwritten = close_file(k, &d);
		err = err ? err : unwritten;
	}
	int status = err ? cli_fail(k->c, &d, err) : say_done(k);
	if (k->fd >= 0)
		os_local_close(k->fd);
	json_decref(k->reply);
	return status;
}

static int capture_run(struct cli *c, const void *opts, const struct opt_words *words)
{
	const struct capture_opts *o = opts;

	if (c->g.json && (!o->write || to_stdout(o->write)))
		return cli_usage(c, NULL, "--json is for a capture into a file: -w FILE");
	if (o->write && !*o->write)
		return cli_usage(c, NULL, "--write wants a file, or -");
	if (to_stdout(o->write) && terminal_width(fileno(c->out)))
		return cli_usage(c, "for lines leave out -w", "what -w - writes is not for a terminal");

	_cleanup_(freep) struct capture *k = calloc(1, sizeof(*k));
	if (!k)
		return cli_fail(c, &(struct diag){0}, TM_ENOMEM);
	k->c = c;
	k->path = o->write;
	k->fd = -1;
	return run(k, o, words->v[0]);
}

const struct command cmd_capture = {
	.name = "capture",
	.args = "NAME",
	.summary = "what goes inside of the tunnel to a peer, as lines or as a file for Wireshark",
	.details =
		"Packets as they are before they are sealed and after they are opened, also those that the "
		"policy does not let pass, which say so. Until Ctrl-C, or as --count and --for say. Others "
		"can look at them live: tunnelmesh capture NAME -w - | wireshark -k -i -",
	.opts = capture_options,
	.defaults = &(const struct capture_opts){0},
	.opts_size = sizeof(struct capture_opts),
	.min_words = 1,
	.max_words = 1,
	.run = capture_run,
};
