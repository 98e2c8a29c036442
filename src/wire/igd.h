/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * UPnP Internet Gateway Device, versions 1 and 2: searched by SSDP (UPnP Device Architecture 1.1, section 1),
 * described by XML over HTTP, told to map ports, and for IPv6 to open its firewall, by SOAP. Text in, text
 * out. Pure.
 *
 *   igd_search                      a datagram, to port 1900 of the gateway or of 239.255.255.250
 *   igd_found                       its answer: where the description lies
 *   igd_get, igd_services           the description: which connections to the world there are
 *   igd_call, igd_value, igd_fault  what is asked of one of them, and its answer
 *
 * A URL is cut down to port and path: whatever host it names, it is the gateway that is asked.
 */
#ifndef TM_WIRE_IGD_H
#define TM_WIRE_IGD_H

#include "base/addr.h"
#include "base/err.h"

enum {
	IGD_PORT = 1900,
	IGD_PATH_MAX = 255,
	IGD_SERVICES_MAX = 4,
	IGD_SEARCH_MAX = 256,
	IGD_REQUEST_MAX = 2048,
	IGD_ANSWER_MAX = 64 * 1024, /* descriptions have some kilobytes */
	IGD_ARGUMENT_MAX = 64,
};

/* Where multicast searches go: 239.255.255.250, ff02::c. */
struct ip igd_group(enum ip_family family);

/* --- SSDP --- */

/* target: "ssdp:all", or a type. Returns the length, 0 = no room. */
size_t igd_search(const char *target, const struct ip *host, char *out, size_t out_len);

struct igd_place {
	uint16_t port;
	char path[IGD_PATH_MAX + 1];
};
/* TM_EBADMSG: no answer to a search; TM_EUNSUPPORTED: of something else than a gateway, or at no address. */
NODISCARD int igd_found(const char *p, size_t n, struct igd_place *ret_place);

/* --- HTTP --- */

/* Both return the length, 0 = no room. at: the gateway. */
size_t igd_get(const struct ip *at, const struct igd_place *place, char *out, size_t out_len);

struct igd_argument {
	const char *name;
	char value[IGD_ARGUMENT_MAX]; /* plain: nothing in it that XML has a meaning for */
};

/* A connection to the world that the gateway offers to control. */
struct igd_service {
	struct igd_place control;
	char type[64]; /* "urn:schemas-upnp-org:service:WANIPConnection:1" */
};
struct igd_argument igd_text(const char *name, const char *value);
struct igd_argument igd_number(const char *name, uint64_t value);
struct igd_argument igd_address(const char *name, const struct ip *value);
size_t igd_call(const struct ip *at, const struct igd_service *service, const char *action,
	const struct igd_argument *args, size_t n_args, char *out, size_t out_len);

struct igd_answer {
	int status;
	const char *body; /* in p */
	size_t n;
};
/*
 * An HTTP answer, as much of it as is there; a chunked body is joined within p. closed: nothing more will
 * come. TM_EAGAIN: it is not whole yet; TM_EBADMSG.
 */
NODISCARD int igd_answer(char *p, size_t n, bool closed, struct igd_answer *ret_answer);

/* --- bodies --- */

/* Of a description that lay at `from`: connections to the world, or what controls the firewall for IPv6.
 * Returns how many. */
enum igd_service_kind { IGD_CONNECTION, IGD_FIREWALL };
size_t igd_services(const char *xml, size_t n, const struct igd_place *from, enum igd_service_kind kind,
	struct igd_service ret_services[static IGD_SERVICES_MAX]);
/* SOAP: the code of a fault, 0 = none is told. */
unsigned igd_fault(const struct igd_answer *a);

#endif
