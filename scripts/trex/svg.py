# SPDX-License-Identifier: BSD-3-Clause
"""A line plot as SVG: sessions on a logarithmic axis, a rate on a linear one."""
import html
import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 400, 90, 170, 40, 50
COLOURS = ("#1b6ca8", "#c0392b", "#27864a", "#8e44ad", "#b9770e", "#444444")


def _text(x, y, text, anchor="middle", size=12):
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}">{html.escape(str(text))}</text>'


def plot(title, x_name, y_name, lines):
    """`lines`: {name: [(x, y)]}, every x above 0."""
    points = [p for line in lines.values() for p in line]
    low, high = math.log10(min(p[0] for p in points)), math.log10(max(p[0] for p in points))
    top = max(p[1] for p in points) * 1.05 or 1

    def place(x, y):
        across = (math.log10(x) - low) / (high - low) if high > low else 0.5
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', _text(WIDTH / 2, 22, title, size=15),
             _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x_name), _text(10, TOP - 8, y_name, "start")]
    for x in sorted({p[0] for p in points}):
        across, _ = place(x, 0)
        parts.append(_text(across, HEIGHT - BOTTOM + 18, f"{x:,}"))
    for i in range(5):
        y = top * i / 4
        _, down = place(points[0][0], y)
        parts += [f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down:.0f}" y2="{down:.0f}" stroke="#dddddd"/>',
                  _text(LEFT - 8, down + 4, f"{y:,.0f}", "end")]
    for i, (name, line) in enumerate(lines.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*p) for p in sorted(line)))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in (place(*p) for p in line)]
        parts += [f'<rect x="{WIDTH - RIGHT + 15}" y="{TOP + 20 * i}" width="12" height="12" fill="{colour}"/>',
                  _text(WIDTH - RIGHT + 33, TOP + 20 * i + 11, name, "start")]
    return "\n".join(parts + ["</svg>"]) + "\n"
