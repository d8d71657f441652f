"""What an audit says: its table in words, a figure, and one self-contained HTML file. Every text is escaped."""

import base64
import html
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from qmis_utils import figures
from qmis_utils.store.files import write_atomic
from qmis_utils.store.paths import given_path

# Column of the table -> what it says; a quantity comes with its 95 % interval, *_low and *_high.
COLUMNS = {
    "rank": "1 leaks least to an attacker who sees outputs; with the ranks that the bootstrap draws take",
    "rank_weights": "1 leaks least to an attacker who reads the weights, of the quantized tensors alone",
    "rho_pool": "correlation: how well what tells models apart survives in outputs; 1 = wholly. For output attackers",
    "rho_w": "the same in the quantized weights. For attackers who read the weights",
    "rho": "the same in outputs on held-out inputs, offset and gain included; goes into the predicted AUC",
    "function_error": "how far one model's outputs move, apart from a common factor; larger is thought more private",
    "r": "our estimate of the paper's rate, no estimate of leakage for networks: there it ranked with tau 0.59, "
    "measures of distortion with about 0.95 (notebook B). Theory gives -log Delta from the Cramer rate, and only for "
    "minimisers over a codebook; no advice rests on r",
    "auc_law": "attack AUC predicted by the survival law from rho and the AUC at full precision",
    "auc_simulated": "attack AUC predicted by adding the noise that rho says to full-precision signals",
    "auc": "measured AUC of LiRA, every model attacked with the others as shadows; 0.5 is a coin",
    "null": "mean and range of the same attack on permuted memberships: what it finds where nothing is",
    "advantage": "2 x balanced accuracy - 1 of that attack, whose attacker knows all members: a lower bound given them",
    "loss_auc": "AUC of calling small losses members; attacks with shadows found as much or more (notebook C)",
    "utility": "held-out accuracy, or R^2; the interval is over held-out records",
    "weight_error": "norm of Q(w) - w over norm of w, all quantized tensors together",
    "entropy": "bits a lossless coder needs per quantized weight",
    "bits": "nominal bits per quantized weight",
    "kilobytes": "the model: packed codes, scales, and what stays unquantized",
    "cautions": "what to distrust in this row",
}
PANELS = {  # column -> title of its panel, and which way is private
    "rho_pool": ("survival in outputs", "rho_pool; left is private"),
    "rho_w": ("survival in weights", "rho_w; left is private"),
    "function_error": ("function error", "drawn from right to left:\nleft is private"),
    "auc": ("attack AUC", "left is private\nx: predicted; grey: null"),
    "loss_auc": ("loss-threshold AUC", "left is private\ngrey: null"),
    "utility": ("utility", "right is useful"),
}
FEW = 8  # models below which a bootstrap over models is too short
MOST_OF_IT = 0.5  # share of the weights below which a headline says how few are quantized
MORE = (
    "For more, pass in place of the model a function that trains one, train(inputs, labels, seed), with n_shadows=, or "
    "a list of models trained on random halves of the members, with trained_on=: survival correlations need 2 models "
    "(16 are good), the attack about 12, a strong attack 64 or more."
)
ONE_MODEL = (
    "One model: what membership moves cannot be seen. The function error ranks quantizers less well than the survival "
    "correlations do, and r of codewords next to one model ranked them far less well (notebook B). If members and "
    "held-out records were collected differently, the loss threshold measures that difference."
)
USELESS = (
    "The model in full precision is not shown to beat a constant guess on held-out records. Nothing is recommended: "
    "the ranks below may be noise, and a model that learnt nothing general can still leak."
)
PAGE = Template("""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title><style>
body { font: 15px/1.5 sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em; color: #222 }
div { overflow-x: auto } table { border-collapse: collapse; font-size: 13px } img { max-width: 100% }
th, td { padding: .2em .6em; text-align: left; border-bottom: 1px solid #ddd; vertical-align: top }
div td { white-space: nowrap }
</style></head><body><h1>$title</h1>
<h2>What was audited</h2>$facts<h2>Advice</h2>$advice<h2>What to distrust</h2>$warnings
<h2>Quantizers, the most private first</h2>$figure<div>$table</div><h2>How to read the table</h2>$columns
<h2>Tensor by tensor</h2><div>$layers</div></body></html>
""")


@dataclass(frozen=True)
class Facts:
    """Hold what was audited, for rules to read; ``shown`` says it in words."""

    models: int
    members: int
    trained: int  # records a model trained on
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

    @property
    def noise_floor(self) -> float:
        """Return the r that sampling noise alone gives."""
        return 1 / (2 * self.heldout)

    def shown(self) -> dict[str, object]:
        """Return words -> value, in the order of the report."""
        return {
            "models": self.models, "members": self.members, "records a model trained on": self.trained,
            "held-out records": self.heldout,
            "attack": f"LiRA on {self.attacked:.0%} of the members" if self.attacked else "none",
            "utility of a constant guess": self.guess, "noise floor of r": self.noise_floor, "task": self.task,
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
    advice, warnings : list of str
        In words.
    """

    title: str
    table: pd.DataFrame
    layers: pd.DataFrame
    facts: Facts
    advice: list[str]
    warnings: list[str]

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

    def html(self) -> str:
        """Return the report as one HTML page: all text escaped, the figure inside, nothing to fetch."""
        picture = io.BytesIO()
        with plt.style.context(["default", figures.STYLE]):
            self.figure().savefig(picture, format="png", metadata={"Software": None})
        data = base64.b64encode(picture.getvalue()).decode()
        cautions = [f"{name}: {said}" for name, said in self.table.cautions.items() if said]
        tables = (self.pretty().drop(columns="cautions").reset_index(), self.layers.drop(columns="norm"))
        table, layers = (t.to_html(index=False, border=0, escape=True, float_format="{:.3f}".format) for t in tables)
        meaning = {c: text for c, text in COLUMNS.items() if c in self.table and c != "cautions"}
        return PAGE.substitute(
            title=html.escape(self.title), facts=_pairs(self.facts.shown()), advice=_list(self.advice),
            warnings=_list(self.warnings + cautions), table=table, layers=layers, columns=_pairs(meaning),
            figure=f'<img src="data:image/png;base64,{data}" alt="{html.escape(self.alt())}">',
        )  # fmt: skip

    def alt(self) -> str:
        """Return what the figure shows, in words."""
        names = self.table.index
        return f"{len(names)} quantizers from the most private, {names[0]}, to the least, {names[-1]}, with intervals."

    def save(self, path: str | Path) -> "Report":
        """Write the HTML page to a path, whole or not at all; return the report."""
        write_atomic(given_path(path), self.html())
        return self

    def __repr__(self) -> str:
        """Return advice and warnings; the table is ``pretty()``."""
        return "\n".join([self.title, *(f"- {line}" for line in self.advice), *(f"! {line}" for line in self.warnings)])


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
    best = others[rank].idxmin()
    if table[rank]["fp32"] <= others[rank][best]:
        return f"{words}: no quantizer is told apart from full precision ({column} {_text(table.loc[best], column)})."
    reach = table[f"{rank}_high"][best]
    tied = [name for name in table.index if name != best and table[f"{rank}_low"][name] <= reach]
    ties = f"; not told apart from it: {', '.join(tied)}" if tied else ""
    return f"{words}: {best} is ranked most private ({column} {_text(table.loc[best], column)}){ties}."


def _choice(table, ranks, lose):
    able = table[(table.utility >= table.utility["fp32"] - lose) & (table.index != "fp32")]
    if able.empty:
        return f"No quantizer keeps utility within {lose:g} of full precision."
    picks = " and ".join(f"{able[rank].idxmin()} ({words})" for rank, words in ranks.items())
    return (
        f"Of the quantizers that lose at most {lose:g} of utility (point estimates), the most private: {picks}. "
        "A broken model leaks little: compare also with training for fewer steps."
    )


def advise(table: pd.DataFrame, facts: Facts) -> list[str]:
    """Advise in plain language which quantizer is the most private, and what was not looked at.

    Parameters
    ----------
    table : DataFrame
        Of an audit, the most private quantizer first.
    facts : Facts

    Returns
    -------
    list of str
        Sentences; no quantizer is named where the model is not shown to be of use.
    """
    full, lines = table.loc["fp32"], []
    if facts.share < MOST_OF_IT:
        lines.append(
            f"Only {facts.share:.0%} of the weights are quantized ({facts.quantized} numbers): what follows speaks of "
            f"these. The largest left: {facts.largest_left}. Name them by include=."
        )
    if full.utility_low <= facts.guess:
        return [*lines, USELESS, *([MORE] if "auc" not in table else [])]
    if facts.models == 1:
        lines += [
            _ranked(table, "rank", "function_error", "A guess from one model, not a measurement"),
            _choice(table, {"rank": "by function error"}, facts.tolerance),
            f"Calling small losses members reaches AUC {_text(full, 'loss_auc')} at full precision; on permuted "
            f"membership it would stay in {full.null_low:.2f} to {full.null_high:.2f}. Shadows usually find more.",
        ]
    else:
        lines += [
            _ranked(table, "rank", "rho_pool", "For an attacker who sees outputs"),
            _ranked(table, "rank_weights", "rho_w", "For an attacker who reads the quantized weights")
            + f" They are {facts.quantized} numbers; the others are released as trained.",
            _choice(table, {"rank": "outputs seen", "rank_weights": "weights read"}, facts.tolerance),
        ]
    if "auc" not in table:
        return [*lines, MORE]
    best = table.drop(index="fp32").iloc[0]
    return [
        *lines,
        f"The attack finds members with AUC {_text(full, 'auc')} at full precision and {_text(best, 'auc')} under "
        f"{best.name}. That bounds from below what an attacker finds who knows all members; it certifies nothing.",
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
    "perhaps broken": Rule(
        lambda row, facts: row["utility_low"] <= facts.guess,
        "perhaps broken: utility not shown above a constant guess, and a broken model leaks little",
    ),
    "noise floor": Rule(lambda row, facts: row["r_low"] <= 0 or row["r"] <= facts.noise_floor, "r at its noise floor"),
    "null not beaten": Rule(
        lambda row, facts: "auc" in row and row["auc_low"] <= row["null_high"],
        "attack does not beat its null: no leak shown, none excluded",
    ),
    "weights tell more": Rule(
        lambda row, facts: "rho_pool" in row and row["rho_pool_high"] < row["rho_w_low"],
        "more survives in the weights than in the outputs",
    ),
    "uncertain": Rule(
        lambda row, facts: "rho_pool" in row and row["rho_pool_high"] - row["rho_pool_low"] > 0.2,
        "rho_pool uncertain",
    ),
}
WARNINGS = {  # about the audit
    "one model": Rule(lambda table, facts: facts.models == 1, ONE_MODEL),
    "few models": Rule(
        lambda table, facts: 1 < facts.models < FEW,
        lambda table, facts: f"{facts.models} models: a bootstrap over so few is too narrow; take 16.",
    ),
    "little to lose": Rule(
        lambda table, facts: "auc" in table and table.auc_low["fp32"] <= max(table.null_high["fp32"], 0.5),
        "Full precision hardly leaks to this attack: predicted AUCs are near a coin throughout, and say little.",
    ),
    "law of regression": Rule(
        lambda table, facts: "auc" in table and facts.task == "regression",
        "Regression: the survival law (auc_law) promises too much leakage there (notebook B); read auc_simulated.",
    ),
    "probabilities": Rule(
        lambda table, facts: facts.in_unit and facts.task == "binary",
        "All outputs lie in [0, 1]. If they are probabilities, return logits: utility and attack take them for that.",
    ),
    "same models": Rule(
        lambda table, facts: "auc" in table,
        "Correlations and attack use the same models: their agreement here is no independent check.",
    ),
    "left as trained": Rule(
        lambda table, facts: bool(facts.left),
        lambda table, facts: f"Released as trained, and not covered by rho_w: {facts.left}.",
    ),
    "copies held out": Rule(
        lambda table, facts: facts.copies > 0,
        lambda table, facts: f"{facts.copies} held-out records are copies of members: they hide leaks.",
    ),
    "twins held out": Rule(
        lambda table, facts: facts.twins > 0,
        lambda table, facts: (
            f"{facts.twins} held-out records have the inputs of a member and another label: no model tells them apart."
        ),
    ),
    "relabelled": Rule(
        lambda table, facts: facts.relabelled,
        "Labels -1 and 1 were taken for the classes 0 and 1; the loss received them as given.",
    ),
    "repeated members": Rule(
        lambda table, facts: facts.repeated > 0,
        lambda table, facts: f"{facts.repeated} members are copies of others: a model without one may know the other.",
    ),
}


def flag(row: Mapping[str, Any], facts: Facts) -> str:
    """Return what to distrust about one quantizer, in words, from its row of the table."""
    return "; ".join(rule.text(row, facts) for rule in CAUTIONS.values() if rule.applies(row, facts))


def distrust(table: pd.DataFrame, facts: Facts) -> list[str]:
    """Return warnings, a list of sentences, about what the numbers of an audit cannot say."""
    return [rule.text(table, facts) for rule in WARNINGS.values() if rule.applies(table, facts)]
