"""The pages of the explorable figures: the numbers of the figures' CSVs are put into them; they need no kernel."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from qmis_utils import figures
from qmis_utils.store.paths import ROOT
from qmis_utils.theory import security

EXPLORE = Path(__file__).with_name("explore")
PAGES = ("game", "phase", "network")


def settings():
    """Return what `explore/data.yaml` says: which figure and columns each page reads."""
    return yaml.safe_load((EXPLORE / "data.yaml").read_text(encoding="utf-8"))


def read_rows(source, folder=None):
    """Return the rows and columns of a figure's CSV that a page reads, under the names that the page uses.

    Raises
    ------
    ValueError
        Naming the figure and the columns that it lacks, or the rows that are asked for in vain.
    """
    path = (folder or ROOT / "figures") / f"{source['figure']}.csv"
    if not path.exists():
        raise ValueError(f"book/explore/data.yaml: there is no figure {source['figure']}")
    table, wanted, where = pd.read_csv(path), source["columns"], source.get("where", {})
    wanted = wanted if isinstance(wanted, dict) else {name: name for name in wanted}
    if missing := sorted({*wanted.values(), *where} - {*table.columns}):
        raise ValueError(
            f"book/explore/data.yaml: {path.name} lacks {', '.join(missing)}; it has {', '.join(table.columns)}"
        )
    for name, value in where.items():
        table = table[table[name] == value]
    if table.empty:
        raise ValueError(f"book/explore/data.yaml: {path.name} has no row with {where}")
    return table[list(wanted.values())].set_axis(list(wanted), axis="columns")


def phase_rows(source, folder=None):
    """Return the phase diagram's rows; a sample is computed while its CSV is of the old form, for a single mean."""
    try:
        return read_rows(source, folder)
    except ValueError as error:
        if "lacks full_precision, insecurity, mean" not in str(error):
            raise
    sample = []
    for mean in (0.0, 0.1, 0.3):
        for n in dict.fromkeys(np.geomspace(1, 1000, 12).round().astype(int)):
            full = security.full_precision_insecurity(n, 1)
            for step in np.geomspace(0.05, 3, 12).round(3):
                sample.append((n, step, mean, security.gaussian_mean_insecurity(n, step, mean), full))
    return pd.DataFrame(sample, columns=source["columns"])


def phase_data(source, folder=None):
    """Return the columns of the phase diagram, each (n, step, mean) once; they must be a whole grid."""
    table = phase_rows(source, folder).drop_duplicates(["n", "step", "mean"])
    if len(table) != table.n.nunique() * table.step.nunique() * table["mean"].nunique():
        raise ValueError(f"book/explore/data.yaml: {source['figure']} is not a whole grid of n, step and mean")
    return {name: [float(f"{value:.6g}") for value in column] for name, column in table.items()}


def network_data(source, folder=None):
    """Return what the page of one network shows: a record for each quantizer that every release was attacked with."""
    tables = {"utility": source["utility"], **source["releases"]}
    tables = {name: read_rows(given, folder).set_index("quantizer") for name, given in tables.items()}
    found = []
    for quantizer in tables["utility"].index:
        record = {"name": quantizer, "label": figures.words([quantizer])[0], "color": figures.look(quantizer)["color"]}
        for name, table in tables.items():
            if quantizer in table.index:
                record[name] = ends(table.loc[quantizer].to_dict())
        found.append(record)
    return {"quantizers": found, "releases": {name: given["words"] for name, given in source["releases"].items()}}


def ends(values):
    """Return the values of a row with both ends of the interval, where it gives half of its length."""
    if "half" in values:
        half = values.pop("half")
        values |= {"low": values["value"] - half, "high": values["value"] + half}
    return values


def write_pages(out):
    """Write the pages, their script and their style sheet into the sources of the book."""
    given = settings()
    radio = '<label><input type="radio" name="release" value="{0}"{2}> {1}</label>'
    releases = [(name, part["words"]) for name, part in given["network"]["releases"].items()]
    phase, parts = phase_data(given["phase"]), [given["network"]["utility"], *given["network"]["releases"].values()]
    middle = sorted(set(phase["mean"]))
    sources = ", ".join(f"[{part['figure']}](#figure-{part['figure']})" for part in parts)
    marks = {
        "game": {"@DATA@": json.dumps(given["game"])},
        "phase": {"@DATA@": json.dumps(phase), "@MEAN@": str(middle.index(0.3) if 0.3 in middle else len(middle) // 2)},
        "network": {
            "@DATA@": json.dumps(network_data(given["network"])),
            "@NOTE@": given["network"]["note"],
            "@SOURCES@": f"the figures {sources}",
            "@RELEASES@": "".join(radio.format(*pair, "" if i else " checked") for i, pair in enumerate(releases)),
        },
    }
    (out / "explore").mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        text = (EXPLORE / f"{name}.md").read_text(encoding="utf-8")
        for mark, new in marks[name].items():
            text = text.replace(mark, new)
        (out / "explore" / f"{name}.md").write_text(text, encoding="utf-8")
    for name in ("explore.js", "explore.css"):
        (out / "_static" / name).write_bytes((EXPLORE / name).read_bytes())
