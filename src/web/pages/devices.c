/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stock WireGuard devices. The configuration of one is shown once, to who made it. */
#include "web/pages/parts.h"

#include "base/secret.h"
#include "web/pages/qr.h"
#include "wire/msg/device.h"

#include <string.h>

static void put_config(struct strbuf *out, const struct page *p, const char *name)
{
	char *text = msg_device_config(p->device, p->device_key);

	if (!text) {
		out->failed = true;
		return;
	}
	html_put(out, "<div class=\"made\">");
	if (!qr_put(out, text, "the configuration"))
		html_put(out, "<p>It is too long for a QR code.</p>");
	html_put(out,
		"<pre class=\"secret\" data-copy role=\"region\" tabindex=\"0\" aria-label=\"Configuration "
		"of %s\">",
		name);
	html_put_lines(out, text);
	html_put(out, "</pre></div>\n");
	wipe(text, strlen(text));
	free(text);
}

static void put_made(struct strbuf *out, const struct page *p)
{
	const char *name = msg_shown_text(msg_shown_object(p->device, "client"), "name");

	if (!msg_device_whole(p->device)) {
		html_put(out,
			"<div class=\"said bad\" role=\"alert\"><p>%s is added, but what its configuration "
			"needs is not known. Remove it, and add it again.</p></div>\n",
			name);
		return;
	}
	html_put(out,
		"<div class=\"said good\" role=\"status\"><p>%s is added. Its private key is in this "
		"configuration and nowhere else, and is shown this once: scan it with the WireGuard app, or "
		"copy it.</p></div>\n",
		name);
	put_config(out, p, name);
}

static void put_form(struct strbuf *out, const struct page *p)
{
	html_put(out, "<div class=\"panel\"><h2>New device</h2>");
	part_form(out, p, "fields", "/devices/add");
	part_field(out, "", "name", "Name", "name", "");
	part_field(
		out, "", "endpoint", "Endpoint (host:port), if another than is known here", "endpoint", "");
	html_put(out,
		"<label class=\"check\"><input type=\"checkbox\" name=\"exit\" value=\"yes\">all its traffic "
		"goes through here</label><button>Add</button>");
	part_form_end(out);
	html_put(out, "</div>\n");
}

static void put_remove(struct strbuf *out, const msg_object *node)
{
	html_put(out, "<td><a href=\"/nodes/");
	html_put_url(out, msg_shown_text(node, "id"));
	html_put(out, "/remove\" aria-label=\"Remove %s\xe2\x80\xa6\">Remove\xe2\x80\xa6</a></td>",
		msg_shown_text(node, "name"));
}

static void put_row(struct strbuf *out, const struct page *p, const msg_object *node)
{
	html_put(out, "<tr id=\"d-%s\"><th scope=\"row\">", msg_shown_text(node, "id"));
	part_node_link(out, node);
	html_put(out, "</th><td>%s</td><td class=\"mono\">%s</td><td class=\"mono\">%s</td><td>",
		msg_shown_text(node, "via_name"), msg_shown_text(node, "ip4"), msg_shown_text(node, "ip6"));
	part_when(out, p, msg_shown_int(node, "created_at"));
	html_put(out, "</td>");
	if (p->admin)
		put_remove(out, node);
	html_put(out, "</tr>\n");
}

static void put_table(struct strbuf *out, const struct page *p)
{
	const char *const heads[] = {
		"Name", "Reached through", "IPv4", "IPv6", "Added", p->admin ? "Change" : NULL, NULL};
	const msg_object *node;
	size_t n = 0;

	part_table(out, "WireGuard devices", heads);
	for (struct page_at at = {0}; (node = page_next(&p->clients, "clients", &at)); n++)
		put_row(out, p, node);
	part_table_end(out);
	if (!n)
		part_nothing(out,
			"There is no WireGuard device. One is added here and needs no software of ours.");
}

void page_devices(struct strbuf *out, const struct page *p)
{
	part_begin(out, p, SECTION_DEVICES, "Devices");
	if (p->device)
		put_made(out, p);
	if (p->admin)
		put_form(out, p);
	html_put(out, "<section data-live=\"devices\">");
	put_table(out, p);
	html_put(out, "</section>");
	part_end(out);
}
