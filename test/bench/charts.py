# SPDX-License-Identifier: AGPL-3.0-or-later
"""Horizontal bar charts as SVG, readable on light and dark pages."""
from xml.sax.saxutils import escape

WIDTH, LABEL_WIDTH, VALUE_WIDTH, MARGIN = 820, 250, 110, 24
BAR, GAP, GROUP_GAP, HEAD = 18, 3, 11, 74

# The page's own colours are not known to an image; it brings its own ground and follows the reader's preference.
STYLE = """
text { font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 13px; fill: #1f2328 }
.ground { fill: #ffffff; stroke: #d1d9e0 }
.title { font-size: 16px; font-weight: 600 }
.note, .key { font-size: 12px; fill: #59636e }
.value { font-variant-numeric: tabular-nums }
.ours { font-weight: 600 }
.s0 { fill: #8c959f } .s1 { fill: #c4cbd3 }
.s0.ours { fill: #0969da } .s1.ours { fill: #80b8f5 }
.range { stroke: #1f2328; stroke-width: 1; opacity: .55 }
.axis { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc }
.ground { fill: #0d1117; stroke: #3d444d }
.note, .key { fill: #9198a1 }
.s0 { fill: #7d8590 } .s1 { fill: #454c55 }
.s0.ours { fill: #4493f8 } .s1.ours { fill: #1f4f8f }
.range { stroke: #f0f6fc }
.axis { stroke: #3d444d }
}"""


def number(value):
    """Three significant digits, with thousands separated; never in exponents."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{value:.{digits}f}"


def text(x, y, content, css="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(content)}</text>'


def bar_chart(title, note, series, rows, unit):
    """series: names of the bars of each row; rows: [(label, ours, [(median, min, max) or None per series])].

    An SVG document. Bars start at zero; the thin line is the range from the smallest to the largest run.
    """
    scale_to = max((v[2] for _, _, values in rows for v in values if v), default=0) or 1
    room = WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH
    left = MARGIN + LABEL_WIDTH
    group = len(series) * (BAR + GAP) - GAP
    height = HEAD + len(rows) * (group + GROUP_GAP) + MARGIN - GROUP_GAP
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
           f'role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">', f"<title>{escape(title)}</title>",
           f"<style>{STYLE}</style>",
           f'<rect class="ground" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
           text(MARGIN, 32, title, "title"), text(MARGIN, 52, note, "note")]
    out += key(series) if len(series) > 1 else []
    out.append(f'<line class="axis" x1="{left}" y1="{HEAD - 6}" x2="{left}" y2="{height - MARGIN + 6}"/>')
    for i, (label, ours, values) in enumerate(rows):
        top = HEAD + i * (group + GROUP_GAP)
        css = " ours" if ours else ""
        out.append(text(left - 10, top + group / 2 + 4.5, label, css.strip(), "end"))
        for j, value in enumerate(values):
            out += bar(left, top + j * (BAR + GAP), room / scale_to, f"s{j}{css}", value, unit, css)
    return "\n".join(out + ["</svg>\n"])


def bar(left, top, per_unit, css, value, unit, label_css):
    if not value:
        return [text(left + 8, top + BAR - 4.5, "not measured", "note")]
    median, low, high = (v * per_unit for v in value)
    middle = top + BAR / 2
    out = [f'<rect class="{css}" x="{left}" y="{top}" width="{max(median, 1):.1f}" height="{BAR}" rx="2"/>']
    if high - low >= 1:
        out += [f'<line class="range" x1="{left + low:.1f}" y1="{middle}" x2="{left + high:.1f}" y2="{middle}"/>']
        out += [f'<line class="range" x1="{left + x:.1f}" y1="{middle - 3}" x2="{left + x:.1f}" y2="{middle + 3}"/>'
                for x in (low, high)]
    return out + [text(left + max(median, high) + 8, top + BAR - 4.5, f"{number(value[0])} {unit}", "value" + label_css)]


def key(series):
    out, x = [], WIDTH - MARGIN
    for j, name in reversed(list(enumerate(series))):
        x -= 7 * len(name)
        out.append(text(x, 32, name, "key"))
        x -= 18
        out.append(f'<rect class="s{j}" x="{x}" y="21" width="12" height="12" rx="2"/>')
        x -= 16
    return out
