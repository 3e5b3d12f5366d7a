"""Tiles and their halos."""


def test_a_halo_is_in_proportion_to_its_tile(spec, complaint):
    assert complaint(infer={"tile": 64, "halo": 200})[0] == "halo"
    assert spec(infer={"tile": 64, "halo": 128}).infer.halo == 128
