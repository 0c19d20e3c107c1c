"""Point clouds and meshes in files: what is read, how meshes are sampled, and bad files."""

import importlib.util
import sys

import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.point_clouds.files import read_points

TWO_TRIANGLES = """{header}6 2 0
0 0 0
3 0 0
0 3 0
10 0 0
11 0 0
10 1 0
3 0 1 2
3 3 4 5
"""
PLY = """ply
format ascii 1.0
element vertex {count}
property float x
property float y
property float z
element face {faces}
property list uchar int vertex_indices
end_header
"""
needs_trimesh = pytest.mark.skipif(
    importlib.util.find_spec("trimesh") is None,
    reason="needs trimesh: pip install 'perceiver-tf[point_clouds]'",
)


@pytest.fixture
def points(random):
    return random.normal(size=(7, 3))


def write(path, text):
    path.write_text(text)
    return path


def centred(points):
    return points - points.mean(axis=0)


def test_arrays_are_read_relative_to_their_mean(points, tmp_path):
    np.save(tmp_path / "a.npy", np.hstack([points, np.ones((7, 3))]))
    np.savez(tmp_path / "b.npz", normals=points[:2], points=points)
    np.savez(tmp_path / "c.npz", anything=points)
    for name in ("a.npy", "b.npz", "c.npz"):
        read = read_points(tmp_path / name, 5)
        assert read.dtype == np.float32
        np.testing.assert_allclose(read, centred(points), atol=1e-6)


@needs_trimesh
def test_text_of_points_is_read(points, tmp_path):
    np.savetxt(tmp_path / "a.xyz", points)
    np.savetxt(tmp_path / "b.xyz", np.hstack([points, np.full((7, 3), 0.5)]))
    rows = "".join(f"{x} {y} {z}\n" for x, y, z in points)
    write(tmp_path / "c.ply", PLY.format(count=7, faces=0) + rows)
    write(tmp_path / "d.off", f"OFF\n7 0 0\n{rows}")
    for name in ("a.xyz", "b.xyz", "c.ply", "d.off"):
        np.testing.assert_allclose(read_points(tmp_path / name, 5), centred(points), atol=1e-5)


@needs_trimesh
@pytest.mark.parametrize("header", ["OFF\n", "OFF", "# a comment\nOFF\n"])
def test_meshes_are_sampled_by_area(header, tmp_path):
    """The areas are 4.5 and 0.5; some of ModelNet's files have the counts behind "OFF"."""
    samples = read_points(write(tmp_path / "two.off", TWO_TRIANGLES.format(header=header)), 4000)
    assert samples.shape == (4000, 3)
    by_x = samples[:, 0] - samples[:, 0].min()
    small = by_x > 6
    assert small.mean() == pytest.approx(0.1, abs=0.02)
    # Evenly over the large triangle: its centroid is the mean.
    large = samples[~small]
    corner = samples.min(axis=0)
    np.testing.assert_allclose((large - corner).mean(axis=0), (1, 1, 0), atol=0.06)
    assert np.ptp(samples[:, 2]) == 0


@needs_trimesh
def test_samples_of_a_mesh_depend_on_its_bytes_alone(tmp_path):
    text = TWO_TRIANGLES.format(header="OFF\n")
    first = read_points(write(tmp_path / "a.off", text), 9)
    np.testing.assert_array_equal(first, read_points(write(tmp_path / "b.off", text), 9))
    assert (first != read_points(write(tmp_path / "c.off", text + "\n"), 9)).any()


@needs_trimesh
def test_a_binary_mesh_is_sampled(tmp_path):
    import trimesh

    box = trimesh.creation.box(extents=(2, 4, 6))
    box.export(tmp_path / "box.ply")
    samples = read_points(tmp_path / "box.ply", 3000)
    samples = samples - (samples.min(axis=0) + samples.max(axis=0)) / 2
    np.testing.assert_allclose(samples.max(axis=0), (1, 2, 3), atol=0.05)
    faces = [np.isclose(np.abs(samples[:, axis]), axis + 1, atol=1e-3).mean() for axis in range(3)]
    np.testing.assert_allclose(faces, np.array([24, 12, 8]) / 44, atol=0.04)


def test_a_cloud_far_from_the_origin_keeps_its_shape(points, tmp_path):
    np.save(tmp_path / "far.npy", points + 5e6)
    np.testing.assert_allclose(read_points(tmp_path / "far.npy", 5), centred(points), atol=1e-5)


BAD_ARRAYS = {
    "two columns": (np.zeros((4, 2)), "numbers of shape \\(n, 3\\). .*shape \\(4, 2\\)"),
    "many clouds": (np.zeros((2, 4, 3)), "numbers of shape \\(n, 3\\). .*shape \\(2, 4, 3\\)"),
    "text": (np.full((4, 3), "a"), "numbers of shape \\(n, 3\\). .*<U1"),
    "empty": (np.zeros((0, 3)), "at least one point. Received: .*, empty"),
    "NaN": (np.array([[1.0, 2, np.nan]]), "must be finite numbers. .*NaN or infinite"),
    "infinite": (np.array([[1.0, 2, 3], [np.inf, 0, 0]]), "must be finite numbers"),
    "beyond float32": (np.array([[1e300, 0, 0], [0, 0, 0]]), "must be finite numbers"),
}


@pytest.mark.parametrize("kind", BAD_ARRAYS)
def test_a_bad_array_is_one_clear_line(kind, tmp_path):
    array, message = BAD_ARRAYS[kind]
    np.save(tmp_path / "bad.npy", array)
    np.savez(tmp_path / "bad.npz", points=array)
    for name in ("bad.npy", "bad.npz"):
        with pytest.raises(ZooError, match=message) as caught:
            read_points(tmp_path / name, 5)
        assert name in str(caught.value) and "\n" not in str(caught.value)


BAD_FILES = {
    "a.off": ("no mesh", "Cannot read .*a.off: it is no complete .off file"),
    "b.off": (TWO_TRIANGLES.format(header="OFF\n")[:30], "no complete .off file"),
    "c.off": ("OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1 9\n", "no complete .off file"),
    "d.off": ("OFF\n3 1 0\n0 0 0\n1 0 0\n2 0 0\n3 0 1 2\n", "a surface of some area. .*of none"),
    "e.off": ("OFF\n3 1 0\n0 0 0\n1 0 nan\n0 1 0\n3 0 1 2\n", "must be finite numbers"),
    "f.xyz": ("1 2 3\n4 five 6\n", "no complete .xyz file"),
    "g.xyz": ("1 2\n4 5\n", "no complete .xyz file"),
    "h.xyz": ("1 2 3\nnan 5 6\n", "must be finite numbers"),
    "i.ply": ("ply\nformat ascii 1.0\n", "no complete .ply file"),
    "j.ply": (PLY.format(count=0, faces=0), "at least one point. .*empty"),
    "k.ply": (PLY.format(count=3, faces=0) + "0 0 0\n1 1 1\n", "no complete .ply file"),
    "m.ply": (PLY.format(count=3, faces=1) + "0 0 0\n1 1 1\n0 1 0\n", "0 of 1 elements 'face'"),
    "n.ply": (
        PLY.format(count=3, faces=1) + "0 0 0\n1 1 1\n0 1 0\n3 0 1 7\n",
        "no complete .ply file",
    ),
    "l.xyz": ("", "at least one point. Received: .*l.xyz, empty"),
}


@needs_trimesh
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_clear_line(name, tmp_path):
    text, message = BAD_FILES[name]
    with pytest.raises(ZooError, match=message) as caught:
        read_points(write(tmp_path / name, text), 5)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_no_file_of_points_is_named(tmp_path):
    with pytest.raises(ZooError, match="missing.off cannot be read: no such file"):
        read_points(tmp_path / "missing.off", 5)
    with pytest.raises(ZooError, match="is a folder, not a point cloud"):
        read_points(tmp_path, 5)
    with pytest.raises(ZooError, match="must be one of .off, .ply, .xyz, .npy, .npz. .*x.stl"):
        read_points(write(tmp_path / "x.stl", ""), 5)
    for name in ("x.npy", "x.npz"):
        with pytest.raises(ZooError, match=f"Cannot read .*{name}: it is no complete {name[1:]}"):
            read_points(write(tmp_path / name, "text"), 5)
    np.savez(tmp_path / "two.npz", a=np.zeros((2, 3)), b=np.zeros((2, 3)))
    with pytest.raises(ZooError, match="the array `points` of an .npz file.*two.npz with a, b"):
        read_points(tmp_path / "two.npz", 5)


def test_without_trimesh_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trimesh", None)
    with pytest.raises(ZooError, match=r"need trimesh.*pip install 'perceiver-tf\[point_clouds\]'"):
        read_points(write(tmp_path / "x.off", "OFF"), 5)
