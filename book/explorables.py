"""The pages of the explorable figures: the numbers of the figures' CSVs are put into them; they need no kernel."""

import json
from pathlib import Path

import pandas as pd
import yaml

from qmis_utils import figures
from qmis_utils.store.paths import ROOT

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


def phase_data(source, folder=None):
    """Return the columns of the phase diagram, each (n, step, mean) once; they must be a whole grid."""
    table = read_rows(source, folder).drop_duplicates(["n", "step", "mean"])
    if len(table) != table.n.nunique() * table.step.nunique() * table["mean"].nunique():
        raise ValueError(f"book/explore/data.yaml: {source['figure']} is not a whole grid of n, step and mean")
    return {name: [float(f"{value:.6g}") for value in column] for name, column in table.items()}


def network_data(source, folder=None):
    """Return what the page of one network shows: for each quantizer and initialisation the utility and each release.

    A quantizer that lacks one of them, such as a control, is left out.
    """
    tables = {"utility": source["utility"], **source["releases"]}
    found = {}
    for init in source["initialisations"]:
        for name, given in tables.items():
            for quantizer, values in by_quantizer(given, init, folder).items():
                found.setdefault(quantizer, {}).setdefault(init, {})[name] = values
        for name, given in source["predictions"].items():
            for quantizer, values in by_quantizer(given, init, folder).items():
                found.get(quantizer, {}).get(init, {}).get(name, {}).update(values)
    whole = {name: inits for name, inits in found.items() if all(tables.keys() <= v.keys() for v in inits.values())}
    records = [
        {"name": name, "label": figures.words([name])[0], "color": figures.look(name)["color"], **inits}
        for name, inits in whole.items()
    ]
    releases = {name: given["words"] for name, given in source["releases"].items()}
    return {"quantizers": records, "releases": releases, "initialisations": source["initialisations"]}


def by_quantizer(source, init, folder):
    """Return quantizer -> values of a source, for one initialisation; a quantizer without a number is left out."""
    where = source.get("where", {}) | ({source["by"]: init} if "by" in source else {})
    rows = read_rows(source | {"where": where}, folder).dropna()
    if rows["quantizer"].duplicated().any():
        raise ValueError(f"book/explore/data.yaml: {source['figure']}.csv has two rows of a quantizer with {where}")
    return rows.set_index("quantizer").to_dict("index")


def radio(name, choices):
    """Return buttons of which one is chosen, the first of them, as HTML."""
    button = '<label><input type="radio" name="{}" value="{}"{}> {}</label>'
    return "".join(
        button.format(name, value, "" if i else " checked", words) for i, (value, words) in enumerate(choices.items())
    )


def write_pages(out):
    """Write the pages, their script and their style sheet into the sources of the book."""
    given = settings()
    network = given["network"]
    parts = [network["utility"], *network["releases"].values(), *network["predictions"].values()]
    names = dict.fromkeys(part["figure"] for part in parts)
    phase = phase_data(given["phase"])
    middle = sorted(set(phase["mean"]))
    sources = ", ".join(f"[{name}](#figure-{name})" for name in names)
    releases = {name: part["words"] for name, part in network["releases"].items()}
    marks = {
        "game": {"@DATA@": json.dumps(given["game"])},
        "phase": {"@DATA@": json.dumps(phase), "@MEAN@": str(middle.index(0.3) if 0.3 in middle else len(middle) // 2)},
        "network": {
            "@DATA@": json.dumps(network_data(network)),
            "@NOTE@": network["note"],
            "@SOURCES@": f"the figures {sources}",
            "@RELEASES@": radio("release", releases),
            "@INITS@": radio("init", network["initialisations"]),
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
