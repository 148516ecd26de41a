from hypothesis import given
from hypothesis import strategies as st
from streamspace_proxy.streamer.steering import MIN_BITRATE
from streamspace_proxy.streamer.webrtc_steering import MAX_BITRATE, START_BITRATE, RtcpSteering, SendRate


def test_a_still_desktop_is_not_taken_for_a_slow_network() -> None:
    steering = RtcpSteering()
    for second in range(60):
        steering.remb(34_000 + 500 * second, sent=25_000, now=second)
        steering.report(0.0, 0.002, sent=25_000, now=second)
    assert steering.bitrate > 10 * START_BITRATE


def test_a_falling_estimate_cuts_at_once_to_what_the_browser_says() -> None:
    steering = RtcpSteering()
    for second in range(5):
        steering.report(0.0, 0.04, sent=4_000_000, now=second)
    steering.remb(5_000_000, sent=6_000_000, now=5)
    assert steering.remb(2_100_000, sent=3_000_000, now=5.2) == 2_100_000


def test_an_estimate_from_quieter_times_does_not_starve_the_viewer() -> None:
    steering = RtcpSteering()
    steering.remb(60_000, sent=4_000_000, now=0)
    assert steering.remb(50_000, sent=4_000_000, now=1) == 3_000_000


def test_loss_and_a_growing_queue_cut_without_any_estimate() -> None:
    steering = RtcpSteering()
    assert steering.report(0.3, 0.04, sent=4_000_000, now=0) == 3_000_000
    assert steering.report(0.3, 0.04, sent=4_000_000, now=0.5) == 3_000_000, "one cut a second"
    assert steering.report(0.0, 0.30, sent=3_000_000, now=2) == 2_250_000


def test_after_congestion_it_grows_slowly_back() -> None:
    steering = RtcpSteering()
    steering.report(0.5, 0.04, sent=4_000_000, now=0)
    for second in range(1, 13):
        steering.report(0.0, 0.04, sent=3_000_000, now=second)
    assert 5_000_000 < steering.bitrate < 7_500_000


@given(
    st.lists(
        st.tuples(
            st.booleans(), st.integers(0, 10**9), st.floats(0, 1), st.floats(0, 5), st.floats(0, 1e9), st.floats(0, 3)
        )
    )
)
def test_it_always_stays_within_bounds(events: list[tuple[bool, int, float, float, float, float]]) -> None:
    steering, now = RtcpSteering(), 0.0
    for is_remb, estimate, lost, round_trip, sent, passed in events:
        now += passed
        if is_remb:
            steering.remb(estimate, sent, now)
        else:
            steering.report(lost, round_trip, sent, now)
        assert MIN_BITRATE <= steering.bitrate <= MAX_BITRATE


def test_the_send_rate_is_that_of_the_last_interval() -> None:
    rate = SendRate()
    assert rate.update(1000, 10.0) == 0
    assert rate.update(126_000, 11.0) == 1_000_000
    assert rate.update(999_999, 11.1) == 1_000_000
