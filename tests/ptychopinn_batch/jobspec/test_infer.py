"""Tiles and their halos."""


def test_a_halo_is_in_proportion_to_its_tile(spec, refused):
    assert refused(infer={"tile": 64, "halo": 200}) == (
        "halo",
        "a halo of 200 around tiles of 64 repeats most work 25 times",
        "Write a larger tile, a halo up to 2 tiles, or auto",
    )
    assert spec(infer={"tile": 64, "halo": 128}).infer.halo == 128
