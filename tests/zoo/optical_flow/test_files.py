import struct

import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import ZooError
from zoo.optical_flow.files import decode_flo, decode_frame, flo_size, read_flo, write_flo


@pytest.fixture
def flow(random):
    return random.normal(size=(3, 5, 2)).astype("float32")


def test_flo_file_has_middleburys_bytes(tmp_path):
    path = write_flo(tmp_path / "a.flo", np.array([[[1.5, -2.0], [0.0, 4.0]]]))
    expected = b"PIEH" + struct.pack("<ii", 2, 1) + struct.pack("<4f", 1.5, -2.0, 0.0, 4.0)
    assert path.read_bytes() == expected
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.flo"]


def test_flo_file_round_trips(flow, tmp_path):
    path = write_flo(tmp_path / "a.flo", flow)
    np.testing.assert_array_equal(read_flo(path), flow)
    assert flo_size(path) == (3, 5)
    decoded = decode_flo(tf.io.read_file(str(path)), tf.constant([3, 5]))
    np.testing.assert_array_equal(decoded, flow)


def test_unknown_flow_decodes_as_no_number(flow, tmp_path):
    flow[1, 2, 0] = 1.66e9
    content = write_flo(tmp_path / "a.flo", flow).read_bytes()
    decoded = decode_flo(tf.constant(content), tf.constant([3, 5])).numpy()
    assert np.isnan(decoded[1, 2, 0]) and np.isnan(decoded).sum() == 1


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:-4], "5 x 3 pixels take 132 bytes, it has 128"),
        (lambda content: content + b"x", "it has 133"),
        (lambda content: b"PNG!" + content[4:], "it is no .flo file"),
        (lambda content: content[:7], "it is no .flo file"),
        (lambda content: content[:4] + struct.pack("<ii", -5, -3) + content[12:], "-5 x -3"),
    ],
)
def test_damaged_flo_file_names_itself(flow, tmp_path, damage, reason):
    path = write_flo(tmp_path / "a.flo", flow)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ZooError, match=rf"a\.flo: .*{reason}"):
        read_flo(path)


def test_missing_flo_file_names_itself(tmp_path):
    with pytest.raises(ZooError, match="b.flo: No such file"):
        read_flo(tmp_path / "b.flo")


def test_write_flo_rejects_other_shapes(tmp_path):
    with pytest.raises(ValueError, match=r"must have the shape .* Received: shape \(3, 5\)"):
        write_flo(tmp_path / "a.flo", np.zeros((3, 5)))


def test_frames_of_any_kind_decode_to_rgb(random):
    pixels = random.integers(0, 256, (4, 6, 3), np.uint8)
    ppm = b"P6\n6 4\n255\n" + pixels.tobytes()
    np.testing.assert_array_equal(decode_frame(tf.constant(ppm)), pixels)
    np.testing.assert_array_equal(decode_frame(tf.io.encode_png(pixels)), pixels)
    grey = decode_frame(tf.io.encode_png(pixels[..., :1]))
    np.testing.assert_array_equal(grey, pixels[..., [0, 0, 0]])
    transparent = np.concatenate([pixels, pixels[..., :1]], axis=-1)
    np.testing.assert_array_equal(decode_frame(tf.io.encode_png(transparent)), pixels)


@pytest.mark.parametrize("content", [b"P6\n6 4\n255\nshort", b"P6\n6", b"no image", b""])
def test_no_frame_is_an_error_of_tensorflow(content):
    with pytest.raises(tf.errors.OpError):
        decode_frame(tf.constant(content))
