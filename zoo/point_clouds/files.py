"""Point clouds and meshes in files: NumPy's arrays by NumPy, all else by trimesh."""

import io
import warnings
import zlib
from pathlib import Path

import numpy as np

from zoo.data.npz_files import read_npz
from zoo.errors import ZooError

MESH_SUFFIXES = (".off", ".ply", ".xyz")
SUFFIXES = (*MESH_SUFFIXES, ".npy", ".npz")


def read_points(path, num_samples):
    """Returns the points of a file.

    Args:
        path: a file, one of:
            `.npy`: an array (n, 3), or (n, more), of which the first three columns count;
            `.npz`: such an array as `points`, or as the only one;
            `.xyz`: lines of three coordinates, more columns are passed over;
            `.off`, `.ply`: a mesh, whose surface is sampled evenly by area, or points alone.
        num_samples: int, how many points of a mesh to sample. Which ones depends on the file's
            bytes alone.

    Returns:
        float32 (n, 3), n at least 1, relative to their mean.

    Raises:
        ZooError: if there is no such file, it cannot be read, holds something else, is empty, or
            has coordinates that are NaN or infinite; or trimesh is not installed.
    """
    path = Path(path).expanduser()
    try:
        content = path.read_bytes()
    except IsADirectoryError as error:
        raise ZooError(f"{path} is a folder, not a point cloud.") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ZooError(f"The point cloud {path} cannot be read: {reason}.") from error
    suffix = path.suffix.lower()
    if suffix in SUFFIXES and not content:
        raise ZooError(f"A point cloud must have at least one point. Received: {path}, empty.")
    if suffix in MESH_SUFFIXES:
        points = _read_geometry(path, content, suffix, num_samples)
    elif suffix in SUFFIXES:
        points = _read_array(path, content)
    else:
        raise ZooError(f"A point cloud must be one of {', '.join(SUFFIXES)}. Received: {path}.")
    return centred(points, path)


def centred(points, where):
    """Returns points relative to their mean, in float32.

    Far from the origin float32 is too coarse for the shape of a cloud, so its mean is taken away
    before. What else is left of place and size, the model's preprocessing takes away.

    Args:
        points: array of numbers (n, 3).
        where: what the points are, for messages.

    Returns:
        float32 (n, 3).

    Raises:
        ZooError: if there are no points, or a coordinate is NaN, infinite or beyond float32.
    """
    if points.shape[0] == 0:
        raise ZooError(f"A point cloud must have at least one point. Received: {where}, empty.")
    points = np.asarray(points, np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        points = (points - points.mean(axis=0)).astype(np.float32)
    if not np.isfinite(points).all():
        raise ZooError(
            "The coordinates of a point cloud must be finite numbers. "
            f"Received: {where}, with NaN or infinite ones."
        )
    return points


def _read_array(path, content):
    if path.suffix.lower() == ".npz":
        arrays = read_npz(path, content)
        if "points" not in arrays and len(arrays) != 1:
            raise ZooError(
                "A point cloud must be the array `points` of an .npz file, or its only one. "
                f"Received: {path} with {', '.join(sorted(arrays)) or 'none'}."
            )
        array = arrays["points"] if "points" in arrays else next(iter(arrays.values()))
    else:
        try:
            array = np.load(io.BytesIO(content), allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ZooError(f"Cannot read {path}: it is no complete .npy file ({error}).") from error
    is_numeric = isinstance(array, np.ndarray) and array.dtype.kind in "fiu"
    if not is_numeric or array.ndim != 2 or array.shape[1] < 3:
        raise ZooError(
            "A point cloud must be numbers of shape (n, 3). "
            f"Received: {path}, {array.dtype} of shape {array.shape}."
        )
    return array[:, :3]


def _read_geometry(path, content, suffix, num_samples):
    """Returns the points of a file that trimesh reads, sampled if it is a mesh."""
    trimesh = _import_trimesh()
    try:
        # Not processed: that would take NaNs away silently.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scene = trimesh.load_scene(
                io.BytesIO(content), file_type=suffix.removeprefix("."), process=False
            )
        geometries = list(scene.geometry.values())
        for geometry in geometries:
            _require_whole(geometry)
    except Exception as error:  # each of its readers fails in its own ways on a corrupt file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ZooError(
            f"Cannot read {path}: it is no complete {suffix} file ({reason})."
        ) from error
    if not geometries:
        return np.zeros((0, 3))
    geometry = geometries[0]  # these files hold one
    points = np.asarray(geometry.vertices)
    if len(getattr(geometry, "faces", ())) == 0 or not np.isfinite(points).all():
        return points
    if not geometry.area > 0:
        raise ZooError(f"A mesh must have a surface of some area. Received: {path}, of none.")
    samples, _ = trimesh.sample.sample_surface(geometry, num_samples, seed=zlib.crc32(content))
    return np.asarray(samples)


def _require_whole(geometry):
    """Raises if trimesh passed over that a file ends early, or a face has a corner that is not."""
    announced = geometry.metadata.get("_ply_raw", {})
    faces = getattr(geometry, "faces", ())
    for name, found in (("vertex", geometry.vertices), ("face", faces)):
        length = announced.get(name, {}).get("length", 0)
        if len(found) < length:
            raise ValueError(f"{len(found)} of {length} elements {name!r}")
    if len(faces) and not 0 <= faces.min() <= faces.max() < len(geometry.vertices):
        raise ValueError("a face has a corner that is none of the points")


def _import_trimesh():
    try:
        import trimesh
    except ImportError as error:
        raise ZooError(
            "Files of meshes and points (.off, .ply, .xyz) need trimesh, which is not installed: "
            "pip install 'perceiver-tf[point_clouds]'."
        ) from error
    return trimesh
