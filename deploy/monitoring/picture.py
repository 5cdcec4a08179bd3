#!/usr/bin/env python3
"""Draws the dashboard without Grafana: each panel's own queries, asked of a Prometheus.

    picture.py http://localhost:9090 MINUTES >dashboard.svg
"""

import json
import pathlib
import sys
import time
import urllib.parse
import urllib.request
from html import escape

DASHBOARD = pathlib.Path(__file__).with_name("grafana") / "dashboards" / "marquee.json"
UNIT, LINE = 56, 24  # of the grid, in pixels
COLOURS = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#5794f2", "#fade2a"]
SERIES_SHOWN = 7


def ask(prometheus, query, start, end):
    """Its series over this time: what they are called, and (time, value) pairs."""
    step = max(1, int((end - start) / 240))
    asked = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": step})
    with urllib.request.urlopen(f"{prometheus}/api/v1/query_range?{asked}", timeout=10) as answer:
        for series in json.load(answer)["data"]["result"]:
            points = [(float(at), float(value)) for at, value in series["values"]]
            yield series["metric"], [(at, value) for at, value in points if value == value]


def legend(form, labels):
    for name, value in labels.items():
        form = form.replace("{{" + name + "}}", value)
    return form or ", ".join(labels.values())


def shown(value, unit):
    if unit == "percentunit":
        return f"{100 * value:.1f} %"
    return f"{value:.3g}" + (" s" if unit == "s" else "")


def panel(prometheus, it, start, end):
    place = it["gridPos"]
    x, y, w, h = place["x"] * UNIT, place["y"] * LINE, place["w"] * UNIT - 8, place["h"] * LINE - 8
    unit = it["fieldConfig"]["defaults"].get("unit", "short")
    found = []
    for target in it["targets"]:
        for labels, points in ask(prometheus, target["expr"], start, end):
            if points:
                found.append((legend(target.get("legendFormat", ""), labels), points))
    found.sort(key=lambda series: -max(value for _, value in series[1]))
    top = max((value for _, points in found for _, value in points), default=0) or 1
    left, low, wide, high = x + 52, y + h - 22, w - 60, h - 52
    out = [
        f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="3" fill="#181b1f" stroke="#2c3235"/>',
        f'<text x="{x + 8}" y="{y + 17}" fill="#d8d9da" font-size="12">{escape(it["title"])}</text>',
    ]
    for part in (0, 0.5, 1):
        at = low - high * part
        out.append(f'<line x1="{left}" y1="{at}" x2="{left + wide}" y2="{at}" stroke="#2c3235"/>')
        out.append(f'<text x="{left - 4}" y="{at + 4}" text-anchor="end">{shown(top * part, unit)}</text>')
    for at, anchor in ((start, "start"), (end, "end")):
        place = left if anchor == "start" else left + wide
        clock = time.strftime("%H:%M", time.gmtime(at))
        out.append(f'<text x="{place}" y="{low + 14}" text-anchor="{anchor}">{clock}</text>')
    for n, (name, points) in enumerate(found[:SERIES_SHOWN]):
        colour = COLOURS[n % len(COLOURS)]
        line = " ".join(
            f"{left + wide * (at - start) / (end - start):.1f},{low - high * value / top:.1f}"
            for at, value in points
        )
        out.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.4"/>')
        mark = f"{name} {shown(points[-1][1], unit)}"
        out.append(
            f'<text x="{left + wide - 2}" y="{y + 30 + 12 * n}" text-anchor="end" fill="{colour}">{escape(mark)}</text>'
        )
    if not found:
        out.append(f'<text x="{left + wide / 2}" y="{low - high / 2}" text-anchor="middle">nothing in this time</text>')
    return out


def main():
    prometheus, minutes = sys.argv[1].rstrip("/"), float(sys.argv[2])
    end = time.time()
    panels = json.loads(DASHBOARD.read_text())["panels"]
    height = max(it["gridPos"]["y"] + it["gridPos"]["h"] for it in panels) * LINE
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{24 * UNIT}" height="{height}" '
        'font-family="sans-serif" font-size="10" fill="#8e8e8e">'
        '<rect width="100%" height="100%" fill="#111217"/>'
    )
    for it in panels:
        if it["type"] == "row":
            place = it["gridPos"]
            print(
                f'<text x="4" y="{place["y"] * LINE + 17}" fill="#d8d9da" font-size="14">'
                f'{escape(it["title"])}</text>'
            )
        else:
            print("\n".join(panel(prometheus, it, end - 60 * minutes, end)))
    print("</svg>")


main()
