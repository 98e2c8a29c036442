/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where a password is asked for: outside of the mesh, in which addresses say who somebody is. */
#include "os/words/words.h"
#include "web/pages/parts.h"

void page_login(struct strbuf *out, const struct page *p)
{
	part_begin(out, p, SECTION_NONE, "Log in");
	part_form(out, p, "fields", "/login");
	html_put(out, "<div><label for=\"password\">Password</label>"
		      "<input id=\"password\" name=\"password\" type=\"password\" "
		      "autocomplete=\"current-password\" required autofocus></div>"
		      "<button>Log in</button>");
	part_form_end(out);
	html_put(out, "<p class=\"quiet\">On the coordinator\xe2\x80\x99s machine "
		      "<code>" OS_SUDO "tunnelmesh dashboard password</code> makes another one.</p>");
	part_end(out);
}
