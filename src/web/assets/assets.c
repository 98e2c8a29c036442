/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/assets/assets.h"

#include <assert.h>
#include <string.h>

/* embed.cmake makes them of the files. */
extern const unsigned char asset_style_css[], asset_script_js[], asset_icon_svg[];
extern const size_t asset_style_css_n, asset_script_js_n, asset_icon_svg_n;
extern const char asset_style_css_url[], asset_script_js_url[], asset_icon_svg_url[];

static const struct web_asset assets[] = {
	{"style.css", asset_style_css_url, "text/css; charset=utf-8", asset_style_css, &asset_style_css_n},
	{"script.js", asset_script_js_url, "text/javascript; charset=utf-8", asset_script_js,
		&asset_script_js_n},
	{"icon.svg", asset_icon_svg_url, "image/svg+xml", asset_icon_svg, &asset_icon_svg_n},
};

const struct web_asset *web_asset_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(assets); i++)
		if (strcmp(assets[i].name, name) == 0)
			return &assets[i];
	return NULL;
}

const char *web_asset_url(const char *name)
{
	const struct web_asset *a = web_asset_find(name);

	assert(a);
	return a->url;
}
