/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/assets/assets.h"

#include <string.h>

/* embed.cmake makes them of the files. */
extern const unsigned char asset_style_css[], asset_script_js[], asset_icon_svg[];
extern const size_t asset_style_css_n, asset_script_js_n, asset_icon_svg_n;

static const struct web_asset assets[] = {
	{"/style.css", "text/css; charset=utf-8", asset_style_css, &asset_style_css_n},
	{"/script.js", "text/javascript; charset=utf-8", asset_script_js, &asset_script_js_n},
	{"/icon.svg", "image/svg+xml", asset_icon_svg, &asset_icon_svg_n},
};

const struct web_asset *web_asset_find(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(assets); i++)
		if (strcmp(assets[i].path, path) == 0)
			return &assets[i];
	return NULL;
}
