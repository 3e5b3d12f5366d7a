"""A sweep is written in one form."""


def test_a_sweep_has_one_form(spec, refused):
    assert refused(sweep={"zip": {"seed": [1]}, "product": {"seed": [1]}}) == (
        "",
        "a sweep has one form, got product and zip",
        "Keep one of product, zip and list",
    )
    assert spec(sweep={"seed": [1]}) == spec(sweep={"product": {"seed": [1]}})
