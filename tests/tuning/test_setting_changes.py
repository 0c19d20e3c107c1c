from tuning.setting_changes import changed_options


def test_only_what_differs_is_named_in_words_of_the_options():
    bounds = {"parameters": None, "multiply_adds": 2e6, "training_bytes": 2**20}
    stored = {"name": "m", "seed": 0, "budget": bounds, "fixed": {"dropout": 5, "num_latents": 3}}
    now = {**stored, "budget": {**bounds, "multiply_adds": None, "training_bytes": 2**21}}
    now |= {"fixed": {"dropout": 0.1, "num_latents": 3}}
    assert changed_options(stored, now) == [
        "--max-multiply-adds was 2000000, now not given",
        "--max-memory was 1, now 2",
        "--fix dropout was 5, now 0.1",
    ]


def test_switches_lists_and_objectives_are_spelled_as_they_are_given():
    stored = {"skip_corrupt": False, "only": None, "objective": "loss", "direction": "min"}
    now = {"skip_corrupt": True, "only": ["dropout", "sharing"], "objective": "loss"}
    assert changed_options(stored, {**now, "direction": "max"}) == [
        "--skip-corrupt was not given, now given",
        "--only was not given, now dropout,sharing",
        "--objective was min:loss, now max:loss",
    ]
    assert changed_options(now | {"direction": "max"}, now | {"direction": "max"}) == []
