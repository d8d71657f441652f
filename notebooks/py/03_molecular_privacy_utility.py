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
# # 03 · What does a quantizer do to a drug-discovery model?
#
# A company wants to share a model that predicts a property of molecules, and to keep secret which molecules trained it: the
# training set is a map of its projects. Quantizing the model before sharing it makes it smaller. Does it also hide the
# training set, and what does that cost in accuracy? We ask it on two real tasks, a classification and a regression, with two
# representations of molecules, and put an interval on every answer.
#
# **In the paper.** The molecular study of Aubinais et al. (AISTATS 2026, arXiv 2502.06567): quantized heads on frozen
# embeddings. Its finding is that sparsity improves privacy and costs performance, most of all in regression.
# **Figures made.** `03_blind_baseline`, `03_tradeoff`, `03_agreement`, `03_verdicts`.
#
# **You will learn**
#
# 1. how to clean a table of molecules so that membership means something;
# 2. why the test set is split by scaffold, and members and non-members are not;
# 3. how to check that an attack reads the model, and not a difference between two sets of molecules;
# 4. how to read privacy and utility together, each with an interval;
# 5. whether numbers that need no attack order the quantizers as the attack does.
#
# **Prerequisites.** `00_start_here` for the words, `02_synthetic_mis_ranking` for LiRA, $r$ and the survival correlation.
#
# **Run time** (2 cores): full 3 min, quick 15 s.

# %%
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from rdkit import Chem
from scipy import stats
from sklearn.linear_model import Ridge

from qmis_utils import attacks, embeddings, ensemble, figures, indicator, molecules, quantizers

figures.use_style()
pd.set_option("display.max_colwidth", None)  # claims are shown whole

# %% [markdown]
# Every choice that you may want to change is in the next cell. To study a table of your own, name it as a task, `csv:` and
# its path, and name its two columns; two distinct labels make it a classification, more make it a regression.

# %% tags=["parameters"]
tasks: list[str] = ["BBB_Martins", "ESOL"]  # names in molecules.TASKS, or "csv:" and a path
representations: list[str] = ["ecfp4", "chemnet"]  # names in embeddings.EMBEDDERS
smiles_column: str = "smiles"  # column of the SMILES; only for csv: tables
label_column: str = "y"  # column of the label; only for csv: tables
task_kind: str | None = None  # "classification" or "regression" overrides the rule for csv: tables
max_molecules: int = 3000  # larger tables are sampled down
test_fraction: float = 0.2  # share of molecules held out by scaffold
seed: int = 0  # seed of the sample, the split and all that follows
width: int = 32  # hidden units of the head
steps: int = 100  # full-batch Adam steps
decays: list[float] = [0.0, 0.01, 0.1, 0.3]  # weight decays that the validation rule may choose from
n_seeds: int = 5  # replicates: each has its own initialisation and its own halves
n_models: int = 32  # attacked models per replicate; below about 32 a record may lack IN or OUT models
n_indicator: int = 16  # further models per replicate, for the indicators alone
n_draws: int = 100  # bootstrap draws per replicate

# %% [markdown]
# ## 1 · The molecules
#
# A *SMILES* writes a molecule as text: `CCO` is ethanol, and so is `OCC`. Before any talk of membership the table must hold
# each molecule once; a molecule that stands twice could be a member and a non-member of the same model. A table of six rows
# shows what cleaning does.

# %%
raw = pd.DataFrame({
    "smiles": ["OCC", "CCO", "c1ccccc1O", "[Na+].[O-]C(=O)C", "C1CC", "CCN"],
    "y": [1, 1, 0, 1, 0, None],
})  # fmt: skip
cleaned = molecules.clean(raw, "smiles", "y")
cleaned.head()

# %% [markdown]
# Nothing vanishes silently. Ethanol's two rows became one, the sodium ion was stripped from the acetate, the open ring
# could not be parsed, and a row without a label is of no use. Rows are numbered as in a spreadsheet, whose first row is the
# header.

# %%
pd.Series(cleaned.attrs["report"])

# %% [markdown]
# Now the real tables. **BBB_Martins** (Martins et al. 2012, from the Therapeutics Data Commons, CC BY 4.0) says whether a
# drug crosses the blood-brain barrier. **ESOL** (Delaney 2004, from MoleculeNet) gives the logarithm of the measured
# solubility in water, in mol/l. The first comes with this repository, the second is fetched once from a hash-checked
# archive.


# %%
def load(task):
    """Load a table, cleaned, and sample it down to `max_molecules`."""
    frame = molecules.load_task(task, smiles_column, label_column, task_kind)
    return frame.sample(min(len(frame), max_molecules), random_state=seed).reset_index(drop=True)


# %% [markdown]
# The report of each table. BBB_Martins was cleaned by those who distribute it; ESOL holds some molecules twice, a few of
# them with different measured values, which are averaged.

# %%
frames = {frame.attrs["name"]: frame for frame in map(load, tasks)}
pd.DataFrame({name: frame.attrs["report"] | {"molecules used": len(frame)} for name, frame in frames.items()})

# %% [markdown]
# What the labels look like decides what a score means: with three positives in four, an accuracy of 0.75 would be nothing.
# That is why classification is scored by AUROC, where 0.5 is a coin, and regression by $R^2$, where 0 is the mean.

# %%
pd.DataFrame({
    name: {"kind": frame.attrs["kind"], "mean": frame.y.mean(), "spread": frame.y.std(), "lowest": frame.y.min(),
           "highest": frame.y.max()} for name, frame in frames.items()
})  # fmt: skip

# %% [markdown]
# ## 2 · From molecules to numbers
#
# A *representation* maps a molecule to a vector, and it is frozen: what we train, quantize and attack is the head on top.
#
# - **ECFP4** counts circular substructures up to radius 2 around each atom, hashed into 1,024 bins (Rogers and Hahn 2010). It
#   was not trained on anything.
# - **ChemNet** is the last state, 512 numbers, of a recurrent network that read millions of SMILES from public databases to
#   predict their bioactivities (Preuer et al. 2018). It may have seen our molecules, but not these labels, and not which of
#   them train our head. So membership here means membership in the *head's* training set.
#
# Benzene has six equal atoms, so ECFP4 finds one environment per radius 0, 1 and 2, each six times:

# %%
benzene = embeddings.embed(["c1ccccc1"], "ecfp4")[0]
print("bins in use:", np.flatnonzero(benzene), "counts:", benzene[benzene > 0])

# %% [markdown]
# A registry knows the representations by name, and a new one takes five lines. Whatever is registered here can be named in
# the parameter `representations`.


# %%
@embeddings.embedder("elements")
def elements(smiles):
    """Count carbon, nitrogen and oxygen atoms."""
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    return [[sum(atom.GetSymbol() == e for atom in mol.GetAtoms()) for e in "CNO"] for mol in mols]


embeddings.embed(["CCO", "c1ccncc1"], "elements")

# %% [markdown]
# ## 3 · Two splits with two purposes
#
# **Utility** asks how the model does on chemistry it has not seen. Molecules that share a *scaffold*, their rings and the
# chains between them (Bemis and Murcko 1996), are close relatives, so the test set takes whole scaffolds: no scaffold is on
# both sides. Acyclic molecules have no scaffold and count one by one.

# %%
example = next(iter(frames.values()))
pool, test = molecules.scaffold_split(example.smiles, test_fraction, rng=seed)
scaffold = np.array(molecules.scaffolds(example.smiles))
shared = set(scaffold[pool]) & set(scaffold[test])
print(f"{len(pool)} molecules in the pool, {len(test)} in the test set, {len(shared)} scaffolds on both sides")

# %% [markdown]
# **Privacy** asks something else: whether a molecule was *used*. Members and non-members must be alike in every other way,
# so they are random halves of the pool. The next class holds one setting, a task under a representation, ready to train on.
# All scaling is computed on the whole pool, which says nothing about membership.


# %%
class Setting(NamedTuple):
    """A task under a representation: pool (x, y) to train and attack on, test set to judge utility by."""

    task: str
    kind: str
    representation: str
    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


# %% [markdown]
# A molecule on which a representation fails has a row of NaN and is left out here. Labels of a regression are standardised,
# again by the pool.


# %%
def prepare(frame, representation):
    """Embed, split by scaffold and scale a table."""
    features = embeddings.embed(frame.smiles, representation)
    usable = np.isfinite(features).all(axis=1)
    features, y, kind = features[usable], frame.y[usable].to_numpy(float), frame.attrs["kind"]
    pool, test = molecules.scaffold_split(frame.smiles[usable], test_fraction, rng=seed)
    mixed_units = embeddings.EMBEDDERS[representation].mixed_units
    x, x_test = embeddings.standardise(features[pool], features[test], mixed_units=mixed_units)
    if kind == "regression":
        y = (y - y[pool].mean()) / y[pool].std()
    if len(np.unique(y[test])) < 2:
        raise ValueError("all labels of the scaffold test set are equal: take more molecules, or another seed")
    return Setting(frame.attrs["name"], kind, representation, x, y[pool], x_test, y[test])


# %% [markdown]
# Four settings if you left the parameters alone: two tasks under two representations. The number of columns is the number
# of inputs of the head.

# %%
settings = [prepare(frame, representation) for frame in frames.values() for representation in representations]
pd.DataFrame([(s.task, s.representation, *s.x.shape, len(s.x_test)) for s in settings],
             columns=["task", "representation", "pool", "columns", "test"])  # fmt: skip

# %% [markdown]
# ### Could one tell members from non-members without the model?
#
# If so, an "attack" could succeed without any leak. A **blind baseline** sees each molecule and its label, never a model: a
# ridge regression learns membership on one half of the molecules and is judged on the other. On random halves it must be
# a coin, AUC 0.5.


# %%
def blind_auc(x, y, members):
    """Return the AUC of a ridge regression from (x, y) to membership, judged out of fold, per row of members."""
    seen = np.column_stack([x, y])
    folds = np.array_split(np.random.default_rng(seed).permutation(len(x)), 2)
    found = []
    for learn, judge in [folds, folds[::-1]]:
        ridge = Ridge(alpha=len(learn)).fit(seen[learn], members[:, learn].T)
        found.append(attacks.auc(ridge.predict(seen[judge]).T, members[:, judge]))
    return np.mean(found, axis=0)


# %% [markdown]
# The trap that it guards against is common: take the training molecules as members and the *scaffold test set* as
# non-members. Both splits below are halves; ten of each give an interval (Student's $t$ over the splits).


# %%
def mean_interval(values):
    """Return mean, low, high: the 95 % t interval of the mean of a few replicates."""
    values = np.asarray(values, float)
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean(), values.mean() - half, values.mean() + half


# %% [markdown]
# Scaffold halves are made by the splitting function that we know already, with half of the molecules on each side.


# %%
def scaffold_halves(smiles, n):
    """Return n membership rows in which members and non-members share no scaffold."""
    sides = [molecules.scaffold_split(smiles, 0.5, rng=seed + i)[0] for i in range(n)]
    return np.array([np.isin(np.arange(len(smiles)), side) for side in sides])


# %% [markdown]
# The baseline sees ECFP4 whatever the head sees, since it asks about molecules, not about heads.


# %%
def blind_rows(frame, members, label):
    """Return one row of the control table: task, kind of membership, AUC with its interval."""
    x = embeddings.standardise(embeddings.embed(frame.smiles, "ecfp4"))[0]
    return [frame.attrs["name"], f"blind, {label}", *mean_interval(blind_auc(x, frame.y.to_numpy(float), members))]


# %% [markdown]
# And now both kinds of membership on every table:

# %%
blind = []
for frame in frames.values():
    halves = ensemble.random_halves(10, len(frame), np.random.default_rng(seed))
    blind.append(blind_rows(frame, halves, "random halves"))
    blind.append(blind_rows(frame, scaffold_halves(frame.smiles, 10), "scaffold sides"))
blind = pd.DataFrame(blind, columns=["task", "membership", "auc", "low", "high"])
blind.round(3)

# %% [markdown]
# Random halves cannot be told apart; scaffold sides can, before any model exists. From here on, members are random halves.
#
# ## 4 · The head, by a rule fixed beforehand
#
# The head is a multilayer perceptron with one hidden layer of `width` ReLU units. How strongly it is regularised decides
# how much it memorises, so the choice must not be made by looking at quantizers or attacks. Our rule: among `decays`, take
# the weight decay with the best *full-precision* score on validation molecules. Validation molecules are the non-members of
# eight pilot models that are not used again.


# %%
def utility(outputs, y, kind):
    """Return the score of each model from its outputs (models, m): AUROC, or R2."""
    if kind == "classification":
        return attacks.auc(outputs, np.broadcast_to(y == 1, outputs.shape))
    return 1 - np.mean((outputs - y) ** 2, axis=1) / np.var(y)


# %% [markdown]
# (The AUC that measures attacks also measures classifiers: both ask how well a score separates two groups.) All heads of a
# call train at once, from one common initialisation.

# %%
TASK = {"classification": "binary", "regression": "regression"}


def train_heads(setting, members, decay, init):
    """Train one head per row of members, all from the initialisation `init`; small chunks keep every core busy."""
    return ensemble.train(setting.x, setting.y, members, task=TASK[setting.kind], hidden=(width,), steps=steps,
                          weight_decay=decay, seed=init, chunk=4)  # fmt: skip


# %% [markdown]
# One number per setting and decay: the mean score of the eight pilots, each on its own non-members.


# %%
def validate(setting, decay):
    """Return the mean validation score of eight pilot heads."""
    members = ensemble.random_halves(8, len(setting.x), np.random.default_rng([seed, 99]))
    outputs = train_heads(setting, members, decay, init=99).logits(setting.x)
    rows = [(row[~used][None], setting.y[~used]) for row, used in zip(outputs, members, strict=True)]
    return np.mean([utility(row, y, setting.kind) for row, y in rows])


# %%
validation = pd.DataFrame({(s.task, s.representation): {d: validate(s, d) for d in decays} for s in settings})
chosen = validation.idxmax()
validation.rename_axis("weight decay").round(3)

# %% [markdown]
# The best entry of each column is the decay used below:

# %%
chosen.rename("weight decay").to_frame().transpose()

# %% [markdown]
# ## 5 · One replicate, step by step
#
# A *replicate* is one initialisation, `n_models` heads to attack, each on its own random half of the pool, and
# `n_indicator` further heads that only the indicators of section 8 may use.


# %%
def replicate(setting, number):
    """Return the attacked heads, their members, and the spare heads of one replicate."""
    rng = np.random.default_rng([seed, number])
    members = ensemble.random_halves(n_models + n_indicator, len(setting.x), rng)
    heads = train_heads(setting, members, chosen[setting.task, setting.representation], init=number)
    return heads[:n_models], members[:n_models], heads[n_models:]


# %% [markdown]
# The first replicate of the first setting:

# %%
first = settings[0]
models, members, spare = replicate(first, 0)
print(f"{first.task}, {first.representation}: {len(models)} heads of {models.vectors().shape[1]:,} weights each")

# %% [markdown]
# The attack is LiRA, online and leave-one-out, as in notebook 02: every head is the target in turn, the others are its
# shadows, *quantized as the target is*. The signal of a record is the log-odds of its label, or the signed residual for a
# regression. With few shadows a variance per record would be noisy, so the variances of IN and OUT signals are pooled over
# records (`online_fixed`), as the attack's authors advise.

# %%
signals = attacks.signal(models.logits(first.x), first.y, TASK[first.kind])
scores = attacks.lira(signals, members, "online_fixed")
found = attacks.auc(scores, members)
print(f"full precision: LiRA AUC {found.mean():.3f}, from {found.min():.3f} to {found.max():.3f} over heads")

# %% [markdown]
# The honest null: deal each head the membership list of another head and attack again. Nothing should be found.

# %%
null_members = attacks.permuted(members, np.random.default_rng(seed))
null = attacks.auc(attacks.lira(signals, null_members, "online_fixed"), null_members)
print("AUC under permuted membership: {:.3f} [{:.3f}, {:.3f}]".format(*mean_interval(null)))

# %% [markdown]
# ## 6 · Nine quantizers, all settings, all replicates
#
# Now the same for every quantizer of the paper. Each examination returns the attack's AUC per head, the true-positive rate
# at 1 % false positives over all heads, the null, and the utility on the scaffold test set.


# %%
def examine(setting, name, models, members, null_members):
    """Quantize the heads, attack them, and score them."""
    small = models.quantize(name)
    signals = attacks.signal(small.logits(setting.x), setting.y, TASK[setting.kind])
    scores = attacks.lira(signals, members, "online_fixed")
    null_scores = attacks.lira(signals, null_members, "online_fixed")
    outputs = small.logits(setting.x_test)
    return {"quantizer": name, "auc": attacks.auc(scores, members), "null": attacks.auc(null_scores, null_members),
            "tpr_at_1pct": attacks.tpr_at_fpr(scores, members, 0.01), "nonzero": np.mean(small.vectors() != 0),
            "utility": utility(outputs, setting.y_test, setting.kind).mean(), "some_logits": outputs[::8]}  # fmt: skip


# %% [markdown]
# The indicators read the spare heads on the test molecules, which none of them trained on: the paper's rate $r$ in three
# aggregations (our estimators, not the paper's Algorithm 1 word by word) and the survival correlation $\rho$ (`survival`).


# %%
def indicate(setting, name, spare):
    """Return the indicators of one quantizer from heads that were not attacked."""
    outputs, full = (heads.logits(setting.x_test) for heads in (spare.quantize(name), spare))
    signals = attacks.signal(outputs, setting.y_test, TASK[setting.kind])
    losses = np.square(signals) if setting.kind == "regression" else np.logaddexp(0, -signals)
    return {"rho": indicator.survival(outputs, full, draws=n_draws)} | {
        f"r, {how}": indicator.estimate(losses, how, draws=n_draws) for how in indicator.AGGREGATIONS
    }


# %% [markdown]
# A replicate is trained once and quantized nine times, so that all quantizers are compared on the same heads.

# %%
NAMES = quantizers.PAPER_SET


def study_replicate(setting, number):
    """Train one replicate; yield a row per quantizer."""
    models, members, spare = replicate(setting, number)
    null_members = attacks.permuted(members, np.random.default_rng([seed, number]))
    key = {"task": setting.task, "kind": setting.kind, "representation": setting.representation, "seed": number}
    for name in NAMES:
        found = examine(setting, name, models, members, null_members)
        yield key | found | {"indicators": indicate(setting, name, spare)}


# %% [markdown]
# This is where the computing time goes.

# %%
rows = [row for setting in settings for number in range(n_seeds) for row in study_replicate(setting, number)]
print(f"{len(rows)} examinations of {n_models} heads each")

# %% [markdown]
# One row per setting, quantizer and replicate, with means over the heads of the replicate:

# %%
SETTING = ["task", "representation"]
study = pd.DataFrame(rows)
study = study.assign(attack_auc=study.auc.map(np.mean), null_auc=study.null.map(np.mean))
study.pivot_table(index="quantizer", columns=SETTING, values="attack_auc", sort=False).round(3)

# %% [markdown]
# An average hides the records that are found with near certainty. Of members, this share is found while 1 % of the
# non-members are accused; a coin would find 0.01.

# %%
study.pivot_table(index="quantizer", columns=SETTING, values="tpr_at_1pct", sort=False).round(3)

# %% [markdown]
# And utility, AUROC or $R^2$ on the scaffold test set:

# %%
study.pivot_table(index="quantizer", columns=SETTING, values="utility", sort=False).round(3)

# %% [markdown]
# ### The controls
#
# Here stand the null, averaged over quantizers, and the attack on full precision, beside the blind baselines of section 3.
# The blind baseline on random halves and the null must sit at 0.5. Had we taken scaffold sides as membership, much of what
# an "attack" finds would have been there before the model.

# %%
controls = [blind]
for kind, column in [("LiRA, permuted membership", "null_auc"), ("LiRA, full precision", "attack_auc")]:
    part = study if column == "null_auc" else study[study.quantizer == "fp32"]
    per_seed = part.groupby(["task", "seed"])[column].mean().unstack("task")
    lines = [[task, kind, *mean_interval(per_seed[task])] for task in frames]
    controls.append(pd.DataFrame(lines, columns=blind.columns))
controls = pd.concat(controls, ignore_index=True)
controls.round(3)

# %% [markdown]
# As a picture, with the coin as the dotted line:

# %%
labels = controls.membership.unique()
fig, axes = plt.subplots(1, len(frames), figsize=(figures.PAGE, 1.9), sharey=True, squeeze=False)
for ax, task in zip(axes[0], frames, strict=True):
    part = controls[controls.task == task].set_index("membership").loc[labels]
    ax.hlines(labels, part.low, part.high, color=figures.COLORS[0], lw=2)
    ax.plot(part.auc, labels, "o", color=figures.COLORS[0])
    ax.axvline(0.5, color="0.4", ls=":")
    ax.set(title=task, xlabel="AUC against membership", xlim=(0.4, 1.02))
    ax.grid(axis="y")
axes[0, 0].invert_yaxis()
mean_auc = controls.groupby("membership", sort=False).auc.mean()
figures.save_figure(
    fig, "03_blind_baseline", data=controls, atol=0.03,
    alt="AUC of four ways to guess membership, a panel per table, with intervals. Means over the tables: "
    + "; ".join(f"{way}: {value:.2f}" for way, value in mean_auc.items()),
)  # fmt: skip

# %% [markdown]
# ## 7 · Privacy against utility
#
# Two uncertainties, two intervals. The attack's AUC varies with the replicate: its bar is the $t$ interval over replicates.
# Utility varies mostly with the few hundred test molecules: its bar is the bootstrap over molecules, with the heads fixed.
# The same molecules are drawn for every quantizer, so that differences between quantizers keep their own, smaller interval.


# %%
def per_quantizer(setting, column="some_logits"):
    """Return quantizer -> an array over the heads of all replicates, from a column of the study."""
    part = study[(study.task == setting.task) & (study.representation == setting.representation)]
    return {name: np.concatenate(group.tolist()) for name, group in part.groupby("quantizer", sort=False)[column]}


# %% [markdown]
# The bootstrap draws test molecules with replacement, the same ones for all quantizers, and averages the score over every
# eighth head.


# %%
def utility_draws(setting, score):
    """Return bootstrap draws (n_seeds * n_draws, quantizers) of the mean score over heads, paired over quantizers."""
    outputs, y, rng = per_quantizer(setting), setting.y_test, np.random.default_rng(seed)
    picks = rng.integers(len(y), size=(4 * n_seeds * n_draws, len(y)))
    usable = [pick for pick in picks if len(np.unique(y[pick])) > 1]  # a draw of one class has no AUROC
    draws = [[score(outputs[name][:, pick], y[pick], setting.kind).mean() for name in NAMES]
             for pick in usable[: n_seeds * n_draws]]  # fmt: skip
    return pd.DataFrame(draws, columns=NAMES)


# %% [markdown]
# For the first setting, the interval of every quantizer:

# %%
boot = {(s.task, s.representation): utility_draws(s, utility) for s in settings}
boot[settings[0].task, settings[0].representation].quantile([0.025, 0.975]).round(3)

# %% [markdown]
# ### Is it the order or the scale that breaks in regression?
#
# $R^2$ punishes a head whose outputs are in the right order but too large or too small; AUROC cannot see that. So a fair
# comparison of the two kinds of task needs one more number. The squared correlation is the $R^2$ of a head after the best
# gain and offset: what it restores was scale, what stays lost was order.


# %%
def recalibrated(outputs, y, kind):
    """Return the R2 of each model after the best linear recalibration; 0 for a constant model."""
    outputs, y = outputs - outputs.mean(axis=1, keepdims=True), y - y.mean()
    return (outputs @ y) ** 2 / np.maximum((outputs**2).sum(axis=1) * (y**2).sum(), 1e-12)


# %% [markdown]
# Before and after, for the regressions. These are means of the bootstrap over every eighth head, so the third digit of $R^2$
# may differ from the table of section 6, which averages over all heads.

# %%
regressions = [s for s in settings if s.kind == "regression"]
boot_recalibrated = {(s.task, s.representation): utility_draws(s, recalibrated) for s in regressions}
pd.DataFrame({
    (*key, label): draws[key].mean() for key in boot_recalibrated
    for label, draws in [("R2", boot), ("recalibrated", boot_recalibrated)]
}).round(3)  # fmt: skip

# %% [markdown]
# Does recalibration leak more? Not if all heads share the two numbers: LiRA compares the target with shadows that are
# stretched and shifted alike, and its score does not change.

# %%
stretched = attacks.lira(3 * signals + 1, members, "online_fixed")
print("largest change of a score:", f"{np.abs(stretched - scores).max():.1e}")
assert np.allclose(stretched, scores, rtol=1e-4, atol=1e-4)

# %% [markdown]
# The summary of each setting and quantizer, the numbers that the figure draws:


# %%
def summarise(part):
    """Return mean and interval of attack AUC and utility over the replicates of one setting and quantizer."""
    *key, name = part.name
    low, high = boot[tuple(key)][name].quantile([0.025, 0.975])
    mean, auc_low, auc_high = mean_interval(part.attack_auc)
    after = boot_recalibrated[tuple(key)][name].mean() if tuple(key) in boot_recalibrated else np.nan
    return pd.Series({"mean_auc": mean, "auc_low": auc_low, "auc_high": auc_high, "mean_utility": part.utility.mean(),
                      "utility_low": low, "utility_high": high, "recalibrated": after})  # fmt: skip


# %%
columns = [*SETTING, "quantizer"]
summary = study.groupby(columns, sort=False).apply(summarise).reset_index()
summary.head(len(NAMES)).round(3)

# %% [markdown]
# The figure's table is the long form that later studies extend: a row for each replicate and indicator. Of the estimators of
# $r$ it keeps the one that uses all pairs.

# %%
indicators = pd.DataFrame([
    {"task": row.task, "representation": row.representation, "quantizer": row.quantizer, "seed": row.seed,
     "indicator_name": key, "indicator": e.value, "low": e.low, "high": e.high}
    for row in study.itertuples() for key, e in row.indicators.items()
])  # fmt: skip
indicators.sample(3, random_state=seed).round(4)

# %%
scalars = study[["task", "kind", "representation", "quantizer", "seed", "utility", "attack_auc", "tpr_at_1pct"]]
kept_indicators = indicators[indicators.indicator_name.isin(["rho", "r, all_pairs"])]
long = scalars.merge(kept_indicators).merge(summary.drop(columns="mean_utility")).round(5)
print(f"{len(long)} rows: {', '.join(long.columns)}")

# %% [markdown]
# Up and to the left is where one wants to be. Colours tell the families apart, markers the members; a quantizer that lies
# below and to the right of another one is never worth choosing. In regression a dotted line leads up to the small hollow
# marker of the recalibrated head.

# %%
BLUE, ORANGE, GREEN = figures.COLORS[:3]
LOOK = dict(zip(NAMES, [("k", "o"), (BLUE, "s"), (BLUE, "D"), (BLUE, "^"), (BLUE, "v"), (GREEN, "P"), (ORANGE, "<"),
                        (ORANGE, ">"), (ORANGE, "*")], strict=True))  # fmt: skip


# %% [markdown]
# Full precision is drawn last and hollow, because `uniform_8` lies on top of it.


# %%
def draw_setting(ax, part):
    """Draw the quantizers of one setting with their intervals."""
    for row in part[::-1].itertuples():
        color, marker = LOOK[row.quantizer]
        size, face = (8, "none") if row.quantizer == "fp32" else (5, color)
        ax.hlines(row.mean_utility, row.auc_low, row.auc_high, color=color, lw=1)
        ax.vlines(row.mean_auc, row.utility_low, row.utility_high, color=color, lw=1)
        ax.vlines(row.mean_auc, row.mean_utility, row.recalibrated, color=color, lw=0.8, ls=":")
        ax.plot(row.mean_auc, row.recalibrated, marker, color=color, ms=4, mfc="w", mew=0.7)
        ax.plot(row.mean_auc, row.mean_utility, marker, color=color, mfc=face, ms=size, mew=0.7, label=row.quantizer)
    ax.axvline(0.5, color="0.4", ls=":", lw=0.8)


# %%
fig, axes = plt.subplots(len(frames), len(representations), figsize=(figures.PAGE, 0.4 + 2.1 * len(frames)),
                         squeeze=False, sharex=True, sharey="row")  # fmt: skip
for ax, setting in zip(axes.flat, settings, strict=True):
    draw_setting(ax, summary[(summary.task == setting.task) & (summary.representation == setting.representation)])
    score = "AUROC" if setting.kind == "classification" else "$R^2$"
    ax.set(title=f"{setting.task}, {setting.representation}", ylabel=f"test {score}")
    ax.label_outer()
fig.supxlabel("LiRA AUC (0.5: private)", fontsize=8)
handles, labels = axes[0, 0].get_legend_handles_labels()
fig.legend(handles[::-1], labels[::-1], loc="outside right center")
mean = summary.groupby("quantizer")[["mean_auc", "mean_utility"]].mean()
figures.save_figure(
    fig, "03_tradeoff", data=long, atol={"*": 0.03, "indicator": 0.05, "low": 0.05, "high": 0.05}, rtol=0.3,
    alt="Test utility against LiRA AUC for nine quantizers, a panel per task and representation, with intervals. On average "
    f"{mean.mean_auc.idxmax()} leaks most and {mean.mean_auc.idxmin()} least, {mean.mean_utility.idxmax()} is the most "
    f"useful and {mean.mean_utility.idxmin()} the least.",
)  # fmt: skip

# %% [markdown]
# ### The front
#
# A quantizer is on the *Pareto front* of a replicate if no other one is at least as useful and at least as private. The
# table counts how often.


# %%
def on_front(part):
    """Return, per row, whether no other quantizer is as good in both respects."""
    useful, leaks = part.utility.to_numpy(), part.attack_auc.to_numpy()
    as_good = (useful >= useful[:, None]) & (leaks <= leaks[:, None])
    return part.assign(front=as_good.sum(axis=1) == 1)  # a row is always as good as itself


# %%
fronts = pd.concat([on_front(part) for _, part in study.groupby([*SETTING, "seed"], sort=False)])
fronts.pivot_table(index="quantizer", columns=SETTING, values="front", sort=False).map("{:.0%}".format)

# %% [markdown]
# ## 8 · Do numbers without an attack give the same order?
#
# For each setting we keep the pairs of quantizers that the attack resolves: the paired bootstrap over attacked heads
# excludes zero and the AUC differs by at least 0.002. Kendall's $\tau$ over these pairs is the share in the right order
# minus the share in the wrong one. An indicator's interval pools its bootstrap over the replicates, so it describes a
# reader who trains one set of `n_indicator` heads. Two naive rivals need no model at all, or only one: nominal bits, and
# the share of weights that are not zero.

# %%
bits = {name: quantizers.QUANTIZERS[name].bits for name in NAMES}
nonzero = study.pivot_table(index="quantizer", columns=SETTING, values="nonzero", sort=False)
nonzero.rename(index=lambda name: f"{name} ({bits[name]:.3g} bits)").round(3)

# %% [markdown]
# Nominal bits hide how sparse a grid is: a few large weights set the scale, and most others round to zero. The 3-bit grid
# can be sparser than `ternary_90`.


# %%
def agreement(setting):
    """Yield, per indicator, its name, Kendall's tau with the attack over resolved pairs, and the draws of tau."""
    signs = indicator.resolved_pairs(
        np.column_stack(list(per_quantizer(setting, "auc").values())), np.random.default_rng(seed)
    )
    part = study[(study.task == setting.task) & (study.representation == setting.representation)]
    found = part.pivot(index="seed", columns="quantizer", values="indicators")[NAMES]
    for key in found.iloc[0, 0]:
        taus = [indicator.kendall_interval([e[key] for e in row], signs, key == "rho") for row in found.to_numpy()]
        yield key, np.mean([tau.value for tau in taus]), np.concatenate([tau.draws for tau in taus])
    for key, values in {"bits": bits.values(), "non-zeros": nonzero[setting.task, setting.representation]}.items():
        tau = indicator.kendall_resolved(list(values), signs)
        yield key, tau, np.full(n_seeds * n_draws, tau)


# %%
taus = pd.DataFrame([
    {"task": s.task, "representation": s.representation, "indicator": key, "tau": tau, "draws": draws}
    for s in settings for key, tau, draws in agreement(s)
])  # fmt: skip
taus[["low", "high"]] = [np.nanquantile(draws, [0.025, 0.975]) for draws in taus.draws]
taus.pivot_table(index="indicator", columns=SETTING, values="tau", sort=False).round(2)

# %% [markdown]
# With intervals:

# %%
fig, axes = plt.subplots(1, len(settings), figsize=(figures.PAGE, 2.1), sharey=True, squeeze=False)
for ax, (title, part) in zip(axes[0], taus.groupby(SETTING, sort=False), strict=True):
    ax.hlines(part.indicator, part.low, part.high, color=BLUE, lw=2)
    ax.plot(part.tau, part.indicator, "o", color=BLUE)
    ax.axvline(0, color="0.4", ls=":", lw=0.8)
    ax.set(title=",\n".join(title), xlim=(-1.1, 1.1))
    ax.grid(axis="y")
axes[0, 0].invert_yaxis()
fig.supxlabel(r"Kendall $\tau$ with LiRA, resolved pairs", fontsize=8)
mean_tau = taus.groupby("indicator", sort=False).tau.mean()
figures.save_figure(
    fig, "03_agreement", data=taus.drop(columns="draws"), atol=0.3,
    alt="Kendall tau of six indicators with the attack, a panel per task and representation, with intervals. Means over the "
    "panels: " + "; ".join(f"{key}: {value:.2f}" for key, value in mean_tau.items()),
)  # fmt: skip

# %% [markdown]
# ### Does theory expect r to work here?
#
# The theorem needs an exponent $n\,r$ above about 3, with $n$ the number of members and $r$ the *minimum* over codewords, and
# an estimate above its noise floor $1/(2m)$ from $m$ test molecules. The table shows $n\,r$ of `r, min` and, in its last row,
# $n$ times the floor.

# %%
r_min = indicators[indicators.indicator_name == "r, min"]
least = r_min.pivot_table(index="quantizer", columns=SETTING, values="indicator", sort=False)
n_members = {(s.task, s.representation): len(s.x) // 2 for s in settings}
floor = {(s.task, s.representation): 1 / (2 * len(s.x_test)) for s in settings}
exponent = pd.concat([least, pd.DataFrame(floor, index=["noise floor"])]) * pd.Series(n_members)
exponent.round(2)

# %%
print(f"{(exponent.iloc[:-1] > 3).to_numpy().sum()} of {exponent.iloc[:-1].size} exponents are above 3")

# %% [markdown]
# ### From rank to number
#
# For classification the survival law of notebook 02 predicts the AUC itself, $\Phi(\rho\,\Phi^{-1}(\mathrm{AUC}_{fp}))$, from
# one attack on full precision. A positive miss warns of more leakage than the attack finds. We do not use it for
# regression: there a member's residual shrinks towards zero from either side, which is not the common shift that the law
# assumes.

# %%
by_quantizer = long[(long.kind == "classification") & (long.indicator_name == "rho")].groupby(columns, sort=False)
law = by_quantizer.agg(rho=("indicator", "mean"), measured=("attack_auc", "mean")).reset_index()
full = law[law.quantizer == "fp32"].set_index(SETTING).measured
law["predicted"] = attacks.survival_law(law.rho, law.set_index(SETTING).index.map(full))
law["miss"] = law.predicted - law.measured
law.round(3)

# %% [markdown]
# ## 9 · Verdicts
#
# Each claim is a number with an interval, and a bar fixed beforehand: *reproduced* if the interval is above the bar,
# *contradicted* if it is below, *not at this scale* otherwise. AUC differences take the $t$ interval over replicates,
# utility differences the bootstrap over test molecules, correlations the bootstrap of section 8; all are means over
# the settings of a kind.


# %%
def judge(claim, estimate, low, high, bar=0.0):
    word = "reproduced" if low > bar else "contradicted" if high < bar else "not at this scale"
    return {"claim": claim, "verdict": word, "estimate": estimate, "low": low, "high": high, "bar": bar}


# %%
def judge_draws(claim, draws, bar=0.0):
    return judge(claim, np.nanmean(draws), *np.nanquantile(draws, [0.025, 0.975]), bar)


# %% [markdown]
# Utility is counted as the share that a quantizer keeps of what full precision has above a model that knows nothing, whose
# AUROC is 0.5 and whose $R^2$ is 0. Without such a common scale, AUROC and $R^2$ could not be compared.

# %%
kinds = list(dict.fromkeys(s.kind for s in settings))
above = {kind: [boot[s.task, s.representation] - 0.5 * (kind == "classification") for s in settings if s.kind == kind]
         for kind in kinds}  # fmt: skip
if regressions:
    above["recalibrated"] = list(boot_recalibrated.values())
above = {kind: sum(draws) / len(draws) for kind, draws in above.items()}
kept = {kind: draws.div(draws["fp32"], axis=0) for kind, draws in above.items()}
pd.DataFrame({kind: draws.mean() for kind, draws in kept.items()}).round(2)

# %% [markdown]
# The paper's claims, and ours beside them. Privacy compares attack AUCs of the same replicate, averaged over the settings of
# a kind.

# %%
auc = study.pivot_table(index=["kind", "seed"], columns="quantizer", values="attack_auc")
verdicts = []
for kind in kinds:
    a = auc.loc[kind]
    rest = a.drop(columns="ternary_90").min(axis=1)
    verdicts += [
        judge(f"{kind}: ternary_90 leaks less than ternary_33", *mean_interval(a["ternary_33"] - a["ternary_90"])),
        judge(f"{kind}: sign leaks more than ternary_33", *mean_interval(a["sign"] - a["ternary_33"])),
        judge(f"{kind}: ternary_90 leaks least", *mean_interval(rest - a["ternary_90"])),
    ]

# %% [markdown]
# Utility compares shares kept; `recalibrated` is the regression after its best gain and offset.

# %%
for kind, draws in kept.items():
    extra = draws["ternary_33"] - draws["ternary_90"]
    verdicts.append(judge_draws(f"{kind}: ternary_90 less useful than ternary_33", extra))
    verdicts.append(judge_draws(f"{kind}: ternary_90 less useful than fp32", 1 - draws["ternary_90"]))

# %% [markdown]
# Two more need both kinds of task: is regression hit harder, before and after recalibration? And the indicators: does $\tau$, averaged over the settings, exceed 0.8, as in notebook 02?

# %%
if len(kinds) == 2:
    for kind in [kind for kind in kept if kind != "classification"]:
        extra = kept["classification"]["ternary_90"] - kept[kind]["ternary_90"]
        verdicts.append(judge_draws(f"{kind}: loses more than classification", extra))
for key in ["rho", "r, min", "r, median", "r, all_pairs"]:
    draws = np.mean(taus[taus.indicator == key].draws.tolist(), axis=0)
    verdicts.append(judge_draws(f"{key}: tau with the attack above 0.8", draws, bar=0.8))
verdicts = pd.DataFrame(verdicts)
verdicts.round(3)

# %% [markdown]
# Verdicts on utility rest on the test molecules. A bootstrap over fewer than about a hundred of them promises too much, so
# distrust these verdicts if the next line names a setting.

# %%
small = [f"{s.task}, {s.representation}: {len(s.x_test)}" for s in settings if len(s.x_test) < 100]
print("test sets under 100 molecules:", "; ".join(small) or "none")

# %% [markdown]
# The whole table as a picture. A claim is reproduced when its interval lies to the right of its tick.

# %%
COLOR = {"reproduced": BLUE, "contradicted": ORANGE, "not at this scale": "0.5"}
fig, ax = plt.subplots(figsize=(figures.PAGE, 0.6 + 0.19 * len(verdicts)))
for i, row in verdicts.iterrows():
    ax.hlines(i, row.low, row.high, color=COLOR[row.verdict], lw=2)
    ax.plot(row.estimate, i, "o", color=COLOR[row.verdict])
    ax.plot(row.bar, i, "|", color="k", ms=9)
    ax.text(1.02, i, row.verdict, color=COLOR[row.verdict], va="center", transform=ax.get_yaxis_transform())
ax.set_yticks(range(len(verdicts)), verdicts.claim)
ax.set(xlabel="difference of AUC, share of utility, or tau; a tick marks the bar", ylim=(len(verdicts) - 0.5, -0.5))
ax.grid(axis="y")
figures.save_figure(
    fig, "03_verdicts", data=verdicts[["claim", "verdict", "estimate", "low", "high", "bar"]], atol=0.1,
    alt="Forest plot of the claims with their intervals and verdicts, as listed in the table above.",
)  # fmt: skip

# %% [markdown]
# ## 10 · Your own molecules
#
# The same report for a table of your own is one command, from the top folder; the table stays on your machine, best outside
# the repository. Cleaning, splitting, the rule for the head, attack, null and verdicts are those above. With one kind of
# task, the comparisons between kinds are left out.
#
# ```
# .venv/bin/python -m qmis_utils.run 03 -p tasks '["csv:/path/to/my.csv"]' -p smiles_column SMILES -p label_column y
# ```
#
# The runner says where the executed notebook is. Look first at section 1 there: it counts the rows of your table that
# cleaning dropped or merged, and lists the dropped ones. A few hundred molecules are enough to run it; with fewer than about
# 500 expect wide intervals.
#
# ## What we saw
#
# With a table of your own, your tables, figures and verdicts above are the answer: what follows is not about it. On
# BBB_Martins and ESOL, with the full parameters:
#
# - **Sparsity does buy privacy**: from 33 % to 90 % zeros the attack on ternary heads loses much of its AUC, in both kinds
#   of task.
# - **But it is not the best buy.** `uniform_2`, nearly all zeros, leaks less than `ternary_90`, and is broken in regression.
#   `uniform_3` is the quiet winner on ECFP4: at least as useful as `ternary_90` and about as private. A nominal 3-bit grid
#   is sparse too, and it keeps the few large weights apart.
# - **Regression suffers more, mostly because of scale.** Signs and ternary weights shrink or stretch the output; one gain and
#   one offset, fitted after quantizing, give most of it back. Whoever ships a quantized regression should refit these two
#   numbers, best on molecules that trained nothing: a fit on training labels is a release about them too.
# - **$\rho$ orders the quantizers better than our estimators of $r$**, with narrower intervals, and is not perfect: on
#   BBB_Martins with ECFP4 it puts `uniform_4` above `sign` and `ternary_33`, which leak more. The survival law has its
#   largest miss there.
# - **Low AUC is not safety.** It is an average, found by this attacker, who sees outputs and not weights.
#
# Two cells keep these sentences honest: with the parameters that they speak of, a rerun that contradicts them fails.

# %%
as_written = (tasks, representations, decays) == (["BBB_Martins", "ESOL"], ["ecfp4", "chemnet"], [0.0, 0.01, 0.1, 0.3])
as_written &= (max_molecules, seed, width, steps, n_seeds, n_models, n_indicator) == (3000, 0, 32, 100, 5, 32, 16)
if as_written:
    word = verdicts.set_index("claim").verdict
    leaks, useful = (summary.pivot(index="quantizer", columns=SETTING, values=v) for v in ("mean_auc", "mean_utility"))
    assert (word.filter(like="ternary_90 leaks less than ternary_33") == "reproduced").all()
    assert (leaks.loc["uniform_2"] < leaks.loc["ternary_90"] - 0.02).all()
    assert nonzero.loc["uniform_2"].max() < 0.02
    assert kept["regression"]["uniform_2"].mean() < 0.5
    assert (useful.loc["uniform_3"] > useful.loc["ternary_90"]).xs("ecfp4", level="representation").all()
    assert (leaks.loc["uniform_3"] < leaks.loc["ternary_90"] + 0.02).xs("ecfp4", level="representation").all()
    assert nonzero.loc["uniform_3"].xs("ecfp4", level="representation").max() < 0.05

# %% [markdown]
# And on regression and the indicators:

# %%
if as_written:
    assert word["regression: loses more than classification"] == "reproduced"
    lost, after = (
        1 - kept[kind][["sign", "ternary_33", "ternary_50", "ternary_90"]].mean()
        for kind in ("regression", "recalibrated")
    )
    assert (after < lost / 2).all()
    found = taus.assign(span=taus.high - taus.low).pivot(index=SETTING, columns="indicator", values=["tau", "span"])
    rivals = [f"r, {how}" for how in indicator.AGGREGATIONS]
    assert (found["tau"]["rho"] > found["tau"][rivals].max(axis=1)).all()
    assert (found["span"]["rho"] < found["span"][rivals].min(axis=1)).all()
    hard = law[(law.task == "BBB_Martins") & (law.representation == "ecfp4")].set_index("quantizer")
    assert hard.rho["uniform_4"] > hard.rho[["sign", "ternary_33"]].max()
    assert hard.measured["uniform_4"] < hard.measured[["sign", "ternary_33"]].min()
    assert law.loc[law.miss.abs().idxmax(), SETTING].tolist() == ["BBB_Martins", "ecfp4"]

# %% [markdown]
# ## Limits
#
# - One scaffold split and one pool per setting: replicates vary the heads and the halves, not the molecules.
# - ECFP4 does not see stereochemistry, so a few molecules of a pool share one vector; such twins soften the attack.
# - The attack is black box. Whoever is given the weights can do more, and the sparse heads are no exception.
# - Two tasks are not drug discovery. The registry `molecules.TASKS` holds more, and the same cells run on each of them.
#
# ## Exercises
#
# 1. Run `-p tasks '["BACE", "BACE_pIC50"]'`: the same molecules, once as classes and once as numbers. Is regression hit
#    harder on equal molecules?
# 2. Measure $\rho$ on the pool instead of the test molecules. It still needs no membership. Does it order ECFP4 better?
# 3. Set `decays` to `[0.0]`. What do overfitted heads do to the privacy of `sign`?
# 4. Register a representation of your own and compare it with `ecfp4`.
# 5. Take scaffold sides as membership in section 5. How much of the attack's AUC does the blind baseline explain?
#
# **Next.** Back to `00_start_here` for the map of the companion.
