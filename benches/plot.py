#!/usr/bin/env python3
"""Draws docs/measured/*.svg from the output of the benchmarks (docs/measured/*.txt).

    python3 -m venv target/plot && target/plot/bin/pip install matplotlib==3.10.0
    target/plot/bin/python benches/plot.py
"""
import pathlib
import re

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "receiptd"  # the same figures give the same picture
import matplotlib.pyplot as plt

measured = pathlib.Path(__file__).parent.parent / "docs" / "measured"


def save(figure, name):
    figure.tight_layout()
    figure.savefig(measured / name, metadata={"Date": None})


def receiving():
    row = re.compile(r"^(.+?) +(\d+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)$")
    rows = [match.groups() for line in (measured / "receiving.txt").read_text().splitlines() if (match := row.match(line))]
    rows = [row for row in rows if "64" in row[0] or "1000" in row[0]]
    figure, (rates, tails) = plt.subplots(1, 2, figsize=(10, 3))
    names = [row[0].replace(" connections", "") for row in rows]
    colours = ["tab:green" if name.startswith("receiptd") else "tab:gray" for name in names]
    rates.barh(names, [int(row[1]) for row in rows], color=colours)
    rates.set_xlabel("requests a second")
    tails.barh(names, [float(row[4]) for row in rows], color=colours)
    tails.set_xlabel("p99, ms")
    for axes in (rates, tails):
        axes.invert_yaxis()
    save(figure, "receiving.svg")


def growth():
    rows = [[float(field) for field in re.findall(r"[\d.]+", line)] for line in (measured / "growth.txt").read_text().splitlines()[1:]]
    rows = [row for row in rows if len(row) == 12]
    sizes = [max(row[0], 1_000) for row in rows]  # the empty database is drawn at the left edge
    figure, (rates, asked) = plt.subplots(1, 2, figsize=(10, 3))
    rates.plot(sizes, [row[1] for row in rows], "o-", color="tab:green", label="receipts a second")
    rates.set_ylim(0, 1.2 * max(row[1] for row in rows))
    rates.set_ylabel("receipts a second")
    for place, name in enumerate(["batches", "destinations", "log", "one number", "totals"]):
        asked.plot(sizes, [row[4 + place] for row in rows], "o-", label=name)
    asked.set_ylim(bottom=0)
    asked.set_ylabel("p99 of a question, ms")
    asked.legend()
    for axes in (rates, asked):
        axes.set_xscale("log")
        axes.set_xlabel("destinations with their receipts in the file")
    save(figure, "growth.svg")


receiving()
growth()
