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
# # 09 · The attacker who knows the quantizer
#
# **Question.** What does an attacker gain from the codebook, both versions of a model, the calibration set?
#
# **Answer.** From the calibration set most: whoever holds a model before and after GPTQ on its members finds them, without
# any shadow model, with an AUC of 0.996 [0.995, 0.997] on close modes, 0.986 [0.983, 0.989] on distant modes, 0.706 [0.687,
# 0.726] on BBB_Martins and 0.651 [0.639, 0.662] on FreeSolv (pool game, first layer, 3 bits, random initialisations; with
# shared ones within 0.003); a codebook of 4 k-means levels adds nothing to LiRA, and signs beside full precision add
# nothing to it (at most 0.0015), in the attacks that we tried.
#
# Needed: the pool game and LiRA of [04](04_attack_a_network.ipynb), statement 2 of [01](01_theory_derivation.ipynb).
#
# *In the paper: its quantizers read no data; all questions here are ours. Figures: `09_gptq`, `09_change`, `09_records`,
# `09_questions`.* **Run time** (2 cores): full 3.5 min, quick 20 s.

# %%
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy.stats import rankdata

from qmis_utils import attacks, figures, quantizers
from qmis_utils.quantizers import quantize_activation_clip, quantize_gptq
from qmis_utils.studies import molecular
from qmis_utils.studies.versions import MODES, calibrate, draw_case

figures.use_style()

# %% tags=["parameters"]
seed: int = 0  # seed of everything (at least 0)
n_draws: int = 5  # draws of pool, initialisation and members (at least 2)
n_models: int = 48  # models of a draw; each is the target in turn (at least 12)
n_pool: int = 256  # records of a synthetic pool (at least 16)
dim: int = 128  # inputs of a synthetic record (at least 1)
max_molecules: int = 600  # molecules taken from each table (at least 40)
steps: int = 200  # full-batch Adam steps; half of them on molecules (at least 2)

# %% [markdown]
# A **setting** is data and training: eight Gaussian modes, close together or far apart, and two tables of molecules
# described by RDKit (BBB_Martins, a classification; FreeSolv, a regression). Half of the records are the **pool**, any of
# which may be a member. Each of 48 small networks trains on its own random half of it. A **draw** is a new pool with new
# models; their initialisation is *shared* and known to the attacker, or *random*.

# %% tags=["hide-input"]
tables = {}
for name in ["BBB_Martins", "FreeSolv"]:
    tables[name] = molecular.prepare(name, "rdkit2d", max_molecules=max_molecules)
SETTINGS, INITS = [*MODES, *tables], ["random", "shared"]
sizes = {"n_models": n_models, "n_pool": n_pool, "dim": dim, "steps": steps}
cases = {}
for key in product(SETTINGS, INITS, range(n_draws)):
    cases[key] = draw_case(*key, tables, **sizes, seed=seed)

# %% [markdown]
# **GPTQ** rounds a layer column by column, and the columns that are left make good each error. It reads records, its
# **calibration set**, to know which errors matter. Here each model is calibrated on its own members, at three bits; or,
# as the control, on as many records that no model trained on.

# %%
gptq = {}
for key, case in cases.items():
    gptq[key] = [calibrate(case, quantize_gptq, members) for members in (True, False)]

# %% [markdown]
# Our attacker holds the model before *and* after. A record's score is high where GPTQ moved the outputs of the first
# layer little. It needs no label and no **shadow**, a model that the attacker trained.


# %%
def little_moved(case, after):
    change = (after.weights[0] - case.models.weights[0]).numpy()
    moved = case.x @ change.transpose(0, 2, 1)
    return -np.log(np.square(moved).sum(axis=-1) + 1e-12)


# %% [markdown]
# Beside it: LiRA on the model before GPTQ, the other models of the draw as shadows.


# %%
def lira(case, models, shadows=None):
    seen = models, case.x, case.y, case.members, case.x_out, case.y_out, shadows
    return attacks.ATTACKS["lira_fixed"].run(attacks.observe(*seen))


# %% [markdown]
# Both are judged by their AUC.


# %%
def auc(scores, case):
    return attacks.auc(scores, case.members).mean()


# %% tags=["hide-input"]
rows = []
for key, case in cases.items():
    on_members, on_others = gptq[key]
    rows.append((*key, "GPTQ", auc(little_moved(case, on_members), case)))
    rows.append((*key, "null", auc(little_moved(case, on_others), case)))
    rows.append((*key, "lira_fixed", auc(lira(case, case.models), case)))


# %% tags=["hide-input"]
def over_draws(rows):
    """Return means over draws with Student's interval."""
    by = ["setting", "init", "what"]
    frame = pd.DataFrame(rows, columns=["setting", "init", "draw", "what", "value"])
    groups = frame.groupby(by, sort=False).value
    means = [(*key, *attacks.mean_interval(values, 1)) for key, values in groups]
    return pd.DataFrame(means, columns=[*by, "value", "low", "high"])


def mark(ax, part, places, look, init):
    fill = "w" if init == "random" else look["color"]
    ax.hlines(places, part.low, part.high, color=look["color"], lw=1.5)
    ax.plot(part.value, places, ls="", mfc=fill, **look)


# %% tags=["hide-input", "predict"]
LABELS = {
    "GPTQ": "before and after GPTQ on members",
    "null": "before and after GPTQ on others",
    "lira_fixed": "LiRA before GPTQ",
}
found = over_draws(rows)
fig, ax = plt.subplots(figsize=(figures.PAGE, 2.9))
for at, (what, init) in enumerate(product(LABELS, INITS)):
    part = found[(found.what == what) & (found.init == init)]
    look = figures.look(what, label=LABELS[what], marker="Dso"[at // 2])
    mark(ax, part, part.setting.map(SETTINGS.index) + at / 10 - 0.25, look, init)
ax.axvline(0.5, color="0.4", lw=0.8)
ax.set_yticks(range(4), SETTINGS)
ax.invert_yaxis()
ax.set_xlabel("AUC of finding members (hollow: random initialisation)")
ax.set_title("Before and after GPTQ: its calibration set shows", loc="left")
figures.legend_above(fig, ax, ncols=3)
figures.save_figure(
    fig,
    "09_gptq",
    data=found,
    atol=0.03,
    alt="AUC of members before and after GPTQ on members, on others, and of LiRA.",
)

# %% [markdown]
# Filled marks stand for the shared initialisation, hollow ones for random. Bars are Student's $t$ over five draws. On
# mixtures they know of other pools, members and initialisations; draws of a table split the same molecules again, so that they do
# not speak of other tables. Both initialisations have the same records and members.
#
# - The trace does not depend on the initialisation: it lies between two versions of *one* model.
# - On mixtures it tells more than LiRA does, which needs 47 shadows and labels. On molecules LiRA finds more. There
#   training itself betrays most, and GPTQ matters where its calibration set is another one than the training set.
# - Calibrated on other records, GPTQ leaves hardly a trace of members: the control is between 0.48 and 0.50. Five of eight
#   intervals lie below one half, on close modes (0.49) and BBB_Martins (0.48) with both initialisations, and by a hair on
#   distant modes with shared ones: outputs of members move a little *more* than others there. We did not look for the reason.
#
# The same in numbers:

# %%
found.pivot(index=["setting", "init"], columns="what", values="value").round(3)

# %% [markdown]
# ## 1 · Why it tells
#
# Let $W$ be a layer's weights and $X$ the calibration records that reach it. Rounding to the nearest level makes each
# entry of $Q(W) - W$ small. GPTQ makes $\lVert (Q(W) - W)\,X \rVert$ small instead: it lets entries move further, as long
# as their effects cancel *on $X$*. With more inputs than records there is room to cancel on nearly all of $X$, and on
# nothing else. The score `little_moved` is $-\log \lVert (Q(W) - W)\,x \rVert^2$ for a record $x$: it asks where the
# errors cancel.
#
# One model shows it. Here is how far the outputs moved, for its members and for the rest of the pool: the median over
# records.

# %%
key = "close modes", "random", 0
one, inside = cases[key], cases[key].members[0]
versions = {"nearest": one.models.quantize("uniform_mse_3"), "gptq": gptq[key][0]}
moved = pd.DataFrame({"member": inside})
for how, after in versions.items():
    moved[how] = np.exp(-little_moved(one, after)[0])
moved.groupby("member").median().round(3)

# %% tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 2.3), sharex=True, sharey=True)
bins = np.geomspace(moved.gptq.min(), moved.gptq.max(), 30)
for ax, how in zip(axes, versions, strict=True):
    ax.hist(moved[how][~inside], bins, color="0.5", alpha=0.7, label="rest")
    ax.hist(moved[how][inside], bins, color="#D55E00", alpha=0.7, label="members")
    ax.set(xscale="log", xlabel="how far the first layer's outputs moved")
    ax.set_xticks([1, 3, 10], [1, 3, 10])
    ax.minorticks_off()
axes[0].set_title("To the nearest level: no trace", loc="left")
axes[1].set_title("GPTQ on members: they stay in place", loc="left")
axes[0].set_ylabel("records")
axes[0].legend()
figures.save_figure(
    fig,
    "09_change",
    data=moved,
    rtol=0.5,
    atol=0.1,
    alt="Histograms of how far outputs moved: after GPTQ, far less for members.",
)

# %% [markdown]
# Rounding to the nearest level moves the outputs of members and of the rest alike. GPTQ leaves those of members in
# place, at the price of moving the rest further: that is the trace.
#
# ## 2 · More records, more bits
#
# Each model above had about as many calibration records as inputs, or fewer. With more, GPTQ cannot please all of them.
# And with more bits all errors are smaller. Do these two help? Any record will do now, member or not: we draw the
# calibration set from all records, and ask for it.


# %%
def told_apart(case, ratio, bits):
    """Return the AUC of finding a calibration set of `ratio` records for each input."""
    x, w = np.vstack([case.x, case.x_out]), case.models.weights[0]
    order = np.tile(np.arange(len(x)), (len(w), 1))
    order = np.random.default_rng(seed).permuted(order, axis=1)
    used = order < min(int(ratio * x.shape[1]), len(x) - 4)
    inputs = x[np.nonzero(used)[1].reshape(len(w), -1)]
    change = (quantize_gptq(w, bits, inputs).values - w).numpy()
    moved = np.square(x @ change.transpose(0, 2, 1)).sum(axis=-1)
    return attacks.auc(-moved, used).mean()


# %%
RATIOS = {"close modes": [0.25, 0.5, 1, 2, 3], "BBB_Martins": [0.25, 0.5, 1, 2]}
sweep = []
for setting, bits, draw in product(RATIOS, [2, 3, 8], range(n_draws)):
    for ratio in RATIOS[setting]:
        value = told_apart(cases[setting, "random", draw], ratio, bits)
        sweep.append((setting, bits, draw, ratio, value))

# %% tags=["hide-input"]
told = over_draws(sweep)
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 2.6), sharey=True)
for ax, (setting, part) in zip(axes, told.groupby("setting", sort=False), strict=True):
    for at, (bits, line) in enumerate(part.groupby("init")):
        bars = line.value - line.low, line.high - line.value
        look = {"marker": "osD"[at], "label": f"{bits} bits", "ms": 3}
        ax.errorbar(line.what * (0.95 + at / 20), line.value, bars, lw=1, **look)
    ax.set(xscale="log", xlabel="calibration records for each input")
    ax.set_xticks(RATIOS["close modes"], RATIOS["close modes"])
    ax.minorticks_off()
    ax.set_title(setting, loc="left")
axes[0].set_ylabel("AUC of finding them")
axes[1].legend()
fig.suptitle("More records blur the trace, more bits sharpen it", fontsize=9)
figures.save_figure(
    fig,
    "09_records",
    data=told.rename(columns={"init": "bits", "what": "ratio", "value": "auc"}),
    atol=0.03,
    alt="AUC against calibration records for each input: it falls; more bits, higher.",
)

# %% [markdown]
# **Records help, slowly.** On close modes, at 3 bits, the AUC is 0.997 with one record for each input, 0.889 with two and
# still 0.781 [0.777, 0.784] with three. On BBB_Martins it falls sooner: 0.749 with half a record for each input, 0.562 with
# two. A likely reason, not tested here: descriptors are strongly correlated, so that GPTQ leaves the outputs of other
# molecules in place as well.
#
# **Bits do not help.** With two records for each input on close modes the AUC is 0.787 at 2 bits, 0.889 at 3 and 0.922 at 8.
# Finer levels make all errors smaller, on calibration records and on others. The AUC compares the two, so that the common
# size drops out; and finer levels leave GPTQ more ways to cancel.
#
# ## 3 · Without the original
#
# The attack needs the model before GPTQ. An attacker who holds the GPTQ model alone runs LiRA on it, with shadows
# that went through GPTQ on *their* members. The **gain** of one attack over another is its AUC minus the other's. Here:
# what does GPTQ on members leak to LiRA beyond GPTQ on other records?

# %%
alone = []
for key, case in cases.items():
    on_members, on_others = (auc(lira(case, models), case) for models in gptq[key])
    alone.append((*key, "gain", on_members - on_others))
over_draws(alone).round(3)

# %% [markdown]
# Yes, but little: between 0.002 and 0.021, above zero in all eight rows. Compare that with the figure at the top: the trace is
# not in what the GPTQ model answers, but in how it differs from the original. So the remedy is simple. Calibrate on
# records that may be known, or do not publish both versions.
#
# ## 4 · Five questions without GPTQ
#
# Four of them are about rules that read no data, the last is about a clip that does. Each compares two attacks on the same
# models by the gain. Where two scores are to be joined, least squares weighs the ranks that they give to the records; the
# weights come from one half of the models, and the other half is judged.


# %%
def joined(members, *scores):
    """Weigh scores by what the memberships of the other half of the models suggest."""
    ranks = [rankdata(score, axis=1) for score in scores]
    x = np.stack([np.ones(members.shape), *ranks], axis=-1)
    total = np.empty(members.shape)
    for targets, others in attacks.halves(len(members), 4):
        flat = x[others].reshape(-1, x.shape[-1])
        weights = np.linalg.lstsq(flat, members[others].ravel() * 1.0)[0]
        total[targets] = x[targets] @ weights
    return total


# %% [markdown]
# **Must shadows be quantized as the target is?** The target is released as signs. An *adaptive* attacker quantizes the
# shadows too; the other one compares the target with full-precision shadows.


# %%
def adaptive(case):
    signs = case.models.quantize("sign")
    return auc(lira(case, signs), case) - auc(lira(case, signs, case.models), case)


adaptive(one).round(3)

# %% [markdown]
# **Does the codebook tell?** A release with 4 levels chosen by k-means publishes, for each layer, the levels and how often
# each is used: a few numbers. The attacker predicts membership from them by ridge regression on the other models.


# %%
def codebook_scores(case):
    numbers = []
    for layer in case.models.weights:
        released = quantizers.quantize(layer, "lloyd_2")
        codes = np.asarray(released.codes).reshape(len(layer), -1)
        shares = [(codes == code).mean(axis=1) for code in np.unique(codes)]
        numbers += [np.asarray(released.scale), np.transpose(shares)]
    numbers = np.hstack(numbers)
    numbers = (numbers - numbers.mean(axis=0)) / (numbers.std(axis=0) + 1e-9)
    return attacks.regress_membership(numbers, case.members, (1.0,))


auc(codebook_scores(one), one).round(3)

# %% [markdown]
# That is the codebook alone. On top of LiRA:


# %%
def codebook(case):
    own = lira(case, case.models.quantize("lloyd_2"))
    return auc(joined(case.members, own, codebook_scores(case)), case) - auc(own, case)


codebook(one).round(3)

# %% [markdown]
# **Both versions of a model**, full precision and signs. The signs are a function of the weights. So the pair says no more
# than full precision does, and an attack on both should gain nothing on one that has full precision, but much on one that
# has the signs only.


# %%
def both(case):
    """Return the gain of both versions on signs alone, and on full precision alone."""
    full, signs = lira(case, case.models), lira(case, case.models.quantize("sign"))
    pair = auc(joined(case.members, full, signs), case)
    return [pair - auc(signs, case), pair - auc(full, case)]


np.round(both(one), 3)

# %% [markdown]
# **A clip chosen on members.** The largest level of a 3-bit grid is one number per layer. It can be chosen so that the
# layer's outputs on a calibration set change least. Does that number betray the set to whoever holds both versions? The
# gain is that of a clip chosen on members over one chosen on other records.


# %%
def clipped(case):
    rule = quantize_activation_clip
    return calibrate(case, rule, True), calibrate(case, rule, False)


def clip(case, after):
    on_members, on_others = (auc(little_moved(case, models), case) for models in after)
    return on_members - on_others


clip(one, clipped(one)).round(3)

# %% [markdown]
# **The null control.** A gain can be chance. So each question is asked again under memberships that are false: they are
# dealt to other models and records (`attacks.permuted`). The attacker is told these, and judged by them; whatever is "gained" is
# no leak. Where scores are joined, the three questions in the middle, it lies above zero in 16 of 24 rows, by 0.004 in the mean:
# joining gains that much beside a score that knows nothing. We did not look for the reason.

# %%
QUESTIONS = [
    "shadows quantized like the target",
    "codebook besides outputs",
    "both versions, not signs alone",
    "both versions, not full precision alone",
    "clip chosen on members, not on others",
]


def gains(key, case, after):
    values = [adaptive(case), codebook(case), *both(case), clip(case, after)]
    return [(*key, *pair) for pair in zip(QUESTIONS, values, strict=True)]


rng, answers, nulls = np.random.default_rng([seed, 4]), [], []
for key, case in cases.items():
    after = clipped(case)
    answers += gains(key, case, after)
    wrong = replace(case, members=attacks.permuted(case.members, rng))
    nulls += gains(key, wrong, after)

# %% tags=["hide-input"]
answered, null = over_draws(answers), over_draws(nulls)
noise = null.groupby("what", sort=False).value.agg(["min", "max"])
fig, ax = plt.subplots(figsize=(figures.PAGE, 3.4))
ax.barh(range(5), noise["max"] - noise["min"], 0.85, noise["min"], color="0.85")
for at, (setting, init) in enumerate(product(SETTINGS, INITS)):
    part = answered[(answered.setting == setting) & (answered.init == init)]
    look = {"color": figures.COLORS[at // 2], "marker": "osD^"[at // 2]}
    look |= {"label": setting, "ms": 4}
    mark(ax, part, part.what.map(QUESTIONS.index) + at / 10 - 0.35, look, init)
ax.axvline(0, color="0.4", lw=0.8)
ax.set_yticks(range(5), QUESTIONS)
ax.invert_yaxis()
ax.set_xscale("symlog", linthresh=0.02)
ax.xaxis.set_major_formatter("{x:g}")
ax.set_xlabel("gain in AUC (grey: null; hollow: random start)")
ax.set_title("Knowing the rule helps; its codebook hardly tells", loc="left")
figures.legend_above(fig, ax, ncols=4)
figures.save_figure(
    fig,
    "09_questions",
    data=answered.assign(null=null.value),
    atol=0.03,
    alt="Gain in AUC for five questions; grey bars: the same under false memberships.",
)

# %% [markdown]
# Grey bars: where the eight null gains of a question lie, two initialisations in four settings. The null of the clip reads
# the same scores under false memberships.
#
# 1. **Quantize the shadows like the target.** It gains in all eight rows, by 0.008 to 0.108, most on FreeSolv. An
#    evaluation with full-precision shadows makes quantization look safer than it is.
# 2. **The codebook** adds nothing to LiRA: the largest gain or loss is 0.0004. Alone it tells little more than a coin.
# 3. **The full-precision version beside the signs** gains 0.029 to 0.337: it is the full-precision model that leaks.
# 4. **The signs beside full precision** add at most 0.0015 [-0.0011, 0.0040]. Statement 2 says that the signs hold
#    nothing that the weights do not; one attack that reads one number per record could still have gained from two views.
# 5. **A clip chosen on members** leaves a trace in all eight rows, and a faint one: 0.002 to 0.016. (FreeSolv,
#    shared: 0.002 [0.000, 0.004], not certain among eight.)
#
# The least, mean and largest gain of each question over the eight rows:

# %%
answered.groupby("what", sort=False).value.agg(["min", "mean", "max"]).round(3)

# %% [markdown]
# ## What we saw
#
# All numbers: pool game, both initialisations.
#
# - GPTQ on members betrays them to whoever holds both versions: AUC 0.99 on mixtures, 0.65 to 0.71 on molecules, without a
#   shadow and whatever the initialisation.
# - More calibration records blur the trace; more bits sharpen it.
# - Without the original little is left, 0.002 to 0.021 of AUC. Calibrated on other records the *change*
#   hardly betrays members (0.48 to 0.50); the model itself still does.
# - An attacker should quantize the shadows as the target was: for signs a gain in every setting, up to 0.108.
# - For the rules tried, which read no data, the codebook adds nothing to LiRA on outputs, and the quantized version adds
#   nothing to the full-precision one, as the data-processing inequality says.
# - A clip chosen on members leaves a faint trace, at most 0.016.
#
# **Limits.** One hidden layer, small pools, three bits, first layer only; the attacker knows the candidate records. The
# families of attacks behind LiRA are compared in [C, section 8](C_attack_families.ipynb).
#
# ## Exercises
#
# Put your answer in the place of `None` and run the cell; the check gives a hint, not the solution. Solutions are in cells
# tagged `solution`, which `make students` leaves out.

# %% tags=["exercise"]
from qmis_utils import exercises

# %% [markdown]
# **Exercise 09.1.** *Predict, then measure.* Take 20 random layers, `w` of shape (20, 32, 64), and 256 random records of 64
# inputs, all standard normal; draw first the weights, then the records, from `np.random.default_rng(0)`. Run GPTQ on each
# layer with the first 128 records. How well does an attacker who holds both versions tell them from the last 128 at 3
# bits? And does the trace vanish at 8 bits? Predict the second before you measure, and give the mean AUC at 8 bits, to two
# decimals.

# %% tags=["exercise"]
answer = None  # a number
exercises.check("09.1", answer)

# %% [markdown] tags=["solution"]
# Eight bits make all errors smaller, those on calibration records and those on others alike.
# The AUC compares the two, so that their common size cancels: the trace stays.

# %% tags=["solution"]
rng = np.random.default_rng(0)
w, x = rng.normal(size=(20, 32, 64)), rng.normal(size=(256, 64))
change = quantize_gptq(w, 8, x[:128]).values - w
moved = np.square(x @ change.transpose(0, 2, 1)).sum(axis=-1)
used = np.broadcast_to(np.arange(256) < 128, moved.shape)
exercises.check("09.1", attacks.auc(-moved, used).mean())

# %% [markdown]
# **Exercise 09.2.** *Read the figure of section 2.* You must publish a model before and after GPTQ, at 3 bits, and your
# records are like those of the close modes. How many calibration records for each input do you need so that the AUC of
# finding them falls below 0.85? Give the smallest number on the axis that does it.

# %% tags=["exercise"]
answer = None  # a number on the horizontal axis
exercises.check("09.2", answer)

# %% [markdown] tags=["solution"]
# The curve of close modes at 3 bits starts near one and falls only where there are more records than inputs, because GPTQ then runs out of
# freedom: no rounding can leave the outputs of all of them in place.

# %% tags=["solution"]
answer = 3
exercises.check("09.2", answer)

# %% [markdown]
# **Exercise 09.3.** Not every calibration set leaves a trace. Give calibration records, an array of shape (n, 4), with
# which GPTQ gives *any* layer of four inputs the codes that rounding to the nearest level gives it (`uniform_mse_3`), so
# that nothing of the records shows. They must not be all zero.

# %% tags=["exercise"]
answer = None  # an array of shape (n, 4)
exercises.check("09.3", answer)

# %% [markdown] tags=["solution"]
# GPTQ reads the records only through the sums of products of two inputs. Where inputs are uncorrelated and equally
# large, no column can make good the error of another one, and every column is rounded by itself.

# %% tags=["solution"]
exercises.check("09.3", np.eye(4))

# %% [markdown]
# **Next.** [10 · Ten ways to fool yourself](10_fool_yourself.ipynb).
