"""What is used of tfds's internals: found, and done without where it is gone."""

import pytest
from tensorflow_datasets.core.download import downloader
from tensorflow_datasets.core.utils import lazy_imports_utils

from jaxcnn.data import tfds_internals
from jaxcnn.data.without_tensorflow import without_tensorflow


def test_retries_are_few_for_a_while():
    stock = int(downloader.MAX_RETRIES)
    with tfds_internals.fewer_retries():
        assert stock > downloader.MAX_RETRIES
    assert stock == downloader.MAX_RETRIES


def test_without_such_a_number_tfds_keeps_to_its_own(monkeypatch):
    monkeypatch.delattr(downloader, "MAX_RETRIES")
    with tfds_internals.fewer_retries():
        assert not hasattr(downloader, "MAX_RETRIES")
    assert not hasattr(downloader, "MAX_RETRIES")


def test_a_tfds_that_keeps_tensorflow_elsewhere_is_said_to_need_it(monkeypatch):
    assert tfds_internals.lazy_tensorflow() is lazy_imports_utils.tensorflow
    monkeypatch.delattr(lazy_imports_utils, "tensorflow")
    with pytest.raises(tfds_internals.NeedsTensorFlowError, match=r"4\.9\.10 is known"):
        tfds_internals.lazy_tensorflow()
    with pytest.raises(tfds_internals.NeedsTensorFlowError), without_tensorflow():
        pytest.fail("the stand-ins were put nowhere")


def test_a_message_of_another_form_stays_whole():
    error = ValueError("Could not make dataset 'x'.\nDetails follow.")
    assert tfds_internals.plain_reason(error) == "Could not make dataset 'x'."
    assert tfds_internals.plain_reason(ValueError()) == "ValueError"
