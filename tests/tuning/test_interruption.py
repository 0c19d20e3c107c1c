import signal

import pytest

from tuning.interruption import interruption_told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_kill_end_with_the_same_line(number):
    before = signal.getsignal(signal.SIGTERM)
    with (
        pytest.raises(KeyboardInterrupt, match="All is kept"),
        interruption_told(lambda: "All is kept"),
    ):
        signal.raise_signal(number)
    assert signal.getsignal(signal.SIGTERM) == before


def test_what_ends_by_itself_says_nothing():
    with interruption_told(lambda: pytest.fail("nothing was interrupted")):
        pass
