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
# # D · The report on a table of your own
#
# This notebook is a program. Give it a table of molecules, and it says what quantizing a model of them would give away
# and what it would cost. One command, from the top folder:
#
# ```
# .venv/bin/python -m qmis_utils.run D -p tasks '["csv:/path/to/my.csv"]' -p smiles_column SMILES -p label_column y
# ```
#
# The table stays on your machine, best outside the repository; the runner says where the executed report is. Two labels
# make a classification, more make a regression. As it is committed, it reports on one table of each kind. It gives, in
# this order: what was cleaned (section 1), what is known before any model exists (2), the heads (3), the attack and its
# controls (4), privacy against utility (5), numbers that need no attack (6), the list of exposed molecules (7), verdicts on
# the paper's claims (8), and findings in words that the intervals choose (9). **Read section 9 first.** What the words
# mean is taught in [07](07_molecular_privacy_utility.ipynb); a few hundred molecules are enough to run it, and with fewer
# than about 500 expect wide intervals.
#
# Unless `start` says otherwise, all numbers are of the pool game, against the strongest known attack on outputs: of LiRA,
# the field's standard, and the rivals in `attackers`, whichever finds most in a release. Its shadows are quantized as the
# target is and start from the target's initialisation. Where a number is LiRA's, it says so.
#
# *Figures: `D_blind_baseline`, `D_seeds`, `D_tradeoff`, `D_equal_auc`, `D_regression`, `D_agreement`, `D_exposed`,
# `D_exposure`, `D_verdicts`.* **Run time** (2 cores): full 4 min, quick 20 s.

# %%
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import PIL.Image
from matplotlib import pyplot as plt
from rdkit import Chem
from rdkit.Chem.Draw import rdMolDraw2D
from scipy import stats

from qmis_utils import attacks, figures, molecules, quantizers, run
from qmis_utils.molecules import embeddings
from qmis_utils.studies import molecular

figures.use_style()
pd.set_option("display.max_colwidth", None)  # claims are shown whole

# %% [markdown]
# Every choice that you may want to change is in the next cell.

# %% tags=["parameters"]
tasks: list[str] = ["BACE", "FreeSolv"]  # names in molecules.TASKS, or "csv:" and a path (not empty)
representations: list[str] = ["ecfp4", "minimol"]  # names in embeddings.EMBEDDERS (not empty)
smiles_column: str = "smiles"  # column of the SMILES; only for csv: tables
label_column: str = "y"  # column of the label; only for csv: tables
task_kind: str | None = None  # "binary" or "regression" overrides the rule for csv: tables
decimal: str = "."  # "," where a csv: table writes 0,5
split: str = "scaffold"  # how the test set is held out; or "random", "column:<name>", "time:<name>"
twins: str = "keep"  # molecules that a representation cannot tell apart; "merge" makes one of them
max_molecules: int = 3000  # larger tables are sampled down (at least 1)
test_fraction: float = 0.2  # share of molecules held out for the test set
seed: int = 0  # seed of the sample, the split and all that follows (at least 0)
widths: list[int] = [8, 16, 32]  # hidden units that validation may choose from (not empty, at least 1)
steps: int = 100  # full-batch Adam steps (at least 1)
decays: list[float] = [0.0, 0.01, 0.1, 0.3]  # weight decays that the validation rule may choose from (not empty)
recorded_heads: str | None = "settings/molecular_heads.csv"  # what the rule chose for known tables; or None
attackers: list[str] = ["lira_fixed", "loss", "rmia", "stacked_outputs"]  # in attacks.ATTACKS, lira_fixed among them
start: str = "shared"  # initialisation of a group's heads, known to the attacker; "random": one each, known to nobody
listed: str | None = None  # representation of the list of exposed molecules; None: the one whose heads leak most
n_models: int = 128  # attacked heads of a setting; about 25 a group let every record be attacked (at least 1)
n_groups: int = 5  # groups: each has its own initialisation and its own halves (at least 2)
n_indicator: int = 16  # further heads of each group, for the indicators alone (at least 1)
n_draws: int = 40  # bootstrap draws of each group (at least 1)
cluster: str | None = None  # address of a Dask scheduler, "tcp://host:8786", to spread the sweep over

# %%
assert n_groups >= 2, "n_groups: an interval needs at least two groups"
assert start in ("shared", "random"), "start: 'shared' or 'random'"
assert listed in (None, *representations), "listed: one of the representations"
assert molecular.ATTACK in attackers, f"attackers: {molecular.ATTACK} and what stands beside it"

# %% [markdown]
# ## 1 · What was read
#
# Rows are numbered as in a spreadsheet, whose first row is the header. A list of rows is shown by its length and its first
# five; the whole list stays in `frame.attrs["report"]`. Of a salt the parent stays, without counter-ions and solvents and
# with its charges neutralised; complexes and inorganic salts are kept whole. Rows that are one molecule are merged: in a
# classification a molecule whose rows disagree is dropped, in a regression its values are averaged. A table above
# `max_molecules` rows is sampled down.
#
# Tables that come by name: **BBB_Martins** (Martins et al. 2012) and **AMES** (Xu et al. 2012) are in the Therapeutics Data
# Commons under CC BY 4.0 and come with this repository. **ESOL** (Delaney 2004, logarithm of the solubility in mol/l),
# **FreeSolv** (Mobley and Guthrie 2014, free energy of hydration in kcal/mol) and **BACE** (Subramanian et al. 2016,
# inhibition of an enzyme of Alzheimer's disease) are fetched once, from MoleculeNet's tables in a hash-checked archive.

# %%
table = {"smiles_column": smiles_column, "label_column": label_column, "task_kind": task_kind,
         "decimal": decimal, "max_molecules": max_molecules, "seed": seed}  # fmt: skip
titles = molecules.table_names(tasks)

# %%
frames = {task: molecules.load_table(task, split_column=molecules.split_column(split), **table) for task in tasks}
for task, frame in frames.items():
    frame.attrs["name"] = titles[task]  # of two files called train.csv, with their folders
origin = {title: task for task, title in titles.items()}
DRAWN = list(origin)[:4]  # what fits into a figure; tables hold all


# %%
def short(entry):
    """Show a number as it is, and a list of rows as its length and its first five."""
    if isinstance(entry, int | str):
        return str(entry)
    return f"{len(entry)}" + (": " if entry else "") + ", ".join(map(str, entry[:5])) + ", ..." * (len(entry) > 5)


# %%
reports = {f.attrs["name"]: f.attrs["report"] | {"molecules_used": len(f)} for f in frames.values()}
pd.DataFrame(reports).map(short)

# %% [markdown]
# Two labels become 0 and 1, in their sorted order:

# %%
pd.Series({f.attrs["name"]: " and ".join(f"{label!r} is {code}" for code, label in enumerate(f.attrs["classes"])) or "a number"
           for f in frames.values()}, name="label")  # fmt: skip

# %% [markdown]
# What the labels look like decides what a score means: with three positives in four, an accuracy of 0.75 would be nothing.
# That is why classification is scored by AUROC, where 0.5 is a coin, and regression by $R^2$, where 0 is the mean, with
# Spearman's rank correlation beside it.

# %%
pd.DataFrame({
    f.attrs["name"]: {"kind": f.attrs["kind"], "mean": f.y.mean(), "spread": f.y.std(), "lowest": f.y.min(),
                      "highest": f.y.max()} for f in frames.values()
}).map(lambda v: v if isinstance(v, str) else round(v, 3))  # fmt: skip

# %% [markdown]
# ### Settings
#
# A *setting* is a table under a representation, frozen: what is trained, quantized and attacked is the head on top.
# `molecular.prepare` embeds, splits, and scales inputs and the labels of a regression by the whole pool, which says nothing
# about membership. A molecule that a representation cannot embed, or of which it would read only a part, is left out of it.
# `ecfp4` counts circular substructures (Rogers and Hahn 2010), `rdkit2d` computes descriptors, `chemnet` (Preuer et al.
# 2018) and `minimol` (Kläser et al. 2024) are networks that others trained, on the following. A representation of your own
# takes five lines, `embeddings.embedder`.

# %%
known = {name: chosen.pretraining for name, chosen in embeddings.EMBEDDERS.items() if name in representations}
pd.Series(known, name="pretraining").to_frame()

# %% [markdown]
# The test set takes whole scaffolds (Bemis and Murcko 1996) unless `split` says otherwise. A series around one scaffold
# cannot be split so: the parameter offers chance, a column of the table, or time. Members are random halves of the pool.

# %%
table |= {"test_fraction": test_fraction, "split": split, "twins": twins}
prepared = [molecular.prepare(task, how, name=titles[task], **table) for task in frames for how in representations]
settings = {(s.name, s.representation): s for s in prepared}
KEY = ["task", "representation"]

# %%
extent = {key: {"pool": len(s.x), "test": len(s.x_test), "columns": s.x.shape[1],
                "left out": sum(map(len, s.report["left_out"].values())), "twins": s.report["twins"],
                "twins at odds": s.report["twins_at_odds"]} for key, s in settings.items()}  # fmt: skip
print("split by", "; ".join(dict.fromkeys(f"{s.report['split']} ({s.name})" for s in prepared)))
pd.DataFrame(extent).T

# %% [markdown]
# *Twins* are molecules of the pool whose inputs are equal, as those of two mirror images are to ECFP4, and twins at odds have
# unequal labels. One of them may be a member where the other is not, and the head cannot know which: twins soften an attack.
# They are kept here, as the field's benchmarks do, and counted; `twins="merge"` makes one record of them.
#
# ## 2 · What is known before any model exists
#
# A *blind baseline* sees molecules and labels, never a model: a ridge regression learns membership on one half of the
# molecules and is judged on the other (`molecular.blind_auc`). On random halves it must be a coin, AUC 0.5. On halves that
# share no scaffold it shows what an evaluation would pretend to find that takes a scaffold test set as non-members. The
# baseline sees ECFP4 whatever the head sees; ten halves of each kind give the $t$ interval, which misses a coin by chance
# one time in twenty.

# %%
blind = pd.concat([molecular.blind(frame, seed) for frame in frames.values()], ignore_index=True)
blind["membership"] = "blind, " + blind.membership
blind.round(3)

# %% [markdown]
# ## 3 · The heads, by a rule fixed beforehand
#
# The head is a perceptron with one hidden layer of ReLU units. How many they are and how strongly they are regularised
# decides how much a head memorises, so the choice must not be made by looking at quantizers or attacks. The rule: the
# smallest of `widths` whose best *full-precision* score on validation molecules is within one standard error of the best of
# all, with the weight decay out of `decays` that gives it that score (`molecular.choose`; the one-standard-error rule of
# Breiman et al. 1984). Validation molecules are the non-members of eight pilot heads that are not used again.
#
# Sweeps run on the cores of this machine, or on a Dask cluster if `cluster` gives its address. A result is kept on disk
# under its arguments, the molecules and labels among them, and the sources of the package: an interrupted run goes on where
# it stopped, and a table that has changed under the same name is computed anew.

# %%
training = {"steps": steps, "seed": seed}
grid = {"widths": widths, "decays": decays}
scores = run.sweep(molecular.validate, [training | grid | {"pool": pool} for pool in settings.values()], cluster)
chosen = {key: molecular.choose(score, **grid) for key, score in zip(settings, scores, strict=True)}

# %% [markdown]
# The best score of each width, AUROC or $R^2$ by the kind of task, and what the rule takes:

# %%
validation = pd.DataFrame([score.mean(axis=-1).max(axis=1) for score in scores], settings, widths).round(3)
validation.assign(chosen=[f"width {width}, decay {decay:g}" for width, decay in chosen.values()])

# %% [markdown]
# Scores that nearly tie may fall the other way on another processor, whose last digits differ, and all that follows with
# them. For tables that come by name we therefore keep what the rule chose when they were first run, on record in
# `recorded_heads`; it decides anew for a table of your own, and where you leave a recorded width or decay out.

# %%
if recorded_heads:
    heads = pd.read_csv(recorded_heads).set_index(KEY)
    ours = [key for key in settings if key in heads.index and origin[key[0]] == key[0]]
    recorded = {key: (int(heads.width[key]), float(heads.decay[key])) for key in ours}
    recorded = {key: head for key, head in recorded.items() if head[0] in widths and head[1] in decays}
    alike = sum(chosen[key] == head for key, head in recorded.items())
    print(f"{len(recorded)} heads are on record; here the rule says the same of {alike}")
    chosen |= recorded

# %% [markdown]
# ## 4 · Attack
#
# A *group* is one initialisation and its share of the `n_models` attacked heads, each trained on its own random half of the
# pool; `n_indicator` further heads serve only the numbers of section 6. Every head is the target in turn, the others of its
# group are its shadows, and the attacks are leave-one-out: LiRA, online, with variances pooled over records
# (`lira_fixed`), the loss threshold, RMIA, and a stack of these, two more LiRA and a regression on all outputs
# (`stacked_outputs`; notebook [C](C_attack_families.ipynb)). The *strongest* is picked for each release and group on one half of the heads
# and judged on the other (`attacks.strongest`), so that no luck is counted. Random halves are drawn again until every molecule
# is IN at least four heads and OUT of at least four. A stack is fitted on the scores of other heads and needs 16 heads a group;
# with fewer it is left out, and the next cell says so.
#
# In what follows the strongest attack stands where LiRA stood in earlier versions of this report: in the tables and figures of
# sections 4 and 5, in the order that section 6 looks for, in verdicts and findings. LiRA remains for the rate at 1 % false
# positives, the laws of section 6 and the exposure of single molecules, which need its likelihood ratio.
#
# Twelve quantizers: the nine of the paper, and three that the practice of small models recommends, a 3-bit grid whose clip
# minimises the squared error (`uniform_mse_3`), four levels by k-means (`lloyd_2`), and the 16 normal-float levels of QLoRA
# (`nf4`). A point of the sweep is one group of one setting.

# %%
heads_a_group = n_models // n_groups
fitted = [name for name in attackers if name.startswith("stacked") and heads_a_group < 16]
attacked = [name for name in attackers if name not in fitted]
print(f"attacks: {', '.join(figures.words(attacked))}")
if fitted:
    print(
        f"left out: {', '.join(figures.words(fitted))}, which needs 16 heads a group; n_models / n_groups is {heads_a_group}"
    )

# %%
NAMES = molecular.NAMES
sizes = {"n_models": n_models, "n_groups": n_groups, "n_indicator": n_indicator, "n_draws": n_draws, "start": start}
points = [training | sizes | {"attacked": attacked, "pool": pool, "group": group, "width": chosen[key][0], "decay": chosen[key][1]}
          for key, pool in settings.items() for group in range(n_groups)]  # fmt: skip

# %%
flat = run.sweep(molecular.evaluate_group, points, cluster)
results = {key: flat[i * n_groups : (i + 1) * n_groups] for i, key in enumerate(settings)}


def by_strongest(result):
    """Return a group in which the strongest attack on each release stands where LiRA stood."""
    best = {part: {molecular.ATTACK: attacks.strongest(getattr(result, part))} for part in ("auc", "null")}
    return replace(result, auc=result.auc | best["auc"], null=result.null | best["null"])


reference = {key: [by_strongest(group) for group in groups] for key, groups in results.items()}
study, by_lira = (
    pd.concat([molecular.rows(settings[key], groups) for key, groups in found.items()], ignore_index=True)
    for found in (reference, results)
)
study = study.assign(lira_auc=by_lira.attack_auc, lead=study.attack_auc - by_lira.attack_auc)
study["r_all_pairs"] = -np.concatenate([r.value("r ensemble all_pairs") for r in flat])
print(
    f"{len(flat)} groups, {len(NAMES)} quantizers, {n_models * len(settings):,} attacked heads, {start} initialisation"
)


# %%
def by_setting(column, **how):
    """Return the mean over groups of a column, a row per setting, a column per quantizer."""
    return (
        study.pivot_table(index=KEY, columns="quantizer", values=column, sort=False, **how).round(3).replace(-0.0, 0.0)
    )


by_setting("attack_auc")

# %% [markdown]
# That is the strongest attack. How far does it lie above LiRA? Means over groups, then the releases where the whole $t$
# interval over groups lies above 0.02:

# %%
by_setting("lead")

# %%
cells = study.groupby([*KEY, "quantizer"], sort=False).lead
leads = pd.DataFrame([tuple(attacks.mean_interval(part, most=1)) for _, part in cells], cells.size().index,
                     ["lead", "low", "high"])  # fmt: skip
clear = leads[leads.low > 0.02]
print(f"{len(clear)} of {len(leads)} releases give the strongest attack more than 0.02 beyond LiRA; "
      f"the mean lead is {leads.lead.mean():.3f}, in {(leads.high < 0.02).sum()} it is surely less than 0.02")  # fmt: skip
clear.round(3)

# %% [markdown]
# Which attack finds most, in how many groups and releases:

# %%
tops = [list(r.auc)[i] for r in flat for i in np.argmax([auc.mean(axis=0) for auc in r.auc.values()], axis=0)]
pd.Series(figures.words(tops)).value_counts().rename("strongest").to_frame()

# %% [markdown]
# An average hides the records that are found with near certainty. Of members, this share is found while 1 % of the
# non-members are accused by LiRA; a coin would find 0.01. (NaN where fewer than 1,000 non-member scores would fix the threshold.)

# %%
by_setting("tpr_at_1pct", dropna=False)

# %% [markdown]
# Utility, AUROC or $R^2$ on the test set; Spearman's correlation stands in the next table, where there is a regression.

# %%
by_setting("utility")

# %%
by_setting("spearman")

# %% [markdown]
# ### The controls
#
# The strongest attack against permuted membership, averaged over quantizers, and against full precision, with LiRA there,
# beside the blind baselines. The null repeats the pick, with the memberships dealt to other heads and other
# molecules. So the blind baseline on random halves must sit at 0.5, and the null within 0.005 of it. If the null does not, something is wrong with the attack, and no
# number of this report should be used. If the blind baseline does not, molecules of the two halves differ in a way that has
# nothing to do with a model. The title counts the tables in which the whole interval of the attack lies above that of the blind
# guess: only there has a model given something away.

# %%
controls = [blind]
for kind, column in [("strongest, permuted membership", "null_auc"), ("LiRA, full precision", "lira_auc"),
                     ("strongest, full precision", "attack_auc")]:  # fmt: skip
    part = study if column == "null_auc" else study[study.quantizer == "fp32"]
    per_group = part.groupby(["task", "group"])[column].mean().unstack("task")
    lines = [[task, kind, *attacks.mean_interval(per_group[task], most=1)] for task in origin]
    controls.append(pd.DataFrame(lines, columns=blind.columns))
controls = pd.concat(controls, ignore_index=True)
controls.pivot(index="task", columns="membership", values="auc").loc[list(origin)].round(3)


# %%
def controls_title(controls):
    """Say in how many tables the whole interval of the attack lies above that of a blind guess on random halves."""
    by_way = controls.set_index("task").groupby("membership")
    attack, guess = (by_way.get_group(way) for way in ("strongest, full precision", "blind, random halves"))
    ahead = attack.low > guess.high
    return f"On random halves the attack beats a blind guess in {ahead.sum()} of {len(ahead)} tables"


# %%
labels = list(controls.membership.unique())
fig, ax = plt.subplots(figsize=(figures.PAGE, 2.4))
for i, task in enumerate(DRAWN):
    part = controls[controls.task == task].set_index("membership")
    shift = 0.16 * (i - (len(DRAWN) - 1) / 2)
    figures.forest(ax, part, "auc", names=labels, color=figures.COLORS[i], shift=shift, label=task)
ax.axvline(0.5, color="0.4", ls=":")
ax.set(xlabel="AUC against membership", xlim=(0.4, 1.02))
ax.set_title(controls_title(controls), loc="left")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
ax.grid(axis="y")
mean_auc = controls.groupby("membership", sort=False).auc.mean()
figures.save_figure(
    fig, "D_blind_baseline", data=controls.round(4), atol=0.03,
    alt=f"{controls_title(controls)}. AUC of ways to guess membership, with intervals. Means over the tables: "
    + "; ".join(f"{way}: {value:.2f}" for way, value in mean_auc.items()),
)  # fmt: skip

# %% [markdown]
# ### How much do groups differ?
#
# Each dot is a group: if dots of one setting lay far apart, a result from a single group would be luck. The table behind
# the figure also holds the paper's $r$ (`r_all_pairs`, our estimator) of every group. As the numbers are those of your table,
# all titles are computed from what is drawn.


# %%
def groups_title(drawn):
    """Say in how many settings every group leaks less with 90 % zeros than any group does in full precision."""
    ends = drawn.groupby([*KEY, "quantizer"]).attack_auc.agg(["min", "max"]).unstack()
    apart = ends["max", "ternary_90"] < ends["min", "fp32"]
    return (
        f"Every group leaks less with 90 % zeros than any in full precision in {apart.sum()} of {len(apart)} settings"
    )


# %%
drawn = study[study.task.isin(DRAWN)]
order = drawn[KEY].drop_duplicates()
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 1.1 + 0.16 * len(order)), sharey=True)
for ax, column in zip(axes, ["attack_auc", "utility"], strict=True):
    for name in ("fp32", "ternary_90"):
        part, look = drawn[drawn.quantizer == name], figures.look(name)
        setting = part.task + ", " + part.representation
        ax.plot(part[column], setting, ls="", ms=6 if name == "ternary_90" else 4, alpha=0.6, mew=0, **look)
axes[0].axvline(0.5, color="0.4", ls=":", lw=0.8)
axes[0].set(xlabel="strongest attack's AUC of a group", ylim=(len(order) - 0.5, -0.5))
axes[1].set(xlabel="test AUROC or $R^2$ of a group")
axes[1].set_xlim(max(axes[1].get_xlim()[0], -0.5))
for ax in axes:
    ax.grid(axis="y")
figures.legend_above(fig, axes[0], ncols=2, title=groups_title(drawn))
between = study[study.quantizer == "fp32"].groupby(KEY).attack_auc.std()
columns = [*KEY, "quantizer", "group", "attack_auc", "lira_auc", "utility", "r_all_pairs"]
figures.save_figure(
    fig, "D_seeds", data=drawn[columns].round(4), atol={"*": 0.04}, rtol=0.3,
    alt=f"{groups_title(drawn)}. AUC of the strongest attack and test utility of every group, a row per setting. The standard "
    f"deviation of the full-precision AUC between groups is {between.median():.3f} in the median setting.",
)  # fmt: skip

# %% [markdown]
# ## 5 · Privacy against utility
#
# Two uncertainties, two intervals. The attack's AUC varies with the group: its interval is Student's $t$ over groups.
# Utility varies mostly with the few hundred test molecules: its interval is the bootstrap over molecules, with the heads
# fixed: how far the mean of a few heads of every group moves, around the mean of all. The same molecules are drawn for every
# quantizer, so that differences keep their own, smaller interval.

# %%
every = n_groups * n_draws
boot = {key: molecular.utility_draws(settings[key], groups, every, seed) for key, groups in results.items()}


# %%
def summarise(part):
    """Return mean and interval of attack AUC and utility of one quantizer on one table, means over representations."""
    task, name = part.name
    use = sum(draws[name] for key, draws in boot.items() if key[0] == task) / len(representations)
    use += part.utility.mean() - use.mean()
    leak = attacks.mean_interval(part.groupby("group").attack_auc.mean(), most=1)
    found = [*leak, part.utility.mean(), use.quantile(0.025), use.quantile(0.975)]
    return pd.Series(found, ["leak", "leak_low", "leak_high", "use", "use_low", "use_high"])


columns = ["attack_auc", "utility", "group"]
summary = study.groupby(["task", "quantizer"], sort=False)[columns].apply(summarise)

# %% [markdown]
# The figure's table is the long form that later studies extend: a row for each group, with the recommended indicator of
# section 6 and its interval. The paper's $r$ (our estimator over all pairs) stands there once a setting and quantizer, as
# group `all`: its mean over groups with the $t$ interval.


# %%
def mean_columns(grouped, names, most=np.inf):
    """Return the mean of every group of a column and its t interval, as three columns with these names."""
    found = [tuple(attacks.mean_interval(part, most)) for _, part in grouped]
    return pd.DataFrame(found, index=grouped.size().index, columns=names)


def indicator_rows(key, name="rho_pool"):
    """Return value and interval of an indicator, a row per group and quantizer."""
    parts = []
    for group, result in enumerate(results[key]):
        low, high = np.quantile(result.draws(name), [0.025, 0.975], axis=0, method="inverted_cdf")
        names = {"task": key[0], "representation": key[1], "group": group, "quantizer": NAMES}
        parts.append(pd.DataFrame(names | {"indicator": result.value(name), "low": low, "high": high}))
    return pd.concat(parts).assign(indicator_name=name)


# %%
recommended = pd.concat([indicator_rows(key) for key in settings])
rates = study.groupby([*KEY, "quantizer"], sort=False).r_all_pairs
rates = mean_columns(rates, ["indicator", "low", "high"]).reset_index()

# %%
HEADLINE = ["task", "kind", "representation", "quantizer", "group", "utility", "indicator_name", "indicator", "low",
            "high", "attack_auc", "lira_auc", "tpr_at_1pct"]  # fmt: skip
mean_study = study.groupby([*KEY, "kind", "quantizer"], sort=False).mean(numeric_only=True).reset_index()
mean_study = mean_study.drop(columns="group")

# %%
per_group = study.merge(recommended, on=[*KEY, "group", "quantizer"])
overall = mean_study.assign(group="all", indicator_name="r ensemble all_pairs").merge(rates, on=[*KEY, "quantizer"])
long = pd.concat([per_group[HEADLINE], overall[HEADLINE]], ignore_index=True).round(4)
long.sample(4, random_state=seed)

# %% [markdown]
# One plane a table, means over representations. Left is private, up is useful. Three quantizers, apart from the crowd, have their names beside them.
# An $R^2$ below $-0.5$ is drawn at $-0.5$. The title names the quantizer that leaks least and what it costs against full
# precision; whether that price is worth paying is a question of section 9, and whether another quantizer gives more for the
# same leak is the next one.


# %%
def tradeoff_title(part, unit):
    """Say which quantizer of a table leaks least, and what it costs."""
    least = part.leak.idxmin()
    lost = part.use["fp32"] - part.use[least]
    price = f"costs {lost:.2f}" if lost >= 0 else f"gains {-lost:.2f}"
    return f"{figures.words([least])[0]}: leaks least, {price} of {unit}"


# %%
BESIDE = {"uniform_2": (6, 4, "left"), "ternary_33": (-6, 3, "right"), "ternary_90": (6, -9, "left")}
FLOOR = -0.5
n_rows = -(-len(DRAWN) // 2)
fig, axes = plt.subplots(n_rows, min(2, len(DRAWN)), figsize=(figures.PAGE, 0.6 + 2.7 * n_rows), squeeze=False)
for ax, task in zip(axes.flat, DRAWN, strict=False):
    figures.plane(ax, summary.loc[task], BESIDE, FLOOR)
    ax.axvline(0.5, color="0.4", ls=":", lw=0.8)
    unit = "AUROC" if frames[origin[task]].attrs["kind"] == "binary" else "$R^2$"
    ax.set(xlabel="AUC of the strongest attack (0.5: private)", ylabel=unit)
    ax.set_xlim(0.47, max(ax.get_xlim()[1], 0.6) + 0.02)
    ax.set_title(f"{task}\n{tradeoff_title(summary.loc[task], unit)}", loc="left")
for ax in axes.flat[len(DRAWN) :]:
    ax.axis("off")
figures.legend_above(fig, axes[0, 0], ncols=6, reverse=True)
mean = summary.leak.groupby("quantizer").mean()
figures.save_figure(
    fig, "D_tradeoff", data=long, atol={"*": 0.04, "indicator": 0.05, "low": 0.15, "high": 0.15}, rtol=0.3,
    alt=f"Test utility against the AUC of the strongest known attack for {len(NAMES)} quantizers, a panel per table, with intervals. On "
    f"average {mean.idxmax()} leaks most and {mean.idxmin()} least.",
)  # fmt: skip

# %% [markdown]
# To pool settings whose full precision differs, both axes are turned into shares. `leak` is the share of the attack's
# *advantage over a coin*, AUC minus one half, that a quantizer leaves of full precision's. `kept` is the share that it
# keeps of the utility that full precision has above a model that knows nothing, whose AUROC is 0.5 and whose $R^2$ is 0.
# Both are ratios of means over the settings of a kind, and mean nothing where full precision itself is no better than
# chance (section 8 says if so).

# %%
KINDS = {"binary": "classification", "regression": "regression", "refitted": "regression, refitted"}
kinds = list(dict.fromkeys(s.kind for s in settings.values()))
of_kind = {kind: [key for key in settings if settings[key].kind == kind] for kind in kinds}

# %%
leak = molecular.leak_shares(study)
kept = molecular.kept_shares(prepared, list(boot.values()))
pooled = leak.leak.to_frame().join(molecular.spans(kept).value.rename("kept"))
pooled.unstack("kind").loc[NAMES].round(2)

# %% [markdown]
# ### Who is best at an equal AUC?
#
# A quantizer is judged by how much more useful it is than the best draw of lots among the others that leaks no more
# (`attacks.gain_at_equal_leak`; a release drawn by lot has the mean AUC and the mean utility). Above 0 it adds to what the
# others offer; below 0 it gives utility away. Groups and test molecules are drawn anew together; plain AUROC and $R^2$. The titles
# count the quantizers whose interval lies on one side of 0; the others may be either, and a count of none on either side means
# that this table is too small to say who is best.

# %%
gains = molecular.mean_gains(prepared, list(reference.values()), list(boot.values()), seed)
equal = molecular.spans(gains).round(4)
equal.value.unstack("kind").loc[NAMES].round(3).replace(-0.0, 0.0)


# %%
def gains_title(part):
    """Count the quantizers whose interval lies above 0, and those whose lies below."""
    return f"{(part.low > 0).sum()} of {len(part)} add utility, {(part.high < 0).sum()} give it away"


# %%
fig, axes = plt.subplots(1, len(kinds), figsize=(figures.PAGE, 3), squeeze=False)
for ax, kind in zip(axes[0], kinds, strict=True):
    part = equal.loc[kind].sort_values("value", ascending=False)
    figures.forest(ax, part.set_index(pd.Index(figures.words(part.index))), "value")
    ax.axvline(0, color="0.4", ls=":")
    ax.locator_params(axis="x", nbins=5)
    unit = "AUROC" if kind == "binary" else "$R^2$"
    ax.set_title(f"{KINDS[kind]} ({unit}):\n{gains_title(part)}", loc="left")
    ax.grid(axis="y")
fig.supxlabel("utility above what the other quantizers offer at the same AUC", fontsize=8)
figures.save_figure(
    fig, "D_equal_auc", data=equal.reset_index(), atol=0.15,
    alt="Utility of each quantizer above a draw of lots among the others that leaks no more, with intervals: "
    + "; ".join(f"{kind}, {gains_title(equal.loc[kind])}, best {equal.loc[kind].value.idxmax()}" for kind in kinds),
)  # fmt: skip

# %% [markdown]
# ### Is it the order or the scale that breaks?
#
# $R^2$ punishes a head whose outputs are in the right order but too large or too small; AUROC cannot see that. `refitted` is
# the $R^2$ after one gain and one offset, which each half of the test molecules takes from the other half
# (`molecular.recalibrate`). What they restore was scale, what stays lost was order. Refitting leaks nothing more if all heads
# share the two numbers: an attack compares the target with shadows that are stretched and shifted alike.

# %%
shares = dict(kept)
if regressions := of_kind.get("regression", []):
    whole = [boot[key] for key in regressions]
    after = [
        molecular.utility_draws(settings[key], results[key], every, seed, molecular.recalibrate) for key in regressions
    ]
    shares["refitted"] = molecular.kept_shares([settings[key] for key in regressions], after, whole)["regression"]
spans = molecular.spans(shares)
spans.value.unstack("kind").loc[NAMES, list(shares)].round(2)


# %%
def kept_title(spans, name="ternary_90"):
    """Say which share of its utility each kind of task keeps under a quantizer; a share that is not finite is not one."""
    shares = spans.value.xs(name, level="quantizer")
    said = [f"{KINDS[kind]} {100 * share:.0f} %" for kind, share in shares[np.isfinite(shares)].items()]
    return "Utility kept with 90 % zeros: " + ("; ".join(said) or "no share is known")


# %%
fig, ax = plt.subplots(figsize=(figures.PAGE, 3.1))
WORDS = {
    "binary": "classification",
    "regression": "regression as it is",
    "refitted": "regression, gain and offset refitted",
}
for i, kind in enumerate(shares):
    part = spans.loc[kind].loc[NAMES].clip(lower=FLOOR)
    part = part.set_index(pd.Index(figures.words(NAMES)))
    shift = 0.22 * (i - (len(shares) - 1) / 2)
    figures.forest(ax, part, "value", color=figures.COLORS[i], width=1, shift=shift, label=WORDS[kind])
ax.set_xlabel("share of utility kept")
ax.axvline(1, color="0.4", ls=":", lw=0.8)
ax.grid(axis="y")
ax.set_title(kept_title(spans), loc="left")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
figures.save_figure(
    fig, "D_regression", data=spans.reset_index().round(4), atol=0.15,
    alt=f"{kept_title(spans)}. Share of utility that each quantizer keeps, by kind of task, with intervals.",
)  # fmt: skip

# %% [markdown]
# ## 6 · Do numbers without an attack give the same order?
#
# For each setting we keep the pairs of quantizers that the strongest attack resolves: the paired bootstrap over attacked heads
# excludes zero and the AUC differs by at least 0.002. Kendall's $\tau$ over these pairs is the share in the right order
# minus the share in the wrong one.
#
# The candidates: the recommended `rho_pool`, how much of a head's deviation from its siblings survives on the inputs of the
# pool, after each head's own gain and offset are removed; $\rho$ of the outputs on the test molecules (`rho`) and of the
# weights (`rho_w`); the paper's rate $r$ in three aggregations, our estimators of it; and two rivals that need no model
# at all, or only one: nominal bits, and the share of weights that are not zero. Each group has its own `n_indicator` heads,
# so each gives its own $\tau$, and the intervals are over groups. [B](B_indicator_study.ipynb) chose `rho_pool` among many.

# %%
signs = {key: molecular.resolved(groups, seed) for key, groups in reference.items()}
n_resolved = sum(int(np.abs(np.triu(s)).sum()) for s in signs.values())
print(f"resolved pairs: {n_resolved} in {len(signs)} settings")

# %% [markdown]
# Nominal bits hide how sparse a grid is: a few large weights set the scale, and most others round to zero. A 3-bit grid can
# be sparser than `ternary_90`. The share of weights that are not zero:

# %%
bits = np.array([quantizers.QUANTIZERS[name].bits for name in NAMES])
nonzero = study.pivot_table(index="quantizer", columns="representation", values="nonzero", sort=False)
nonzero.assign(bits=bits).round(2)


# %%
taus, lira_taus = (
    pd.concat([molecular.agreement(settings[key], groups, seed) for key, groups in found.items()])
    for found in (reference, results)
)
taus.pivot_table(index=KEY, columns="indicator", values="tau", sort=False, dropna=False).round(2)

# %% [markdown]
# Per task, the mean over representations; pooled, the mean over all settings, and the same with LiRA as the attack.


# %%
def pool_taus(part, task):
    """Return a row per candidate: tau, its interval over groups, and tau-b, means over some settings."""
    per_group = part.groupby(["indicator", "group"], sort=False)[["tau", "tau_b"]].mean()
    found = mean_columns(per_group.tau.groupby("indicator", sort=False), ["tau", "low", "high"], most=1)
    return found.assign(tau_b=per_group.tau_b.groupby("indicator").mean(), task=task).reset_index()


by_task = pd.concat([*(pool_taus(taus[taus.task == task], task) for task in origin), pool_taus(taus, "pooled")])
to_lira = lira_taus.groupby("indicator", sort=False).tau.mean()  # over the pairs that LiRA resolves
by_task.pivot_table(index="indicator", columns="task", values="tau", sort=False, dropna=False).assign(
    **{"pooled, LiRA": to_lira}).round(2)  # fmt: skip


# %%
LABELS = {"r ensemble min": "$r$, minimum", "r ensemble median": "$r$, median", "r ensemble all_pairs": "$r$, all pairs",
          "non-zeros": "share of non-zeros"}  # fmt: skip


def in_words(name):
    """Return what a candidate is called in a figure."""
    return LABELS.get(name, *figures.words([name]))


def agreement_title(part):
    """Name the candidate nearest the order of the attack, and what the paper's r reaches."""
    if not part.tau.notna().any():
        return "No pair is resolved: no order to find"
    best, paper = part.tau.idxmax(), part.tau["r ensemble all_pairs"]
    return rf"Nearest the attack's order: {in_words(best)}, $\tau$ {part.tau[best]:.2f}; $r$ over all pairs {paper:.2f}"


# %%
single = taus.groupby([*KEY, "indicator"], sort=False).tau.mean().reset_index()
part = by_task[by_task.task == "pooled"].set_index("indicator").sort_values("tau", ascending=False)
fig, ax = plt.subplots(figsize=(figures.COLUMN + 1, 2.6))
figures.forest(ax, part.set_index(pd.Index(map(in_words, part.index))), "tau")
ax.plot(single.tau, single.indicator.map(list(part.index).index), ".", color="0.65", ms=4, zorder=1)
ax.axvline(0, color="0.4", ls=":", lw=0.8)
ax.set_xlim(min(-0.1, ax.get_xlim()[0]), 1.05)
ax.set_xlabel(r"Kendall $\tau$ with the attack, resolved pairs; dots: settings")
fig.suptitle(agreement_title(part), size=9)
ax.grid(axis="y")
pooled_tau = part.tau
figures.save_figure(
    fig, "D_agreement", data=by_task.round(4), atol=0.2,
    alt="Kendall tau of eight candidates with the attack, with intervals over groups, and single settings. Pooled means: "
    + "; ".join(f"{key}: {value:.2f}" for key, value in pooled_tau.items()),
)  # fmt: skip

# %% [markdown]
# ### Where the recommended indicator fails
#
# A pair is *wrong* where `rho_pool`, averaged over groups, orders it against the attack. Wrong pairs matter if their AUCs
# differ much, and if the indicator is sure of itself: its bootstrap puts at least 97.5 % of the draws on the wrong side.


# %%
pairs = pd.concat([molecular.pairs(settings[key], groups, seed=seed) for key, groups in reference.items()])
by_side = pairs.groupby("wrong")
by_side.agg(pairs=("sure", "size"), median_difference=("difference", "median"), sure=("sure", "sum")).round(3)

# %% [markdown]
# The wrong pairs that come back in most settings, and how large the attack's difference is there:

# %%
worst = pairs[pairs.wrong].groupby(["leakier", "other"]).agg(
    settings=("wrong", "sum"), sure=("sure", "sum"), mean_difference=("difference", "mean"))  # fmt: skip
worst.sort_values(["settings", "mean_difference"], ascending=False).head(8).round(3)

# %% [markdown]
# **Why.** The indicator looks at how much of *all* differences between heads survives, and the attack lives on those that
# membership makes. It is right if a quantizer scales both alike. So compare two slopes of quantized on full-precision
# outputs: that of the difference between a molecule's mean output IN and OUT, and that of all deviations. Their ratio
# (`molecular.relative_gain`) needs membership, so it is no indicator, but it tells what went wrong: above 1 the quantizer
# favours what membership changes, below 1 it drops more of it than the indicator sees. In wrong pairs the leakier
# quantizer should then have the larger ratio. How often has it, in right and in wrong pairs?

# %%
pairs["larger"] = pairs.gain_leakier > pairs.gain_other
pairs.groupby("wrong")[["gain_leakier", "gain_other", "larger"]].agg(
    {"gain_leakier": "median", "gain_other": "median", "larger": "mean"}).round(3)  # fmt: skip

# %% [markdown]
# ### Is an estimate of r more than noise?
#
# From $m$ test molecules an estimate of $r$ has a noise floor of $1/(2m)$. The share of quantizers in each task whose
# smallest $r$ (`r ensemble min`) is above twice that floor:

# %%
r_min = {key: -molecular.leakage(groups, "r ensemble min").mean(axis=0) for key, groups in results.items()}
r_min = pd.DataFrame(r_min, index=NAMES)
above_floor = r_min.gt(pd.Series({key: 1 / len(s.x_test) for key, s in settings.items()}))
above_floor.mean().unstack(sort=False).round(2)

# %% [markdown]
# ### From rank to number: does the survival law predict the AUC?
#
# From one attack on full precision and a correlation, the *closed* law predicts
# $\Phi(\rho\,\Phi^{-1}(\mathrm{AUC}_{fp}))$. It assumes that a member's signal is shifted to one side, which fails in
# regression, where residuals shrink towards zero from either side. The *simulation* law adds noise of variance
# $v\,(1/\rho^2 - 1)$ to the full-precision signals, with $v$ the variance between models, and runs the attack on them; it
# serves both kinds. Both predict LiRA, and a law says nothing of a stack. A positive miss warns of more leakage than LiRA
# finds.


# %%
law = pd.concat([molecular.predictions(settings[key], groups) for key, groups in results.items()], ignore_index=True)
law.groupby(["kind", "law", "from"]).miss.agg(
    median=lambda m: m.abs().median(), worst=lambda m: m.abs().max(), safe=lambda m: (m > 0).mean()).round(3)  # fmt: skip

# %% [markdown]
# The largest misses of the simulation law from `rho_pool`, means over groups:

# %%
simulation = law[(law.law == "simulation") & (law["from"] == "rho_pool")]
misses = simulation.groupby([*KEY, "quantizer"], sort=False)[["predicted", "measured", "miss"]].mean()
misses.loc[misses.miss.abs().nlargest(6).index].round(3)

# %% [markdown]
# ## 7 · Which molecules are exposed?
#
# A mean over molecules is no comfort to the one that is found. The *exposure* of a molecule is measured: of the heads that
# trained on it, the share whose LiRA score of it is above 0 (TPR), minus that share of the other heads (FPR). The threshold 0
# of a log ratio is fixed beforehand; 0 is a coin, 1 is certainty. It is counted for one representation at a time, with
# Newcombe's interval of a difference of two shares (`attacks.record_exposure`). No formula stands between the counts and
# the number: $2\Phi(d'/2) - 1$ of an average, which earlier versions of this report gave, is too large where few molecules
# are easy.


# %%
exposed_fp = {key: molecular.exposures(results[key]) for key in settings}
quantiles = {key: found.exposure.quantile([0.1, 0.5, 0.9, 0.99]) for key, found in exposed_fp.items()}
pd.DataFrame(quantiles).T.assign(surely=[(f.low > 0).mean() for f in exposed_fp.values()]).round(2)

# %% [markdown]
# Those are quantiles over molecules, in full precision, and the share of molecules whose interval lies above 0. Counts over so
# few heads scatter, so the outer quantiles are somewhat too far out; and because the heads are each other's shadows, one
# molecule in twenty that is not exposed at all passes as surely exposed, not one in forty.
#
# Is exposure a property of the molecule? Spearman's correlation between the exposures in even and in odd groups, which share
# neither initialisation nor halves:

# %%
picked_by = {key: molecular.exposures(results[key][::2]).exposure for key in settings}
judged_by = {key: molecular.exposures(results[key][1::2]) for key in settings}
repeat = {key: stats.spearmanr(picked_by[key], judged_by[key].exposure).statistic for key in settings}
pd.Series(repeat).unstack(sort=False).round(2)

# %% [markdown]
# Whoever picks the most exposed molecules and quotes the numbers by which they were picked exaggerates. So below the even
# groups pick, and the odd groups say how exposed.
#
# The list is of one representation, that whose full-precision heads leak most, unless `listed` names another. The *family*
# of a molecule is the number of pool molecules with its scaffold. The *rarity* of its label is the share of the pool with
# the other label; in a regression it is the distance from the mean in standard deviations. The *nearest neighbour* is the
# other pool molecule of the largest Tanimoto similarity of ECFP4 bits. The *label gap* is how far that neighbour's label is
# off.


# %%
leakiest = study[study.quantizer == "fp32"].groupby(KEY, sort=False).attack_auc.mean()
shown = {task: listed or leakiest[task].idxmax() for task in origin}


# %%
def exposure_table(task):
    """Return what describes the molecules of a task, and their exposure: picked, judged, with 90 % zeros, over all heads."""
    key = task, shown[task]
    zeros = molecular.exposures(results[key][1::2], "ternary_90").exposure
    found = judged_by[key].assign(picked=picked_by[key], zeros=zeros, overall=exposed_fp[key].exposure)
    return molecular.describe(settings[key]).assign(task=task, representation=shown[task]).join(found)


exposed = pd.concat([exposure_table(task) for task in origin], ignore_index=True)
print("listed:", "; ".join(f"{task} under {how}" for task, how in shown.items()))

# %% [markdown]
# The most exposed of each task. Labels `y` of a regression are in standard deviations from the mean of the pool. With a
# table of your own, `D_exposed.csv` lists all molecules of its pool, in the order in which the even groups picked them:
# `row` and `label` are those of your table (its header is row 1), `picked` is the exposure by which a molecule was picked,
# and `exposure` with its interval `low` to `high` is counted on the heads of the odd groups, `n_in` and `n_out` of them.

# %%
cast = exposed[exposed.task.isin(DRAWN)].sort_values("picked", ascending=False, kind="stable")
cast = cast.groupby("task", sort=False).head(8 // len(DRAWN))  # eight molecules in all
cast = cast.sort_values("task", key=lambda c: c.map(list(origin).index), kind="stable").reset_index(drop=True)
cast[["task", "smiles", "y", "family", "similarity", "gap", "picked", "exposure", "low", "high"]].round(2)


# %%
def as_given(frame):
    """Return the molecules of a table with the row and the label that they have there."""
    label = frame.y.map(dict(enumerate(frame.attrs["classes"]))) if frame.attrs["classes"] else frame.y
    return pd.DataFrame({"task": frame.attrs["name"], "row": frame.row, "label": label, "smiles": frame.smiles})


# %%
everyone = exposed.sort_values(["task", "picked"], ascending=[True, False], kind="stable")
everyone = everyone if any(task.startswith("csv:") for task in tasks) else cast
everyone = everyone.drop(columns=["zeros", "overall"])
everyone = pd.concat([as_given(frame) for frame in frames.values()]).merge(everyone, on=["task", "smiles"], how="right")


# %%
def picture(smiles, size=(330, 235)):
    """Return the drawing of a molecule as an array of grey levels."""
    canvas = rdMolDraw2D.MolDraw2DCairo(*size)
    options = canvas.drawOptions()
    options.useBWAtomPalette()
    options.minFontSize, options.bondLineWidth = 19, 2  # heteroatoms stay legible in large molecules
    rdMolDraw2D.PrepareAndDrawMolecule(canvas, Chem.MolFromSmiles(smiles))
    canvas.FinishDrawing()
    grey = np.asarray(PIL.Image.open(io.BytesIO(canvas.GetDrawingText())).convert("L"))
    return grey // 64 * 85  # four levels: a smaller file, and no visible difference


# %%
fig, axes = plt.subplots(2, 4, figsize=(figures.PAGE, 4.3), layout="none")
fig.subplots_adjust(left=0.01, right=0.99, top=0.86, bottom=0.08, hspace=0.6, wspace=0.02)
for ax, row in zip(axes.flat, cast.itertuples(), strict=False):
    ax.imshow(picture(row.smiles), cmap="gray", vmin=0, vmax=255, interpolation="none")
    ax.set_title(f"{row.task[:16]}: {row.exposure:.2f}\n[{row.low:.2f}, {row.high:.2f}]", fontsize=8)
    text = f"label {row.y:.2g}, family {row.family}\nneighbour {row.similarity:.2f}, gap {row.gap:.2g}"
    ax.text(0.5, -0.04, text, ha="center", va="top", fontsize=7.5, transform=ax.transAxes)
for ax in axes.flat:
    ax.axis("off")
fig.suptitle("The most exposed molecules: measured TPR - FPR, on heads that did not pick them", fontsize=9)
figures.save_figure(
    fig, "D_exposed", data=everyone.round(4), atol={"*": 0.15}, rtol=0.3,
    alt="Structures of the most exposed molecules of each task, with label, size of the scaffold family, similarity to the "
    f"nearest neighbour and gap to its label. Their median exposure, judged on other groups, is {cast.exposure.median():.2f}.",
)  # fmt: skip

# %% [markdown]
# Do the four descriptions explain exposure? Spearman's correlation with the exposure over all heads, for the listed
# representation of each task, with a bootstrap over molecules. And does quantizing protect the most exposed as it protects
# the rest? The tenth that the even groups find most exposed in full precision, against all molecules, both judged on the odd
# groups. These are means over the settings; their intervals come from drawing the molecules of each setting anew, and the
# tenth is picked anew in every draw. The difference of the two has its own interval, from the same draws, and the title counts
# the quantizers for which it lies above 0: two intervals may overlap in the picture where that of their difference does not
# reach 0.

# %%
DESCRIPTIONS = {"family": "scaffold family", "rarity": "label rarity", "similarity": "neighbour similarity",
                "gap": "neighbour's label gap"}  # fmt: skip
ranked = {
    (task, column): attacks.rank_correlation(part[column], part.overall, np.random.default_rng(seed), every)
    for task, part in exposed.groupby("task", sort=False) for column in DESCRIPTIONS
}  # fmt: skip
explained = pd.DataFrame([(*key, *found) for key, found in ranked.items()],
                         columns=["task", "description", "spearman", "low", "high"])  # fmt: skip
explained.pivot(index="description", columns="task", values="spearman").loc[list(DESCRIPTIONS), list(origin)].round(2)


# %%
def tenth_and_all(key):
    """Return the mean exposure of the most exposed tenth and of all: (quantizers, 2, 1 + draws), the estimate first."""
    picked = picked_by[key].to_numpy()
    picks = np.random.default_rng(seed).integers(len(picked), size=(every, len(picked)))
    picks = np.vstack([np.arange(len(picked)), picks])
    top = picked[picks] >= np.quantile(picked[picks], 0.9, axis=1, keepdims=True)
    faced = [molecular.exposures(results[key][1::2], name).exposure.to_numpy()[picks] for name in NAMES]
    return np.array([[(f * top).sum(axis=1) / top.sum(axis=1), f.mean(axis=1)] for f in faced])


faces = np.array([tenth_and_all(key) for key in settings])
shield = [(*key, name, *face[:, 0]) for key, of_key in zip(settings, faces, strict=True)
          for name, face in zip(NAMES, of_key, strict=True)]  # fmt: skip
shield = pd.DataFrame(shield, columns=[*KEY, "quantizer", "top_tenth", "all"])
shield.groupby("quantizer", sort=False)[["top_tenth", "all"]].mean().round(3).replace(-0.0, 0.0)

# %%
faces = faces.mean(axis=0)
ahead = [attacks.bootstrap_interval(lead[0], lead[1:]) for lead in faces[:, 0] - faces[:, 1]]
ahead = pd.DataFrame([(*found,) for found in ahead], NAMES, ["lead", "low", "high"])
ahead.round(3).replace(-0.0, 0.0)


# %%
def exposure_title(explained, ahead):
    """Say which descriptions go with exposure in every table, and under how many quantizers the tenth stays ahead."""
    parts = explained.groupby("description", sort=False)
    steady = [DESCRIPTIONS[name] for name, part in parts if (part.low > 0).all() or (part.high < 0).all()]
    first = f"Exposure goes with {' and '.join(steady) or 'no description'} in every table"
    return f"{first};\nthe most exposed tenth stays ahead under {(ahead.low > 0).sum()} of {len(ahead)} quantizers"


# %%
fig, axes = plt.subplots(1, 2, figsize=(figures.PAGE, 3.1), width_ratios=[1, 1])
for i, task in enumerate(DRAWN):
    part = explained[explained.task == task]
    rows = part.set_index(part.description.map(DESCRIPTIONS))
    shift = 0.16 * (i - (len(DRAWN) - 1) / 2)
    figures.forest(axes[0], rows, "spearman", names=DESCRIPTIONS.values(), width=1, shift=shift,
                   color=figures.COLORS[i], label=task)  # fmt: skip
axes[0].axvline(0, color="0.4", ls=":", lw=0.8)
axes[0].set_xlabel("Spearman correlation with exposure")
for which, color, label in [(0, 1, "most exposed tenth"), (1, 0, "all molecules")]:
    rows = [(*attacks.bootstrap_interval(face[0], face[1:]),) for face in faces[:, which]]
    rows = pd.DataFrame(rows, figures.words(NAMES), ["mean", "low", "high"])
    figures.forest(axes[1], rows, "mean", color=figures.COLORS[color], width=1, label=label)
axes[1].set_xlabel("mean measured exposure")
for ax in axes:
    ax.legend(loc="lower center", bbox_to_anchor=(0.4, 1), ncols=2, borderaxespad=0)
    ax.grid(axis="y")
fig.suptitle(exposure_title(explained, ahead), size=9)
leads = ahead.rename_axis("quantizer").reset_index()
both = pd.concat([explained, shield, leads], ignore_index=True)
figures.save_figure(
    fig, "D_exposure", data=both.round(4), atol=0.1,
    alt=exposure_title(explained, ahead).replace("\n", " ")
    + ". Left, rank correlation of four descriptions with exposure, per task. Right, mean exposure of the most exposed "
    "tenth and of all molecules, by quantizer. Mean correlations: "
    + "; ".join(f"{k}: {v:.2f}" for k, v in explained.groupby("description", sort=False).spearman.mean().items()),
)  # fmt: skip

# %% [markdown]
# ## 8 · Verdicts
#
# Each claim is a number with an interval, and a threshold fixed beforehand (`attacks.verdict`): *reproduced* if the interval
# is above it, *contradicted* if it is below, *undecided* otherwise. AUC differences take the $t$ interval over groups, as do
# $\tau$ and the law; utility differences take the bootstrap over test molecules, correlations with exposure the one over
# pool molecules; all are means over the settings of a kind. `holds_in` counts the settings whose own estimate is above the
# threshold: tasks differ more than groups do, and an interval over groups does not speak of the next task.


# %%
FEWEST = 4  # groups: a t interval over fewer has an erratic length, now and then none, and settles nothing


def judge_groups(claim, values, bar=0.0):
    """Judge a column indexed by setting and group: its mean over settings, the interval over groups."""
    found = attacks.mean_interval(values.groupby("group").mean(), most=1)
    return attacks.verdict(claim, found, bar, settled=n_groups >= FEWEST, each=values.groupby(KEY).mean())


# %%
def judge_draws(claim, draws, each=()):
    """Judge the median of bootstrap draws."""
    return attacks.verdict(claim, attacks.bootstrap_interval(draws.median(), draws), each=each)


# %% [markdown]
# The paper's claims on privacy compare AUCs of the strongest attack in the same group. "Least" compares with the other eight quantizers of
# the paper's set.

# %%
verdicts = []
wide = study.pivot_table(index=["kind", *KEY, "group"], columns="quantizer", values="attack_auc", sort=False)
for kind in kinds:
    a = wide.loc[kind]
    rest = a[quantizers.PAPER_SET].drop(columns="ternary_90").min(axis=1)
    verdicts += [
        judge_groups(f"{KINDS[kind]}: 90 % zeros leak less than 33 % zeros", a["ternary_33"] - a["ternary_90"]),
        judge_groups(f"{KINDS[kind]}: sign leaks more than 33 % zeros", a["sign"] - a["ternary_33"]),
        judge_groups(f"{KINDS[kind]}: 90 % zeros leak least of the paper's nine", rest - a["ternary_90"]),
    ]

# %% [markdown]
# Utility compares shares kept. Two claims need both kinds of task: is regression hit harder, before and after a gain and an
# offset are refitted?

# %%
for kind, draws in shares.items():
    extra = draws["ternary_33"] - draws["ternary_90"]
    keys = of_kind[kind if kind in of_kind else "regression"]
    each = [(boot[key]["ternary_33"] - boot[key]["ternary_90"]).mean() for key in keys] if kind in of_kind else ()
    verdicts.append(judge_draws(f"{KINDS[kind]}: 90 % zeros are less useful than 33 % zeros", extra, each))
for kind in [kind for kind in shares if kind != "binary" and "binary" in shares]:
    extra = shares["binary"]["ternary_90"] - shares[kind]["ternary_90"]
    verdicts.append(judge_draws(f"{KINDS[kind]}: 90 % zeros lose more than in classification", extra))

# %% [markdown]
# The indicators: does $\tau$, averaged over the settings, exceed 0.8? And ours: does the simulation law predict the AUC within
# 0.02 in the median, and does exposure follow the four descriptions?

# %%
for name, words in {"rho_pool": "rho_pool", "rho": "rho", "r ensemble all_pairs": "r over all pairs"}.items():
    values = taus[taus.indicator == name].set_index([*KEY, "group"]).tau
    verdicts.append(judge_groups(f"{words}: tau with the attack above 0.8", values, bar=0.8))


def over_tasks(description, sign):
    """Return the mean over tasks of a rank correlation, or of minus it, with its bootstrap interval."""
    found = [found for (_, column), found in ranked.items() if column == description]
    mean, draws = (sign * np.mean(part, axis=0) for part in ([f.value for f in found], [f.draws for f in found]))
    return attacks.bootstrap_interval(mean, draws)


for kind, part in simulation.groupby("kind", sort=False):
    values = 0.02 - part.groupby([*KEY, "group"]).miss.apply(lambda m: m.abs().median())
    verdicts.append(judge_groups(f"{KINDS[kind]}: simulation law within 0.02", values))
for description, words in DESCRIPTIONS.items():
    sign = 1 if description in ("rarity", "gap") else -1
    claim = f"exposure {'grows' if sign > 0 else 'falls'} with the {words}"
    each = sign * explained[explained.description == description].spearman
    verdicts.append(attacks.verdict(claim, over_tasks(description, sign), each=each))
verdicts = pd.DataFrame(verdicts).fillna({"holds_in": ""})
verdicts.round(3).replace(-0.0, 0.0)

# %% [markdown]
# Verdicts on utility rest on the test molecules, the others on groups. A bootstrap over fewer than about a hundred molecules
# promises too much; an interval over two or three groups has an erratic length, so that fewer than four groups settle nothing
# here; and a share of nothing is nothing. So distrust verdicts and findings if the next lines say so.

# %%
small = {f"{s.name}: {len(s.x_test)}" for s in settings.values() if len(s.x_test) < 100}
print("test sets under 100 molecules:", "; ".join(sorted(small)) or "none")
print("groups:", n_groups, "(few: what rests on groups is called undecided)" if n_groups < FEWEST else "")

# %%
full_auc, full_use = wide["fp32"].groupby(["kind", "group"]).mean() - 0.5, {}
for kind, keys in of_kind.items():
    full_use[kind] = np.mean([boot[key]["fp32"] for key in keys], axis=0) - molecular.NOTHING_KNOWN[kind]
chance = [k for k in kinds
          if np.quantile(full_use[k], 0.025) <= 0 or attacks.mean_interval(full_auc.loc[k]).low <= 0]  # fmt: skip
print("full precision not above chance, shares mean nothing:", "; ".join(chance) or "nowhere")

# %% [markdown]
# The whole table as a picture. A claim is reproduced when its interval lies to the right of its tick. The title counts.


# %%
def verdicts_title(verdicts):
    """Say how many claims have which verdict."""
    counts = verdicts.verdict.value_counts()
    return f"Of {len(verdicts)} claims, " + ", ".join(f"{number} {word}" for word, number in counts.items())


# %%
fig, ax = plt.subplots(figsize=(figures.PAGE, 0.9 + 0.18 * len(verdicts)))
numbers = verdicts[["estimate", "low", "high"]].clip(-1, 1.2)
said = [": ".join([*figures.words([first]), *rest]) for first, *rest in verdicts.claim.str.split(": ")]
figures.forest_of_verdicts(ax, verdicts.assign(**numbers, claim=said))
ax.set_xlabel("the number; a tick marks its threshold")
ax.grid(axis="y")
figures.legend_above(fig, ax, ncols=3, title=verdicts_title(verdicts))
figures.save_figure(
    fig, "D_verdicts", data=verdicts[["claim", "verdict", "estimate", "low", "high", "bar"]].round(4), atol=0.1,
    derived=["verdict"],
    alt=f"{verdicts_title(verdicts)}. Forest plot of the claims with their intervals and verdicts, as listed in the table above.",
)  # fmt: skip

# %% [markdown]
# ## 9 · Findings, and what to do about them
#
# One line of advice for each finding, with the number it rests on. The interval chooses the advice: one line if it lies above
# the threshold, another if below, and if it holds the threshold the run has not settled the matter, and says so; unless all
# of it lies within a margin that would not change a choice. The wording is ours.

# %%
findings = []


ADVICE = {
    "undecided": "not settled by this run: measure it on the model you ship",
    "no difference that matters": "no difference that matters here",
}


def find(finding, found, above, below, **how):
    """Add a finding, and the advice that its verdict allows."""
    row = attacks.verdict(finding, found, **how)
    advice = (ADVICE | {"reproduced": above, "contradicted": below})[row.pop("verdict")]
    findings.append({"finding": row.pop("claim"), **row, "advice": advice})


def find_mean(finding, values, above, below, most=1, **how):
    """Add a finding on the mean over groups of numbers not beyond `most` in size."""
    find(finding, attacks.mean_interval(values, most), above, below, settled=n_groups >= FEWEST, **how)


# %% [markdown]
# Is LiRA enough to judge a head here?

# %%
for kind in kinds:
    beyond_lira = study[(study.kind == kind) & (study.quantizer == "fp32")].groupby("group").lead.mean()
    find_mean(f"{KINDS[kind]}: AUC of the strongest attack less that of LiRA, full precision", beyond_lira,
              "quote the strongest attack: LiRA alone makes this head look safer than it is",
              "LiRA says nearly as much as any attack tried here", bar=0.02)  # fmt: skip

# %% [markdown]
# What do more zeros in a ternary head buy, and at what price? Plain differences of AUC, and of AUROC or $R^2$, means over the
# settings of a kind.

# %%
for kind in kinds:
    spared = (wide.loc[kind]["ternary_33"] - wide.loc[kind]["ternary_90"]).groupby("group").mean()
    find_mean(
        f"{KINDS[kind]}: attack AUC against 33 % zeros less that against 90 % zeros", spared,
        "of ternary heads, the one with more zeros leaks less: take the most zeros whose utility you can accept",
        "more zeros leak more here: choose by the attack, not by sparsity", margin=0.01,
    )  # fmt: skip
    lost = np.mean([boot[key]["ternary_33"] - boot[key]["ternary_90"] for key in of_kind[kind]], axis=0)
    find(f"{KINDS[kind]}: utility of 33 % zeros less that of 90 % zeros", attacks.bootstrap_interval(np.median(lost), lost),
         "more zeros cost utility: judge the head on a test set of your own first",
         "more zeros are more useful here: find out why before you rely on it", margin=0.01,
         settled=kind not in chance)  # fmt: skip

# %% [markdown]
# Is a plain grid of two or three bits the better buy? Its gain at an equal AUC (section 5), less that of the ternary heads.

# %%
for kind in kinds:
    plain, ternary = gains[kind][["uniform_2", "uniform_3"]], gains[kind].filter(like="ternary_")
    ahead = plain.mean(axis=1) - ternary.mean(axis=1)
    find(f"{KINDS[kind]}: gain at equal AUC of grids of 2 and 3 bits less that of ternary heads",
         attacks.bootstrap_interval(ahead.median(), ahead),
         "try a plain grid of few bits before you pay for a ternary head", "start from the ternary heads", margin=0.01,
         settled=kind not in chance and n_groups >= FEWEST)  # fmt: skip

# %% [markdown]
# Regression, and the numbers that need no attack. Tau is over the pairs that the attack resolves.

# %%
if regressions:
    extra = np.mean([a["sign"] - b["sign"] for a, b in zip(after, whole, strict=True)], axis=0)
    find("regression: R2 that a refitted gain and offset give back to sign",
         attacks.bootstrap_interval(np.median(extra), extra),
         "refit gain and offset of a quantized regression, on molecules that trained nothing",
         "refitting on so few molecules hurts: take more, or leave it", margin=0.02)  # fmt: skip
group_tau = taus.groupby(["indicator", "group"], sort=False).tau.mean()
find_mean(f"tau of rho_pool with the strongest attack, over {n_resolved} pairs", group_tau["rho_pool"],
          f"rank quantizers by rho_pool from {n_indicator} spare heads; mistrust it where a sparse grid meets many inputs",
          "do not rank by rho_pool here: run the attack", bar=0.8)  # fmt: skip
find_mean("tau of rho_pool less that of r over all pairs", group_tau["rho_pool"] - group_tau["r ensemble all_pairs"],
          "prefer rho_pool to r for networks", "prefer r here", most=2, margin=0.05)  # fmt: skip

# %% [markdown]
# Can the predicted AUC be relied on? The miss that nine of ten predictions stay below, where there is a leak to predict: in
# settings whose full-precision AUC is above 0.54.

# %%
leaky = leakiest[leakiest > 0.54].index
judged = simulation[simulation.set_index(KEY).index.isin(leaky)]
for kind, part in judged.groupby("kind", sort=False):
    find_mean(f"{KINDS[kind]}: miss of the simulation law, exceeded by one prediction in ten", part.miss.abs().groupby(part.group).quantile(0.9),
              "do not rely on a predicted AUC here: attack each quantizer",
              "rho_pool and one attack on full precision predict most AUCs within 0.05: attack the one you ship", bar=0.05)  # fmt: skip

# %% [markdown]
# And the molecules: intervals over molecules, in the mean over tasks. The most exposed tenth is picked in full precision by the
# even groups, and judged with 90 % zeros by the odd ones.


# %%
def tenth_draws(part):
    """Return the exposure of the most exposed tenth less that of all molecules of a task, then its draws."""
    picked, faced = part.picked.to_numpy(), part.zeros.to_numpy()
    picks = np.random.default_rng(seed).integers(len(part), size=(every, len(part)))
    picks = np.vstack([np.arange(len(part)), picks])
    top = picked[picks] >= np.quantile(picked[picks], 0.9, axis=1, keepdims=True)
    return np.array([f[t].mean() - f.mean() for f, t in zip(faced[picks], top, strict=True)])


beyond = np.mean([tenth_draws(part) for _, part in exposed.groupby("task", sort=False)], axis=0)
find("exposure with 90 % zeros, the most exposed tenth less all molecules",
     attacks.bootstrap_interval(beyond[0], beyond[1:]),
     "judge a release by its most exposed molecules, not by the mean",
     "with 90 % zeros others are exposed than in full precision: measure them anew", margin=0.02)  # fmt: skip

# %%
screen = (
    "such molecules tend to be more exposed: a weak screen before training; measure the exposure of those that matter"
)
for name, sign in [("similarity", -1), ("gap", 1)]:
    label = f"rank correlation of exposure with {'minus ' if sign < 0 else ''}the {DESCRIPTIONS[name]}"
    find(label, over_tasks(name, sign), screen, "it is the other way round here", margin=0.05)

# %% [markdown]
# The numbers, and the advice they allow:

# %%
findings = pd.DataFrame(findings).set_index("finding")
findings.drop(columns="advice").round(3).replace(-0.0, 0.0)

# %%
findings[["advice"]]

# %% [markdown]
# Two things that no table can say. **Low AUC is not safety**: it is an average, found by these attackers, who see outputs and
# not weights. And **a share kept is not a right to keep it**: whether an exposure of 0.2 of a tenth of the molecules is
# tolerable is not for statistics to decide.
#
# ## Limits
#
# - One split and one pool per setting: groups vary the heads and the halves, not the molecules.
# - Intervals over groups do not speak of the next task; `holds_in` and the small dots show how much tasks differ.
# - Twins, molecules that a representation cannot tell apart (section 1), are kept; they soften the attack.
# - The attacker knows the initialisation; with `start="random"` nobody does, and less is found.
# - All attacks are black box. Whoever is given the weights can do more, and the sparse heads are no exception (notebook B).
# - The embedders may have seen the molecules, test molecules too: their utility may flatter, their membership is not studied.
# - Run `-p tasks '["BACE", "BACE_pIC50"]'` for the same molecules once as classes and once as numbers; the registry
#   `molecules.TASKS` holds many more tables.
