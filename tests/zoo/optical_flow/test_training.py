import keras
import numpy as np
import pytest

import zoo


@pytest.mark.slow
def test_tiny_model_learns_warps_of_a_photograph_and_flow_of_another(tmp_path):
    """An untrained model says that nothing moves: its error is that of predicting zero."""
    overrides = {"views_per_pair": 800}
    untrained = zoo.build("perceiver_io_flow_tiny", **overrides)
    motion = [
        np.hypot(flow[..., 0], flow[..., 1]) for _, flow in untrained.pipeline.batches("test", 16)
    ]
    result = zoo.train(
        "perceiver_io_flow_tiny", out=tmp_path / "run", overrides=overrides, epochs=2
    )
    error = result.history["val_end_point_error"][-1]
    assert error < 0.85 * np.mean(np.concatenate(motion))
    keras.backend.clear_session()
