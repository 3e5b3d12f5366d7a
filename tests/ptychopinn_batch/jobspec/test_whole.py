"""The spec as a whole: what is left out, and rules between its sections."""

from ptychopinn_batch.jobspec import JobSpec


def test_the_smallest_spec_has_a_version_a_name_and_a_scan(spec):
    small = spec()
    assert small.model.pretrained == "default"
    assert small.train is None
    assert small.infer.steps == 16


def test_a_spec_is_equal_to_its_json(spec):
    rich = spec(
        train={"unroll": [2, 4], "lr": 1},
        model={"pretrained": "none"},
        resources={"train": {"time": "1-02:00:00"}},
        sweep={"infer.steps": [8, 16]},
        infer={"halo": 64},
    )
    assert JobSpec.model_validate_json(rich.model_dump_json()) == rich


def test_without_scans_there_is_something_to_train_on_simulations(spec, complaint):
    assert complaint(scans=[])[0] == "scans"
    assert complaint(scans=[], train={"simulated": 0.5})[0] == "scans"
    assert spec(scans=[], train={"simulated": 1}).scans == ()


def test_scans_and_pure_simulation_go_together(spec):
    assert spec(train={"simulated": 1}).train.simulated == 1


def test_scan_names_are_unique(complaint):
    key, message = complaint(scans=[{"path": "a", "name": "x"}, {"path": "b", "name": "x"}])
    assert (key, message) == ("scans.1.name", "two scans are named 'x' (scans.0 and scans.1)")


def test_a_new_network_has_no_weights_to_keep_a_share_of(spec, refused):
    assert refused(model={"pretrained": "none"}, train={"start_share": 0.2}) == (
        "train.start_share",
        "a new network has nothing to keep",
        "Remove the key, or name a pretrained network",
    )
    assert spec(train={"start_share": 0.2}).train.start_share == 0.2


def test_a_new_cnn_is_trained(complaint):
    key, message = complaint(model={"pretrained": "none", "architecture": "cnn"})
    assert (key, message) == (
        "model.architecture",
        "a new 'cnn' is of no use without training",
    )


def test_a_cnn_is_not_trained_on_simulated_regions_of_many_sizes(refused):
    cnn = {"pretrained": "none", "architecture": "cnn"}
    assert refused(model=cnn, train={"simulated": 0.5}) == (
        "train.simulated",
        "a 'cnn' knows one size of frame, simulated regions have many",
        "Write 0, and a simulated scan under scans",
    )


def test_a_cnn_fits_the_frames_it_sees(refused):
    cnn = {"pretrained": "none", "architecture": "cnn"}
    assert refused(model=cnn, train={}, scans=[{"simulate": {"frame_size": 128}}]) == (
        "model.cnn.n",
        "scans.0 has frames of 128 pixels, the network 64",
        "Write 128",
    )
    large = {**cnn, "cnn": {"gridsize": 3}}
    assert refused(model=large, train={"frames_per_region": 8}) == (
        "model.cnn.gridsize",
        "a group holds 9 frames, a region only 8",
        "Write a larger train.frames_per_region",
    )


def test_a_cnn_refines_nothing(complaint):
    cnn = {"pretrained": "none", "architecture": "cnn"}
    key, message = complaint(model=cnn, train={}, refine={})
    assert (key, message) == ("refine", "a 'cnn' has no steps to refine anything between")


def test_a_format_is_exported_once(refused):
    assert refused(export=["npz", "npz"]) == (
        "export",
        "a format is named twice",
        "Name each format once",
    )


def test_every_device_of_a_training_has_its_gpu(spec, refused):
    few = {"train": {"gpus": 1}}
    assert refused(train={"devices": 2}, resources=few) == (
        "resources.train.gpus",
        "train.devices is 2, but the task has 1 GPUs",
        "Write 2, or 0",
    )
    assert spec(train={"devices": 2}, resources={"train": {"gpus": 0}}).train.devices == 2
