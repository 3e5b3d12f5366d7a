"""A sweep is written in one form."""


def test_a_sweep_has_one_form(spec, complaint):
    assert complaint(sweep={"zip": {"seed": [1]}, "product": {"seed": [1]}})[0] == ""
    assert spec(sweep={"seed": [1]}) == spec(sweep={"product": {"seed": [1]}})
