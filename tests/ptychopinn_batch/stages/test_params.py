"""What tasks carry agrees with itself."""

import pytest
from pydantic import ValidationError

from ptychopinn_batch.jobspec import Scan, Simulation
from ptychopinn_batch.stages.params import InputIdentity, PrepareParams, ScanContent

SIMULATED = ScanContent.of(Scan(simulate=Simulation()))
FILE = ScanContent.of(Scan(path="a.npz"))
HASHED = InputIdentity(sha256="0" * 64, size=1)


@pytest.mark.parametrize(
    ("scan", "file", "reader"),
    [
        (SIMULATED, HASHED, "npz 1"),
        (SIMULATED, None, "npz 1"),
        (FILE, None, None),
        (FILE, HASHED, None),
    ],
)
def test_a_scan_to_prepare_is_simulated_or_of_a_file_and_its_reader(scan, file, reader):
    with pytest.raises(ValidationError) as caught:
        PrepareParams(scan=scan, input=file, reader=reader, store_schema=1)
    (error,) = caught.value.errors()
    assert (error["ctx"]["key"], error["msg"], error["ctx"]["mend"]) == (
        "input",
        "a file has an identity and a reader, a simulation has neither",
        "Give both for a file, none for a simulation",
    )


def test_what_a_scan_holds_is_told_without_where_it_lies():
    with pytest.raises(ValidationError) as caught:
        ScanContent(path="a.npz")
    (error,) = caught.value.errors()
    assert (error["ctx"]["key"], error["msg"], error["ctx"]["mend"]) == (
        "path",
        "a scan's content has no name and no path",
        "Use ScanContent.of",
    )
