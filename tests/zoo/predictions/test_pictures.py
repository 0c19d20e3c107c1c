import numpy as np
import pytest
import tensorflow as tf

from zoo.predictions.pictures import contact_sheet


def read(path):
    return tf.io.decode_png(path.read_bytes(), channels=3).numpy().astype(int)


def reddish_pixels(picture):
    red, green, blue = np.moveaxis(picture, -1, 0)
    return int(((red > 150) & (green < 80) & (blue < 80)).sum())


def images(count, channels=1):
    return np.random.default_rng(0).integers(0, 256, (count, 5, 4, channels), dtype=np.uint8)


def test_contact_sheet_marks_only_errors_in_red(tmp_path):
    right = contact_sheet(tmp_path / "a" / "right.png", images(5), "abcde", "abcde", columns=3)
    wrong = contact_sheet(tmp_path / "a" / "wrong.png", images(5), "abcde", "abxde", columns=3)
    assert reddish_pixels(read(right)) == 0
    assert reddish_pixels(read(wrong)) > 100
    assert sorted(file.name for file in (tmp_path / "a").iterdir()) == ["right.png", "wrong.png"]


def test_contact_sheet_shows_the_images(tmp_path):
    dark = contact_sheet(tmp_path / "dark.png", images(2, 3) // 8, "ab", "ab", title="t")
    bright = contact_sheet(tmp_path / "bright.png", 255 - images(2, 3) // 8, "ab", "ab", title="t")
    assert read(bright).mean() > read(dark).mean() + 5


def test_contact_sheet_draws_labels_with_dollar_signs(tmp_path):
    labels = ["$x", "a$^$b"]
    assert contact_sheet(tmp_path / "money.png", images(2), labels, labels).is_file()


def test_contact_sheet_wants_a_pair_of_labels_for_each_image(tmp_path):
    with pytest.raises(ValueError, match="same length.*Received: 2, 1 and 2"):
        contact_sheet(tmp_path / "x.png", images(2), "a", "ab")
    with pytest.raises(ValueError, match="at least 1"):
        contact_sheet(tmp_path / "x.png", images(0), "", "")
