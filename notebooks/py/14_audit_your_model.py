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
# **Question.** What would shipping *your* model, quantized, give away about the records that it was trained on?
#
# **Answer.** From a network of ten million weights the audit's attack finds members with AUC 0.648 [0.625, 0.671] in
# full precision and 0.565 [0.543, 0.586] with 90 % zeros (LiRA on outputs, pool game, random initialisation, 16 models,
# one data set). The guess that a single trained model allows prefers another quantizer, 4 levels by k-means, whose
# release gives 0.640 [0.620, 0.661] away.
#
# The audit takes a trained torch module, or a function that trains one, and returns a ranked report for two attackers: one who
# sees outputs and one who reads the weights. Needed: `00_start_here`. Why these numbers: [study B](B_indicator_study.ipynb).
#
# *In the paper: the use of an indicator that section 3 has in mind. Figures: `14_large`, `14_transformer`.*
# **Run time** (2 cores): full 2.5 min, quick 25 s.

# %%
import hashlib
import itertools
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from qmis_utils import audit, figures

figures.use_style()
pd.set_option("display.max_colwidth", None)
_ = torch.set_num_threads(1)  # small layers wait for each other

# %% tags=["parameters"]
seed: int = 0  # seed of data, trainings and audits (at least 0)
width: int = 2250  # hidden units; three layers make ten million weights (at least 1)
n_records: int = 512  # training records of the large network (at least 1)
n_large: int = 16  # large networks that the audit trains (at least 1)
n_sequences: int = 200  # training records of the transformer (at least 1)
n_shadows: int = 32  # transformers that the audit trains (at least 1)
steps: int = 40  # training steps of a transformer (at least 1)
names: list[str] = [
    "uniform_4",
    "nf4",
    "uniform_2",
    "lloyd_2",
    "sign",
    "ternary_90",
]  # rules (not empty)

# %% [markdown]
# Our example: a network of ten million weights that tells two kinds of Gaussian clusters apart. All that the audit needs to
# know is a training function, which takes inputs, labels and a seed and returns a module. Here each training starts
# from weights of its own (a random initialisation).


# %% tags=["hide-input"]
def large_network():
    """Return an untrained network of about ten million weights."""
    layers, sizes = [], [64, width, width, width]
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 1))


def train_large(inputs, labels, seed):
    """Train one large network for a dozen full-batch steps."""
    torch.manual_seed(seed)
    model = large_network()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    loss = nn.BCEWithLogitsLoss()
    for _ in range(12):
        optimizer.zero_grad()
        loss(model(inputs)[:, 0], labels.float()).backward()
        optimizer.step()
    return model.requires_grad_(False)


# %% tags=["hide-input"]
def draw_points(rng):
    """Return members and held-out records of one law, each inputs and labels."""
    centres = rng.normal(size=(8, 64)) / 2

    def draw(n):
        cluster = rng.integers(8, size=n)
        inputs = centres[cluster] + rng.normal(size=(n, 64))
        return inputs.astype(np.float32), cluster % 2

    return draw(n_records), draw(500)


# %% [markdown]
# One call trains `n_large` networks on random halves of the members, quantizes them in place by each rule, and attacks them.

# %%
rng = np.random.default_rng(seed)
members, heldout = draw_points(rng)
loss = nn.BCEWithLogitsLoss(reduction="none")  # one value per record
data = members, heldout
large = audit.audit(train_large, loss, *data, names, n_shadows=n_large, seed=seed)

# %% tags=["hide-input", "slide"]
shown = large.table.drop(columns="cautions").reset_index()
ranks = {column: 2.0 for column in shown if column.startswith("rank")}
fig = large.figure()
title = "Ten million weights: 90 % zeros halve what outputs leak"
fig.suptitle(title, x=0.01, ha="left", size=8)
figures.save_figure(
    fig,
    "14_large",
    data=shown,
    atol={"*": 0.06, "kilobytes": 1.0} | ranks,
    alt="Survival correlations of outputs and of weights, attack AUC with its null, "
    f"and utility of a network of ten million weights in {len(shown)} releases.",
)

# %% [markdown]
# Each row is a release, the most private first; left is private. In code and in tables "90 % zeros" is `ternary_90`, "2
# bits" `uniform_2`, "4 bits" `uniform_4`, "4 levels, k-means" `lloyd_2`, and "full precision" `fp32`.
# $\rho_{\rm pool}$ (`rho_pool`) says how well what tells models apart survives in their *outputs* (a correlation, 1 = all of it),
# $\rho_{\rm w}$ (`rho_w`) how well it survives in the *weights*, which were not attacked. Dots with lines
# are measured, with 95 % intervals over models; in the panel of the attack, crosses are predicted from full
# precision and $\rho$ alone, and grey bars are the *null*: what the same attack finds when membership is dealt by chance.
#
# The attack is LiRA in the pool game: each network in turn is the target, the others are its shadows, and the attacker knows
# all members and asks which half of them was used.
#
# ## 1 · If there is only one trained model
#
# The commonest case: the model exists, and nobody will train it again. Pass the module itself. Each weight matrix is quantized in
# place while its original waits on disk, and all bits are put back; a fingerprint of all numbers shows it.


# %%
def fingerprint(model):
    """Return a hash over all numbers of a model."""
    numbers = [tensor.numpy().tobytes() for tensor in model.state_dict().values()]
    return hashlib.sha256(b"".join(numbers)).hexdigest()[:12]


# %%
model = train_large(*map(torch.from_numpy, members), seed)
before = fingerprint(model)
alone = audit.audit(model, loss, members, heldout, names, seed=seed)
print("all numbers as before:", fingerprint(model) == before)

# %% [markdown]
# With one model there is nothing to compare it with: how its outputs depend on *who* was in the training set cannot be seen,
# so no survival correlation exists. What remains is a stand-in, the *function error*: how far quantizing moves this
# model's outputs, apart from a common factor. The report says what that is worth:

# %%
print(alone.advice[0])
print(alone.warnings[0])

# %% [markdown]
# ## 2 · Was the guess right?
#
# Here we can look, because we trained more. Kendall's $\tau$ compares the orders of three numbers with the order that the
# attack found (1 = the same order), over the quantizers, full precision left out.
# Six quantizers are 15 pairs: one pair that turns round changes $\tau$ by 0.13, and most AUCs have overlapping intervals, so that
# the first place is all that is worth reading.

# %%
found = large.table.drop("fp32")
orders = pd.DataFrame({"attack AUC": found.auc, "outputs (rho_pool)": found.rho_pool})
orders["weights (rho_w)"] = found.rho_w
orders["guess from one model"] = -alone.table.function_error
orders.corr("kendall").loc[["attack AUC"]].round(2)

# %% [markdown]
# And which quantizer does each of them call the most private?

# %%
orders.idxmin().to_frame("most private")

# %% [markdown]
# Its $\tau$ is one pair below that of `rho_pool`, but the guess is wrong where it matters. It prefers `lloyd_2` (4 levels by k-means), which leaks about as much as full precision
# to this attack, while both correlations and the attack name `ternary_90` (90 % zeros). One model shows how far its outputs
# move, not whether they move alike in all models; and what moves alike hides nothing of *who* was in the training set.
#
# ## 3 · A small transformer
#
# Where a training takes a moment, more shadows are affordable. Our transformer reads twelve tokens and names the one of three
# sources that wrote them. Sources are overlapping distributions over tokens, so a reader that gets every training
# sequence right must have learnt some by heart.


# %% tags=["hide-input"]
class Reader(nn.Module):
    """Classify sequences of tokens into three sources."""

    def __init__(self, tokens=16, size=32):
        super().__init__()
        self.embed = nn.Embedding(tokens, size)
        layer = nn.TransformerEncoderLayer(size, 4, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(size, 3)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x)).mean(dim=1))


# %% tags=["hide-input"]
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


def draw_sequences(rng):
    """Return members and held-out sequences, each tokens and sources."""
    sources = np.exp(rng.normal(size=(3, 16)) / 2)
    sources /= sources.sum(axis=1, keepdims=True)

    def draw(n):
        source = rng.integers(3, size=n)
        return np.stack([rng.choice(16, 12, p=sources[s]) for s in source]), source

    return draw(n_sequences), draw(600)


# %% [markdown]
# `skip` leaves layers out by name, with `*` for any part of a name; `"head"` here stands for what large models call
# `lm_head`. Embeddings are left out unless `embeddings=True`.

# %%
sequences, fresh = draw_sequences(rng)
report = audit.audit(
    train_reader,
    nn.CrossEntropyLoss(reduction="none"),
    sequences,
    fresh,
    names,
    n_shadows=n_shadows,
    skip=["head"],
    seed=seed,
    title="A small transformer",
)
print(*report.advice, sep="\n\n")

# %% tags=["hide-input", "slide"]
shown = report.table.drop(columns="cautions").reset_index()
fig = report.figure()
title = "A small transformer: 90 % zeros hide most and cost accuracy"
fig.suptitle(title, x=0.01, ha="left", size=8)
figures.save_figure(
    fig,
    "14_transformer",
    data=shown,
    atol={"*": 0.05, "kilobytes": 0.1} | ranks,
    alt="Survival correlations of outputs and of weights, attack AUC with its null, "
    f"and utility of a small transformer in {len(shown)} releases, with intervals.",
)

# %% [markdown]
# How well did the prediction do, which needs no attack on any quantized model?

# %%
miss = (report.table.auc_simulated - report.table.auc).drop("fp32")
summary = "predicted minus measured AUC: median {:+.3f}, from {:+.3f} to {:+.3f}"
print(summary.format(miss.median(), miss.min(), miss.max()))

# %% [markdown]
# On this transformer it errs by 0.008 to 0.054 of AUC, in all six by warning of too much; the intervals of both overlap. On the large network it erred
# by up to 0.054 to that side too, and by 0.026 to the other for `lloyd_2`: a prediction is no replacement for the
# attack where an attack is affordable.
#
# What is *not* quantized was released as trained, and no number above speaks of it. The report lists it first among the things to
# distrust:

# %%
print(*report.warnings, sep="\n\n")

# %% [markdown]
# ## 4 · A file to hand on
#
# `save` writes one HTML page with everything in it: advice, warnings, figure, tables, tensor by tensor, and what each column
# means. It asks nothing of the network, and every name in it is escaped, so that a layer or a title that holds markup is
# shown as text.

# %%
with tempfile.TemporaryDirectory() as folder:
    report.save(Path(folder) / "audit.html")
    page = (Path(folder) / "audit.html").read_text(encoding="utf-8")
print(f"one file of about {round(len(page), -4) / 1000:.0f} kB")
print("addresses in it:", page.count("http://") + page.count("https://"))

# %% [markdown]
# ## 5 · What the audit refuses
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
right = dict(model=model, loss=loss, members=members, heldout=heldout)
right["quantizers"] = ["sign"]

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
# - **One model allows a guess**, and here the guess was wrong: it prefers 4 levels by k-means, whose release leaks
#   0.640 [0.620, 0.661] against 0.565 [0.543, 0.586] for 90 % zeros.
# - **A few trainings allow a ranking** for two different attackers, with intervals; it needs no attack and no labels of
#   membership, and here it names the quantizer that the attack finds hardest.
# - **Shadows allow a measurement.** The transformer leaks 0.761 [0.744, 0.779] in full precision and 0.536 [0.509, 0.564] with 90 %
#   zeros, which cost it 0.097 of accuracy, of 0.698; `sign` costs 0.018, within the intervals, and leaks 0.602 [0.576, 0.625]
#   (LiRA on outputs, pool game, random initialisation, 32 models).
# - **What is skipped stays open.** Layers left in full precision are listed, and biases and norms, which are never
#   quantized, are counted; nothing in the report protects them.
#
# **Limits.** An audit bounds leaks from below, for an attacker who knows your training recipe *and all your records*; that can be
# more than the insecurity $\Delta_n$ of fresh records ([the pool game](10_fool_yourself.ipynb)). It looks at random
# members, not at [the few that a model remembers best](08_who_is_exposed.ipynb). Correlations and attack use the same models, so here
# they do not check each other: [study B](B_indicator_study.ipynb) does that with separate ones. One seed of data and
# initialisations stands behind each figure.

# %% [markdown]
# ## Exercises
#
# Put your answer in the place of `None` and run the cell; the check gives a hint, not the solution. Solutions are in cells
# tagged `solution`, which `make students` leaves out.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise 14.1.** What is handed over counts. A network with layers of 100, 3000, 3000 and 10 units is released with three
# bits per weight, its biases in 32 bits, and one scale in 32 bits for each of its three weight matrices. How large is the
# release, in millions of bytes, to two decimals?

# %% tags=["exercise"]
answer = None  # millions of bytes
exercises.check("14.1", answer)

# %% tags=["solution"]
# Whoever receives the file receives every number in it, so each of them is counted.
# Biases and scales are few, but each of them is handed over in full precision.
units = [100, 3000, 3000, 10]
matrices = [i * o for i, o in itertools.pairwise(units)]
bits = 3 * sum(matrices) + 32 * (sum(units[1:]) + len(matrices))
exercises.check("14.1", bits / 8 / 1e6)

# %% [markdown]
# **Exercise 14.2.** How many trainings are enough? An audit trains six models on random halves of 512 members. A member
# that all six have seen, or none, has shadows on one side only and cannot be attacked. How many such members do you
# expect, to the nearest whole number?

# %% tags=["exercise"]
answer = None  # a number
exercises.check("14.2", answer)

# %% tags=["solution"]
# Each training is a fair coin for each member: six fall alike with probability 2 / 64.
# With sixteen trainings it is 2 / 65,536, so the audit leaves out nobody.
answer = 512 * 2 / 2**6
exercises.check("14.2", answer)

# %% [markdown]
# **Exercise 14.3.** The audit refuses a loss that is not per record, because membership is a question about single records.
# Write a loss that it would take: a function of a tensor of n outputs and a tensor of n labels 0 or 1, that
# returns n non-negative numbers, each of which depends on its own record only.

# %% tags=["exercise"]
answer = None  # a function of outputs and labels
exercises.check("14.3", answer)


# %% tags=["solution"]
# A mean mixes records, and membership is a question about one record at a time.
# torch's losses average by default, so the reduction must be switched off.
record_loss = nn.BCEWithLogitsLoss(reduction="none")


exercises.check("14.3", record_loss)

# %% [markdown]
# **To go further**, without a check.
#
# 1. Audit the transformer with `embeddings=True` and without `skip`. Which warning goes away, and does any rank change?
# 2. Use `granularity="row"`. Which quantizers gain most in utility, and what does `rho_w` say to that?
# 3. Train the readers for 10 steps and for 200. When does the audit warn that full precision hardly leaks?
#
# **Next.** Your own model.
