"""What an audit says: its table in words, a figure, and one self-contained HTML file. Every text is escaped."""

import base64
import html
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from qmis_utils import figures
from qmis_utils.audit.verdict import Verdict, beyond, implied
from qmis_utils.store.files import write_atomic
from qmis_utils.store.paths import given_path

# Column of the table -> what it says; a quantity comes with its 95 % interval, *_low and *_high.
COLUMNS = {
    "auc": "measured AUC of the strongest attack on outputs, every model attacked with the others as shadows; 0.5 is a "
    "coin. Of LiRA, RMIA and a loss threshold, each half of the targets takes the one that the other half picks",
    "auc_weights": "the same of an attacker who also reads the quantized weights: a ridge regression on them, alone or "
    "beside LiRA. Only where models share an initialisation",
    "attack": "the strongest of these attacks on average",
    "gain": "by how much that AUC is below the one at full precision, target by target; above 0 the release leaks less",
    "tpr_1pct": "members found where one non-member in a hundred is accused, by that attack",
    "tpr_01pct": "members found where one non-member in a thousand is accused",
    "exposed_tenth": "TPR - FPR of LiRA on the most exposed tenth of the members, picked by half of the models and "
    "judged by the others",
    "lost": "utility at full precision minus that of the release, over models and held-out records",
    "utility": "held-out accuracy, or R^2, or what was asked for; the interval is over models and held-out records",
    "rank": "1 leaks least to an attacker who sees outputs; with the ranks that the bootstrap draws take",
    "rank_weights": "1 leaks least to an attacker who reads the weights, of the quantized tensors alone",
    "kilobytes": "the model: packed codes, scales, and what stays unquantized",
    "rho_pool": "correlation: how well what tells models apart survives in outputs; 1 = wholly. For output attackers",
    "rho_w": "the same in the quantized weights. For attackers who read the weights",
    "rho": "the same in outputs on held-out inputs, offset and gain included; goes into the predicted AUC",
    "function_error": "how far one model's outputs move, apart from a common factor; larger is thought more private",
    "r": "our estimate of the paper's rate, no estimate of leakage for networks: there it ranked with tau 0.59, "
    "measures of distortion with about 0.95 (notebook B). Theory gives -log Delta from the Cramer rate, and only for "
    "minimisers over a codebook; no advice rests on r",
    "auc_lira": "measured AUC of LiRA alone",
    "auc_law": "AUC of LiRA predicted by the survival law from rho and its AUC at full precision",
    "auc_simulated": "AUC of LiRA predicted by adding the noise that rho says to full-precision signals",
    "null": "mean and range of the strongest attack on permuted memberships: what it finds where nothing is",
    "advantage": "2 x balanced accuracy - 1 of LiRA, whose attacker knows all members: a lower bound given them",
    "loss_auc": "AUC of calling small losses members; attacks with shadows found as much or more (notebook C)",
    "weight_error": "norm of Q(w) - w over norm of w, all quantized tensors together",
    "entropy": "bits a lossless coder needs per quantized weight",
    "bits": "bits per quantized weight as released, scales and zero points included",
    "coded": "share of these weights that the rule quantizes: blocks of a format may not fit a tensor's rows",
    "cautions": "what to distrust in this row",
}
TABLES = {  # heading -> columns of the tables of the page, each narrow enough to print
    "What each release leaks and costs": ["auc", "gain", "auc_weights", "tpr_1pct", "loss_auc", "function_error",
                                          "lost", "kilobytes", "rank", "rank_weights"],
    "How that was measured and predicted": ["attack", "null", "auc_lira", "auc_law", "auc_simulated", "advantage",
                                            "tpr_01pct", "exposed_tenth"],
    "What survives, and what is released": ["rho_pool", "rho_w", "rho", "r", "utility", "weight_error", "entropy",
                                            "bits", "coded"],
}  # fmt: skip
PANELS = {  # column -> title of its panel, and which way is private
    "rho_pool": ("survival in outputs", "rho_pool; left is private"),
    "rho_w": ("survival in weights", "rho_w; left is private"),
    "function_error": ("function error", "drawn from right to left:\nleft is private"),
    "auc": ("attack AUC", "left is private\nx: LiRA predicted; grey: null"),
    "loss_auc": ("loss-threshold AUC", "left is private\ngrey: null"),
    "utility": ("utility", "right is useful"),
}
LEAKS = {  # column -> what the picture of leakage and utility shows, the first that is known
    "auc": "AUC of the strongest attack", "loss_auc": "AUC of the loss threshold", "rho_pool": "survival in outputs",
}  # fmt: skip
FEW = 8  # models below which a bootstrap over models is too short
MOST_OF_IT = 0.8  # share of the weights below which the verdict says how few are quantized
SMALL = 50  # records of one side below which chance decides
MOST_WARNINGS = 5  # that anybody reads
PRIORS = (0.5, 0.1, 0.01)  # shares of members among those whom an attacker asks about
MORE = (
    "For more, pass in place of the model a function that trains one, train(inputs, labels, seed), with n_shadows=, or "
    "a list of models trained on random halves of the members, with trained_on=: survival correlations need 2 models "
    "(16 are good), the attack about 12, a strong attack 64 or more."
)
ONE_MODEL = (
    "One model: what membership moves cannot be seen. The function error ranks quantizers less well than the survival "
    "correlations do (notebook B), and says nothing of how much leaks. Train more on random halves: n_shadows=."
)
PAGE = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title><style>
body { font: 15px/1.5 sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; font-size: 13px } img { max-width: 100% } .picture img { max-width: 45em }
th, td { padding: .2em .5em; text-align: left; border-bottom: 1px solid #ddd; vertical-align: top }
.verdict { font-size: 17px; border-left: 5px solid #0072B2; padding: .4em .8em; background: #f3f6f9 }
.out { color: #999 } .wrap td { overflow-wrap: anywhere }
@media (max-width: 60em) { .tables { overflow-x: auto } }
@media print { @page { size: landscape; margin: 10mm } body { font-size: 11px; margin: 0; max-width: none }
table { font-size: 9px } tr, img { break-inside: avoid } }
</style></head><body><h1>$title</h1><p class="verdict">$verdict</p><div class="picture">$picture</div>
<h2>What follows from it</h2>$advice<h2>What to distrust</h2>$warnings<h2>What an attacker could do</h2>$meaning
<h2>Releases, the most private first</h2>
<p>Grey: loses more utility than was allowed.</p><div class="tables">$tables</div>$figure
<h2>How to read the tables</h2>$columns<h2>What was audited</h2>$facts
<h2>Where it comes from</h2>$provenance<h2>Tensor by tensor</h2><div class="tables">$layers</div></body></html>
""")


@dataclass(frozen=True)
class Facts:
    """Hold what was audited, for rules to read; ``shown`` says it in words."""

    models: int
    members: int
    trained: int  # records a model trained on; a half where nobody knows
    heldout: int
    attacked: float  # share of the members on which the attack was run
    guess: float  # utility of a constant guess
    task: str
    quantized: str  # how many numbers, of how many
    left: str  # which tensors stay as trained
    in_unit: bool  # whether all outputs lie in [0, 1]
    tolerance: float  # utility one may lose
    copies: int  # held-out records that are copies of members
    repeated: int  # members that are copies of others
    twins: int = 0  # held-out records with the inputs of a member and another label
    share: float = 1.0  # of the weights, numbers in tensors of two or more axes, that is quantized
    largest_left: str = ""  # of the others, the largest tensors
    relabelled: bool = False  # whether labels -1 and 1 were taken for classes 0 and 1
    shared: bool = True  # whether models share an initialisation
    planted: tuple = ()  # AUC found of a planted leak, with its interval
    failed: tuple[str, ...] = ()  # trainings that failed, and why
    known: bool = True  # whether it is known who trained on what
    fits: tuple[float, float] = (math.nan, math.nan)  # utility on records a model trained on, and on held-out ones
    larger: float = math.nan  # share of models whose loss is larger on what they trained on than on other members
    blind: tuple[float, float, float] = (0.5, 0.0, 1.0)  # AUC of telling members from held-out records by inputs alone
    one_by_one: tuple[str, ...] = ()  # releases whose outputs depend on the batch

    def shown(self) -> dict[str, object]:
        """Return words -> value, in the order of the report."""
        return {
            "models": self.models, "members": self.members,
            "records a model trained on": self.trained if self.known else "not known",
            "held-out records": self.heldout,
            "attack": f"LiRA, RMIA and loss threshold on {self.attacked:.0%} of the members, outputs alone, pool game"
            if self.attacked else "none",
            "planted leak of AUC 0.75 found as": "{:.2f} [{:.2f}, {:.2f}]".format(*self.planted) if self.planted
            else "no attack", "trainings that failed": "; ".join(self.failed) or "none",
            "utility on records a model trained on": self.fits[0], "utility on held-out records": self.fits[1],
            "gap between them": self.fits[0] - self.fits[1],
            "initialisation": "shared" if self.shared else "each model its own" if self.models > 1 else "not known",
            "utility of a constant guess": self.guess, "task": self.task,
            "members told from held-out records by inputs alone (AUC)": "{:.2f} [{:.2f}, {:.2f}]".format(*self.blind),
            "asked one record at a time": ", ".join(self.one_by_one) or "none",
            "numbers quantized": self.quantized, "left unquantized": self.left,
            "outputs all in [0, 1]": self.in_unit, "utility one may lose": self.tolerance,
            "held-out copies of members": self.copies, "held-out twins of members": self.twins,
            "members that are copies": self.repeated,
            "labels": "-1 and 1 are the classes 0 and 1" if self.relabelled else "as given",
        }  # fmt: skip


@dataclass(frozen=True, repr=False)
class Report:
    """Hold an audit.

    Parameters
    ----------
    title : str
    table : DataFrame
        A row a quantizer, the most private first; ``COLUMNS`` says what each column means.
    layers : DataFrame
        A row a quantizer and tensor.
    facts : Facts
        What was audited.
    verdict : Verdict
        The recommended release, or why there is none.
    advice, warnings : list of str
        In words.
    records : DataFrame
        A row a release and member: how exposed it is (`measure.exposed`).
    provenance : dict
        Versions, options, hashes of data and weights, time.
    """

    title: str
    table: pd.DataFrame
    layers: pd.DataFrame
    facts: Facts
    verdict: Verdict
    advice: list[str]
    warnings: list[str]
    records: pd.DataFrame
    provenance: dict[str, object]

    def pretty(self) -> pd.DataFrame:
        """Return the table as text, every value with its interval in one cell."""
        known = [c for c in COLUMNS if c in self.table]
        texts = [[_text(row, c) for c in known] for _, row in self.table.iterrows()]
        return pd.DataFrame(texts, self.table.index, known)

    def figure(self) -> Figure:
        """Return a matplotlib figure: a panel a number with its intervals, quantizers in the order of the table."""
        panels = [c for c in PANELS if c in self.table]
        rows = np.arange(len(self.table))
        with plt.style.context(["default", figures.STYLE]):
            fig = Figure(figsize=(figures.PAGE, 0.9 + 0.22 * len(rows)))
            axes = fig.subplots(1, len(panels), sharey=True, squeeze=False)[0]
            for ax, column in zip(axes, panels, strict=True):
                self._panel(ax, column, rows)
            axes[0].set_yticks(rows, figures.words(self.table.index), parse_math=False)
            axes[0].invert_yaxis()
        return fig

    def _panel(self, ax, column, rows):
        value, low, high = (self.table[column + end].to_numpy(float) for end in ("", "_low", "_high"))
        if column == "function_error":  # the only leak that is shown by how little of it there is
            ax.invert_xaxis()
        ax.hlines(rows, low, high, color=figures.COLORS[0])
        ax.plot(value, rows, "o", color=figures.COLORS[0])
        if column in ("auc", "loss_auc"):
            ax.hlines(rows, self.table.null_low, self.table.null_high, color="0.8", lw=4, zorder=0)
            ax.axvline(0.5, color="0.4", ls=":", lw=0.8)
        if column == "auc":
            beside = rows + 0.25
            ax.hlines(beside, self.table.auc_simulated_low, self.table.auc_simulated_high, color=figures.COLORS[1])
            ax.plot(self.table.auc_simulated, beside, "x", color=figures.COLORS[1])
        ax.set_title(PANELS[column][0])
        ax.set_xlabel(PANELS[column][1], size=6)
        ax.grid(axis="y")

    def picture(self) -> Figure:
        """Return a matplotlib figure of utility against leakage, a point a release, both with intervals."""
        leak = next(c for c in LEAKS if c in self.table)
        table = self.table.sort_values(["utility", leak], ascending=False)
        out, names = beyond(table, self.facts.tolerance), figures.words(table.index)
        heights = np.linspace(1, 0, len(table)) if len(table) > 1 else [1.0]  # of the labels, beside the axes
        with plt.style.context(["default", figures.STYLE]):
            fig = Figure(figsize=(figures.PAGE * 0.75, figures.COLUMN * 0.85))
            ax = fig.subplots()
            for (name, row), word, height in zip(table.iterrows(), names, heights, strict=True):
                color = figures.COLORS[0] if name == self.verdict.release else "0.7" if out[name] else "0.25"
                ends = [[[row[c] - row[f"{c}_low"]], [row[f"{c}_high"] - row[c]]] for c in (leak, "utility")]
                ax.errorbar(row[leak], row.utility, np.maximum(ends[1], 0), np.maximum(ends[0], 0), "o", color=color)
                ax.annotate(
                    word, (row[leak], row.utility), (1.06, height), textcoords="axes fraction", size=7, color=color,
                    va="center", parse_math=False,
                    arrowprops={"arrowstyle": "-", "color": color, "lw": 0.4, "relpos": (0, 0.5), "shrinkA": 2},
                )  # fmt: skip
            ax.axhline(table.utility["fp32"] - self.facts.tolerance, color="0.6", ls=":", lw=0.8)
            ax.set_xlabel(LEAKS[leak] + " (left is private)")
            ax.set_ylabel("utility (dotted: what may be lost)")
            ax.set_title(", ".join(filter(None, ("Verdict: " + self.verdict.kind, self.verdict.release))),
                         parse_math=False)  # fmt: skip
        return fig

    def meaning(self) -> pd.DataFrame:
        """Return what the attack means for records that an attacker asks about: measured, assumed, combined."""
        names = dict.fromkeys(["fp32", self.verdict.release or "fp32"])
        return implied(self.table, self.facts, [*names], PRIORS) if "tpr_1pct" in self.table else pd.DataFrame()

    def html(self) -> str:
        """Return the report as one HTML page: all text escaped, the figures inside, nothing to fetch."""
        cautions = [f"{name}: {said}" for name, said in self.table.cautions.items() if said]
        shown, out = self.pretty(), beyond(self.table, self.facts.tolerance)
        tables = "".join(
            f"<h3>{html.escape(heading)}</h3>{_table(part.reset_index(), out.to_numpy())}"
            for heading, columns in TABLES.items()
            if (part := shown[[c for c in columns if c in shown]]).shape[1]
        )
        layers = self.layers.drop(columns="norm").to_html(
            index=False, border=0, escape=True, float_format="{:.3f}".format
        )
        columns = {c: text for c, text in COLUMNS.items() if c in self.table and c != "cautions"}
        meaning = self.meaning()
        return PAGE.substitute(
            title=html.escape(self.title), facts=_pairs(self.facts.shown()), advice=_list(self.advice),
            verdict=html.escape(self.verdict.text), warnings=_list(self.warnings + cautions), tables=tables,
            layers=layers, columns=_pairs(columns), provenance=_pairs(self.provenance),
            meaning=_table(meaning) if len(meaning) else "<p>Not known: too few non-members for one false alarm in a "
            "hundred.</p>", figure=_image(self.figure(), self.alt()),
            picture=_image(self.picture(), f"Utility against leakage of {len(self.table)} releases, with intervals."),
        )  # fmt: skip

    def alt(self) -> str:
        """Return what the figure shows, in words."""
        names = self.table.index
        return f"{len(names)} quantizers from the most private, {names[0]}, to the least, {names[-1]}, with intervals."

    def json(self) -> str:
        """Return all numbers of the report as JSON, for programs and auditors."""

        def rows(frame):
            return json.loads(frame.to_json(orient="records", double_precision=6))

        return json.dumps({
            "title": self.title, "verdict": asdict(self.verdict), "advice": self.advice, "warnings": self.warnings,
            "facts": self.facts.shown(), "provenance": self.provenance, "table": rows(self.table.reset_index()),
            "layers": rows(self.layers), "records": rows(self.records), "meaning": rows(self.meaning()),
        }, indent=1, default=str)  # fmt: skip

    def save(self, path: str | Path) -> "Report":
        """Write the report to a path, whole or not at all, and return it.

        Parameters
        ----------
        path : path
            Ends in .html (the page), .json (all numbers) or .csv (the table).

        Raises
        ------
        ValueError
            For another ending.
        """
        kinds = {".html": self.html, ".json": self.json, ".csv": self.table.to_csv}
        path = given_path(path)
        if path.suffix.lower() not in kinds:
            raise ValueError(f"a report is saved as .html, .json or .csv; got {path.name!r}")
        write_atomic(path, kinds[path.suffix.lower()]())
        return self

    def __repr__(self) -> str:
        """Return verdict, advice and warnings; the table is ``pretty()``."""
        return "\n".join([self.title, self.verdict.text, *(f"- {line}" for line in self.advice),
                          *(f"! {line}" for line in self.warnings)])  # fmt: skip


def _image(fig, alt):
    """Return a figure as an image that a page holds."""
    picture = io.BytesIO()
    with plt.style.context(["default", figures.STYLE]):
        fig.savefig(picture, format="png", metadata={"Software": None})
    data = base64.b64encode(picture.getvalue()).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{html.escape(alt)}">'


def _table(frame, grey=None):
    """Return a table as HTML, some of its rows grey."""
    head = "".join(f"<th>{html.escape(str(c))}</th>" for c in frame)
    rows = [
        f"<tr{' class=out' if grey is not None and grey[place] else ''}>"
        + "".join(f"<td>{html.escape(str(value))}</td>" for value in row) + "</tr>"
        for place, row in enumerate(frame.itertuples(index=False))
    ]  # fmt: skip
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _list(items):
    return "<ul>" + "".join(f"<li>{html.escape(item)}</li>" for item in items) + "</ul>"


def _pairs(pairs):
    pairs = {k: _number(v) if isinstance(v, float) else v for k, v in pairs.items()}
    rows = (
        f"<tr><th>{html.escape(str(k))}</th><td>{html.escape(str(v)) or 'none'}</td></tr>" for k, v in pairs.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _number(value):
    if abs(value) < 1e-9:  # rounding
        return "0"
    return f"{value:.3g}" if abs(value) < 0.1 else f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"


def _text(row, column):
    value = row[column]
    if isinstance(value, str):
        return value
    if np.isnan(value):
        return "not known"
    if f"{column}_low" not in row:
        return _number(value)
    ends = [
        f"{row[column + end]:.0f}" if column.startswith("rank") else _number(row[column + end])
        for end in ("", "_low", "_high")
    ]
    return ends[0] if ends[1] == ends[2] == ends[0] else f"{ends[0]} [{ends[1]}, {ends[2]}]"


def _ranked(table, rank, column, words):
    """Say which quantizer a rank calls the most private, and which others its bootstrap draws do not tell from it."""
    others = table.drop(index="fp32")
    if others[rank].isna().all():
        return f"{words}: not known, since no release shows its weights."
    best = others[rank].idxmin()
    if table[rank]["fp32"] <= others[rank][best]:
        return f"{words}: no quantizer is told apart from full precision ({column} {_text(table.loc[best], column)})."
    reach = table[f"{rank}_high"][best]
    tied = [name for name in table.index if name != best and table[f"{rank}_low"][name] <= reach]
    ties = f"; not told apart from it: {', '.join(tied)}" if tied else ""
    return f"{words}: {best} is ranked most private ({column} {_text(table.loc[best], column)}){ties}."


def advise(table: pd.DataFrame, facts: Facts) -> list[str]:
    """Say in plain language what stands behind the verdict, and what was not looked at.

    Parameters
    ----------
    table : DataFrame
        Of an audit, the most private quantizer first.
    facts : Facts

    Returns
    -------
    list of str
        Sentences.
    """
    full, lines = table.loc["fp32"], []
    if facts.share < MOST_OF_IT:
        lines.append(
            f"Only {facts.share:.0%} of the weights are quantized ({facts.quantized} numbers): what is said speaks of "
            f"these. The largest left: {facts.largest_left}. Name them by include=."
        )
    if full.utility_low <= facts.guess:
        return [*lines, "The ranks below may be noise, and a model that learnt nothing general can still leak."]
    if facts.models == 1:
        lines += [
            _ranked(table, "rank", "function_error", "A guess from one model, not a measurement"),
            f"Calling small losses members reaches AUC {_text(full, 'loss_auc')} at full precision; on permuted "
            f"membership it would stay in {full.null_low:.2f} to {full.null_high:.2f}. Shadows usually find more.",
        ]
    else:
        lines += [
            _ranked(table, "rank", "rho_pool", "Whatever the utility, for an attacker who sees outputs"),
            _ranked(table, "rank_weights", "rho_w", "For an attacker who reads the quantized weights")
            + f" They are {facts.quantized} numbers; the others are released as trained."
            if facts.shared
            else "Each model has an initialisation of its own: what membership moves in the weights is then lost among "
            "what the initialisation moves, and no attack on weights was run. Where an attacker may know the "
            "initialisation, as after fine-tuning a public model, train all models from it.",
        ]
    if "auc" not in table:
        return [*lines, MORE]
    return [
        *lines,
        "AUCs are of attackers who see outputs and know all members but not who was used; they bound a leak from below "
        "and certify nothing. A broken model leaks little: compare also with training for fewer steps.",
    ]


@dataclass(frozen=True)
class Rule:
    """Say when something is to be distrusted, and in which words.

    Parameters
    ----------
    applies : function (seen, Facts) -> bool
        ``seen`` is the table of an audit, or one row of it for ``CAUTIONS``.
    words : str or function (seen, Facts) -> str
    """

    applies: Callable[[Any, Facts], bool]
    words: str | Callable[[Any, Facts], str]

    def text(self, seen: Any, facts: Facts) -> str:
        """Return the words about what is seen."""
        return self.words if isinstance(self.words, str) else self.words(seen, facts)


CAUTIONS = {  # about one quantizer
    "partly coded": Rule(
        lambda row, facts: row["coded"] < MOST_OF_IT,
        lambda row, facts: (
            f"quantizes only {row['coded']:.0%} of these weights: its blocks do not fit the other tensors"
        ),
    ),
    "perhaps broken": Rule(
        lambda row, facts: row["utility_low"] <= facts.guess,
        "perhaps broken: utility not shown above a constant guess, and a broken model leaks little",
    ),
    "null not beaten": Rule(
        lambda row, facts: "auc" in row and row["auc_low"] <= row["null_high"],
        "attack does not beat its null: no leak shown, none excluded",
    ),
    "weights tell more": Rule(
        lambda row, facts: "rho_w" in row and row["rho_pool_high"] < row["rho_w_low"],
        "more survives in the weights than in the outputs",
    ),
    "uncertain": Rule(
        lambda row, facts: "rho_pool" in row and row["rho_pool_high"] - row["rho_pool_low"] > 0.2,
        "rho_pool uncertain",
    ),
}
WARNINGS = {  # about the audit, what matters most first; each says what to do
    "below its null": Rule(
        lambda table, facts: bool(leak := _leaks(table)) and table[f"{leak}_high"]["fp32"] < table.null_low["fp32"],
        lambda table, facts: (
            f"The attack does worse than chance (AUC {_text(table.loc['fp32'], _leaks(table))}): members and held-out "
            "records swapped, labels shuffled, other units, or a loss of the wrong sign? Check the data first."
        ),
    ),
    "larger losses": Rule(
        lambda table, facts: facts.larger > 0.75,
        lambda table, facts: (
            f"{facts.larger:.0%} of the models have larger losses on the records that they are said to have trained on "
            "than on the other members: is trained_on the right way round?"
        ),
    ),
    "another law": Rule(
        lambda table, facts: facts.blind[1] > 0.5,
        lambda table, facts: (
            f"Members and held-out records differ without any model (AUC {facts.blind[0]:.2f} by inputs alone): the "
            "loss threshold and utility measure that too. Split one collection at random instead."
        ),
    ),
    "small": Rule(
        lambda table, facts: min(facts.members, facts.heldout) < SMALL,
        lambda table, facts: (
            f"{facts.members} members and {facts.heldout} held-out records: chance decides so small an audit; take "
            "hundreds of each."
        ),
    ),
    "failed trainings": Rule(
        lambda table, facts: bool(facts.failed),
        lambda table, facts: (
            f"{len(facts.failed)} trainings failed and are left out, the first: {facts.failed[0]}. If those that fail "
            "are not chosen by chance, neither are those that are left: mend them and audit again."
        ),
    ),
    "one model": Rule(lambda table, facts: facts.models == 1, ONE_MODEL),
    "few models": Rule(
        lambda table, facts: 1 < facts.models < FEW,
        lambda table, facts: f"{facts.models} models: a bootstrap over so few is too narrow; take 16.",
    ),
    "probabilities": Rule(
        lambda table, facts: facts.in_unit and facts.task == "binary",
        "All outputs lie in [0, 1]. If they are probabilities, return logits: utility and attack take them for that.",
    ),
    "copies held out": Rule(
        lambda table, facts: facts.copies > 0,
        lambda table, facts: f"{facts.copies} held-out records are copies of members: they hide leaks; leave them out.",
    ),
    "left as trained": Rule(
        lambda table, facts: bool(facts.left),
        lambda table, facts: (
            f"Released as trained, and not covered by rho_w: {facts.left}. Quantize more by include=, or accept it."
        ),
    ),
    "one by one": Rule(
        lambda table, facts: bool(facts.one_by_one),
        lambda table, facts: (
            f"Outputs of {', '.join(facts.one_by_one)} depend on the other records of a batch: they were asked one "
            "record at a time. Served in batches, records of others show in the answers."
        ),
    ),
    "little to lose": Rule(
        lambda table, facts: "auc" in table and table.auc_low["fp32"] <= max(table.null_high["fp32"], 0.5),
        "Full precision hardly leaks to these attacks: predicted AUCs are near a coin throughout, and say little. More "
        "models (n_shadows=) attack better.",
    ),
    "twins held out": Rule(
        lambda table, facts: facts.twins > 0,
        lambda table, facts: (
            f"{facts.twins} held-out records have the inputs of a member and another label: no model tells them apart."
        ),
    ),
    "repeated members": Rule(
        lambda table, facts: facts.repeated > 0,
        lambda table, facts: (
            f"{facts.repeated} members are copies of others: a model without one may know the other; keep one of each."
        ),
    ),
    "relabelled": Rule(
        lambda table, facts: facts.relabelled,
        "Labels -1 and 1 were taken for the classes 0 and 1; the loss received them as given.",
    ),
    "law of regression": Rule(
        lambda table, facts: "auc" in table and facts.task == "regression",
        "Regression: the survival law (auc_law) promises too much leakage there (notebook B); read auc_simulated.",
    ),
    "same models": Rule(
        lambda table, facts: "auc" in table,
        "Correlations and attack use the same models: their agreement here is no independent check.",
    ),
}  # fmt: skip


def _leaks(table):
    return next((column for column in ("auc", "loss_auc") if column in table), None)


def flag(row: Mapping[str, Any], facts: Facts) -> str:
    """Return what to distrust about one quantizer, in words, from its row of the table."""
    return "; ".join(rule.text(row, facts) for rule in CAUTIONS.values() if rule.applies(row, facts))


def distrust(table: pd.DataFrame, facts: Facts) -> list[str]:
    """Return warnings, at most ``MOST_WARNINGS`` sentences, about what the numbers of an audit cannot say."""
    found = [rule.text(table, facts) for rule in WARNINGS.values() if rule.applies(table, facts)]
    return found[:MOST_WARNINGS]
