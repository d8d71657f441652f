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
# **Answer.** From a network of ten million weights the audit's strongest attack finds members with AUC 0.688 [0.663, 0.714] in
# full precision. Its verdict is to ship two bits with one scale a tensor: 0.627 [0.607, 0.649], at 0.008 [-0.000, 0.017] of
# accuracy (LiRA, RMIA or a loss threshold on outputs, pool game, random initialisation, 16 models, one data set). The guess that
# a single trained model allows prefers 4 levels by k-means, which give 0.703 [0.674, 0.729] away. Files that tools ship need an
# audit of their own: two bits in groups of 32 leak 0.06 more than with one scale, and are still of use.
#
# The audit takes a trained torch module, or a function that trains one, attacks what each quantizer would release, and
# returns a verdict: one release to ship, none, or that it cannot tell yet. Needed: `00_start_here`. Why these numbers: [study B](B_indicator_study.ipynb).
#
# *In the paper: the use of an indicator that section 3 has in mind. Figures: `14_large`, `14_transformer`, `14_artefacts`.*
# **Run time** (2 cores): full 3 min, quick 35 s.

# %%
import hashlib
import itertools
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from torch import nn

from qmis_utils import audit, ensemble, figures

figures.use_style()
pd.set_option("display.max_colwidth", None)
for message in (".*torch.ao.quantization is deprecated", "torch.quantize_per_tensor"):
    warnings.filterwarnings("ignore", message=message)

# %% tags=["parameters"]
seed: int = 0  # seed of data, trainings and audits (at least 0)
width: int = 2250  # hidden units; three layers make ten million weights (at least 1)
n_records: int = 512  # records of the large network (at least 1)
n_large: int = 16  # large networks (at least 1)
n_sequences: int = 200  # training records of the transformer (at least 1)
n_shadows: int = 32  # transformers (at least 1)
steps: int = 40  # training steps of a transformer (at least 1)
n_truth: int = 64  # digit readers of the reference (at least 8)
n_budget: int = 16  # of these, of the audit (at least 7)
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
_ = torch.set_num_threads(2)  # large layers
large = audit.audit(train_large, loss, *data, names, n_shadows=n_large, seed=seed)
_ = torch.set_num_threads(1)

# %% tags=["hide-input", "slide"]
shown = large.table.drop(columns="cautions").reset_index()
ranks = {column: 2.0 for column in shown if column.startswith("rank")}
fig = large.figure()
title = "Ten million weights: 2 bits and 90 % zeros leak least"
fig.suptitle(title, x=0.01, ha="left", size=8)
figures.save_figure(
    fig,
    "14_large",
    data=shown,
    atol={"*": 0.06, "kilobytes": 1.0} | ranks,
    alt="Survival correlations of outputs, attack AUC with its null, "
    f"and utility of a network of ten million weights in {len(shown)} releases.",
)

# %% [markdown]
# Each row is a release, the most private first; left is private. In code and in tables "90 % zeros" is `ternary_90`, "2
# bits" `uniform_2`, "4 bits" `uniform_4`, "4 levels, k-means" `lloyd_2`, and "full precision" `fp32`.
# $\rho_{\rm pool}$ (`rho_pool`) says how well what tells models apart survives in their *outputs* (a correlation, 1 = all of it).
# Dots with lines are measured, with 95 % intervals over models; in the panel of the attack, crosses are predicted for LiRA from full
# precision and $\rho$ alone, and grey bars are the *null*: what the same attack finds when membership is dealt by chance.
#
# The attack is the strongest of LiRA, RMIA and a loss threshold in the pool game: each network in turn is the target, the
# others are its shadows, and the attacker knows all members and asks which half of them was used. Which of the three, the other
# half of the targets decides, so that the luck of the pick is not counted. The report's first sentence is its verdict:

# %%
print(large.verdict.text)

# %% [markdown]
# It recommends a release only if two intervals agree: that it leaks less than full precision, and that it loses no more
# utility than the `tolerance`, here 0.02.
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
# Here we can look, because we trained more. Kendall's $\tau$ compares the orders of two numbers with the order that the
# attack found (1 = the same order), over the quantizers, full precision left out.
# Six quantizers are 15 pairs: one pair that turns round changes $\tau$ by 0.13, and most AUCs have overlapping intervals, so that
# the first place is all that is worth reading.

# %%
found = large.table.drop("fp32")
orders = pd.DataFrame({"attack AUC": found.auc, "outputs (rho_pool)": found.rho_pool})
orders["guess from one model"] = -alone.table.function_error
orders.corr("kendall").loc[["attack AUC"]].round(2)

# %% [markdown]
# And which quantizer does each of them call the most private?

# %%
orders.idxmin().to_frame("most private")

# %% [markdown]
# Both orders are far from the attack's, and the guess is wrong where it matters. It prefers `lloyd_2` (4 levels by k-means), which
# leaks as much as full precision to this attack, while the correlation and the attack name `ternary_90` (90 % zeros). One model
# shows how far its outputs move, not whether they move alike in all models; and what moves alike hides nothing of *who* was in the
# training set. `ternary_90` loses more than the tolerance, so the verdict goes to `uniform_2`.
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
print(report.verdict.text, *report.advice, sep="\n\n")

# %% tags=["hide-input", "slide"]
shown = report.table.drop(columns="cautions").reset_index()
fig = report.figure()
title = "A small transformer: 4 levels by k-means cost nothing and leak a bit less"
fig.suptitle(title, x=0.01, ha="left", size=8)
figures.save_figure(
    fig,
    "14_transformer",
    data=shown,
    atol={"*": 0.05, "kilobytes": 0.1} | ranks,
    alt="Survival correlations of outputs, attack AUC with its null, "
    f"and utility of a small transformer in {len(shown)} releases, with intervals.",
)

# %% [markdown]
# How well did the prediction of LiRA do, which needs no attack on any quantized model?

# %%
miss = (report.table.auc_simulated - report.table.auc_lira).drop("fp32")
summary = "predicted minus measured AUC: median {:+.3f}, from {:+.3f} to {:+.3f}"
print(summary.format(miss.median(), miss.min(), miss.max()))

# %% [markdown]
# On this transformer it errs by 0.008 to 0.054 of AUC, in all six by warning of too much; the intervals of both overlap. On the large network it erred
# by up to 0.054 to that side too, and by 0.026 to the other for `lloyd_2`; and there RMIA finds more than LiRA in every release. A
# prediction is no replacement for the attack where an attack is affordable.
#
# What is *not* quantized was released as trained, and no number above speaks of it. The report lists it first among the things to
# distrust:

# %%
print(*report.warnings, sep="\n\n")

# %% [markdown]
# ## 4 · What is really shipped
#
# A rule is not a file. Tools give a scale, and often a zero point, to every 16 or 32 weights, and some round activations
# too. In place of a rule's name the audit takes a function that makes what is shipped from a model; whatever that
# returns is asked for its outputs. `q4_0` and the other names below are formats of `quantizers.FORMATS`, equal bit by bit to
# what gguf and torchao write.


# %%
def int8_of_torch(model):
    """Return the model with eight bits in weights and activations."""
    return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, torch.qint8)


FILES = {
    "int8 with activations": ("torch", int8_of_torch),
    "q8_0": ("gguf", "q8_0"),
    "q4_0": ("gguf", "q4_0"),
    "mxfp4_32": ("torchao", "mxfp4_32"),
    "nvfp4": ("torchao", "nvfp4"),
    "int4_g32": ("torchao", "int4_g32"),
    "int2_g32": ("torchao", "int2_g32"),
    "int2_g16": ("torchao", "int2_g16"),
}
RULES = ["uniform_8", "uniform_4", "uniform_2", "lloyd_2"]
wanted = {name: rule for name, (_, rule) in FILES.items()}
wanted |= {name: name for name in RULES}


# %% [markdown]
# The models read handwritten digits, a tenth of them mislabelled. We train 64. The audit gets 16; an attack with all
# 64 as shadows shows what the audit missed.


# %% tags=["hide-input"]
def digit_reader(inputs, labels, seed):
    """Train one network on digits."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(2 * steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        optimizer.step()
    return model


digits, rng = load_digits(), np.random.default_rng([seed, 4])
labels = np.where(rng.random(1797) < 0.1, rng.integers(10, size=1797), digits.target)
order = rng.permutation(1797)
x, y = (digits.data[order] / 16).astype(np.float32), labels[order]
known, unseen = (x[:900], y[:900]), (x[900:], y[900:])

# %%
halves = ensemble.random_halves(n_truth, 900, rng)
tensors = [torch.from_numpy(part) for part in known]
readers = [
    digit_reader(*(part[half] for part in tensors), k) for k, half in enumerate(halves)
]  # fmt: skip


# %%
def audited(n):
    """Audit the first n readers."""
    return audit.audit(
        readers[:n], nn.CrossEntropyLoss(reduction="none"), known, unseen, wanted,
        trained_on=halves[:n], seed=seed, title="Digits as shipped",
    )  # fmt: skip


few, truth = audited(n_budget), audited(n_truth)
print(few.verdict.text)

# %% tags=["hide-input"]
made = {name: package for name, (package, _) in FILES.items()}
table = truth.table[["auc", "auc_low", "auc_high", "gain", "gain_low", "gain_high"]]
table = table.add_prefix("truth_").join(
    few.table[["auc", "auc_low", "auc_high", "attack", "utility", "lost", "kilobytes"]]
)
table.insert(0, "package", [made.get(name, "ours") for name in table.index])
table.insert(1, "bits", few.table.bits)
table = table.sort_values("truth_auc")
rows, shipped = np.arange(len(table)), (table.package != "ours").to_numpy()
kinds = {"as shipped": shipped, "one scale a tensor": ~shipped}


# %% tags=["hide-input", "slide"]
fig, ax = plt.subplots(figsize=(figures.PAGE * 0.7, 2.9))
for (label, mask), color in zip(kinds.items(), figures.COLORS, strict=False):
    part, look = table[mask], {"color": color}
    ends = [part.truth_auc - part.truth_auc_low, part.truth_auc_high - part.truth_auc]
    named = f"{label}, {n_truth} models"
    ax.errorbar(part.truth_auc, rows[mask], xerr=ends, fmt="o", label=named, **look)
    ends = [part.auc - part.auc_low, part.auc_high - part.auc]
    ax.errorbar(
        part.auc, rows[mask] + 0.25, xerr=ends, fmt="o", mfc="w", lw=0.6, ms=3,
        label=f"{label}, {n_budget} models", **look,
    )  # fmt: skip
ax.set_yticks(rows, figures.words(table.index))
ax.set_xlabel("AUC of the strongest attack on outputs")
ax.legend(fontsize=6, loc="upper left")
more = table.truth_auc["int2_g32"] - table.truth_auc["uniform_2"]
ax.set_title(f"Two bits in groups of 32 leak {more:.2f} more than with one scale")
figures.save_figure(
    fig,
    "14_artefacts",
    data=table.rename_axis("artefact").reset_index(),
    atol={"*": 0.05, "kilobytes": 0.1},
    alt=f"Attack AUC of {len(table)} releases of a digit reader, "
    f"with {n_truth} and {n_budget} models, with intervals.",
)  # fmt: skip

# %% [markdown]
# Attacks on outputs in the pool game, each network from a start of its own. Eight bits hide nothing, with rounded activations
# or without, and four hide little: 0.004 to 0.008 of AUC. The 2-bit rule with one scale leaks 0.579 [0.569, 0.588] and
# is broken: it loses 0.30 of accuracy. Two bits as they are shipped lose 0.016, and leak 0.643 [0.634, 0.653]: nobody who
# reads of the rule knows what the file gives away. With 16 models the audit finds up to 0.008 less than with 64, and all 13 of its
# intervals hold what those find.
#
# What to do with a verdict:
#
# - **Ship it**: hand on that release, and its page. Its AUC is no certificate: it bounds the leak from below.
# - **No rule helps**: rounding is no defence here. Train for fewer steps, with more records, or with noise.
# - **Cannot be decided**: train about as many models as the verdict says, with `n_shadows=`.
# - **No model to ship**: it has learnt nothing general; look at the data first.
#
# ## 5 · A file to hand on
#
# `save` writes one HTML page with everything in it: verdict, picture, warnings, tables, tensor by tensor, what an AUC means for
# a person, and where all of it comes from. Every name in it is escaped. A path that ends in `.json` or `.csv` gets the numbers.

# %%
with tempfile.TemporaryDirectory() as folder:
    report.save(Path(folder) / "audit.html")
    page = (Path(folder) / "audit.html").read_text(encoding="utf-8")
print(f"one file of about {round(len(page), -4) / 1000:.0f} kB")
print("addresses in it:", page.count("http://") + page.count("https://"))

# %% [markdown]
# ## 6 · What the audit refuses
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
#   0.703 [0.674, 0.729], as much as full precision.
# - **Shadows allow a measurement and a verdict.** The transformer leaks 0.759 [0.742, 0.777] in full precision. 4 levels by
#   k-means lose nothing and leak 0.719 [0.697, 0.742]; 90 % zeros leak 0.568 [0.551, 0.586] and cost 0.097 of accuracy, of 0.698
#   (strongest attack on outputs, pool game, random initialisation, 32 models).
# - **The strongest attack is not always LiRA**: with few shadows RMIA finds more.
# - **The file counts, not the rule**: two bits in groups leak more than two bits with one scale, and stay useful.
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
