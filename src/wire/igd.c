/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/igd.h"

#include "base/text.h"
#include "wire/http.h"
#include "wire/xml.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HTTP_PORT = 80 };

static size_t formatted(int n, size_t room)
{
	return n > 0 && (size_t)n < room ? (size_t)n : 0;
}

/* Digits alone, up to max. */
static bool to_number(struct http_span s, unsigned base, uint32_t max, uint32_t *ret_v)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++) {
		static const char digits[] = "0123456789abcdef";
		char c = s.s[i] >= 'A' && s.s[i] <= 'F' ? (char)(s.s[i] - 'A' + 'a') : s.s[i];
		const char *at = c ? memchr(digits, c, base) : NULL;

		if (!at)
			return false;
		v = v * base + (uint64_t)(at - digits);
		if (v > max)
			return false;
	}
	*ret_v = (uint32_t)v;
	return s.n > 0;
}

/* Some end lines with LF alone; nothing hangs on where two readers of ours see the end (RFC 9112 2.2). */
static bool take_line(struct http_span *rest, struct http_span *ret_line)
{
	if (!http_until(rest, '\n', ret_line))
		return false;
	if (ret_line->n && ret_line->s[ret_line->n - 1] == '\r')
		ret_line->n--;
	return true;
}

static bool begins(struct http_span s, const char *with)
{
	return s.n >= strlen(with) && same_but_case(s.s, with, strlen(with));
}

static bool contains(struct http_span s, const char *what)
{
	return s.n && bytes_find(s.s, s.n, what, strlen(what));
}

/* "Name: value", whatever the case of the name. */
static bool is_header(struct http_span line, const char *name, struct http_span *ret_value)
{
	struct http_span part;

	if (!http_until(&line, ':', &part) || !http_is(part, name))
		return false;
	*ret_value = http_trim(line);
	return true;
}

/* --- URLs --- */

static bool set_path(struct http_span path, struct igd_place *place)
{
	if (path.n > IGD_PATH_MAX)
		return false;
	for (size_t i = 0; i < path.n; i++)
		if (path.s[i] <= ' ' || path.s[i] >= 0x7f)
			return false;
	memcpy(place->path, path.s, path.n);
	place->path[path.n] = '\0';
	return true;
}

/* "http://192.168.1.1:5000/path": port and path of it. */
static bool from_absolute(struct http_span url, struct igd_place *ret_place)
{
	struct igd_place p = {.port = HTTP_PORT};
	uint32_t port;

	if (!begins(url, "http://"))
		return false;
	struct http_span rest = {url.s + 7, url.n - 7};
	const char *slash = rest.n ? memchr(rest.s, '/', rest.n) : NULL;
	struct http_span host = {rest.s, slash ? (size_t)(slash - rest.s) : rest.n};
	struct http_span path =
		slash ? (struct http_span){slash, rest.n - host.n} : (struct http_span){"/", 1};
	const char *colon = host.n ? bytes_find_last(host.s, ':', host.n) : NULL;
	const char *bracket = host.n ? bytes_find_last(host.s, ']', host.n) : NULL;

	if (!host.n)
		return false;
	if (colon && colon > bracket) {
		struct http_span digits = {colon + 1, host.n - (size_t)(colon + 1 - host.s)};
		if (!to_number(digits, 10, UINT16_MAX, &port) || !port)
			return false;
		p.port = (uint16_t)port;
	}
	if (!set_path(path, &p))
		return false;
	*ret_place = p;
	return true;
}

/* Relative to a place, RFC 3986 5.2 as far as routers go: from the root, or beside it. */
static bool from_relative(struct http_span url, const struct igd_place *base, struct igd_place *ret_place)
{
	struct igd_place p = {.port = base->port};
	char path[2 * IGD_PATH_MAX + 2];
	const char *slash = strrchr(base->path, '/');
	int beside = url.n && url.s[0] != '/' && slash ? (int)(slash - base->path) : 0;

	if (begins(url, "http://"))
		return from_absolute(url, ret_place);
	if (!url.n || url.n > IGD_PATH_MAX)
		return false;
	int n = snprintf(path, sizeof(path), "%.*s%s%.*s", beside, base->path, url.s[0] == '/' ? "" : "/",
		(int)url.n, url.s);
	if (n < 0 || (size_t)n >= sizeof(path) || !set_path((struct http_span){path, (size_t)n}, &p))
		return false;
	*ret_place = p;
	return true;
}

/* --- SSDP --- */

/* UPnP Device Architecture 1.1, 1.3.2 and A.2 */
struct ip igd_group(enum ip_family family)
{
	static const uint8_t v6[16] = {0xff, 0x02, [15] = 0x0c};

	return family == IP_V6 ? ip_v6(v6) : ip_v4_host(0xeffffffa);
}

size_t igd_search(const char *target, const struct ip *host, char *out, size_t out_len)
{
	const struct endpoint at = {.ip = *host, .port = IGD_PORT};
	char text[ENDPOINT_STR_LEN];

	return formatted(snprintf(out, out_len,
				 "M-SEARCH * HTTP/1.1\r\n"
				 "HOST: %s\r\n"
				 "ST: %s\r\n"
				 "MAN: \"ssdp:discover\"\r\n"
				 "MX: 1\r\n"
				 "\r\n",
				 endpoint_format(&at, text), target),
		out_len);
}

/* A device says so in its type, or in that of one of its services. */
static bool is_gateway(struct http_span type)
{
	return contains(type, ":InternetGatewayDevice:") || contains(type, ":WANIPConnection:") ||
	       contains(type, ":WANPPPConnection:") || contains(type, ":WANIPv6FirewallControl:");
}

int igd_found(const char *p, size_t n, struct igd_place *ret_place)
{
	struct http_span rest = {p, n}, line, value, location = {0};
	bool gateway = false;
	int status;

	if (!take_line(&rest, &line) || http_status(line, &status) != TM_OK || status != 200)
		return TM_EBADMSG;
	while (take_line(&rest, &line)) {
		if (is_header(line, "LOCATION", &value))
			location = value;
		else if (is_header(line, "ST", &value) || is_header(line, "USN", &value))
			gateway |= is_gateway(value);
	}
	return gateway && from_absolute(location, ret_place) ? TM_OK : TM_EUNSUPPORTED;
}

/* --- HTTP --- */

size_t igd_get(const struct ip *at, const struct igd_place *place, char *out, size_t out_len)
{
	char host[ENDPOINT_STR_LEN];

	endpoint_format(&(struct endpoint){.ip = *at, .port = place->port}, host);
	return formatted(snprintf(out, out_len,
				 "GET %s HTTP/1.1\r\n"
				 "Host: %s\r\n"
				 "Connection: close\r\n"
				 "\r\n",
				 place->path, host),
		out_len);
}

struct igd_argument igd_text(const char *name, const char *value)
{
	struct igd_argument a = {.name = name};

	snprintf(a.value, sizeof(a.value), "%s", value);
	return a;
}

struct igd_argument igd_number(const char *name, uint64_t value)
{
	struct igd_argument a = {.name = name};

	snprintf(a.value, sizeof(a.value), "%" PRIu64, value);
	return a;
}

struct igd_argument igd_address(const char *name, const struct ip *value)
{
	char text[IP_STR_LEN];

	return igd_text(name, ip_format(value, text));
}

static size_t envelope(const struct igd_service *service, const char *action, const struct igd_argument *args,
	size_t n_args, char *out, size_t out_len)
{
	size_t n = formatted(snprintf(out, out_len,
				     "<?xml version=\"1.0\"?>\r\n"
				     "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
				     "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\">"
				     "<s:Body><u:%s xmlns:u=\"%s\">",
				     action, service->type),
		out_len);

	for (size_t i = 0; n && i < n_args; i++) {
		size_t more = formatted(snprintf(out + n, out_len - n, "<%s>%s</%s>", args[i].name,
						args[i].value, args[i].name),
			out_len - n);
		n = more ? n + more : 0;
	}
	if (!n)
		return 0;
	size_t end = formatted(
		snprintf(out + n, out_len - n, "</u:%s></s:Body></s:Envelope>\r\n", action), out_len - n);
	return end ? n + end : 0;
}

size_t igd_call(const struct ip *at, const struct igd_service *service, const char *action,
	const struct igd_argument *args, size_t n_args, char *out, size_t out_len)
{
	char host[ENDPOINT_STR_LEN], body[IGD_REQUEST_MAX];
	size_t n = envelope(service, action, args, n_args, body, sizeof(body));

	endpoint_format(&(struct endpoint){.ip = *at, .port = service->control.port}, host);
	if (!n)
		return 0;
	return formatted(snprintf(out, out_len,
				 "POST %s HTTP/1.1\r\n"
				 "Host: %s\r\n"
				 "Content-Type: text/xml; charset=\"utf-8\"\r\n"
				 "SOAPAction: \"%s#%s\"\r\n"
				 "Content-Length: %zu\r\n"
				 "Connection: close\r\n"
				 "\r\n"
				 "%s",
				 service->control.path, host, service->type, action, n, body),
		out_len);
}

/* The chunks of a body (RFC 9112 7.1), counted, or moved together within p: only what is whole may be
 * changed. */
static int take_chunks(char *p, size_t n, bool move, size_t *ret_n)
{
	struct http_span rest = {p, n}, line;
	size_t joined = 0;

	while (take_line(&rest, &line)) {
		uint32_t size;
		struct http_span part;

		if (http_until(&line, ';', &part))
			line = part;
		if (!to_number(http_trim(line), 16, IGD_ANSWER_MAX, &size))
			return TM_EBADMSG;
		if (!size) {
			*ret_n = joined;
			return TM_OK;
		}
		if (rest.n < (size_t)size + 2)
			return TM_EAGAIN;
		if (rest.s[size] != '\r' || rest.s[size + 1] != '\n')
			return TM_EBADMSG;
		if (move)
			memmove(p + joined, rest.s, size);
		rest = (struct http_span){rest.s + size + 2, rest.n - size - 2};
		joined += size;
	}
	return TM_EAGAIN;
}

struct head {
	int status;
	uint32_t length;
	bool has_length, chunked;
};

static int read_head(struct http_span *rest, struct head *ret_head)
{
	struct http_span line, value;
	struct head h = {0};

	if (!take_line(rest, &line))
		return TM_EAGAIN;
	if (http_status(line, &h.status) != TM_OK)
		return TM_EBADMSG;
	while (take_line(rest, &line)) {
		if (!http_trim(line).n) {
			*ret_head = h;
			return TM_OK;
		}
		if (is_header(line, "Content-Length", &value)) {
			h.has_length = to_number(value, 10, IGD_ANSWER_MAX, &h.length);
			if (!h.has_length)
				return TM_EBADMSG;
		} else if (is_header(line, "Transfer-Encoding", &value)) {
			h.chunked = begins(value, "chunked");
		}
	}
	return TM_EAGAIN;
}

int igd_answer(char *p, size_t n, bool closed, struct igd_answer *ret_answer)
{
	struct http_span rest = {p, n};
	struct head h;
	size_t body = 0;
	int err;

	do /* "100 Continue" is none yet, RFC 9110 15.2 */
		err = read_head(&rest, &h);
	while (!err && h.status / 100 == 1);
	char *at = p + (n - rest.n);
	if (!err && h.chunked) {
		err = take_chunks(at, rest.n, false, &body);
		if (!err)
			err = take_chunks(at, rest.n, true, &body);
	} else if (!err && h.has_length) {
		err = rest.n < h.length ? TM_EAGAIN : TM_OK;
		body = h.length;
	} else if (!err) {
		err = closed ? TM_OK : TM_EAGAIN;
		body = rest.n;
	}
	if (err)
		return err == TM_EAGAIN && closed ? TM_EBADMSG : err;
	*ret_answer = (struct igd_answer){h.status, at, body};
	return TM_OK;
}

/* --- bodies --- */

/* Of any version. */
static bool is_service(const char *type, enum igd_service_kind kind)
{
	static const struct {
		enum igd_service_kind kind;
		const char *begin;
	} rows[] = {
		{IGD_CONNECTION, "urn:schemas-upnp-org:service:WANIPConnection:"},
		{IGD_CONNECTION, "urn:schemas-upnp-org:service:WANPPPConnection:"},
		{IGD_FIREWALL, "urn:schemas-upnp-org:service:WANIPv6FirewallControl:"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].kind == kind && strncmp(type, rows[i].begin, strlen(rows[i].begin)) == 0 &&
			!strpbrk(type, "<>&\"'"))
			return true;
	return false;
}

size_t igd_services(const char *xml, size_t n, const struct igd_place *from, enum igd_service_kind kind,
	struct igd_service ret_services[static IGD_SERVICES_MAX])
{
	struct xml x = xml_over(xml, n);
	struct igd_place base = *from;
	struct igd_service s = {0};
	char url[IGD_PATH_MAX + 64] = "";
	struct xml_tag t;
	size_t count = 0;

	while (count < IGD_SERVICES_MAX && xml_next(&x, &t)) {
		if (t.closes) {
			if (xml_is(&t, "service") && is_service(s.type, kind) &&
				from_relative((struct http_span){url, strlen(url)}, &base, &s.control))
				ret_services[count++] = s;
		} else if (xml_is(&t, "service")) {
			s = (struct igd_service){0};
			url[0] = '\0';
		} else if (xml_is(&t, "serviceType")) {
			if (!xml_copy(&t, s.type, sizeof(s.type)))
				s.type[0] = '\0';
		} else if (xml_is(&t, "controlURL")) {
			if (!xml_copy(&t, url, sizeof(url)))
				url[0] = '\0';
		} else if (xml_is(&t, "URLBase") && xml_copy(&t, url, sizeof(url))) {
			(void)from_absolute((struct http_span){url, strlen(url)}, &base);
		}
	}
	return count;
}

unsigned igd_fault(const struct igd_answer *a)
{
	char text[8];
	uint32_t code;

	if (a->status == 200 || !xml_value(a->body, a->n, "errorCode", text, sizeof(text)) ||
		!to_number((struct http_span){text, strlen(text)}, 10, 9999, &code))
		return 0;
	return code;
}
