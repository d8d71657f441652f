# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     formats: notebooks///ipynb,notebooks/py///py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-all
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 14 · Audit your own model
#
# The other notebooks study models that we chose. This one is about yours: give a trained torch module, or a function
# that trains one, and get a ranked report on what each quantizer would leak, to whom, and how far that can be known. We
# audit a network with ten million weights and a small transformer, on synthetic data, so that everything runs here.
#
# **In the paper.** The use that section 3 of Aubinais et al. (AISTATS 2026, arXiv 2502.06567) has in mind for an indicator:
# choosing a quantizer before a model is shared.
#
# **Figures made.** `14_one_model`, `14_transformer`, `14_seeds`, `14_tensors`.
#
# **You will learn**
#
# 1. what one trained model can say about its own privacy, and what it cannot;
# 2. what a handful of further trainings buys;
# 3. how to leave layers out, and what then stays unprotected;
# 4. how to read a ranked report for two attackers, and when to distrust it;
# 5. which mistakes the audit refuses.
#
# **Prerequisites.** `00_start_here`; for the reasons behind the recommended numbers, `B_indicator_study`.
#
# **Run time** (2 cores): full 4.5 min, quick 25 s.

# %%
import hashlib
import itertools
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from joblib import Parallel, delayed
from matplotlib import pyplot as plt
from torch import nn

from qmis_utils import audit, figures

figures.use_style()
pd.set_option("display.max_colwidth", None)
_ = torch.set_num_threads(1)  # small layers wait for each other; and results then do not depend on the number

# %% tags=["parameters"]
seed: int = 0  # seed of data, trainings and audits (at least 0)
width: int = 2250  # hidden units of the large network: three layers make ten million weights (at least 1)
n_records: int = 512  # its training records (at least 1)
n_large: int = 4  # large networks that the audit may train (at least 1)
n_sequences: int = 200  # training records of the transformer (at least 1)
n_shadows: int = 32  # transformers that the audit may train (at least 1)
n_repeats: int = 2  # further runs of all audits, with other seeds (at least 1)
steps: int = 40  # training steps of a transformer (at least 1)
names: list[str] = [
    "uniform_8",
    "uniform_4",
    "uniform_2",
    "nf4",
    "lloyd_2",
    "sign",
    "ternary_33",
    "ternary_90",
]  # rules (not empty)

# %% [markdown]
# ## 1 · One trained model
#
# The commonest case: the model exists, and nobody will train it again. Ours has three hidden layers of `width` units and
# separates two kinds of Gaussian clusters. Any module will do, as long as it returns one row of numbers for each record.


# %%
def large_network():
    """Return an untrained network of about ten million weights."""
    sizes = [64, width, width, width]
    hidden = [layer for i, o in itertools.pairwise(sizes) for layer in (nn.Linear(i, o), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(width, 1))


print(f"{sum(p.numel() for p in large_network().parameters()):,} numbers")

# %% [markdown]
# The records: eight clusters in 64 dimensions, the label is the cluster's parity. Members and held-out records must come
# from the same law, otherwise any difference between them would pass for memorisation.


# %%
def draw_points(rng):
    """Return members and held-out records, each inputs and labels."""
    centres = rng.normal(size=(8, 64)) / 2

    def draw(n):
        cluster = rng.integers(8, size=n)
        return (centres[cluster] + rng.normal(size=(n, 64))).astype(np.float32), cluster % 2

    return draw(n_records), draw(500)


rng = np.random.default_rng(seed)
members, heldout = draw_points(rng)

# %% [markdown]
# A training function takes inputs, labels and a seed, and returns a module. This is all that the audit needs to know
# about your training, and for now we call it once ourselves.


# %%
def train_large(inputs, labels, seed):
    """Train one large network for a dozen full-batch steps."""
    torch.manual_seed(seed)
    model = large_network()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(12):
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(model(inputs)[:, 0], labels.float()).backward()
        optimizer.step()
    return model.requires_grad_(False)


model = train_large(*map(torch.from_numpy, members), seed)

# %% [markdown]
# The audit takes the model, a loss that gives *one value per record* (`reduction="none"`), members, held-out records, and
# names of quantizers. Each weight matrix is quantized in place, its original waits on disk, and all bits are put
# back: beside the model, memory holds at most five times the tensor in hand. We take a fingerprint to check that.


# %%
def fingerprint(model):
    """Return a hash over all numbers of a model."""
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in model.state_dict().values())).hexdigest()[:12]


before = fingerprint(model)
loss = nn.BCEWithLogitsLoss(reduction="none")
alone = audit.audit(model, loss, members, heldout, names, seed=seed, title="A large network, trained once")
assert fingerprint(model) == before

# %% [markdown]
# The report says first what it would advise, in words.

# %%
print(*alone.advice, sep="\n\n")

# %% [markdown]
# And then what not to believe. With one model there is nothing to compare it with: how its outputs depend on *who* was
# in the training set cannot be seen, so no survival correlation exists. What remains is a stand-in, the **function error**:
# how far quantizing moves this model's outputs, apart from a common factor.

# %%
print(*alone.warnings, sep="\n\n")

# %% [markdown]
# The numbers behind it, each with its 95 % interval. `null` is the range that the loss threshold's AUC would keep if
# membership were dealt at random. The rate $r$ (`r`) compares codewords one level away from the quantized model. In a network of this
# size one step of one weight changes losses by little more than rounding does, and the intervals of $r$ say so.

# %%
alone.pretty().drop(columns=["cautions", "entropy", "bits", "n_r"])

# %% [markdown]
# Every quantizer carries its own cautions.

# %%
alone.table.cautions.rename("").to_frame()

# %% [markdown]
# The same as a picture, most private first. Where the line of $r$ reaches the right edge, its interval is open.

# %%
shown = alone.table.drop(columns=["cautions", "n_r"]).reset_index()
unstable = {"r": 1.0, "r_low": 1.0, "r_high": 1.0}  # rounding decides them, as the text says
figures.save_figure(
    alone.figure(), "14_one_model", data=shown, atol={"*": 0.05, "kilobytes": 1.0, "rank": 1.0, "rank_low": 1.0, "rank_high": 1.0} | unstable,
    alt=f"Function error, loss-threshold AUC, r and utility of a large network under {len(shown)} quantizers, with intervals.",
)  # fmt: skip

# %% [markdown]
# ## 2 · A few more trainings
#
# Hand over the training *function* instead, and the audit draws random halves of the members and trains on each. From
# two models on there are deviations between models, and with them the survival correlations: `rho_pool` for an
# attacker who sees outputs, `rho_w` for one who reads the weights. Models pass one at a time, so memory does not grow
# with their number.

# %%
several = audit.audit(train_large, loss, members, heldout, names, n_shadows=n_large, seed=seed)
several.pretty()[["rank", "rank_weights", "rho_pool", "rho_w", "utility"]]

# %% [markdown]
# These models saw half of your data each, so the report speaks of training on half. And a bootstrap over so few models is
# too narrow, as the warnings say. Do the one-model guess and the correlations agree? Kendall's $\tau$ between the
# function error and `rho_pool`, both oriented so that larger means more private, and what each calls the most private:

# %%
both = pd.DataFrame({"guess": alone.table.function_error, "rho_pool": -several.table.rho_pool}).drop("fp32")
tau = both.corr("kendall").iloc[0, 1]
print(f"tau = {tau:.2f} over {len(both)} quantizers")
print(f"most private by the guess: {alone.table.index[0]}; by rho_pool: {several.table.index[0]}")

# %% [markdown]
# ## 3 · A small transformer, with an attack
#
# Where a training takes a moment, shadows are affordable: the audit then also *attacks* its models, each with the
# others as shadows, with LiRA, the likelihood-ratio attack of notebook 05. Our transformer reads twelve tokens and
# names the one of three sources that wrote them.


# %%
class Reader(nn.Module):
    """Classify sequences of tokens into three sources."""

    def __init__(self, tokens=16, size=32):
        super().__init__()
        self.embed = nn.Embedding(tokens, size)
        layer = nn.TransformerEncoderLayer(size, nhead=4, dim_feedforward=64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.head = nn.Linear(size, 3)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x)).mean(dim=1))


# %% [markdown]
# A source is a distribution over tokens, and the three overlap: a reader that gets every training sequence right must
# have learnt some by heart.


# %%
def draw_sequences(rng):
    """Return members and held-out sequences, each tokens and sources."""
    sources = np.exp(rng.normal(size=(3, 16)) / 2)
    sources /= sources.sum(axis=1, keepdims=True)

    def draw(n):
        source = rng.integers(3, size=n)
        return np.stack([rng.choice(16, size=12, p=sources[s]) for s in source]), source

    return draw(n_sequences), draw(600)


sequences, fresh = draw_sequences(rng)


# %%
def train_reader(inputs, labels, seed):
    """Train one transformer with full-batch Adam."""
    torch.manual_seed(seed)
    model = Reader()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    return model


# %% [markdown]
# `skip` leaves layers out by name, with `*` for any part of a name; `"head"` here stands for what large models call
# `lm_head`. Embeddings are left out unless `embeddings=True`.

# %%
report = audit.audit(
    train_reader, nn.CrossEntropyLoss(reduction="none"), sequences, fresh, names, n_shadows=n_shadows, skip=["head"],
    seed=seed, title="A small transformer",
)  # fmt: skip
pd.Series(report.facts.shown(), name="what was audited").to_frame()

# %% [markdown]
# The ranked table, for the attacker who sees outputs. `auc` is measured, `auc_simulated` is predicted from full
# precision and `rho` alone (notebook B), and `null` is what the same attack finds when membership is dealt at random.

# %%
report.pretty()[["rank", "rho_pool", "auc", "auc_simulated", "auc_law", "null", "advantage", "utility"]]

# %% [markdown]
# For the attacker who reads the weights, with the paper's rate beside it. `r` is a mean over pairs of models, `n_r` is $n$
# times the *least* rate of a pair: compare it with 3, below which theory does not ask $r$ to rank anything.

# %%
report.pretty()[["rank_weights", "rho_w", "r", "n_r", "weight_error", "entropy", "kilobytes"]]

# %%
print(*report.advice, sep="\n\n")

# %%
print(*report.warnings, sep="\n\n")

# %% [markdown]
# In the panel of the attack, dots are measured, crosses predicted, and grey bars the null. A quantizer whose dot lies in
# the grey leaks nothing that this attack can show.

# %%
shown = report.table.drop(columns="cautions").reset_index()
ranks = {column: 1.0 for column in shown if column.startswith("rank")}
figures.save_figure(
    report.figure(), "14_transformer", data=shown, atol={"*": 0.05, "kilobytes": 0.1} | ranks,
    alt=f"rho_pool, rho_w, attack AUC, r and utility of a small transformer under {len(shown)} quantizers, with intervals.",
)  # fmt: skip

# %% [markdown]
# How well did the prediction do? It needs no attack on any quantized model. Where it misses, it should err by warning of
# too much.

# %%
miss = (report.table.auc_simulated - report.table.auc).drop("fp32")
print(f"predicted minus measured AUC: median {miss.median():+.3f}, from {miss.min():+.3f} to {miss.max():+.3f}")

# %% [markdown]
# ## 4 · The same with other seeds
#
# Intervals so far hold for the data and the trainings at hand. Draw everything anew, clusters and sources, records,
# initialisations and halves, and run all three audits again: by how much do the headline numbers move?


# %%
def audit_everything(again):
    """Return the tables of the three audits with everything drawn anew."""
    torch.set_num_threads(1)
    rng, other = np.random.default_rng([seed, again]), seed + 1000 * again
    members, heldout = draw_points(rng)
    large = members, heldout, names
    model = train_large(*map(torch.from_numpy, members), other)
    once = audit.audit(model, loss, *large, seed=other).table
    few = audit.audit(train_large, loss, *large, n_shadows=n_large, seed=other).table
    sequence_loss = nn.CrossEntropyLoss(reduction="none")
    many = audit.audit(train_reader, sequence_loss, *draw_sequences(rng), names, n_shadows=n_shadows, skip=["head"],
                       seed=other).table  # fmt: skip
    return once, few, many


# %% [markdown]
# One process a core. Large networks make this the longest cell of the notebook.

# %%
again = Parallel(n_jobs=min(2, max(n_repeats, 1)))(delayed(audit_everything)(k) for k in range(1, n_repeats + 1))
audits = [(alone.table, several.table, report.table), *again]

# %% [markdown]
# The numbers that this notebook quotes, a column per seed. Names of quantizers are those that are called the most private.


# %%
def headline(once, few, many):
    """Return the numbers quoted in this notebook from the tables of the three audits."""
    miss = (many.auc_simulated - many.auc).drop("fp32")
    return {
        "large network: tau of guess and rho_pool": once.function_error.drop("fp32").corr(-few.rho_pool, "kendall"),
        "large network: most private by the guess": once.index[0],
        "large network: most private by rho_pool": few.index[0],
        "transformer: tau of rho_pool and attack": many.drop("fp32")[["auc", "rho_pool"]].corr("kendall").iloc[0, 1],
        "transformer: most private by rho_pool": many.index[0],
        "transformer: prediction minus AUC, median": miss.median(),
        "transformer: prediction minus AUC, least": miss.min(),
        "transformer: prediction minus AUC, largest": miss.max(),
    }


spread = pd.DataFrame([headline(*tables) for tables in audits]).T
spread.map(lambda x: x if isinstance(x, str) else f"{x:+.3f}")

# %% [markdown]
# And per quantizer, for the transformer: the interval of the first audit, and dots for the other seeds. About one dot in six
# leaves an honest interval by chance; many more would mean that the seed matters more than it admits.

# %%
QUANTITIES = {"rho_pool": "rho_pool", "auc": "attack AUC", "utility": "utility"}
columns = ["quantizer", "run", *(f"{q}{end}" for q in QUANTITIES for end in ("", "_low", "_high"))]
long = pd.concat([many.reset_index().assign(run=run)[columns] for run, (_, _, many) in enumerate(audits)])
first, others = long[long.run == 0], long[long.run > 0]
place = {name: i for i, name in enumerate(report.table.index)}
pairs = others[others.quantizer != "fp32"].merge(first, on="quantizer", suffixes=("", "_first"))
left = pd.DataFrame(
    {q: (pairs[q] < pairs[f"{q}_low_first"]) | (pairs[q] > pairs[f"{q}_high_first"]) for q in QUANTITIES}
)
print("outside the first interval:", ", ".join(f"{q} {n} of {len(left)}" for q, n in left.sum().items()))

# %% [markdown]
# A panel per quantity.

# %%
fig, axes = plt.subplots(1, 3, figsize=(figures.PAGE, 2.4), sharey=True)
for ax, (column, label) in zip(axes, QUANTITIES.items(), strict=True):
    bars = first[column] - first[f"{column}_low"], first[f"{column}_high"] - first[column]
    ax.errorbar(first[column], first.quantizer.map(place), xerr=np.nan_to_num(bars), fmt="o", ms=4, label="first audit")
    ax.plot(others[column], others.quantizer.map(place) + 0.25, "d", ms=4, color=figures.COLORS[1], label="other seeds")
    ax.set(xlabel=label)
axes[0].set_yticks(list(place.values()), list(place))
axes[0].invert_yaxis()
handles, labels = axes[0].get_legend_handles_labels()
fig.legend(handles[::-1], labels[::-1], loc="outside upper center", ncol=2)
figures.save_figure(
    fig, "14_seeds", data=long, atol=0.05,
    alt=f"rho_pool, attack AUC and utility of {len(place)} releases of the transformer: the first audit with intervals, and "
    f"{n_repeats} audits with other seeds as dots.",
)  # fmt: skip

# %% [markdown]
# ## 5 · Tensor by tensor
#
# `layers` says for each quantizer and tensor what was done to it: shape, relative error $\lVert Q(w) - w\rVert / \lVert
# w\rVert$ (`error`), code entropy in bits per weight, and the share of zeros. What is *not* in this table was released as
# trained, and no number above speaks of it. Here are the rows of the quantizer that the table ranks most private.

# %%
most_private = report.table.index[0]  # rows are ranked
report.layers[report.layers.quantizer == most_private].drop(columns=["quantizer", "norm"]).round(3)

# %% [markdown]
# The error over all tensors at once. The attention's input projection is one tensor with one scale.

# %%
errors = report.layers.pivot(index="layer", columns="quantizer", values="error")
errors = errors.loc[report.layers.layer.unique(), [n for n in report.table.index if n != "fp32"]]
fig, ax = plt.subplots(figsize=(figures.PAGE, 2.4))
sns.heatmap(errors, vmin=0, vmax=1, cmap="viridis", annot=True, fmt=".2f", annot_kws={"size": 6}, ax=ax,
            cbar_kws={"label": "relative error"})  # fmt: skip
ax.set(xlabel="", ylabel="")
ax.tick_params(axis="x", rotation=30)
figures.save_figure(
    fig, "14_tensors", data=errors.reset_index().melt(id_vars="layer", value_name="error"), atol=0.02,
    alt="Heat map of the relative error of each tensor of the transformer under each quantizer.",
)  # fmt: skip

# %% [markdown]
# ## 6 · A file to hand on
#
# `save` writes one HTML page with everything in it: advice, warnings, figure, tables, and what each column means. It asks
# nothing of the network, and every name in it is escaped, so that a layer or a title that holds markup is shown as
# text.

# %%
with tempfile.TemporaryDirectory() as folder:
    report.save(Path(folder) / "audit.html")
    page = (Path(folder) / "audit.html").read_text(encoding="utf-8")
assert "http://" not in page
assert "https://" not in page
print(f"one file of about {round(len(page), -4) / 1000:.0f} kB, no address in it")

# %% [markdown]
# ## 7 · What the audit refuses
#
# Some mistakes would give numbers that look fine and mean nothing. They end in a sentence that names the mistake. Here
# are six: held-out records that the model has seen, a loss that is a mean, a misspelt quantizer, a misspelt layer, a
# model without weights to quantize, and labels that are too few.

# %%
mean_loss = nn.BCEWithLogitsLoss()
mistakes = {
    "members as held-out data": dict(heldout=members),
    "a mean as loss": dict(loss=mean_loss),
    "unknown quantizer": dict(quantizers=["unifrom_4"]),
    "unknown layer": dict(skip=["lm_haed"]),
    "no layer": dict(model=nn.Identity()),
    "too few labels": dict(heldout=(heldout[0], heldout[1][:-1])),
}
right = dict(model=model, loss=loss, members=members, heldout=heldout, quantizers=["sign"])

# %% [markdown]
# Each of them, and what the reader sees:

# %%
for label, wrong in mistakes.items():
    try:
        audit.audit(**right | wrong)
        raise AssertionError(f"{label} was accepted")
    except ValueError as error:
        print(f"{label}: {str(error).split('; valid:')[0]}\n")

# %% [markdown]
# ## What we saw
#
# - **One model allows a guess.** The function error orders quantizers, the loss threshold finds what it can, and $r$ of the
#   neighbouring codewords of a large network is at the mercy of rounding. The report says so beside each number.
# - **A few trainings allow a ranking**, for two different attackers, with intervals; they need no attack and no labels of
#   membership. Here guess and ranking disagree about the most private quantizer and agree on most pairs; no attack was run on
#   this network that could say which is right.
# - **Shadows allow a measurement**, and with it the prediction can be checked: on this transformer it is off by a few
#   hundredths of AUC, always by warning of too much. The quantizers that `rho_pool` ranks as private are those that the
#   attack finds hard, and $n\,r$ stays below 3 for all of them.
# - **Other seeds say the same.** With everything drawn anew the large network keeps the quantizer that the guess calls the
#   most private, and the one that `rho_pool` does; so does the transformer under `rho_pool`. The prediction errs by as much,
#   and to the same side or not at all. Values of single quantizers move by up to four hundredths, and leave the first
#   interval no more often than chance would have it.
# - **What is skipped stays open.** Layers left in full precision are listed, and the biases and norms, which are never
#   quantized, are counted; nothing in the report protects them.
#
# The next cell keeps these sentences honest.

# %%
as_written = (seed, width, n_records, n_large) == (0, 2250, 512, 4)
as_written &= (n_sequences, n_shadows, steps, len(names), n_repeats) == (200, 32, 40, 8, 2)
quantized = report.table.drop("fp32")
if as_written:
    assert (quantized.n_r < 3).all()
    assert quantized[["auc", "rho_pool"]].corr("kendall").iloc[0, 1] > 0.8
    assert tau > 0.5
    assert alone.table.index[0] != several.table.index[0]
    assert -0.005 < miss.min() <= miss.max() < 0.08
    assert alone.table.r_low.drop("fp32").min() <= 0
    moved = others.set_index("quantizer")[[*QUANTITIES]] - first.set_index("quantizer")[[*QUANTITIES]]
    assert moved.abs().max(axis=None) < 0.045
    assert left.mean(axis=None) < 0.17
    named = spread[[isinstance(value, str) for value in spread[0]]]
    assert (named.nunique(axis=1) == 1).all()
    assert spread.loc["large network: tau of guess and rho_pool"].min() > 0.6
    assert spread.loc["transformer: tau of rho_pool and attack"].min() > 0.9
    assert spread.loc["transformer: prediction minus AUC, least"].min() > -0.005
    assert spread.loc["transformer: prediction minus AUC, largest"].max() < 0.08

# %% [markdown]
# ## Limits
#
# An audit bounds leaks from below, for an attacker who knows your training recipe *and all your records*, and asks which half
# of them a model was trained on; that can be more than the insecurity $\Delta_n$ of fresh records (notebook C, section 5).
# It looks at random members, not at the few that a model remembers best. Correlations and attack use the same models, so here they do
# not check each other: notebook B does that with separate ones. With a training function, the models behind a report
# trained on half of your members. Full precision must leak something, or there is nothing to rank: the report warns when its attack AUC does not
# leave the null.

# %% [markdown]
# ## Exercises
#
# Put your answer in the place of `None` and run the cell; the check gives a hint, not the solution. Solutions are in cells
# tagged `solution`, which `make students` leaves out.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise 14.1.** What is handed over counts. A network with layers of 64, 2250, 2250, 2250 and 1 units is released with four
# bits per weight, its biases in 32 bits, and one scale in 32 bits for each of its four weight matrices. How large is the
# release, in millions of bytes?

# %% tags=["exercise"]
answer = None  # millions of bytes
exercises.check("14.1", answer)

# %% tags=["solution"]
units = [64, 2250, 2250, 2250, 1]
matrices = [i * o for i, o in itertools.pairwise(units)]
exercises.check("14.1", (4 * sum(matrices) + 32 * (sum(units[1:]) + len(matrices))) / 8 / 1e6)

# %% [markdown]
# **Exercise 14.2.** An audit with several trainings reports the survival correlation `rho` = 0.30 with the interval from 0.25
# to 0.35.
# From elsewhere you know that the attack on full precision has an AUC of 0.70. What is the *upper* end of the predicted AUC of
# the quantized model, the one that a careful reader quotes?

# %% tags=["exercise"]
answer = None  # a number
exercises.check("14.2", answer)

# %% tags=["solution"]
normal = torch.distributions.Normal(0.0, 1.0)
answer = normal.cdf(0.35 * normal.icdf(torch.tensor(0.70))).item()
exercises.check("14.2", answer)

# %% [markdown]
# **Exercise 14.3.** The audit refuses a loss that is not per record, because membership is a question about single records.
# Write a loss that it would take: a function of a tensor of n outputs and a tensor of n labels 0 or 1, that
# returns n non-negative numbers, each of which depends on its own record only.

# %% tags=["exercise"]
answer = None  # a function of outputs and labels
exercises.check("14.3", answer)


# %% tags=["solution"]
def record_loss(outputs, labels):
    return nn.functional.binary_cross_entropy_with_logits(outputs, labels.float(), reduction="none")


exercises.check("14.3", record_loss)

# %% [markdown]
# **To go further**, without a check.
#
# 1. Audit the transformer with `embeddings=True` and without `skip`. Which warning goes away, and does any rank change?
# 2. Use `granularity="row"`. Which quantizers gain most in utility, and what does `rho_w` say to that?
# 3. Give `audit` a list of ten readers that you trained on halves of your own choice, with `trained_on`. What happens to
#    the attack if every record is in exactly half of them?
# 4. Train the readers for 10 steps and for 200. When does the audit warn that full precision hardly leaks?
#
# **Before this one:** `C_attack_families` asks how far an attack bounds the insecurity from below.
