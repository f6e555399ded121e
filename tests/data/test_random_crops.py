"""Random crops are of the whole photo, drawn by (key, index) alone, and resized once."""

import io

import numpy as np
import pytest
from PIL import Image

from jaxcnn.data.array_split import ArraySplit
from jaxcnn.data.batches import train_batches
from jaxcnn.data.decode import DecodeError, decode_and_crop, decode_and_resize, decode_image
from jaxcnn.data.fast_jpeg import FAST, PILLOW
from jaxcnn.data.image_splits import StreamedSplit, decode_split
from jaxcnn.data.preprocessing import Decoding
from jaxcnn.data.random_crops import CropRange, RandomCrops, random_box
from jaxcnn.data.source import Example

RED, GREEN, BLUE = (250, 0, 0), (0, 250, 0), (0, 0, 250)
CROPS = CropRange(0.08, 4 / 3)


class Photos:
    """Wide photos, red at the left and blue at the right of a green centre square."""

    class_names = ("one", "two")

    def __init__(self, count=12, bad=()):
        self.bad, self.count = bad, count
        pixels = np.zeros((30, 90, 3), np.uint8)
        pixels[:, :30], pixels[:, 30:60], pixels[:, 60:] = RED, GREEN, BLUE
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        self.data = file.getvalue()

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        return Example(b"no photo" if i in self.bad else self.data, i % 2, f"photo {i}")


def crops_of(source, **options):
    return RandomCrops(StreamedSplit(source, Decoding(20)), Decoding(10), CROPS, **options)


def jpeg(pixels, orientation=1):
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


def test_boxes_have_the_areas_and_aspects_of_the_paper():
    draws = np.random.default_rng(1)
    boxes = np.array([random_box(draws, 640, 480, CROPS) for _ in range(4000)])
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    assert boxes[:, :2].min() >= 0
    assert (boxes[:, 2:] <= [640, 480]).all()
    assert 0.745 < (width / height).min() < 0.76
    assert 1.32 < (width / height).max() < 1.34
    area = width * height / (640 * 480)
    assert 0.079 < area.min() < 0.09
    # torchvision 0.28's RandomResizedCrop.get_params gave 0.4337 over 200,000 draws: those that do
    # not fit are drawn again, so large crops are rarer than in a uniform draw (0.54).
    assert area.mean() == pytest.approx(0.433, abs=0.01)
    assert boxes[:, 0].min() == 0
    assert boxes[:, 2].max() == 640


def test_a_photo_that_no_crop_fits_gives_the_largest_centred_part():
    draws = np.random.default_rng(0)
    assert random_box(draws, 1000, 9, CropRange(0.5, 4 / 3)) == (494, 0, 506, 9)
    assert random_box(draws, 9, 1000, CropRange(0.5, 4 / 3)) == (0, 494, 9, 506)


@pytest.mark.parametrize("decoder", [PILLOW, FAST])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_part_of_a_photo_is_that_of_the_photo_decoded_whole(decoder, orientation):
    if decoder == FAST:
        pytest.importorskip("simplejpeg")
        pytest.importorskip("cykooz_resizer")
    y, x = np.mgrid[:400, :600]
    pixels = np.stack([x * 0.4, y * 0.6, (x + y) * 0.25], axis=-1).astype(np.uint8)
    data = jpeg(pixels, orientation)
    whole = decode_image(data)
    box = (40, 80, 240, 380)
    found = decode_and_crop(data, 24, lambda *size: box, decoder=decoder)
    part = whole[box[1] : box[3], box[0] : box[2]]
    expected = decode_and_resize(part, 24, "squash")
    # The whole photo is decoded at a half of its size for it, see `decode_and_resize`.
    assert np.abs(found.astype(int) - expected).max() <= 3
    all_of_it = decode_and_crop(data, 24, lambda w, h: (0, 0, w, h), decoder=decoder)
    np.testing.assert_array_equal(all_of_it, decode_and_resize(data, 24, "squash", decoder=decoder))


def test_the_size_that_is_chosen_from_is_that_of_the_upright_photo():
    sizes = []

    def choose(*size):
        sizes.append(size)
        return (0, 0, *size)

    decode_and_crop(jpeg(np.zeros((30, 50, 3), np.uint8), 6), 8, choose)
    decode_and_crop(np.zeros((30, 50), np.uint8), 8, choose)
    assert sizes == [(30, 50), (50, 30)]
    with pytest.raises(DecodeError, match="empty"):
        decode_and_crop(b"", 8, choose)


def test_crops_show_what_lies_beside_the_centre_square():
    split = crops_of(Photos())
    images, present = split.draw(np.arange(12), (0, 0))
    assert present.all()
    assert images.shape == (12, 10, 10, 3)
    seen = {tuple(pixel) for pixel in images.reshape(-1, 3)}
    assert {RED, GREEN, BLUE} <= seen
    stored = {tuple(pixel) for pixel in split.gather(np.arange(12))[0].reshape(-1, 3)}
    assert not {RED, BLUE} & stored


def test_a_draw_depends_on_the_key_and_the_index_alone():
    split = crops_of(Photos())
    first = split.draw(np.arange(12), (0, 5))[0]
    np.testing.assert_array_equal(split.draw(np.array([7, 3]), (0, 5))[0], first[[7, 3]])
    for others in (
        split.draw(np.arange(12), (0, 6))[0],
        split.draw(np.arange(12), (1, 5))[0],
        split.draw(np.arange(12) + 12, (0, 5))[0],  # further copies
    ):
        assert (others != first).any()


def test_a_photo_that_cannot_be_read_is_missing():
    split = crops_of(Photos(bad={4}), max_bad_share=0.5)
    images, present = split.draw(np.arange(12), (0,))
    assert (~present).nonzero()[0].tolist() == [4]
    assert not images[4].any()
    assert [each.name for each in split.skipped] == ["photo 4"]


def test_photos_decoded_beforehand_are_cropped_without_the_bad_ones():
    decoded = decode_split(Photos(bad={0}), Decoding(20), max_bad_share=0.5, progress=False)
    split = RandomCrops(decoded, Decoding(10), CROPS)
    assert split.names == decoded.names
    assert split.draw(np.arange(11), (0,))[1].all()


def test_arrays_have_no_photos():
    arrays = ArraySplit(np.zeros((4, 8, 8, 3), np.uint8), np.zeros(4, np.int32))
    with pytest.raises(ValueError, match="split holds arrays"):
        RandomCrops(arrays, Decoding(8), CROPS)


def test_batches_are_the_same_after_a_resume_and_for_several_processes():
    split = crops_of(Photos())
    options = {"batch_size": 4, "seed": 3, "repeats": 2}
    batches = train_batches(split, **options)
    next(batches)
    state = batches.get_state()
    images = [next(batches).image for _ in range(4)]
    assert len({image.tobytes() for image in images}) == 4
    resumed = train_batches(split, num_threads=0, **options)
    resumed.set_state(state)
    for image in images:
        np.testing.assert_array_equal(next(resumed).image, image)
    parts = [train_batches(split, process_index=p, process_count=2, **options) for p in (0, 1)]
    for part in parts:
        part.set_state(state)
    for image in images:
        np.testing.assert_array_equal(np.concatenate([next(p).image for p in parts]), image)


def test_crops_have_the_shape_of_their_output():
    draws = np.random.default_rng(0)
    boxes = [random_box(draws, 300, 200, CropRange(0.2, 1.25), ratio=0.5) for _ in range(200)]
    ratios = np.array([(right - left) / (bottom - top) for left, top, right, bottom in boxes])
    assert 0.39 < ratios.min() < 0.42
    assert 0.6 < ratios.max() < 0.64
    left, top, right, bottom = random_box(draws, 300, 200, CropRange(1.0, 1.0), ratio=0.5)
    assert (left, top, right, bottom) == (100, 0, 200, 200)
    split = RandomCrops(StreamedSplit(Photos(), Decoding(8)), Decoding((10, 6)), CROPS)
    assert split.draw(np.array([0, 1]), key=(0,))[0].shape == (2, 10, 6, 3)
