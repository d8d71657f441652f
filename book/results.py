"""The ten results: sentences whose numbers are cells of the figures' CSVs, read when the book is built.

python book/results.py    prints them
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from qmis_utils import run
from qmis_utils.runner import figure_files, notebooks
from qmis_utils.store.paths import ROOT

FILE = Path(__file__).with_name("results.yaml")
TAKE = ("mean", "median", "min", "max", "count", "first")


@dataclass(frozen=True)
class Result:
    """One result: its sentence with the numbers filled in, the figure that shows it, and where it is explained."""

    id: str
    title: str
    sentence: str
    figure: str
    read: str  # as 05#7
    study: str | None
    first: bool
    numbers: dict  # name -> (value as written, the cell that it comes from in words)


def results(folder=None):
    """Return the results of `results.yaml` in order, their numbers taken from the figures' CSVs.

    Parameters
    ----------
    folder : path, optional
        Of the figures; the committed ones unless told.

    Raises
    ------
    ValueError
        Naming the result and the number that no cell, or more than one, holds.
    """
    folder = folder or ROOT / "figures"
    return [read_result(given, folder) for given in yaml.safe_load(FILE.read_text(encoding="utf-8"))]


def read_result(given, folder):
    """Return a result as the file gives it, its numbers filled in."""
    numbers = {}
    for name, source in given["numbers"].items():
        try:
            numbers[name] = read_number(source, folder)
        except (ValueError, KeyError, OSError) as error:
            raise ValueError(f"book/results.yaml, {given['id']}: {{{name}}}: {error}") from None
    try:
        sentence = given["says"].format(**{name: text for name, (text, _) in numbers.items()})
    except KeyError as error:
        raise ValueError(f"book/results.yaml, {given['id']}: no number {{{error.args[0]}}}") from None
    return Result(
        given["id"],
        given["title"],
        " ".join(sentence.split()),
        given["figure"],
        str(given["read"]),
        given.get("study"),
        given.get("first", False),
        numbers,
    )


def read_number(source, folder):
    """Return a number as it is written, and the cell that it comes from in words."""
    figure, column, take = source["figure"], source["column"], source.get("take")
    rows = pd.read_csv(folder / f"{figure}.csv")
    for name, value in source.get("where", {}).items():
        if name not in rows:
            raise ValueError(f"{figure}.csv has no column {name}; it has {', '.join(rows)}")
        same = np.isclose(rows[name], value) if isinstance(value, int | float) else rows[name] == value
        rows = rows[same]
    if column not in rows:
        raise ValueError(f"{figure}.csv has no column {column}; it has {', '.join(rows)}")
    values = rows[column].dropna()
    if take is not None and take not in TAKE:
        raise ValueError(f"take: {take}; there are {', '.join(TAKE)}")
    if len(values) == 0 or (take is None and len(values) > 1):
        raise ValueError(f"{figure}.csv has {len(values)} rows with {source.get('where', {})}")
    value = values.iloc[0] if take in (None, "first") else getattr(values, take)()
    if "power" in source:
        value = {"e": np.e, 10: 10.0}[source["power"]] ** value
    value *= source.get("times", 1)
    where = ", ".join(f"{name} {part}" for name, part in source.get("where", {}).items())
    cell = f"{f'{take} of ' if take not in (None, 'first') else ''}`{column}`{f' where {where}' if where else ''}"
    return format(value, source.get("format", ".2f")).replace("-", "−"), cell


def section_link(place):
    """Return the link of the book to a notebook, or to one of its sections: `05#7`."""
    number, _, section = place.partition("#")
    stems = [stem for stem in notebooks.find_notebooks(run.NOTEBOOKS) if stem.split("_")[0] == number]
    if not stems:
        raise ValueError(f"book/results.yaml: no notebook {number}")
    kind = "notebook" if number.isdigit() else "study"
    if section:
        return f"[{kind} {number}, section {section}](#{number}-{section})"
    return f"[{kind} {number}](notebooks/{stems[0]}.ipynb)"


def page():
    """Return the page of the results: each with its figure, the cells of its numbers, and where it is explained."""
    manifest, parts = figure_files.read_manifest(ROOT / "figures"), ["# Ten results"]
    parts.append(
        "Each with the figure that shows it, the notebook that explains it, and the cells of the figure's table that "
        "hold its numbers. An interval stands in square brackets, at 95 %."
    )
    for position, result in enumerate(results(), start=1):
        alt = " ".join(manifest[result.figure]["alt"].split()).replace("[", "(").replace("]", ")")
        links = [f"Explained in {section_link(result.read)}"]
        links += [f"evidence in {section_link(result.study)}"] if result.study else []
        links += [f"figure and table: [{result.figure}](#figure-{result.figure})"]
        cells = "; ".join(f"{text}: {cell}" for text, cell in result.numbers.values())
        parts.append(f"({result.id})=\n## {position} · {result.title}\n\n{result.sentence}")
        parts.append(f"![{alt}](figures/{result.figure}.png)")
        parts.append(f"{', '.join(links)}. *The numbers:* {cells}.")
    return "\n\n".join(parts) + "\n"


def first_page():
    """Return the list of the results on the book's first page."""
    chosen = [result for result in results() if result.first]
    return "\n".join(
        f"{position}. {result.sentence} ({section_link(result.read)}; [more](#{result.id}))"
        for position, result in enumerate(chosen, start=1)
    )


if __name__ == "__main__":
    for found in results():
        print(f"{found.id}: {found.sentence}\n")
