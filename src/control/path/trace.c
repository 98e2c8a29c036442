/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The core's inputs and outputs as lines of text, for logs and tests. */
#include "base/encode.h"
#include "control/path/core.h"

#include <stdio.h>

const char *path_why_text(enum path_why why)
{
	static const char *const texts[WHY_N] = {
#define X(name, text) [WHY_##name] = text,
		PATH_WHYS(X)
#undef X
	};

	return why < WHY_N ? texts[why] : "?";
}

static const char *const in_names[CORE_IN_N] = {
	[CORE_NETWORK] = "network",
	[CORE_ROUTES] = "routes",
	[CORE_ADVERTISE] = "advertise",
	[CORE_SERVER] = "server",
	[CORE_WANT] = "want",
	[CORE_HEARD] = "heard",
	[CORE_CANDIDATES] = "candidates",
	[CORE_STUN] = "stun",
	[CORE_ACTIVITY] = "activity",
	[CORE_REMOVE] = "remove",
	[CORE_RELAYS] = "relays",
	[CORE_STREAM] = "stream",
	[CORE_STREAM_GONE] = "stream gone",
	[CORE_LINK] = "link",
	[CORE_PORTMAP] = "portmap",
	[CORE_PROBE] = "probe",
	[CORE_DOORS] = "doors",
	[CORE_SOCKETS] = "sockets",
};

static const char *const out_names[CORE_OUT_N] = {
	[CORE_SEND] = "send",
	[CORE_USE] = "use",
	[CORE_AGAIN] = "again",
	[CORE_LIVES] = "lives",
	[CORE_ASK] = "ask",
	[CORE_TELL] = "tell",
	[CORE_WORKS] = "works",
	[CORE_WAKE] = "wake",
	[CORE_SAMPLE] = "sample",
	[CORE_STREAM_OPEN] = "open a stream",
	[CORE_STREAM_CLOSE] = "close the stream",
	[CORE_PROBED] = "probed",
	[CORE_REGISTERED] = "registered",
	[CORE_OPEN] = "open sockets",
	[CORE_CLOSE] = "close a socket",
	[CORE_NOTE] = "note",
};

/* A peer by its id, or by the beginning of its key. */
static const char *who(const char *id, const uint8_t *key, char buf[static NODE_ID_LEN + 1])
{
	if (id && id[0])
		snprintf(buf, NODE_ID_LEN + 1, "%s", id);
	else if (key)
		hex_encode(key, NODE_ID_LEN / 2, buf);
	else
		snprintf(buf, NODE_ID_LEN + 1, "-");
	return buf;
}

const char *core_in_format(const struct core_in *in, char buf[static CORE_LINE_MAX])
{
	char peer[NODE_ID_LEN + 1], ep[ENDPOINT_STR_LEN];
	int n = snprintf(buf, CORE_LINE_MAX, "%s %s", who(in->id, in->key, peer), in_names[in->kind]);
	char *rest = buf + n;
	size_t left = CORE_LINE_MAX - (size_t)n;

	switch (in->kind) {
	case CORE_NETWORK:
		snprintf(rest, left, " of %zu addresses", in->network.n);
		break;
	case CORE_ADVERTISE:
		snprintf(rest, left, " %zu endpoints", in->advertise.n);
		break;
	case CORE_SERVER:
		snprintf(rest, left, " at %zu addresses", in->server.n);
		break;
	case CORE_HEARD:
		snprintf(rest, left, " %s", endpoint_format(&in->by.remote, ep));
		break;
	case CORE_CANDIDATES:
		snprintf(rest, left, " %zu%s", in->candidates->n, in->looks ? ", it looks for us" : "");
		break;
	case CORE_STUN:
		snprintf(rest, left, " %s, %zu bytes", endpoint_format(&in->stun.by.remote, ep), in->stun.n);
		break;
	case CORE_ACTIVITY:
		snprintf(rest, left, " %llu bytes sent", (unsigned long long)in->activity.tx_bytes);
		break;
	case CORE_RELAYS:
		snprintf(rest, left, ": %zu", in->relays.n);
		break;
	case CORE_STREAM:
		snprintf(rest, left, endpoint_is_set(&in->stream.remote) ? " up, number %u" : " down",
			(unsigned)in->stream.socket);
		break;
	case CORE_STREAM_GONE:
		snprintf(rest, left, ", number %u", (unsigned)in->gone);
		break;
	case CORE_LINK:
		snprintf(rest, left, in->link_up ? " up" : " down");
		break;
	case CORE_PORTMAP:
		snprintf(rest, left, " %s", endpoint_format(&in->portmap, ep));
		break;
	case CORE_DOORS:
		snprintf(rest, left, " %u", (unsigned)in->doors.second_port);
		break;
	case CORE_SOCKETS:
		snprintf(rest, left, ": %zu", in->sockets.n);
		break;
	case CORE_PROBE:
	case CORE_ROUTES:
	case CORE_WANT:
	case CORE_REMOVE:
	case CORE_IN_N:
		break;
	}
	return buf;
}

const char *core_out_format(const struct core_out *out, char buf[static CORE_LINE_MAX])
{
	char peer[NODE_ID_LEN + 1], ep[ENDPOINT_STR_LEN], also[ENDPOINT_STR_LEN], size[32] = "";
	bool both = endpoint_is_set(&out->also.remote);
	bool where = out->kind == CORE_SEND || out->kind == CORE_USE || out->kind == CORE_WORKS ||
		     endpoint_is_set(&out->way.remote);
	bool relayed = out->way.kind != WAY_UDP;
	const size_t n = out->kind == CORE_SEND ? out->n : out->way.payload;

	if (out->why == WHY_SIZE && n)
		snprintf(size, sizeof(size), ": %zu bytes", n);
	snprintf(buf, CORE_LINE_MAX, "%s %s%s%s%s%s%s%s (%s%s)", who(out->peer.id, NULL, peer),
		out_names[out->kind], where ? " " : "", where ? endpoint_format(&out->way.remote, ep) : "",
		relayed ? " by " : "", relayed ? way_kind_text(out->way.kind) : "", both ? " and " : "",
		both ? endpoint_format(&out->also.remote, also) : "", path_why_text(out->why), size);
	return buf;
}
