import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import parametrize_with_checks

import cdp.estimator
from cdp.estimator import CDP
from cdp.knn import knn_graph
from cdp.pairs import candidate_pairs
from cdp.propagation import propagate
from cdp.voting import vote

CANNOT_APPLY = {"check_estimators_dtypes": "its integer data contain a row of zeros, for which a cosine does not exist"}


@pytest.mark.filterwarnings("ignore:no pair is more similar")
@parametrize_with_checks([CDP()], expected_failed_checks=lambda estimator: CANNOT_APPLY)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_docstring_example():
    results = doctest.testmod(cdp.estimator)
    assert results.attempted >= 4
    assert results.failed == 0


def by_hand(models, k, threshold, accept, max_size, step, max_iter):
    graphs = [knn_graph(model, k=k) for model in models]
    candidates = candidate_pairs(graphs[0], graphs[1:])
    pairs, scores = vote(candidates, accept=accept, threshold=threshold)
    labels = propagate(pairs, scores, len(models[0]), max_size=max_size, step=step, max_iter=max_iter)
    return pairs, scores, labels


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(0, 3), st.data())
def test_committee_is_the_functions_by_hand(seed, n, members, data):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((5, 6))[rng.integers(5, size=n)]
    models = [centres + rng.standard_normal((n, 6)) for _ in range(members + 1)]
    models = [model[:, : rng.integers(2, 7)] for model in models]
    parameters = {
        "k": data.draw(st.integers(2, 10)),
        "threshold": 0.3,
        "accept": data.draw(st.integers(0, members)),
        "max_size": data.draw(st.integers(2, 40)),
        "step": 0.1,
        "max_iter": 200,
    }
    pairs, scores, labels = by_hand(models, **parameters)
    model = CDP(**parameters)
    if len(pairs):
        found = model.fit_predict(models)
    else:
        with pytest.warns(UserWarning, match="no pair is more similar than the threshold 0.3"):
            found = model.fit_predict(models)
    np.testing.assert_array_equal(found, labels)
    np.testing.assert_array_equal(model.labels_, labels)
    np.testing.assert_array_equal(model.pairs_, pairs)
    np.testing.assert_array_equal(model.scores_, scores)
    assert model.n_features_in_ == models[0].shape[1]


def blobs(seed=0):
    """Four tight groups of ten, in two models."""
    rng = np.random.default_rng(seed)
    identities = np.repeat(np.arange(4), 10)
    models = [np.eye(4, dim)[identities] + 0.01 * rng.standard_normal((40, dim)) for dim in (4, 6)]
    return models, identities


def test_groups_are_found():
    models, identities = blobs()
    labels = CDP(k=10, accept=1).fit_predict(models)
    np.testing.assert_array_equal(labels, identities)
    model = CDP(k=10).fit(models[0])
    assert model.n_iter_ == 1
    np.testing.assert_array_equal(model.labels_, identities)
    assert (model.labels_.dtype, model.pairs_.dtype, model.scores_.dtype) == (np.int64, np.int32, np.float32)


def test_a_tuple_of_arrays_is_a_committee_too():
    models, _ = blobs()
    np.testing.assert_array_equal(CDP(k=5, accept=1).fit(tuple(models)).pairs_, CDP(k=5, accept=1).fit(models).pairs_)


def test_a_list_of_rows_is_one_model():
    rows = [[1, 0], [1, 0.1], [0, 1], [0.1, 1]]
    assert CDP(k=2, threshold=0.9).fit_predict(rows).tolist() == [0, 0, 1, 1]


def test_a_member_that_disagrees_outvotes_pairs():
    models, _ = blobs()
    contrary = np.random.default_rng(1).standard_normal((40, 6))
    agreed, disputed = (CDP(k=5, accept=1).fit([models[0], member]).pairs_ for member in (models[1], contrary))
    assert len(disputed) < len(agreed)


def test_rounds_are_counted():
    models, _ = blobs()
    model = CDP(k=5, max_size=4, step=0.5, max_iter=100).fit(models[0])
    assert model.n_iter_ > 1
    assert np.unique(model.labels_, return_counts=True)[1].max() <= 4


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"k": 1}, "k must be at least 2"),
        ({"threshold": 2}, "threshold must be at most 1 .*not 2"),
        ({"metric": "euclidean"}, "metric must be one of cosine, angular, l2, l1, not 'euclidean'"),
        ({"accept": 2}, "accept must be between 0 and the committee's 1 members, not 2"),
        ({"max_size": 0}, "max_size and max_iter must be at least 1"),
        ({"step": 0}, r"step in \(0, 1\]"),
        ({"max_iter": 0}, "max_size and max_iter must be at least 1"),
        ({"k": 2.5}, "'k' parameter of CDP must be an instance of 'int'. Got 2.5"),
        ({"threshold": "high"}, "'threshold' parameter of CDP must be an instance of 'float'. Got 'high'"),
        ({"metric": None}, "'metric' parameter of CDP must be an instance of 'str'. Got None"),
    ],
)
def test_bad_parameters_are_refused(parameters, sentence):
    with pytest.raises(ValueError, match=sentence):
        CDP(**{"k": 5} | parameters).fit(blobs()[0])


def test_models_of_different_samples_are_refused():
    models, _ = blobs()
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[40, 39\]"):
        CDP(k=5).fit([models[0], models[1][1:]])


def test_row_of_zeros_is_named():
    rows = np.ones((5, 2))
    rows[3] = 0
    with pytest.raises(ValueError, match="row 3 .*is all zeros"):
        CDP(k=2).fit(rows)
